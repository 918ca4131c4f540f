package hashsync

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNames: whoever lost a name leaves the cloud by it, for the range of numbers
// in which that was, also after the agent was killed; unless somebody else has
// that name.
func TestNames(t *testing.T) {
	tests := map[string]struct {
		seen     []sighting
		from, to uint64
		want     string
	}{
		"deleted":                    {[]sighting{{"1", "", 10, 0}}, 1, 20, "ann@a.test"},
		"deleted later":              {[]sighting{{"1", "", 30, 0}}, 1, 20, ""},
		"deleted before":             {[]sighting{{"1", "", 10, 0}}, 11, 20, ""},
		"seen twice":                 {[]sighting{{"1", "", 10, 0}, {"1", "", 15, 0}}, 1, 20, "ann@a.test"},
		"never known":                {[]sighting{{"9", "", 10, 0}}, 1, 20, ""},
		"renamed":                    {[]sighting{{"1", "eve@a.test", 10, 0}}, 1, 20, "ann@a.test"},
		"renamed, and deleted":       {[]sighting{{"1", "eve@a.test", 10, 0}, {"1", "", 11, 0}}, 1, 20, "ann@a.test eve@a.test"},
		"renamed, and back":          {[]sighting{{"1", "eve@a.test", 10, 0}, {"1", "ann@a.test", 11, 0}}, 1, 20, "eve@a.test"},
		"in other letter case":       {[]sighting{{"1", "Ann@a.test", 10, 0}}, 1, 20, ""},
		"made again":                 {[]sighting{{"1", "", 10, 0}, {"9", "ANN@a.test", 11, 0}}, 1, 20, ""},
		"made again, seen first":     {[]sighting{{"9", "ann@a.test", 11, 0}, {"1", "", 10, 0}}, 1, 20, ""},
		"made again, deleted again":  {[]sighting{{"1", "", 10, 0}, {"9", "ann@a.test", 11, 0}, {"9", "", 12, 0}}, 12, 20, "ann@a.test"},
		"two change places":          {[]sighting{{"1", "bob@a.test", 10, 0}, {"2", "ann@a.test", 11, 0}}, 1, 20, ""},
		"restored from the deleted":  {[]sighting{{"1", "", 10, 0}, {"1", "ann@a.test", 11, 0}}, 1, 20, ""},
		"two are deleted":            {[]sighting{{"1", "", 10, 0}, {"2", "", 20, 0}}, 1, 20, "ann@a.test bob@a.test"},
		"one without a name gets it": {[]sighting{{"9", "", 10, 0}, {"9", "eve@a.test", 11, 0}}, 1, 20, ""},
	}
	all := func() ([]sighting, error) {
		return []sighting{{"1", "ann@a.test", 1, 0}, {"2", "bob@a.test", 2, 0}, {"3", "", 3, 0}}, nil
	}
	for about, tt := range tests {
		t.Run(about, func(t *testing.T) {
			dir := t.TempDir()
			n, err := openNames(dir, "database", all)
			if err != nil {
				t.Fatal(err)
			}
			lost := func() string {
				var upns []string
				for _, c := range n.lostIn(tt.from, tt.to) {
					if !c.deleted {
						t.Errorf("%s is not deleted", c.upn)
					}
					upns = append(upns, c.upn)
				}
				slices.Sort(upns)
				return strings.Join(upns, " ")
			}
			for _, s := range tt.seen {
				if err := n.see([]sighting{s}); err != nil {
					t.Fatal(err)
				}
			}
			if got := lost(); got != tt.want {
				t.Errorf("%q leave the cloud, want %q", got, tt.want)
			}
			n.close()
			torn, err := os.OpenFile(filepath.Join(dir, namesFile), os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = torn.WriteString(`{"id":"1","u`) // as a kill may leave it
				err = errors.Join(err, torn.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			// The second time proves that the torn line is gone from the file.
			for range 2 {
				n, err = openNames(dir, "database", func() ([]sighting, error) { return nil, errors.New("asked again") })
				if err != nil {
					t.Fatal(err)
				}
				if got := lost(); got != tt.want {
					t.Errorf("when opened again %q leave the cloud, want %q", got, tt.want)
				}
				if err := n.see([]sighting{{"later", "later@a.test", 99, 0}}); err != nil {
					t.Fatal(err)
				}
				n.close()
			}
		})
	}
}

// TestNamesOfAnother: what was known of one database says nothing of another,
// and a file that is damaged is not taken for an empty one.
func TestNamesOfAnother(t *testing.T) {
	dir := t.TempDir()
	open := func(database, upn string) (*names, error) {
		return openNames(dir, database, func() ([]sighting, error) { return []sighting{{"1", upn, 1, 0}}, nil })
	}
	for _, who := range []string{"ann", "bob"} {
		n, err := open("database of "+who, who)
		if err != nil {
			t.Fatal(err)
		}
		if n.of["1"] != who || len(n.of) != 1 || len(n.lost) != 0 {
			t.Errorf("of %s: %+v", who, n)
		}
		n.close()
	}
	for _, text := range []string{"{\n", "{}\n", `{"format":2,"database":"database of bob"}` + "\n", `{"format":1,"database":"database of bob"}` + "\n{\n"} {
		if err := os.WriteFile(filepath.Join(dir, namesFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open("database of bob", "eve"); err == nil || !strings.Contains(err.Error(), namesFile) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
