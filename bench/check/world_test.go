package check

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

const ms = int64(1_000_000)

func requestID(seq uint32) string { return fmt.Sprintf("01234567-89ab-8def-8123-4567%08x", seq) }

// A world is a run whose four ledgers agree, to be spoiled in one place.
type world struct {
	samples    []results.Sample
	log        []string
	generator  Generator
	cloud      CloudBook
	clouds     []CloudBook // of its later starts
	connectors []ConnectorBook
	directory  DirectoryBook
	events     []observe.Event
	faults     []Fault
	objectives []string
	fleet      []scenarios.Override
	windows    map[scenarios.WindowName][]scenarios.Span
	binds      []string // lines of the log of binds, after its header; nil when there is none
	people     *population.Population
}

var intents = []string{"right", "wrong", "locked", "unknown", "old"}

// newWorld has 400 sign-ins, 10 ms apart from time 0, answered within 2 ms by
// two connectors in turn: three right ones and a wrong one, by 20 users.
func newWorld(t testing.TB) *world {
	t.Helper()
	people, err := population.New(population.Spec{Seed: 1, Users: 20, Domain: "contoso.test", Shares: map[population.State]float64{population.Locked: .1}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{people: people}
	for seq := range uint32(400) {
		s := results.Sample{
			Seq: seq, User: seq % 20, Due: int64(seq) * 10 * ms,
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right,
			Attempts: 1, Server: uint8(seq%2 + 1),
		}
		if seq%4 == 3 {
			s.Intent, s.Outcome, s.Code = 1, results.OutcomeRefused, 50126
		}
		s.Sent = s.Due + ms/10
		s.Done = s.Due + 2*ms
		w.samples = append(w.samples, s)
	}
	return w
}

// settle derives the other three ledgers from the samples.
func (w *world) settle() {
	words := map[results.Outcome]string{results.OutcomeAccepted: "accepted", results.OutcomeRefused: "refused", results.OutcomeFailed: "failed"}
	paths := map[results.Path]string{results.PathNone: "none", results.PathPassThrough: "pass-through", results.PathHashSync: "hash-sync"}
	w.log = []string{logHeader}
	tenant := observe.TenantCounters{Name: "contoso"}
	by := []observe.ConnectorCounters{{Name: "connector-1"}, {Name: "connector-2"}}
	agents := make([]observe.AgentCounters, 2)
	binds := make([]uint64, w.people.Len())
	w.generator = Generator{}
	w.directory = DirectoryBook{Counters: observe.DirectoryCounters{Binds: map[string]uint64{}}}
	for _, s := range w.samples {
		w.generator.Planned++
		if s.Outcome == results.OutcomeUnsent {
			w.generator.Unsent++
			continue
		}
		w.generator.Sent++
		if s.Outcome == results.OutcomeUnknown {
			continue
		}
		name := ""
		if s.Server > 0 {
			name = by[s.Server-1].Name
		}
		w.log = append(w.log, fmt.Sprintf("%d,%s,contoso,%s,%s,%d,%s,%s,%d", 1_700_000_000_000_000_000+s.Done,
			requestID(s.Seq), w.people.UPN(int(s.User)), words[s.Outcome], s.Code, paths[s.Path], name, s.Attempts))
		tenant.Received++
		tenant.Attempts += uint64(s.Attempts)
		tenant.HandedOff += uint64(max(s.Attempts, 1) - 1)
		switch s.Outcome {
		case results.OutcomeAccepted:
			tenant.Accepted++
		case results.OutcomeRefused:
			tenant.Refused++
		default:
			tenant.Failed++
		}
		// The last attempt is the server's, those before it the other one's.
		for a := range s.Attempts {
			c := int(s.Server+1) % 2
			if a < s.Attempts-1 {
				c = 1 - c
			} else if s.Path == results.PathPassThrough {
				by[c].Answered++
			}
			by[c].Attempts++
			agents[c].Taken++
			agents[c].Answers++
			agents[c].Binds++
			binds[s.User]++
			w.directory.Counters.Binds["success"]++
		}
		switch s.Path {
		case results.PathPassThrough:
			tenant.PassThrough++
		case results.PathHashSync:
			tenant.HashSync++
		}
	}
	by[0].InFlightPeak, by[1].InFlightPeak = 7, 8
	tenant.Connectors = by
	w.cloud = CloudBook{Counters: observe.CloudCounters{Tenants: []observe.TenantCounters{tenant}}}
	w.connectors = []ConnectorBook{{Name: "connector-1", Counters: agents[0]}, {Name: "connector-2", Counters: agents[1]}}
	for i, n := range binds {
		if n > 0 {
			w.directory.Users = append(w.directory.Users, observe.UserBinds{User: w.people.UPN(i), Success: n})
		}
	}
}

// killCloud has the cloud simulator killed at 2 s and back at 2.5 s: nobody
// answers in between, and what was in hand is lost.
func (w *world) killCloud() {
	w.faults = []Fault{{Name: "cloud", Kind: scenarios.Crash, Target: scenarios.CloudTarget, Tier: "process",
		Began: 2 * second, InjectedAt: 2 * second, UndoBegan: 2400 * ms, UndoneAt: 2500 * ms, Injections: 1, Healed: true}}
	for i := range w.samples {
		s := &w.samples[i]
		if s.Done >= 2*second && s.Due < 2500*ms {
			s.Outcome, s.Path, s.Code, s.Server, s.Attempts, s.Judgement, s.Error = results.OutcomeUnknown, results.PathNone, 0, 0, 0, results.NotJudged, results.ErrorRefused
		}
	}
	w.clouds = []CloudBook{{Counters: observe.CloudCounters{Tenants: []observe.TenantCounters{{Name: "contoso",
		Connectors: []observe.ConnectorCounters{{Name: "connector-1"}, {Name: "connector-2"}}}}}}}
}

// cutLog takes from the log what was answered from one time until before
// another, and from the counters of the first start as many.
func (w *world) cutLog(from, to int64) {
	w.cloud.Killed = true
	kept := w.log[:1]
	for _, line := range w.log[1:] {
		at, _, _ := strings.Cut(line, ",")
		n, _ := strconv.ParseInt(at, 10, 64) // settle wrote it
		if n -= 1_700_000_000_000_000_000; n >= from && n < to {
			w.cloud.Counters.Tenants[0].Received--
			w.cloud.Counters.Tenants[0].Accepted--
			continue
		}
		kept = append(kept, line)
	}
	w.log = kept
}

func (w *world) header() results.Header {
	return results.Header{
		Scenario: "synthetic", Intents: intents, Connectors: []string{"connector-1", "connector-2"},
		StartedAt: "2026-01-02T03:04:05.5Z", Seed: 1, Errors: results.ErrorClasses(), Duration: 4 * second, Planned: uint64(len(w.samples)), Timeout: 10 * second,
	}
}

func (w *world) all() iter.Seq2[results.Sample, error] {
	return func(yield func(results.Sample, error) bool) {
		for _, s := range w.samples {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (w *world) input(t testing.TB) Input {
	t.Helper()
	in := Input{
		Header: w.header(), Population: w.people, Generator: w.generator, RequestID: requestID, Samples: w.all,
		SignInLog: strings.NewReader(strings.Join(w.log, "\n") + "\n"), Events: w.events,
		Cloud: append([]CloudBook{w.cloud}, w.clouds...), Connectors: w.connectors, Directory: []DirectoryBook{w.directory}, Faults: w.faults,
		Fleet: w.fleet,
		Spans: func(asked scenarios.Window) []scenarios.Span {
			if asked.Name == scenarios.Whole {
				return []scenarios.Span{{From: 0, To: scenarios.Duration(w.header().Duration)}}
			}
			return w.windows[asked.Name]
		},
	}
	if w.binds != nil {
		in.BindLogs = []io.Reader{strings.NewReader(bindHeader + "\n" + strings.Join(w.binds, "\n") + "\n")}
	}
	for _, text := range w.objectives {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		in.Objectives = append(in.Objectives, o)
	}
	return in
}

// conclude checks the world.
func (w *world) conclude(t testing.TB) results.Result {
	t.Helper()
	r, err := results.Summarise(w.header(), w.all())
	if err != nil {
		t.Fatal(err)
	}
	if err := Conclude(w.input(t), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// ledgers reconciles the books of an input alone.
func ledgers(in Input) (results.Ledgers, error) {
	b, err := newBook(in)
	if err != nil {
		return results.Ledgers{}, err
	}
	if err := each(in, func(s *results.Sample) { b.record(s, in.federated(s)) }); err != nil {
		return results.Ledgers{}, err
	}
	if err := b.read(in); err != nil {
		return results.Ledgers{}, err
	}
	return balanceBooks(in, b), nil
}
