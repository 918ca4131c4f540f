package telemetry

import (
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	mpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	spb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ptabench/results"
)

// collecting is a collector of OTLP over HTTP.
type collecting struct {
	mu       sync.Mutex
	metrics  []*metricspb.ExportMetricsServiceRequest
	spans    []*spb.Span
	resource []*commonpb.KeyValue
	header   http.Header
}

func (c *collecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = r.Header.Clone()
	switch r.URL.Path {
	case "/v1/metrics", "/otel/v1/metrics":
		var m metricspb.ExportMetricsServiceRequest
		if err = proto.Unmarshal(b, &m); err == nil {
			c.metrics = append(c.metrics, &m)
			c.resource = m.ResourceMetrics[0].Resource.Attributes
		}
	case "/v1/traces", "/otel/v1/traces":
		var t tracepb.ExportTraceServiceRequest
		if err = proto.Unmarshal(b, &t); err == nil {
			for _, of := range t.ResourceSpans {
				for _, scope := range of.ScopeSpans {
					c.spans = append(c.spans, scope.Spans...)
				}
			}
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// last are the metrics of the last push, by name.
func (c *collecting) last() map[string]*mpb.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]*mpb.Metric{}
	if len(c.metrics) == 0 {
		return all
	}
	for _, of := range c.metrics[len(c.metrics)-1].ResourceMetrics {
		for _, scope := range of.ScopeMetrics {
			for _, m := range scope.Metrics {
				all[m.Name] = m
			}
		}
	}
	return all
}

// within is a context that a test which hangs does not outlive.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestPush(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret")
	for _, path := range []string{"", "/", "/otel"} {
		t.Run("path "+path, func(t *testing.T) {
			var c collecting
			server := httptest.NewServer(&c)
			defer server.Close()
			r := told(2)
			p, err := r.Push(context.Background(), server.URL+path, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			zero := time.Now().Truncate(time.Second)
			r.Began(results.Header{StartedAt: zero.Format(time.RFC3339Nano), Connectors: []string{"connector-1", "connector-2"}})
			r.Sample(results.Sample{Due: 5, Sent: 5, Done: 30_000_000, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Server: 1})
			r.Progress(Progress{Phase: "draining"})
			at := func(kind string, ns int64) results.Event {
				return results.Event{At: ns, Source: "harness", Kind: kind, Connector: "connector-1", Cause: "crash-1"}
			}
			r.Event(at("fault-injected", 1e9))
			r.Event(at("fault-undone", 3e9))
			r.Event(results.Event{At: 4e9, Source: "harness", Kind: "fault-injected", Cause: "never undone"})
			if warnings := p.Warnings(within(t, 20*time.Second)); len(warnings) > 0 {
				t.Errorf("warnings %q, expected none", warnings)
			}
			got := c.last()
			accepted := uint64(0)
			for _, point := range got["ptabench_run_sign_ins_total"].GetSum().GetDataPoints() {
				var labels []string
				for _, l := range point.Attributes {
					labels = append(labels, l.Value.GetStringValue())
				}
				if slices.Equal(labels, []string{"accepted", "pass-through"}) {
					accepted = uint64(point.GetAsDouble())
				}
			}
			if accepted != 2 {
				t.Errorf("%d sign-ins accepted by pass-through, expected 2; metrics: %d", accepted, len(got))
			}
			if h := got["ptabench_run_response_seconds"].GetHistogram().GetDataPoints(); len(h) != 1 || h[0].Count != 5 {
				t.Errorf("response: %v, expected 5 times", h)
			}
			r.Ended(&results.Result{Verdict: results.Fail})
			if err := p.Close(within(t, 20*time.Second)); err != nil {
				t.Error(err)
			}
			if err := p.Close(within(t, 20*time.Second)); err != nil && !strings.Contains(err.Error(), "shut") {
				t.Errorf("closing again: %v", err)
			}
			c.check(t, zero)
		})
	}
}

// check holds what a collector got against what TestPush told.
func (c *collecting) check(t *testing.T, zero time.Time) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]*spb.Span{}
	for _, s := range c.spans {
		names[s.Name] = s
	}
	for _, name := range []string{"run quickstart", "starting", "draining", "fault crash-1", "fault never undone"} {
		if names[name] == nil {
			t.Fatalf("no span %q; there are %d", name, len(names))
		}
	}
	f, run := names["fault crash-1"], names["run quickstart"]
	if f.StartTimeUnixNano != uint64(zero.UnixNano()+1e9) || f.EndTimeUnixNano != uint64(zero.UnixNano()+3e9) {
		t.Errorf("the fault lasts from %d to %d", f.StartTimeUnixNano, f.EndTimeUnixNano)
	}
	if string(f.ParentSpanId) != string(run.SpanId) || run.Status.Code != spb.Status_STATUS_CODE_ERROR {
		t.Errorf("the fault is not within the run, or that a run failed is not told: %v", run.Status)
	}
	allowed := []string{"service.name", "service.version", "service.instance.id", "ptabench.scenario", "ptabench.seed"}
	for _, a := range c.resource {
		if !slices.Contains(allowed, a.Key) && !strings.HasPrefix(a.Key, "telemetry.sdk.") {
			t.Errorf("the resource has %s=%v", a.Key, a.Value)
		}
		if strings.Contains(a.Value.String(), "s3cret") {
			t.Errorf("a secret in %s", a.Key)
		}
	}
	if c.header.Get("X-Key") != "s3cret" {
		t.Error("OTEL_EXPORTER_OTLP_HEADERS is not honoured")
	}
}

