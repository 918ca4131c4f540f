package check

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ptabench/results"
	"ptabench/scenarios"
)

// maxNamed is how many sign-ins a ledger names of each kind.
const maxNamed = 100

// A page is what the harness and the cloud say of one sign-in: 12 bytes, so
// that the books of a run take 12 bytes a sign-in and 16 bytes a user.
type page struct {
	code     uint32
	user     uint32 // index in the population; unknownUser when he is not in it
	outcome  results.Outcome
	path     results.Path
	recorded uint8 // times that the samples hold it, up to 2
	logged   uint8 // times that the cloud's log holds it, up to 2; and mayBeLost
}

// The bits of page.logged beside the count.
const (
	mayBeLost    = 1 << 7 // a killed simulator may have taken the entry along
	mayEndBefore = 1 << 6 // it may have ended at a federation server, of which the cloud never heard
)

// logLoss is how much of its log a killed simulator may take along: it writes
// it out every tenth of a second, and the machine may be slow.
const logLoss = second

func (p *page) times() uint8 { return p.logged &^ (mayBeLost | mayEndBefore) }

const unknownUser = ^uint32(0)

// A book joins the samples with the cloud's sign-in log, sign-in by sign-in.
type book struct {
	pages  []page          // by sequence number
	prefix string          // of the client request ids of this run
	others map[string]bool // likewise, of loads that these books are not about

	unknownIntent int     // number of it
	lossy         []Fault // that killed the simulator

	// From the samples.
	outcomes      [results.OutcomeUnknown + 1]uint64
	repeated      uint64 // samples of a sign-in that was there already
	decided       uint64 // answers by pass-through
	decidedByUser []uint32

	// From the log.
	entries        uint64
	strangers      uint64 // entries of sign-ins that are not of this run
	torn           uint64
	logOutcomes    [results.OutcomeUnknown + 1]uint64
	logPaths       [results.PathFederation + 1]uint64
	given          uint64 // entries of sign-ins that a connector was given
	attempts       uint64
	attemptsByUser []uint32
	federated      federatedBook
	differing      uint64 // entries that say otherwise than the sample
	differ         []uint32
}

// newBook makes a book without entries.
func newBook(in Input) (*book, error) {
	id := in.RequestID(0)
	if len(id) < 8 {
		return nil, fmt.Errorf("client request id %q: shorter than a sequence number", id)
	}
	b := &book{
		pages:          make([]page, in.Generator.Planned),
		prefix:         id[:len(id)-8],
		decidedByUser:  make([]uint32, in.Population.Len()),
		attemptsByUser: make([]uint32, in.Population.Len()),
	}
	for _, other := range in.OtherLoads {
		if len(other) > 8 {
			if b.others == nil {
				b.others = make(map[string]bool)
			}
			b.others[other[:len(other)-8]] = true
		}
	}
	b.unknownIntent = slices.Index(in.Header.Intents, string(scenarios.IntentUnknown))
	for _, f := range in.Faults {
		if f.on() && f.killsCloud() {
			b.lossy = append(b.lossy, f)
		}
	}
	return b, nil
}

// read joins the log, when the samples are there.
func (b *book) read(in Input) error {
	torn, err := readLog(in.SignInLog, b.log)
	b.torn = uint64(torn)
	return err
}

func (b *book) page(seq uint32) *page {
	if n := int(seq) + 1; n > len(b.pages) {
		b.pages = append(b.pages, make([]page, n-len(b.pages))...)
	}
	return &b.pages[seq]
}

// record takes in a sign-in as the harness has it, and whether it begins at a
// federation server.
func (b *book) record(s *results.Sample, federated bool) {
	p := b.page(s.Seq)
	if p.recorded > 0 {
		b.repeated++
		p.recorded = 2
		return
	}
	*p = page{code: s.Code, user: s.User, outcome: s.Outcome, path: s.Path, recorded: 1}
	if len(b.lossy) > 0 && b.mayBeLost(s) {
		p.logged |= mayBeLost
	}
	if int(s.Intent) == b.unknownIntent || int(s.User) >= len(b.decidedByUser) {
		p.user = unknownUser
	}
	b.outcomes[s.Outcome]++
	if federated {
		b.recordFederated(s, p)
	}
	if s.Path == results.PathPassThrough && answered(s.Outcome) {
		b.decided++
		if p.user != unknownUser {
			b.decidedByUser[p.user]++
		}
	}
}

