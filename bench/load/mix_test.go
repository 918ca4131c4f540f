package load

import (
	"bufio"
	"bytes"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

func people(t testing.TB) *population.Population {
	t.Helper()
	p, err := population.New(population.Spec{Seed: 1, Users: 1000, Domain: "contoso.test", Shares: map[population.State]float64{
		population.Disabled: .02, population.Locked: .01, population.PasswordExpired: .01,
		population.MustChange: .01, population.AccountExpired: .01,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// changedUsers is how many changed their password.
const changedUsers = 50

var everyone = map[scenarios.Intent]float64{
	scenarios.IntentRight: .5, scenarios.IntentOld: .1, scenarios.IntentWrong: .1, scenarios.IntentDisabled: .1, scenarios.IntentLocked: .05,
	scenarios.IntentExpired: .05, scenarios.IntentMustChange: .03, scenarios.IntentAccountExpired: .02,
	scenarios.IntentUnknown: .05,
}

func TestMixKeepsItsShares(t *testing.T) {
	p := people(t)
	m, err := newMix(p, everyone, changedUsers, 42)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := newMix(p, everyone, changedUsers, 42)
	other, _ := newMix(p, everyone, changedUsers, 43)
	const n = 50_000
	counts := make([]float64, len(kinds))
	users, old := map[uint32]bool{}, map[uint32]bool{}
	same := 0
	for seq := range uint32(n) {
		kind, user := m.at(seq)
		counts[kind]++
		switch kinds[kind].intent {
		case scenarios.IntentRight:
			users[user] = true
		case scenarios.IntentOld:
			old[user] = true
		}
		if k, u := again.at(seq); k != kind || u != user {
			t.Fatalf("arrival %d is %d/%d, then %d/%d", seq, kind, user, k, u)
		}
		if k, u := other.at(seq); k == kind && u == user {
			same++
		}
		k := kinds[kind]
		if !k.unknown && p.State(int(user)) != k.state {
			t.Fatalf("arrival %d: %s chose a user who is %s", seq, k.intent, p.State(int(user)))
		}
		if _, known := p.Index(m.upn(kind, user)); known == k.unknown {
			t.Fatalf("arrival %d: %s chose %s", seq, k.intent, m.upn(kind, user))
		}
		if seq%16 != 0 {
			continue // passwords are slow to derive
		}
		right := !k.unknown && m.password(kind, user) == p.Password(int(user))
		if right == (k.wrong || k.old || k.unknown) {
			t.Fatalf("arrival %d: %s typed the right password: %v", seq, k.intent, right)
		}
		if former := m.password(kind, user) == p.PreviousPassword(int(user)); former != k.old {
			t.Fatalf("arrival %d: %s typed the former password: %v", seq, k.intent, former)
		}
	}
	for i, k := range kinds {
		want := everyone[k.intent] * n
		if off := math.Abs(counts[i] - want); off > 5*math.Sqrt(want) {
			t.Errorf("%s: %v of %d, want about %v", k.intent, counts[i], n, want)
		}
	}
	if active := len(p.In(population.Active)); len(users) != active {
		t.Errorf("%d of %d active users signed in", len(users), active)
	}
	for _, i := range p.Changed(changedUsers) {
		if !old[uint32(i)] {
			t.Errorf("user %d changed the password and never typed the former one", i)
		}
	}
	if len(old) != changedUsers {
		t.Errorf("%d users typed a former password, %d changed it", len(old), changedUsers)
	}
	if same > n/50 {
		t.Errorf("another seed chose the same user for %d arrivals of %d", same, n)
	}
}

func TestImpossibleMixesAreRefused(t *testing.T) {
	allActive, err := population.New(population.Spec{Seed: 1, Users: 10, Domain: "contoso.test"})
	if err != nil {
		t.Fatal(err)
	}
	for want, shares := range map[string]map[scenarios.Intent]float64{
		"no user is locked":                   {scenarios.IntentRight: .5, scenarios.IntentLocked: .5},
		"no active user changed the password": {scenarios.IntentRight: .5, scenarios.IntentOld: .5},
		"add up to 0.5":                       {scenarios.IntentRight: .5},
		"expected 0 to 1":                     {scenarios.IntentRight: 1.5, scenarios.IntentWrong: -.5},
		`intent "sleepwalker"`:                {scenarios.IntentRight: 1, "sleepwalker": 0},
	} {
		if _, err := newMix(allActive, shares, 0, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", shares, err, want)
		}
	}
}

// TestStaleStore holds how answers from a hash store that has former passwords
// are judged: it lets those in and refuses who types the right one.
func TestStaleStore(t *testing.T) {
	p := people(t)
	m, err := newMix(p, map[scenarios.Intent]float64{scenarios.IntentRight: .5, scenarios.IntentOld: .5}, changedUsers, 1)
	if err != nil {
		t.Fatal(err)
	}
	changed := map[uint32]bool{}
	for _, i := range p.Changed(changedUsers) {
		changed[uint32(i)] = true
	}
	judged := map[results.Judgement]int{}
	for seq := range uint32(1000) {
		kind, user := m.at(seq)
		kept, want := p.Password(int(user)), results.Right
		if changed[user] {
			kept, want = p.PreviousPassword(int(user)), results.WrongRefusal
			if kinds[kind].intent == scenarios.IntentOld {
				want = results.WrongAccept
			}
		}
		s := results.Sample{Path: results.PathHashSync, Outcome: results.OutcomeRefused, Code: 50126}
		if m.password(kind, user) == kept {
			s.Outcome, s.Code = results.OutcomeAccepted, 0
		}
		if got := judge(&s, kinds[kind].truth, false); got != want {
			t.Errorf("%s, changed %v: judged %d, want %d", kinds[kind].intent, changed[user], got, want)
		}
		judged[want]++
	}
	if len(judged) != 3 {
		t.Errorf("judgements %v, want some right, some wrong accepts and some wrong refusals", judged)
	}
}

func TestTruth(t *testing.T) {
	for intent, want := range map[scenarios.Intent]uint32{
		"right": 0, "wrong": 50126, "disabled": 50057, "locked": 50053, "expired": 50144,
		"must-change": 50144, "account-expired": 50057, "unknown": 50034, "old": 50126,
	} {
		if got, err := truth(intent); got != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", intent, got, err, want)
		}
	}
	if _, err := truth("asleep"); err == nil {
		t.Error("an intent that does not exist has a truth")
	}
}

func TestRequest(t *testing.T) {
	to, _ := url.Parse("https://login.test:8443/contoso/oauth2/v2.0/token")
	p := newPost(to, "openid", true)
	const user, password = "o'brien+1@contoso.test", "p#7 &=%ü+"
	id := p.id(0xdeadbeef)
	made := p.request(0xdeadbeef, user, password)
	sent := bytes.NewBuffer(made.append(nil))
	buffered := bufio.NewReader(sent)
	req, err := http.ReadRequest(buffered)
	if err != nil {
		t.Fatal(err)
	}
	if req.Method != http.MethodPost || req.RequestURI != to.RequestURI() || req.Host != to.Host || req.Close || string(made.id[:]) != id {
		t.Errorf("%s %s%s, close %v, id %s", req.Method, req.Host, req.RequestURI, req.Close, made.id)
	}
	if got := req.Header.Get("client-request-id"); got != id || len(id) != 36 || !strings.HasSuffix(id, "deadbeef") || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) {
		t.Errorf("client-request-id %q, id %q", got, id)
	}
	if other := newPost(to, "openid", true).id(0xdeadbeef); other == id {
		t.Error("two runs share an id")
	}
	if err := req.ParseForm(); err != nil {
		t.Fatal(err)
	}
	if rest := buffered.Buffered() + sent.Len(); rest != 0 {
		t.Errorf("%d bytes after the request", rest)
	}
	for field, want := range map[string]string{"grant_type": "password", "username": user, "password": password, "scope": "openid"} {
		if got := req.PostForm.Get(field); got != want {
			t.Errorf("%s %q, want %q", field, got, want)
		}
	}

	once := newPost(to, "openid", false).request(1, user, password)
	if req, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(once.append(nil)))); err != nil || !req.Close {
		t.Errorf("on a connection for one sign-in: %v, and it does not say so", err)
	}
}

func BenchmarkRequest(b *testing.B) {
	m, err := newMix(people(b), everyone, changedUsers, 1)
	if err != nil {
		b.Fatal(err)
	}
	to, _ := url.Parse("https://login.test:8443/contoso/oauth2/v2.0/token")
	p := newPost(to, "openid", true)
	b.ReportAllocs()
	seq := uint32(0)
	var buf []byte
	for b.Loop() {
		seq++
		kind, user := m.at(seq)
		req := p.request(seq, m.upn(kind, user), m.password(kind, user))
		buf = req.append(buf[:0])
	}
}
