package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A device has no browser: it shows a code, and its user signs in on another
// one (RFC 8628).
type device struct {
	key      hashOf // of the device code
	userCode string
	client   Client
	tenant   string // whose users may
	from     string // client address that asked
	scopes   []string
	expires  time.Time
	interval time.Duration // between its polls at least
	polled   time.Time     // last
	state    deviceState
	issued   grant
}

type hashOf = [sha256.Size]byte

type deviceState int

const (
	devicePending deviceState = iota
	deviceDeclined
	deviceGranted
)

// devices are those that wait.
type devices struct {
	mu     sync.Mutex
	byCode map[hashOf]*device
	byUser map[string]*device
}

// userCodeLetters are those of RFC 8628 section 6.1: no vowels, so that no code
// is a word.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func newUserCode() string {
	var b [9]byte
	for i := range b {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters)))) // never fails
		b[i] = userCodeLetters[n.Int64()]
	}
	b[4] = '-'
	return string(b[:])
}

// readUserCode takes a code as people type it.
func readUserCode(text string) (string, bool) {
	if len(text) > 40 {
		return "", false
	}
	var b []byte
	for _, r := range strings.ToUpper(text) {
		switch {
		case r == ' ' || r == '-':
		case r < 0x80 && strings.ContainsRune(userCodeLetters, r):
			b = append(b, byte(r))
		default:
			return "", false
		}
	}
	if len(b) != 8 {
		return "", false
	}
	return string(b[:4]) + "-" + string(b[4:]), true
}

// devicesOfOne is how many may wait that one client address asked for: nobody
// alone uses up what there is for all.
const devicesOfOne = 100

// add keeps a new device, unless there are as many as there may be.
func (ds *devices) add(d *device, now time.Time, bound int) (code string, ok bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	same := 0
	for key, old := range ds.byCode {
		switch {
		case now.After(old.expires.Add(time.Minute)): // until then it is told so
			delete(ds.byCode, key)
			delete(ds.byUser, old.userCode)
		case old.from == d.from:
			same++
		}
	}
	if len(ds.byCode) >= bound || same >= devicesOfOne {
		return "", false
	}
	code = rand.Text() + rand.Text()
	d.key = sha256.Sum256([]byte(code))
	for d.userCode = newUserCode(); ds.byUser[d.userCode] != nil; d.userCode = newUserCode() {
	}
	ds.byCode[d.key], ds.byUser[d.userCode] = d, d
	return code, true
}

// find is a copy of what a user code is for, while it can be used.
func (ds *devices) find(userCode string, now time.Time) (d device, code int) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	found := ds.byUser[userCode]
	switch {
	case found == nil || found.state != devicePending:
		return d, codeDeviceUnknown
	case !now.Before(found.expires):
		return d, codeDeviceExpired
	}
	return *found, 0
}

// settle says what has become of a device that waits.
func (ds *devices) settle(userCode string, now time.Time, state deviceState, g grant) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d := ds.byUser[userCode]
	if d == nil || d.state != devicePending || !now.Before(d.expires) {
		return false
	}
	d.state, d.issued = state, g
	return true
}

// poll is what a device hears when it asks. A grant is given once.
func (ds *devices) poll(code, client string, now time.Time) (grant, *Problem) {
	if len(code) > 256 {
		return grant{}, invalidGrant(codeDeviceUnknown, "device-code-unknown", "The device code is not known.")
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d := ds.byCode[sha256.Sum256([]byte(code))]
	if d == nil || d.client.ID != client {
		return grant{}, invalidGrant(codeDeviceUnknown, "device-code-unknown", "The device code is not known.")
	}
	if !now.Before(d.expires) {
		return grant{}, &Problem{http.StatusBadRequest, "expired_token", codeDeviceExpired, "device-code-expired", "The device code has expired."}
	}
	// Whoever has an answer gets it, however fast it asked: some libraries know
	// one pace of their own.
	switch d.state {
	case deviceDeclined:
		ds.drop(d)
		return grant{}, &Problem{http.StatusBadRequest, "access_denied", codeDeclined, "", "The user declined."}
	case deviceGranted:
		ds.drop(d)
		return d.issued, nil
	}
	last := d.polled
	d.polled = now
	// A tenth is left to the way between.
	if !last.IsZero() && now.Sub(last) < d.interval-d.interval/10 {
		d.interval += 5 * time.Second // section 3.5
		return grant{}, &Problem{http.StatusBadRequest, "slow_down", codeSlowDown, "device-too-fast", "Polled too soon; wait 5 seconds longer from now on."}
	}
	return grant{}, &Problem{http.StatusBadRequest, "authorization_pending", codePending, "", "The user has not signed in yet; ask again."}
}

func (ds *devices) drop(d *device) {
	delete(ds.byCode, d.key)
	delete(ds.byUser, d.userCode)
}

func (s *Surface) pollDevice(client Client, p map[string]string) (grant, *Problem) {
	if p["device_code"] == "" {
		return grant{}, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter device_code.")
	}
	return s.devices.poll(p["device_code"], client.ID, s.now())
}

// deviceAnswer is RFC 8628 section 3.2, with the message of the real service.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int64  `json:"expires_in"` // seconds
	Interval   int64  `json:"interval"`   // seconds
	Message    string `json:"message"`
}