// mayBeLost says that a simulator was killed within logLoss after it may have
// answered, so that its log need not hold the sign-in.
func (b *book) mayBeLost(s *results.Sample) bool {
	for _, f := range b.lossy {
		if s.Done >= f.Began-logLoss && s.Due <= f.killedBy() {
			return true
		}
	}
	return false
}

// answered says that the user was told something definite.
func answered(o results.Outcome) bool {
	return o == results.OutcomeAccepted || o == results.OutcomeRefused || o == results.OutcomeFailed
}

func (b *book) log(e entry) {
	seq, ok := b.sequence(e.id)
	if !ok && b.isOther(e.id) {
		return
	}
	b.entries++
	b.logOutcomes[e.outcome]++
	b.logPaths[e.path]++
	b.attempts += uint64(e.attempts)
	if e.attempts > 0 {
		b.given++
	}
	if !ok {
		b.strangers++
		return
	}
	p := &b.pages[seq]
	if p.times() < 2 {
		p.logged++
	}
	if p.recorded > 0 && p.user != unknownUser {
		b.attemptsByUser[p.user] += e.attempts
	}
	if answered(p.outcome) && (e.outcome != p.outcome || e.code != p.code || e.path != p.path) {
		b.differing++
		if len(b.differ) < maxNamed {
			b.differ = append(b.differ, seq)
		}
	}
}

// isOther says that a sign-in is of another load of the harness.
func (b *book) isOther(id []byte) bool {
	return len(b.others) > 0 && len(id) == len(b.prefix)+8 && b.others[string(id[:len(b.prefix)])]
}

// sequence is the number of a sign-in of this run by its client request id.
func (b *book) sequence(id []byte) (uint32, bool) {
	if len(id) != len(b.prefix)+8 {
		return 0, false
	}
	if prefix := id[:len(b.prefix)]; string(prefix) != b.prefix && !strings.EqualFold(string(prefix), b.prefix) {
		return 0, false
	}
	var n [4]byte
	if _, err := hex.Decode(n[:], id[len(b.prefix):]); err != nil {
		return 0, false
	}
	seq := uint32(n[0])<<24 | uint32(n[1])<<16 | uint32(n[2])<<8 | uint32(n[3])
	return seq, int(seq) < len(b.pages)
}

// A comparison is what the two books say of each other.
type comparison struct {
	once          uint64 // answered sign-ins that the log holds once
	arrived       uint64 // sent ones that were answered, or that the log holds
	missing       []uint32
	doubled       []uint32
	missingInAll  uint64
	doubledInAll  uint64
	loggedUnsent  uint64
	unknownLogged uint64
	endedBefore   uint64 // answered ones that ended at a federation server
	lost          uint64 // answered ones that the log lost with a killed simulator
	unknown       uint64 // sent ones without an answer that the log does not hold
}

func (b *book) compare() (t comparison) {
	name := func(list *[]uint32, n *uint64, seq int) {
		if *n++; len(*list) < maxNamed {
			*list = append(*list, uint32(seq))
		}
	}
	for seq := range b.pages {
		p := &b.pages[seq]
		switch {
		case p.recorded == 0:
			name(&t.missing, &t.missingInAll, seq)
			continue
		case answered(p.outcome) && p.times() == 0 && p.logged&mayEndBefore != 0:
			t.endedBefore++
		case answered(p.outcome):
			t.arrived++
			switch p.times() {
			case 0:
				if p.logged&mayBeLost != 0 {
					t.lost++
					break
				}
				name(&t.missing, &t.missingInAll, seq)
			case 1:
				t.once++
			}
		case p.times() > 0 && p.outcome == results.OutcomeUnsent:
			t.loggedUnsent++
			name(&t.doubled, &t.doubledInAll, seq)
			continue
		case p.times() > 0:
			t.arrived++
			t.unknownLogged++
		case p.outcome == results.OutcomeUnknown:
			t.unknown++
		}
		if p.times() > 1 || p.recorded > 1 {
			name(&t.doubled, &t.doubledInAll, seq)
		}
	}
	return t
}

func names(id func(uint32) string, seqs []uint32) []string {
	all := make([]string, len(seqs))
	for i, seq := range seqs {
		all[i] = id(seq)
	}
	return all
}

// some lists the first names of many.
func some(list []string, of uint64) string {
	const shown = 3
	text := strings.Join(list[:min(len(list), shown)], ", ")
	if of > shown {
		text += " and " + strconv.FormatUint(of-shown, 10) + " more"
	}
	return text
}
