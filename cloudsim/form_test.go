package cloudsim

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// standard is what net/http makes of the same form, in which nothing that is
// known may be there twice.
func standard(kind, body string) (signInForm, error) {
	r := &http.Request{Method: "POST", URL: &url.URL{}, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
	err := r.ParseForm()
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope", "username", "password", "client_info"} {
		if err == nil && len(r.PostForm[name]) > 1 {
			return signInForm{}, errRepeated
		}
	}
	return signInForm{grant: r.PostForm.Get("grant_type"), client: r.PostForm.Get("client_id"), scope: r.PostForm.Get("scope"),
		user: r.PostForm.Get("username"), password: r.PostForm.Get("password"), info: r.PostForm.Get("client_info")}, err
}

func ours(kind, body string) (signInForm, error) {
	f, _, err := readForm(&http.Request{Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))})
	return f, err
}

func compare(t *testing.T, kind, body string) {
	t.Helper()
	want, wantErr := standard(kind, body)
	got, err := ours(kind, body)
	if (err == nil) != (wantErr == nil) || errors.Is(err, errRepeated) != errors.Is(wantErr, errRepeated) || err == nil && got != want {
		t.Errorf("%s %.200q: %+v, %v; net/http makes %+v, %v", kind, body, got, err, want, wantErr)
	}
}

var forms = []string{
	"", "&", "=", "&&=&", "username", "username=", "username=a&username=b", "username=&username=b", "password=a=b=c",
	"grant_type=password&client_id=1&scope=openid+profile&username=ann%40contoso.test&password=p%26+%2B", "user%6eame=ann", "client_info=1&client_info=2",
	"grant_type=password&grant_type=refresh_token", "grant_type=password&grant%5ftype=password", "client_secret=a&client_secret=a", "resource=a&resource=b&username=ann",
	"USERNAME=ann",
	"a;b", "username=a;password=b", "password=%", "password=%zz", "%zz=1", "x=%zz", "password=%00%ff\xff", "+=+", "username=\u00fc",
	"scope=&scope=", "scope=a&scope=%zz", strings.Repeat("a=b&", 2000) + "password=last", strings.Repeat("x", usualBody),
	strings.Repeat("x", usualBody+1), strings.Repeat("field=value&", usualBody/8) + "password=last",
}

func TestForm(t *testing.T) {
	for _, body := range forms {
		compare(t, formType, body)
	}
	for _, kind := range []string{"application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-URLEncoded", "application/json", "text/plain", ";", "application/x-www-form-urlencoded, x"} {
		got, _ := ours(kind, "password=p")
		want, _ := standard(kind, "password=p")
		if got != want {
			t.Errorf("%s: %+v; net/http makes %+v", kind, got, want)
		}
	}
}

// What one sign-in sent is not there for the next one to find.
func TestFormBuffersAreCleared(t *testing.T) {
	if _, err := ours(formType, "password="+password); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		buf := bodies.Get().(*[usualBody + 1]byte)
		if strings.Trim(string(buf[:]), "\x00") != "" {
			t.Fatalf("a buffer holds %q", buf[:64])
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, body := range forms {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) <= maxBody {
			compare(t, formType, body)
		}
	})
}

func BenchmarkForm(b *testing.B) {
	const body = "grant_type=password&client_id=3f0d7b8e-6f0c-4b53-9c7e-2a1c0f1d2e3a&scope=openid&username=user000001%40contoso.test&password=p%23744OQVYKZTCTMDFR5TPQDRCX4"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseForm(body); err != nil {
			b.Fatal(err)
		}
	}
}
