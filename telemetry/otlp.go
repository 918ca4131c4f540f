package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// PushInterval is how often metrics are pushed: an interval of the run.
const PushInterval = time.Second

// Bounds of what a collector that does not answer can cost: one push of the
// metrics under way, and so many spans waiting. Metrics that did not arrive are
// not kept: the next push has the sums of all before.
const (
	pushWithin = 4 * time.Second
	maxSpans   = 1024
	maxFault   = 300 // bytes of the last error, in a warning
)

// A Push sends the metrics of a run, and the run, its phases and its faults as
// spans, to a collector of OpenTelemetry.
type Push struct {
	run    *Run
	meters *sdkmetric.MeterProvider
	spans  *sdktrace.TracerProvider
	faults pushFaults
}

// pushFaults counts what did not arrive.
type pushFaults struct {
	mu                sync.Mutex
	metrics, ofPushes int
	spans             int // that were lost
	said              int // by the collector, of what it took
	late              bool
	last              string
}

// CheckEndpoint says what is wrong with the address of a collector.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil: // its text would repeat what may hold a password
		return errors.New("not a URL: expected one such as http://127.0.0.1:4318")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("expected http://HOST:PORT or https://HOST:PORT of a collector of OTLP over HTTP, such as http://127.0.0.1:4318")
	case u.User != nil:
		return errors.New("a user or password in it would be shown to whoever lists processes: set OTEL_EXPORTER_OTLP_HEADERS instead")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("expected no ? and no #: set OTEL_EXPORTER_OTLP_HEADERS for what a collector asks for")
	}
	return nil
}

// Push begins to push to a collector, every so often. The usual variables
// OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE and _CLIENT_CERTIFICATE apply. That
// nobody answers is no error here; see Warnings.
func (r *Run) Push(ctx context.Context, endpoint string, every time.Duration) (*Push, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, err
	}
	at := func(path string) string { return strings.TrimRight(endpoint, "/") + path }
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(at("/v1/metrics")), otlpmetrichttp.WithTimeout(pushWithin),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}), // the next push is the retry
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	if err != nil {
		return nil, fmt.Errorf("pushing metrics: %w", err)
	}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at("/v1/traces")), otlptracehttp.WithTimeout(pushWithin),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: pushWithin}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		return nil, fmt.Errorf("pushing spans: %w", err)
	}
	p := &Push{run: r}
	// What a collector says of data that it took in part goes to a handler of
	// the whole process; a run is all that the process does.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(p.faults.note))
	what := resource.NewSchemaless(
		attribute.String("service.name", "ptabench"), attribute.String("service.version", r.Version),
		attribute.String("service.instance.id", uuid.NewString()),
		attribute.String("ptabench.scenario", r.Scenario), attribute.String("ptabench.seed", strconv.FormatUint(r.Seed, 10)),
	)
	p.meters = sdkmetric.NewMeterProvider(sdkmetric.WithResource(what),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(countedMetrics{metrics, &p.faults},
			sdkmetric.WithInterval(every), sdkmetric.WithTimeout(pushWithin),
			sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(r.registry))))))
	p.spans = sdktrace.NewTracerProvider(sdktrace.WithResource(what), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithBatcher(countedSpans{spans, &p.faults}, sdktrace.WithMaxQueueSize(maxSpans), sdktrace.WithBatchTimeout(every), sdktrace.WithExportTimeout(pushWithin)))
	t := newTrace(p.spans.Tracer("ptabench"), r.Options)
	r.mu.Lock()
	r.trace = t
	r.mu.Unlock()
	return p, nil
}

// Warnings pushes what there is and says what did not arrive so far, for the
// result; nothing when everything did. It waits no longer than until ctx ends.
func (p *Push) Warnings(ctx context.Context) []string {
	var spans error
	var work sync.WaitGroup
	work.Go(func() { spans = p.spans.ForceFlush(ctx) })
	err := p.meters.ForceFlush(ctx)
	work.Wait()
	if err = errors.Join(err, spans); err != nil {
		// What failed was counted; what is still under way was not.
		p.faults.mu.Lock()
		p.faults.late = true
		if p.faults.last == "" {
			p.faults.keep(err)
		}
		p.faults.mu.Unlock()
	}
	return p.faults.warnings()
}

// Close pushes what is left and ends the pushing, at the latest when ctx ends.
// The error says what did not arrive of it.
func (p *Push) Close(ctx context.Context) error {
	before := len(p.faults.warnings())
	p.run.tracing((*trace).close)
	p.run.mu.Lock()
	p.run.trace = nil
	p.run.mu.Unlock()
	var spans error
	var work sync.WaitGroup
	work.Go(func() { spans = p.spans.Shutdown(ctx) })
	err := p.meters.Shutdown(ctx)
	work.Wait()
	if err = errors.Join(err, spans); err != nil {
		return fmt.Errorf("pushing the last of the metrics: %w", err)
	}
	if after := p.faults.warnings(); before == 0 && len(after) > 0 {
		return errors.New(strings.Join(after, "; "))
	}
	return nil
}

func (f *pushFaults) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said++
	f.keep(err)
}

// keep is called with the lock held.
func (f *pushFaults) keep(err error) {
	f.last = strings.ToValidUTF8(err.Error(), "")
	if len(f.last) > maxFault {
		f.last = strings.ToValidUTF8(f.last[:maxFault], "") + "…"
	}
}

func (f *pushFaults) warnings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	if f.metrics > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d pushes of metrics did not arrive", f.metrics, f.ofPushes))
	}
	if f.spans > 0 {
		parts = append(parts, fmt.Sprintf("%d spans did not arrive", f.spans))
	}
	if f.late {
		parts = append(parts, "the last push did not arrive in time")
	}
	if f.said > 0 && len(parts) == 0 {
		parts = append(parts, "the collector had something to say")
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("OTLP: %s; the last error was: %s", strings.Join(parts, " and "), f.last)}
}

// countedMetrics and countedSpans keep count of what fails, and say that
// nothing did: the SDK would print it.
type countedMetrics struct {
	sdkmetric.Exporter
	faults *pushFaults
}

func (c countedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	err := c.Exporter.Export(ctx, m)
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.ofPushes++
	if err != nil {
		c.faults.metrics++
		c.faults.keep(err)
	}
	return nil
}

type countedSpans struct {
	sdktrace.SpanExporter
	faults *pushFaults
}

func (c countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := c.SpanExporter.ExportSpans(ctx, spans); err != nil {
		c.faults.mu.Lock()
		defer c.faults.mu.Unlock()
		c.faults.spans += len(spans)
		c.faults.keep(err)
	}
	return nil
}