// Whatever a collector does, a run is not held up by it, and says what did not
// arrive.
func TestPushDoesNotDisturb(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc // nil: nobody listens
		says    string
	}{
		{"nobody listens", nil, "refused"},
		{"it refuses", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403"},
		{"it never answers", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or it would not learn that the peer is gone
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, "did not arrive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := c.handler
			if handler == nil {
				handler = func(http.ResponseWriter, *http.Request) {}
			}
			server := httptest.NewServer(handler)
			defer server.Close()
			defer server.CloseClientConnections()
			if c.handler == nil {
				server.Close()
			}
			r := told(2)
			p, err := r.Push(context.Background(), server.URL, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10_000 { // these return, or the test ends by its timeout
				r.Sample(results.Sample{Due: 1, Sent: 2, Done: 3, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Server: 1})
				r.Event(results.Event{At: int64(i), Source: "harness", Kind: "fault-injected", Cause: "f"})
			}
			warnings := p.Warnings(within(t, 500*time.Millisecond))
			if len(warnings) != 1 || !strings.Contains(warnings[0], "did not arrive") || !strings.Contains(warnings[0], c.says) {
				t.Errorf("warnings %q, expected one with %q", warnings, c.says)
			}
			r.Ended(nil)
			_ = p.Close(within(t, 500*time.Millisecond)) // it returns
		})
	}
}

func TestPushOverTLS(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		t.Run(map[bool]string{false: "unknown authority", true: "authority given"}[trusted], func(t *testing.T) {
			var c collecting
			server := httptest.NewUnstartedServer(&c)
			server.Config.ErrorLog = nil
			server.StartTLS()
			defer server.Close()
			if trusted {
				file := filepath.Join(t.TempDir(), "ca.pem")
				if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file)
			}
			p, err := told(1).Push(context.Background(), server.URL, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			warnings := p.Warnings(within(t, 20*time.Second))
			if arrived := len(c.last()) > 0; arrived != trusted || (len(warnings) == 0) != trusted {
				t.Errorf("arrived: %v, warnings %q", arrived, warnings)
			}
			_ = p.Close(within(t, 20*time.Second)) // whether it arrives is asked above
		})
	}
}

func TestCheckEndpoint(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:4318", "https://otel.example.com", "https://otel.example.com:443/path/", "http://[::1]:4318"} {
		if err := CheckEndpoint(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:4318", "grpc://h:4317", "http://", "http://user:s3cret@h:1", "http://h/?key=s3cret", "http://h/#x", "http://a b/\x7fs3cret"} {
		err := CheckEndpoint(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error repeats what it was given: %v", bad, err)
		}
	}
}