// deviceAuthorization is the device authorization endpoint.
func (s *Surface) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	d, problem := s.newDevice(w, r)
	if problem != nil {
		s.refuse(w, problem)
		return
	}
	now := s.now()
	d.expires, d.interval = now.Add(s.limits.DeviceTime), s.limits.PollInterval
	code, ok := s.devices.add(d, now, s.limits.Devices)
	if !ok {
		w.Header().Set("Retry-After", "60")
		s.refuse(w, &Problem{http.StatusServiceUnavailable, "temporarily_unavailable", codeBusy, "too-many-devices", "Too many devices wait; try again later."})
		return
	}
	page := "https://" + s.host + "/device"
	writeJSON(w, http.StatusOK, deviceAnswer{
		DeviceCode: code, UserCode: d.userCode, URI: page, Complete: page + "?user_code=" + d.userCode,
		Expires: seconds(s.limits.DeviceTime), Interval: max(1, seconds(s.limits.PollInterval)),
		Message: "To sign in, use a web browser to open the page " + page + " and enter the code " + d.userCode + " to authenticate.",
	})
}

func (s *Surface) newDevice(w http.ResponseWriter, r *http.Request) (*device, *Problem) {
	tenant := r.PathValue("tenant")
	t, found := s.cloud.Tenant(tenant)
	if !found && !AnyTenant(tenant) {
		return nil, invalidRequest(codeTenant, "unknown-tenant", "Tenant not found.")
	}
	if !s.pace.allows("device "+clientOf(r), s.now()) {
		w.Header().Set("Retry-After", "10")
		return nil, &Problem{http.StatusTooManyRequests, "temporarily_unavailable", codeBusy, "too-many-device-requests", "Too many device codes were asked for from this address."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		return nil, invalidRequest(codeMalformed, "malformed-form", "The form can't be read.")
	}
	p, problem := single(r.PostForm)
	if problem != nil {
		return nil, problem
	}
	client := s.clients[p["client_id"]]
	if !client.Devices {
		return nil, &Problem{http.StatusBadRequest, "unauthorized_client", codeClient, "unknown-client", "The application is not known, or may not use device codes."}
	}
	if len(p["scope"]) > maxScope {
		return nil, invalidRequest(codeMalformed, "oversized-parameter", "A parameter is too long.")
	}
	scopes, problem := grantable(strings.Fields(p["scope"]))
	if problem != nil {
		return nil, problem
	}
	return &device{client: client, tenant: t.Name, from: clientOf(r), scopes: scopes}, nil
}

// devicePage is where the user types the code, signs in, and agrees.
func (s *Surface) devicePage(v *visit) {
	const purposeName = "device"
	typed := v.r.URL.Query().Get("user_code")
	if v.form != nil {
		typed = v.form.Get("user_code")
	}
	ask := func(v *visit, code int) { // a visit of its own: who is sent away comes back in another
		shown, _ := readUserCode(typed)
		s.show(v, view{Step: stepCode, User: shown, Code: code, Action: "/device", CSRF: v.seal(purposeName)}, http.StatusOK)
	}
	if v.form == nil {
		ask(v, 0)
		return
	}
	userCode, readable := readUserCode(typed)
	// Only with the first form may a code be tried, and that is counted.
	first, bound := v.form.Get("step") == stepCode, purposeName
	if !first {
		bound += " " + userCode
	}
	if !v.sealed(bound) {
		s.denied("sign-in-form-expired", v)
		ask(v, codeFormExpired)
		return
	}
	if guesser := "client " + clientOf(v.r); first {
		if !s.guesses.enter(guesser, v.now) {
			s.denied("user-code-guessed", v)
			ask(v, codeBusy)
			return
		}
		if _, code := s.devices.find(userCode, v.now); code == 0 {
			s.guesses.undecided(guesser)
		}
	}
	d, code := s.devices.find(userCode, v.now)
	if !readable || code != 0 {
		s.denied("user-code-wrong", v)
		if !readable {
			code = codeDeviceUnknown
		}
		ask(v, code)
		return
	}
	if first { // the sign-in begins
		v.form = nil
	}
	s.signIn(v, &purpose{
		name: purposeName + " " + userCode, action: "/device", hidden: map[string]string{"user_code": userCode},
		tenant: d.tenant, client: d.client.Name, scopes: d.scopes, agree: true,
		finish: func(v *visit, in *session) {
			if !s.devices.settle(userCode, v.now, deviceGranted, grantTo(in, d.client.ID, "", d.scopes)) {
				ask(v, codeDeviceExpired)
				return
			}
			s.log.Info("device signed in", "client", d.client.ID, "tenant", in.Tenant, "user", in.User, "request_id", v.id)
			s.tell(v, "Signed in", "You have signed in to "+d.client.Name+". You may now close this page, and go on where the code was shown.")
		},
		cancel: func(v *visit) {
			s.devices.settle(userCode, v.now, deviceDeclined, grant{})
			s.tell(v, "Not signed in", "You did not sign in. You may now close this page.")
		},
	})
}

// refuse answers a client that speaks JSON.
func (s *Surface) refuse(w http.ResponseWriter, p *Problem) {
	s.cloud.Denied(p.Reason)
	s.log.Debug("device authorization", "refused", p.Reason)
	writeJSON(w, p.Status, map[string]any{"error": p.Word, "error_codes": []int{p.Code},
		"error_description": "AADSTS" + strconv.Itoa(p.Code) + ": " + p.Text})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may have gone
}
