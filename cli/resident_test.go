package cli

import (
	"slices"
	"testing"
)

const smaps = `00400000-00d9c000 r-xp 00000000 08:01 17 /opt/with space/ptabench
Size:               9840 kB
Rss:                8756 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00d9c000-0180a000 r--p 0099c000 08:01 17 /opt/with space/ptabench
Rss:                9356 kB
Anonymous:             4 kB
01900000-01910000 r--p 0099c000 08:01 17 /opt/with space/ptabench
Anonymous:             0 kB
0180a000-01886000 rw-p 0140a000 08:01 17 /opt/with space/ptabench
Anonymous:             0 kB
7f0000000000-7f0000010000 r--p 00000000 08:01 18 /opt/with space/ptabench.old
Anonymous:             0 kB
7f0000020000-7f0000030000 r--p 00000000 00:00 0
Anonymous:             0 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
Anonymous:             0 kB
`

// What was written to, another program's and what may be written to stays.
func TestProgramMappings(t *testing.T) {
	want := []mapping{{0x400000, 0xd9c000}, {0x1900000, 0x1910000}}
	if got := programMappings([]byte(smaps), "/opt/with space/ptabench"); !slices.Equal(got, want) {
		t.Errorf("%x; expected %x", got, want)
	}
	if got := programMappings([]byte("nonsense\n\n: :\n"), "/opt/ptabench"); got != nil {
		t.Errorf("of nonsense: %x", got)
	}
}

// A program goes on after it gave its own pages back.
func TestReleaseProgram(t *testing.T) {
	for range 3 {
		if err := releaseProgram(); err != nil {
			t.Fatal(err)
		}
	}
}
