package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"ptabench/bench"
	"ptabench/door"
	"ptabench/results"
	"ptabench/scenarios"
	"ptabench/telemetry"
)

// A collector that does not answer may hold up a run for so long: before it is
// judged, and again at its end.
const pushGrace = 3 * time.Second

// dashboardFlags are where a run tells how it goes.
type dashboardFlags struct {
	metrics, otlp string
}

func (f *dashboardFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.metrics, "metrics", "", "serve metrics for Prometheus at `[HOST]:PORT`/metrics while the run goes on, on the loopback interface unless HOST says otherwise; then "+telemetry.TokenVariable+" must hold a token")
	flags.StringVar(&f.otlp, "otlp", "", "push the same metrics every second, and the run and its faults as spans, to the collector of OpenTelemetry at this `URL`, such as http://127.0.0.1:4318")
}

// check says what is wrong with the flags, all at once.
func (f *dashboardFlags) check(s *scenarios.Scenario) error {
	var errs []error
	if s.Network == scenarios.Namespaces && (f.metrics != "" || f.otlp != "") {
		errs = append(errs, errors.New("--metrics and --otlp: nobody outside the run's own network reaches them: expected network: loopback in the scenario"))
	}
	if f.metrics != "" {
		if _, err := door.Address(f.metrics); err != nil {
			errs = append(errs, fmt.Errorf("--metrics %w", err))
		}
	}
	if f.otlp != "" {
		if err := telemetry.CheckEndpoint(f.otlp); err != nil {
			errs = append(errs, fmt.Errorf("--otlp: %w", err))
		}
	}
	return errors.Join(errs...)
}

// dashboards is what a run tells dashboards; all of it does nothing when it is
// nil.
type dashboards struct {
	*telemetry.Run
	server *telemetry.Server
	push   *telemetry.Push
}

// openDashboards begins to tell how a run goes, where the flags say so.
func openDashboards(ctx context.Context, stderr io.Writer, f dashboardFlags, o *bench.Options) (*dashboards, error) {
	if f.metrics == "" && f.otlp == "" {
		return nil, nil
	}
	s := o.Scenario
	d := &dashboards{Run: telemetry.New(telemetry.Options{Scenario: s.Name, Version: o.Version, Seed: s.Seed,
		PlannedPerS: float64(s.Load.Rate), Duration: time.Duration(s.Load.Duration)})}
	if f.metrics != "" {
		at, err := door.Address(f.metrics)
		if err == nil {
			d.server, err = d.Serve(at, os.Getenv(telemetry.TokenVariable))
		}
		if err != nil {
			return nil, fmt.Errorf("--metrics %s: %w", f.metrics, err)
		}
		fmt.Fprintf(stderr, "metrics: %s\n", d.server.URL())
	}
	if f.otlp != "" {
		push, err := d.Push(ctx, f.otlp, telemetry.PushInterval)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--otlp: %w", err), d.end(nil))
		}
		d.push = push
		o.Notes = func() []string {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushGrace)
			defer cancel()
			return push.Warnings(ctx)
		}
	}
	o.Follower, o.Progress = bench.Followers(o.Follower, d), both(o.Progress, d.show)
	return d, nil
}

// show passes on how far the run is.
func (d *dashboards) show(now bench.Progress) {
	if now.Changed != nil {
		return
	}
	l := &now.Load
	d.Progress(telemetry.Progress{Phase: now.Phase, At: now.At, Planned: l.Planned, Sent: l.Sent,
		Done: l.Accepted + l.Refused + l.Failed + l.Unknown, InFlight: l.InFlight, SoFar: now.SoFar})
}

// close tells how the run ended, and ends the telling. What went wrong with it
// is said, and changes nothing: the run is what it was.
func (d *dashboards) close(stderr io.Writer, result *results.Result) {
	if d == nil {
		return
	}
	if err := d.end(result); err != nil {
		fmt.Fprintf(stderr, "ptabench: %v\n", err)
	}
}

func (d *dashboards) end(result *results.Result) error {
	d.Ended(result)
	ctx, cancel := context.WithTimeout(context.Background(), pushGrace)
	defer cancel()
	var errs []error
	if d.push != nil {
		errs = append(errs, d.push.Close(ctx))
	}
	if d.server != nil {
		errs = append(errs, d.server.Close(ctx))
	}
	return errors.Join(errs...)
}
