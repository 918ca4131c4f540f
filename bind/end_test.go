package bind

import (
	"bytes"
	"testing"
	"time"

	"ptabench/bind/bindtest"
)

func TestCloseAnswersWhatIsLeft(t *testing.T) {
	d := bindtest.NewDirectory(t, nil)
	release := d.Hold()
	defer release()
	cfg := config(t, d.Server)
	cfg.Max = 1
	p := open(t, cfg)
	a, b := ask(p, annsName, annSecret), ask(p, annsName, annSecret)
	p.Close()
	expectAnswer(t, "bound", a, unreached)
	expectAnswer(t, "waiting", b, unreached)
	expectAnswer(t, "too late", ask(p, annsName, annSecret), unreached)
}

func TestPasswordIsWiped(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	p := open(t, config(t, d.Server))
	for _, password := range []string{annSecret, wrongSecret} {
		given := []byte(password)
		<-ask(p, annsName, "", func(s *SignIn) { s.Password = given })
		if !bytes.Equal(given, make([]byte, len(given))) {
			t.Errorf("after the answer the password of %d bytes is still in memory", len(given))
		}
	}
	eventually(t, "the written requests are wiped", func() bool {
		server := p.servers[0]
		server.mu.Lock()
		defer server.mu.Unlock()
		for c := range server.conns {
			c.writing.Lock()
			all := c.out[:cap(c.out)]
			c.writing.Unlock()
			if bytes.Contains(all, []byte(annSecret)) || bytes.Contains(all, []byte(wrongSecret)) {
				return false
			}
		}
		return true
	})
}

func TestFifo(t *testing.T) {
	var f fifo
	all := make([]*SignIn, 300)
	for i := range all {
		all[i] = &SignIn{ID: uint64(i), until: time.Unix(int64(i%2), 0)}
	}
	for i, s := range all[1:] {
		f.push(s)
		if i%3 == 0 {
			f.push(f.pop()) // moves the head around the ring
		}
	}
	f.pushFront(all[0])
	out := f.hopeless(time.Unix(1, 0))
	if f.len()+len(out) != 300 || len(out) != 300 {
		t.Fatalf("%d stayed and %d are over, want 0 and 300", f.len(), len(out))
	}
	seen := map[uint64]bool{}
	for _, s := range out {
		seen[s.ID] = true
	}
	if len(seen) != 300 || out[0] != all[0] {
		t.Errorf("%d different ones came out, the first %d; want 300, the first 0", len(seen), out[0].ID)
	}
	for _, s := range all {
		f.push(s)
	}
	if out = f.hopeless(time.Unix(0, 5)); len(out) != 150 || f.len() != 150 || f.pop() != all[1] || f.pop() != all[3] {
		t.Errorf("%d over and %d left, want 150 each, in order", len(out), f.len())
	}
	if f.drain() == nil || f.pop() != nil {
		t.Error("a drained queue still holds sign-ins")
	}
}
