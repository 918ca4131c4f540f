package door

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func open(t *testing.T, address string) *Door {
	t.Helper()
	d, err := Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Listener().Close() })
	return d
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		":0": "127.0.0.1:0", ":8080": "127.0.0.1:8080", "8080": "127.0.0.1:8080", "0.0.0.0:8080": "0.0.0.0:8080",
		"[::1]:80": "[::1]:80", "build-host:80": "build-host:80",
		"": "", ":": "", ":x": "", ":70000": "", "host": "", ":-1": "", "::1:80": "",
	} {
		got, err := Address(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "expected :PORT") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Who comes in, and who does not.
func TestGuard(t *testing.T) {
	d := open(t, "127.0.0.1:0")
	host := d.Listener().Addr().String()
	cookie := d.cookie() + "=" + d.session
	guarded := d.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	const in = http.StatusTeapot
	for name, c := range map[string]struct {
		method, target, host string
		headers              map[string]string
		want                 int
	}{
		"nobody":                        {"GET", "/", host, nil, 401},
		"with the cookie":               {"GET", "/", host, map[string]string{"Cookie": cookie}, in},
		"with the token":                {"GET", "/?token=" + d.token, host, nil, 303},
		"with half of the token":        {"GET", "/?token=" + d.token[:13], host, nil, 401},
		"with another cookie":           {"GET", "/", host, map[string]string{"Cookie": d.cookie() + "=x"}, 401},
		"with the token as the cookie":  {"GET", "/", host, map[string]string{"Cookie": d.cookie() + "=" + d.token}, 401},
		"a program":                     {"GET", "/", host, map[string]string{"Authorization": "Bearer " + d.token}, in},
		"a program with a wrong token":  {"GET", "/", host, map[string]string{"Authorization": "Bearer x"}, 401},
		"localhost":                     {"GET", "/", "localhost:99", map[string]string{"Cookie": cookie}, in},
		"IPv6":                          {"GET", "/", "[::1]:99", map[string]string{"Cookie": cookie}, in},
		"no port":                       {"GET", "/", "127.0.0.1", map[string]string{"Cookie": cookie}, in},
		"a rebound name":                {"GET", "/", "evil.test", map[string]string{"Cookie": cookie}, 421},
		"a rebound name with the token": {"GET", "/?token=" + d.token, "evil.test:80", nil, 421},
		"a name that looks like one":    {"GET", "/", "127.0.0.1.evil.test", map[string]string{"Cookie": cookie}, 421},
		"localhost of somebody":         {"GET", "/", "localhost.evil.test", map[string]string{"Cookie": cookie}, 421},
		"the button":                    {"POST", "/stop?csrf=" + d.csrf, host, map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}, in},
		"the button by Origin":          {"POST", "/stop?csrf=" + d.csrf, host, map[string]string{"Cookie": cookie, "Origin": "http://" + host}, in},
		"without the csrf value":        {"POST", "/stop", host, map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}, 403},
		"from another site":             {"POST", "/stop?csrf=" + d.csrf, host, map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}, 403},
		"from another port":             {"POST", "/stop?csrf=" + d.csrf, host, map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-site"}, 403},
		"from another Origin":           {"POST", "/stop?csrf=" + d.csrf, host, map[string]string{"Cookie": cookie, "Origin": "http://127.0.0.1:1"}, 403},
		"posted with the token":         {"POST", "/stop?token=" + d.token + "&csrf=" + d.csrf, host, nil, 401},
		"posted by nobody":              {"POST", "/stop?csrf=" + d.csrf, host, nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, nil)
			r.Host = c.host
			for key, value := range c.headers {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
			for _, header := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy"} {
				if w.Header().Get(header) == "" {
					t.Errorf("no %s", header)
				}
			}
			if secret := w.Body.String() + w.Header().Get("Location"); strings.Contains(secret, d.token) || strings.Contains(secret, d.session) {
				t.Errorf("it tells a secret: %s", secret)
			}
		})
	}
}

// The token is traded for a cookie and goes out of the address, which stays on
// this server whatever it was.
func TestWelcome(t *testing.T) {
	d := open(t, "127.0.0.1:0")
	for target, want := range map[string]string{
		"/": "/", "/at/0/a%20b/?page=2": "/at/0/a%20b/?page=2", "//evil.test/": "/evil.test/", "/\\evil.test": "/evil.test",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		path, query, _ := strings.Cut(target, "?")
		if err := r.URL.UnmarshalBinary([]byte("http://" + r.Host + path)); err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery, r.Host = strings.TrimPrefix(query+"&token="+d.token, "&"), "localhost"
		w := httptest.NewRecorder()
		d.Guard(http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: status %d to %q, want %q", target, w.Code, got, want)
		}
		if c := w.Result().Cookies(); len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Value != d.session {
			t.Errorf("%s: cookies %v", target, c)
		}
	}
	if !strings.HasPrefix(d.URL(), "http://127.0.0.1:") || !strings.HasSuffix(d.URL(), "/?token="+d.Token()) || len(d.Token()) < 20 || d.Token() == d.CSRF() {
		t.Errorf("address %s", d.URL())
	}
	everywhere := open(t, "0.0.0.0:0")
	if !strings.HasPrefix(everywhere.URL(), "http://127.0.0.1:") {
		t.Errorf("address %s", everywhere.URL())
	}
}
