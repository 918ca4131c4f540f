package bind

import (
	"sync/atomic"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

func TestDialectByRootDSE(t *testing.T) {
	refused := func(b bindtest.Bind) ([]byte, bool) {
		if b.Name == annsName || b.Name == "cn=ann" {
			return b.Reply(49, ""), true
		}
		return b.Reply(0, ""), true
	}
	for _, tt := range []struct {
		name    string
		root    func(bindtest.Search) []byte
		want    Dialect
		lookups Counts
	}{
		{"Active Directory", func(s bindtest.Search) []byte {
			return append(s.Entry("", "supportedControl", "1.2.3", "supportedCapabilities", activeDirectory), s.Done(0)...)
		}, AD, Counts{}},
		{"OpenLDAP with ppolicy", func(s bindtest.Search) []byte {
			return append(s.Entry("", "objectClass", openLDAP, "supportedControl", policyControl), s.Done(0)...)
		}, PPolicy, Counts{NameLookups: 1, Lookups: 1}},
		{"OpenLDAP without", func(s bindtest.Search) []byte {
			return append(s.Entry("", "objectClass", "top", "objectClass", openLDAP), s.Done(0)...)
		}, Attributes, Counts{NameLookups: 1, Lookups: 1}},
		{"another", func(s bindtest.Search) []byte { return append(s.Entry("", "vendorName", "x"), s.Done(0)...) },
			Attributes, Counts{Lookups: 1}},
		{"one that does not say", func(s bindtest.Search) []byte { return s.Done(50) }, Attributes, Counts{Lookups: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			s := bindtest.ScriptSearches(t, refused, func(s bindtest.Search) []byte {
				if s.Base == "" {
					asked.Add(1)
					return tt.root(s)
				}
				return append(s.Entry("cn=ann"), s.Done(0)...)
			})
			cfg := config(t, s)
			cfg.Dialect, cfg.Min = "", 3
			p := open(t, cfg)
			expectAnswer(t, "a refusal", ask(p, annsName, wrongSecret), wrong)
			if got := p.Servers()[0].Dialect; got != tt.want {
				t.Errorf("dialect %q, want %q", got, tt.want)
			}
			if c := p.Counts(); c.NameLookups != tt.lookups.NameLookups || c.Lookups != tt.lookups.Lookups {
				t.Errorf("%d names and %d reasons looked up, want %d and %d", c.NameLookups, c.Lookups, tt.lookups.NameLookups, tt.lookups.Lookups)
			}
			if n := asked.Load(); n < 1 || n > int64(cfg.Min) {
				t.Errorf("the root DSE was read %d times, want once on each of the first connections at most", n)
			}
		})
	}
}

// Sign-ins that come before it is known what they bind as wait for that.
func TestSignInsBeforeTheDialectIsKnown(t *testing.T) {
	hold := make(chan struct{})
	s := bindtest.ScriptSearches(t, func(b bindtest.Bind) ([]byte, bool) {
		if b.Name != "cn=ann" && b.Name != bindtest.ServiceDN {
			t.Errorf("bind of %q", b.Name)
		}
		return b.Reply(0, ""), true
	}, func(s bindtest.Search) []byte {
		if s.Base == "" {
			<-hold
			return append(s.Entry("", "supportedControl", policyControl), s.Done(0)...)
		}
		return append(s.Entry("cn=ann"), s.Done(0)...)
	})
	cfg := config(t, s)
	cfg.Dialect = Auto
	p := Open(cfg)
	defer p.Close()
	var answers []<-chan wire.Result
	for range 5 {
		answers = append(answers, ask(p, annsName, annSecret))
	}
	close(hold)
	for _, answer := range answers {
		expectAnswer(t, "one that waited", answer, accepted)
	}
}

// Nothing is bound without a name, whichever way it comes to that.
func TestNoBindWithoutAName(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	p := open(t, config(t, d.Server))
	server := p.servers[0]
	for _, tt := range []struct {
		name string
		ask  func(*SignIn)
		want wire.Result
	}{
		{"a name that became known", func(s *SignIn) { server.ask(s, s.Taken) }, accepted},
		{"none", func(s *SignIn) {
			server.mu.Lock()
			c := server.idle[0]
			server.idle = server.idle[1:]
			s.retried = true
			c.assign(s, s.Taken, true)
			server.mu.Unlock()
			c.write(s)
		}, unreached},
	} {
		answer := make(chan wire.Result, 1)
		now := time.Now()
		s := &SignIn{User: annsName, Password: []byte(annSecret), Taken: now, Deadline: now.Add(patience), until: now.Add(patience),
			Answer: func(_ *SignIn, r wire.Result) { answer <- r }}
		server.load.Add(1)
		tt.ask(s)
		expectAnswer(t, tt.name, answer, tt.want)
	}
	if n := d.Binds(""); n != 1 {
		t.Errorf("%d binds, want 1", n)
	}
}

// A directory whose answers are wrong in form is left, and a sign-in it had is
// asked again once, where that can be right; the pool goes on.
func TestDirectoriesThatAnswerNonsense(t *testing.T) {
	entry := func(b []byte) []byte { return append([]byte("\x30\x84\x00\x00\x00"), b...) }
	for _, tt := range []struct {
		name  string
		bytes []byte
		keep  bool
	}{
		{"nothing, closed", nil, false},
		{"half an answer, closed", []byte("\x30\x0c\x02\x01\x01"), false},
		{"a size of 2 GiB", []byte("\x30\x84\x7f\xff\xff\xff\x02\x01\x01"), true},
		{"a size of 4 GiB", []byte("\x30\x84\xff\xff\xff\xff\x02\x01\x01"), true},
		{"a size of 64 KiB and one", []byte("\x30\x83\x01\x00\x01\x02\x01\x01"), true},
		{"a value larger than its message", []byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x7f\x04\x00"), true},
		{"an inner size of 2 GiB", []byte("\x30\x0b\x02\x01\x01\x61\x84\x7f\xff\xff\xff\x0a\x00"), true},
		{"a size smaller than its values", []byte("\x30\x05\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), true},
		{"an indefinite size", []byte("\x30\x80\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00\x00"), true},
		{"another protocol", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true},
		{"zeros", make([]byte, 4096), true},
		{"an answer to nobody", []byte("\x30\x0c\x02\x01\x63\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), true},
		{"a search's end", entry([]byte("\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00")), true},
		{"a notice that it goes", []byte("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00"), true},
		{"a negative result", []byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x80\x04\x00\x04\x00"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sane atomic.Bool
			var asked atomic.Int64
			s := bindtest.Answers(t, func(request []byte) ([]byte, bool) {
				asked.Add(1)
				if sane.Load() {
					return []byte("\x30\x0f\x02\x04" + string(request[4:8]) + "\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), true
				}
				return tt.bytes, tt.keep
			})
			cfg := config(t, s)
			p := open(t, cfg)
			expectAnswer(t, "a sign-in", ask(p, annsName, annSecret), unreached)
			if n := asked.Load(); n > 2 {
				t.Errorf("asked %d times, want twice at most", n)
			}
			sane.Store(true)
			eventually(t, "the pool serves again", func() bool { return <-ask(p, annsName, annSecret) == accepted })
		})
	}
}

// The same for searches: a refusal stays one, and a name is not found.
func TestSearchesThatAreAnsweredWithNonsense(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes func(s bindtest.Search) []byte
	}{
		{"a size of 2 GiB", func(bindtest.Search) []byte { return []byte("\x30\x84\x7f\xff\xff\xff\x02\x01\x01") }},
		{"an entry cut short", func(s bindtest.Search) []byte {
			b := s.Entry("cn=ann", "a", "b")
			b[len(b)-2] = 0x7f // the size of the last value
			return b
		}},
		{"a bind's answer", func(bindtest.Search) []byte {
			return []byte("\x30\x0f\x02\x04\x00\x00\x00\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00")
		}},
		{"more entries than asked for", func(s bindtest.Search) []byte {
			var all []byte
			for range 2 * maxFound {
				all = append(all, s.Entry("cn=ann")...)
			}
			return append(all, s.Done(0)...)
		}},
		{"unwilling", func(s bindtest.Search) []byte { return s.Done(53) }},
		{"a notice that it goes", func(bindtest.Search) []byte {
			return []byte("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refuse := func(b bindtest.Bind) ([]byte, bool) {
				if b.Name == bindtest.ServiceDN {
					return b.Reply(0, ""), true
				}
				return b.Reply(49, ""), true
			}
			s := bindtest.ScriptSearches(t, refuse, tt.bytes)
			p := open(t, config(t, s))
			expectAnswer(t, "a refusal", ask(p, annsName, wrongSecret), wrong)
			if c := p.Counts(); c.FailedLookups != 1 {
				t.Errorf("%d look-ups failed, want 1", c.FailedLookups)
			}
			cfg := config(t, s)
			cfg.Names = Names{way: byLookup}
			expectAnswer(t, "a name", ask(open(t, cfg), annsName, annSecret), unreached)
		})
	}
}

// A directory that promises more than it sends is waited for as long as any.
func TestDirectoryThatSendsTooLittle(t *testing.T) {
	s := bindtest.Answers(t, func([]byte) ([]byte, bool) { return []byte("\x30\x83\x00\xff\xf0\x02\x01\x01"), true })
	cfg := config(t, s)
	cfg.BindTimeout = 50 * time.Millisecond
	p := open(t, cfg)
	expectAnswer(t, "a sign-in", ask(p, annsName, annSecret), silent)
}

func FuzzParseFound(f *testing.F) {
	f.Add([]byte("\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00"))
	f.Add([]byte("\x30\x19\x02\x01\x07\x64\x14\x04\x05cn=an\x30\x0b\x30\x09\x04\x02ab\x31\x03\x04\x01c"))
	f.Add([]byte("\x30\x08\x02\x01\x07\x73\x03\x04\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := parseFound(b)
		if err != nil {
			return
		}
		if size, err := frame(b); err != nil || size != len(b) {
			t.Errorf("% x is %d bytes by its frame (%v), and was read whole as %d", b, size, err, len(b))
		}
		n := 0
		found.each(func(name string, value []byte) { n += len(name) + len(value) })
		if found.id < 0 || found.code < 0 || len(found.dn)+n > len(b) {
			t.Errorf("% x was read as %+v", b, found)
		}
		readAccount(&found.entry).reason(time.Now(), time.Hour)
		policyReason(&found.entry, wire.Result_RESULT_WRONG_PASSWORD, time.Now())
	})
}
