package results

import (
	"fmt"
	"iter"
	"strconv"
	"time"
)

// maxKinds bounds the codes and the causes that are told apart: a cloud may
// answer anything.
const maxKinds = 256

// A Recorder turns sign-ins into the figures of a Result, in memory that does
// not grow with their number. The harness feeds one while the run goes on, and
// Summarise feeds one from the file, so the two cannot disagree. It belongs to
// one goroutine.
type Recorder struct {
	header Header

	outcomes   [OutcomeUnknown + 1]uint64
	paths      [PathFederation + 1]uint64 // of the decided ones
	judgements [OtherReason + 1]uint64
	handedOff  uint64
	canceled   uint64 // by the end of the run
	codes      map[uint32]uint64
	otherCodes uint64
	errors     []uint64 // by class, 0 none
	servers    []uint64 // pass-through sign-ins by connector, 0 none
	wrong      WrongCount
	lastDue    int64

	tenants []tenantCount // by tenant; empty of a load on one

	response, service, lag *Histogram
	answers                [2]*Histogram // of response and service, unanswered ones told apart; nil when alone

	// Sums over pass-through sign-ins; queue, connector, directory in µs.
	queue, connector, directory, passed uint64
	served                              int64 // service times, ns
	federated                           federated

	seconds *seconds
	recent  second // since the last call of Recent
	times   *Histogram
	alone   bool // nobody calls Recent
}

// NewRecorder makes a recorder for the sign-ins of a file with this header.
// Unless log is nil, each second's histograms go there; Close ends that.
func NewRecorder(h Header, log *IntervalLog) *Recorder {
	if len(h.Errors) == 0 { // as by hand; CreateSamples and files have them
		h.Errors = ErrorClasses()
	}
	return &Recorder{
		header:   h,
		codes:    map[uint32]uint64{},
		errors:   make([]uint64, len(h.Errors)+1),
		servers:  make([]uint64, len(h.Connectors)+1),
		tenants:  newTenantCounts(h.Tenants),
		response: NewHistogram(), service: NewHistogram(), lag: NewHistogram(),
		answers: [...]*Histogram{NewHistogram(), NewHistogram()},
		seconds: newSeconds(len(h.Connectors), time.Duration(h.Timeout), log),
		recent:  second{by: make([]uint32, len(h.Connectors))},
		times:   NewHistogram(),
	}
}

// unwatched is a recorder of which nobody wants what is recent, so it does not
// count all of it twice.
func unwatched(h Header) *Recorder {
	r := NewRecorder(h, nil)
	r.alone, r.answers = true, [2]*Histogram{}
	return r
}

// Record counts a sign-in that SampleWriter.Append took. Of those due before
// time 0 it keeps nothing but what Recent shows.
func (r *Recorder) Record(s Sample) {
	if !r.alone {
		r.recent.count(&s)
	}
	sent := s.Outcome != OutcomeUnsent
	response, service, lag := clamp(s.Done-s.Due), clamp(s.Done-s.Sent), clamp(s.Sent-s.Due)
	if sent && !r.alone {
		r.times.Record(response)
	}
	if s.Due < 0 {
		return
	}
	r.lastDue = max(r.lastDue, s.Due)
	r.outcomes[s.Outcome]++
	if s.Outcome == OutcomeUnknown && s.Error == ErrorCanceled {
		r.canceled++
	}
	r.judgements[s.Judgement]++
	switch s.Outcome {
	case OutcomeAccepted, OutcomeRefused:
		r.decided(&s, service)
	case OutcomeFailed, OutcomeUnknown:
		r.errors[s.Error]++
	}
	if s.Code != 0 && s.Outcome != OutcomeAccepted {
		r.code(s.Code)
	}
	r.wrong.Count(&s)
	if s.Tenant > 0 {
		r.tenants[s.Tenant-1].count(&s, response)
	}
	in := r.seconds.at(s.Due)
	if in != nil {
		in.count(&s)
	}
	if !sent {
		return
	}
	r.response.Record(response)
	r.service.Record(service)
	r.lag.Record(lag)
	if !r.alone {
		r.answer(&s, response, service)
	}
	if in != nil {
		in.record(times{response, service, lag})
	}
}

// answer counts the times of a sign-in for AnsweredWithin.
func (r *Recorder) answer(s *Sample, times ...int64) {
	lost := s.Outcome == OutcomeFailed || s.Outcome == OutcomeUnknown && s.Error != ErrorCanceled
	for i, h := range r.answers {
		if lost {
			h.RecordUnanswered()
		} else {
			h.Record(times[i])
		}
	}
}

func (r *Recorder) decided(s *Sample, service int64) {
	r.paths[s.Path]++
	if s.Attempts > 1 {
		r.handedOff++
	}
	if s.Path == PathFederation {
		r.federated.count(s, service)
	}
	if s.Path != PathPassThrough {
		return
	}
	r.servers[s.Server]++
	r.passed++
	r.queue += uint64(s.Queue)
	r.connector += uint64(s.Connector)
	r.directory += uint64(s.Directory)
	r.served += service
}

func (r *Recorder) code(c uint32) {
	if _, known := r.codes[c]; !known && len(r.codes) >= maxKinds {
		r.otherCodes++
		return
	}
	r.codes[c]++
}

// Response is the histogram of done - due, to read.
func (r *Recorder) Response() *Histogram { return r.response }

// Service is the histogram of done - sent, to read.
func (r *Recorder) Service() *Histogram { return r.service }

// Lag is the histogram of sent - due, to read.
func (r *Recorder) Lag() *Histogram { return r.lag }

// AnsweredWithin is the time at a percentile, from 0 to 100, of response,
// service or lag, in which a sign-in that nobody answered counts as slower than
// any: Unseen when that many had no answer. Of the lag it does not matter.
func (r *Recorder) AnsweredWithin(kind string, percentile float64) int64 {
	h := r.lag
	switch kind {
	case "response":
		h = r.answers[0]
	case "service":
		h = r.answers[1]
	}
	if ns, ok := h.Within(percentile); ok {
		return ns
	}
	return Unseen
}

// Recent is what came in since its last call, of the warm-up too: for somebody
// who watches. At is when the last sign-in of the load was due.
func (r *Recorder) Recent() Interval {
	r.recent.p50, r.recent.p95, r.recent.p99, r.recent.max = r.times.At(50), r.times.At(95), r.times.At(99), r.times.max
	now := r.recent.interval(r.lastDue, r.header.Connectors)
	clear(r.recent.by)
	r.recent = second{by: r.recent.by}
	r.times.Reset()
	return now
}

// signIns counts the sign-ins of the load so far.
func (r *Recorder) signIns() SignIns {
	n := SignIns{
		Accepted: r.outcomes[OutcomeAccepted], Refused: r.outcomes[OutcomeRefused],
		Failed: r.outcomes[OutcomeFailed], Unknown: r.outcomes[OutcomeUnknown], Unsent: r.outcomes[OutcomeUnsent],
		HandedOff:     r.handedOff,
		WrongAccepts:  r.judgements[WrongAccept],
		WrongRefusals: r.judgements[WrongRefusal],
		OtherReason:   r.judgements[OtherReason],
		ByPath:        ByPath{PassThrough: r.paths[PathPassThrough], HashSync: r.paths[PathHashSync], Federation: r.paths[PathFederation]},
		ByCode:        map[string]uint64{},
		Errors:        map[string]uint64{},
	}
	n.Sent = n.Accepted + n.Refused + n.Failed + n.Unknown
	n.Planned = n.Sent + n.Unsent
	if n.Accepted > 0 {
		n.ByCode["0"] = n.Accepted
	}
	for code, count := range r.codes {
		n.ByCode[strconv.FormatUint(uint64(code), 10)] = count
	}
	if r.otherCodes > 0 {
		n.ByCode["other"] = r.otherCodes
	}
	for class, count := range r.errors[1:] {
		if count > 0 {
			n.Errors[r.header.Errors[class]] += count
		}
	}
	return n
}

// Result is everything of a result that derives from the sign-ins and their
// header. The rest is the caller's: verdict, reasons, objectives, faults,
// processes, ledgers, warnings, and of the connectors what only the cloud
// knows.
func (r *Recorder) Result() Result {
	n := r.signIns()
	res := Result{
		Format: Format, Scenario: r.header.Scenario, Seed: r.header.Seed, StartedAt: r.header.StartedAt,
		Command: r.header.Command, Version: r.header.Version, Machine: r.header.Machine,
		DurationNS: r.length(n.Planned),
		SignIns:    n,
		Response:   r.response.Percentiles(), Service: r.service.Percentiles(), Lag: r.lag.Percentiles(),
		Time:           r.timeSpent(),
		FederationTime: r.federationTime(),
		Tenants:        r.tenantFigures(),
		WrongByCause:   r.wrong.ByCause(r.header.Intents),
		Intervals:      r.seconds.intervals(r.header.Connectors),
	}
	res.Connectors = connectorShares(r.header.Connectors, r.servers[1:])
	res.Balance = BalanceOf(res.Connectors)
	res.Unavailable = r.seconds.unavailable(n.lost() - r.canceled)
	if planned := time.Duration(r.header.Duration).Seconds(); planned > 0 {
		res.Rate.PlannedPerS = float64(r.header.Planned) / planned
	}
	if took := time.Duration(res.DurationNS).Seconds(); took > 0 {
		res.Rate.AchievedPerS = float64(n.Sent) / took
		res.Rate.AnsweredPerS = float64(n.Accepted+n.Refused) / took
	}
	res.normalise()
	return res
}

// length is how long the load went on, in nanoseconds: as planned when every
// planned sign-in is there, else until the last one that is.
func (r *Recorder) length(have uint64) int64 {
	if have >= r.header.Planned && r.header.Duration > 0 {
		return r.header.Duration
	}
	return r.lastDue
}

func (r *Recorder) timeSpent() TimeSpent {
	return meanTimes(r.passed, r.queue, r.connector, r.directory, uint64(r.served))
}

// meanTimes is where the time of so many sign-ins went, of sums in µs, but
// served in ns.
func meanTimes(passed, queue, connector, directory, served uint64) TimeSpent {
	if passed == 0 {
		return TimeSpent{}
	}
	mean := func(us uint64) int64 { return int64(float64(us) * 1000 / float64(passed)) }
	t := TimeSpent{Queue: mean(queue), Directory: mean(directory)}
	t.Connector = max(mean(connector)-t.Directory, 0)
	t.Rest = max(int64(served/passed)-t.Queue-t.Connector-t.Directory, 0)
	return t
}

// Close ends the recording of intervals and closes their log. The figures
// stay.
func (r *Recorder) Close() error {
	r.seconds.closeAll()
	log := r.seconds.log
	if log == nil {
		return nil
	}
	r.seconds.log = nil
	if err := log.Close(); err != nil {
		return fmt.Errorf("writing the interval log: %w", err)
	}
	return nil
}

// Summarise makes of the sign-ins of a file what Recorder.Result makes of them
// during the run, in one pass and constant memory. At an error, which is that
// of the iteration, the figures are those of the sign-ins before it.
func Summarise(h Header, samples iter.Seq2[Sample, error]) (Result, error) {
	r := unwatched(h)
	for s, err := range samples {
		if err != nil {
			return r.Result(), err
		}
		r.Record(s)
	}
	return r.Result(), nil
}

// federated sums the times of federated sign-ins: µs, but served in ns.
type federated struct{ signIns, server, directory, served uint64 }

func (f *federated) count(s *Sample, service int64) {
	f.signIns++
	f.server += uint64(s.Connector)
	f.directory += uint64(s.Directory)
	f.served += uint64(service)
}

func (f *federated) mean() TimeSpent { return meanTimes(f.signIns, 0, f.server, f.directory, f.served) }

// federationTime is nil of a run without federation.
func (r *Recorder) federationTime() *TimeSpent {
	if r.federated.signIns == 0 {
		return nil
	}
	t := r.federated.mean()
	return &t
}
