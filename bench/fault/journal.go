package fault

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/bench/proc"
	"ptabench/observe"
)

// JournalName is the journal's file in a run directory.
const JournalName = "journal.jsonl"

// JournalFormat is the version of the journal that is written and read.
//
// Version 2 names what outlives the processes: tables and groups.
const JournalFormat = 2

// Journal writes down what a run starts and breaks, each line synced to the
// disk before the call returns, so that Heal can put right what a killed
// harness left. It holds no secrets. Its methods may be called from several
// goroutines.
type Journal struct {
	run string // names the run on this host: 8 hexadecimal digits

	mu   sync.Mutex
	file *os.File
	err  error // of a write that may have left half a line: nothing may follow
}

// A line is one line of the journal. Format is in the first one only.
type line struct {
	Format  int          `json:"format,omitempty"`
	Kind    lineKind     `json:"kind"`
	At      int64        `json:"at_unix_ns"`
	Host    string       `json:"host,omitempty"` // with Boot: where process ids mean something
	Boot    string       `json:"boot,omitempty"`
	Process *ProcessLine `json:"process,omitempty"` // the harness in the first line
	Fault   int          `json:"fault,omitempty"`   // number in the scenario, from 1
	Name    string       `json:"name,omitempty"`
	Text    string       `json:"text,omitempty"` // the fault, as it parses
	Undo    *Undo        `json:"undo,omitempty"`
	By      string       `json:"by,omitempty"` // run, heal
	Count   uint64       `json:"injections,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// A lineKind is what a line says. The values are part of the format.
type lineKind string

const (
	lineRun      lineKind = "run"      // first: whose journal it is
	lineProcess  lineKind = "process"  // a process was started
	lineIntent   lineKind = "intent"   // a fault is about to be injected; how it is undone
	lineInjected lineKind = "injected" // it was, or may have been when there is an error
	lineUndone   lineKind = "undone"   // it was undone
	lineStuck    lineKind = "stuck"    // it could not be undone
	lineEnded    lineKind = "ended"    // every process of the run has ended
)

// ProcessLine is a process of the run.
type ProcessLine struct {
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
	proc.Identity
}

// An Action is how a fault is undone. The values are part of the format.
type Action string

// The actions.
const (
	ActionRestart      Action = "restart"
	ActionThaw         Action = "thaw"
	ActionClearGate    Action = "clear-gate"
	ActionClearDelay   Action = "clear-delay" // in version 1 only
	ActionClearFault   Action = "clear-fault"
	ActionSyncHashes   Action = "sync-hashes"
	ActionDeleteRules  Action = "delete-rules"
	ActionRemoveGroups Action = "remove-groups"
)

// Undo says how a fault is undone. Without the harness it is when every one of
// Processes is gone, those that were hit or the one that holds a gate, and the
// table and the groups are.
type Undo struct {
	Action    Action        `json:"action"`
	Text      string        `json:"text"` // in words
	Processes []ProcessLine `json:"processes"`
	Gate      *observe.Gate `json:"gate,omitempty"`
	Address   string        `json:"address,omitempty"`           // observe endpoint of the gate
	Table     string        `json:"table,omitempty"`             // of nftables, family inet
	Namespace string        `json:"network_namespace,omitempty"` // that the table is in
	Groups    []string      `json:"cgroups,omitempty"`           // directories
	Also      []Undo        `json:"also,omitempty"`              // of the other parts of the fault
}

// parts are the undo itself and those of the other parts.
func (u Undo) parts() []Undo { return append([]Undo{u}, u.Also...) }

// Create starts the journal of a run in its directory, where there must be
// none, on behalf of the calling process.
func Create(dir string) (*Journal, error) {
	harness, err := proc.Self()
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	return createFor(dir, harness)
}

func createFor(dir string, harness proc.Identity) (*Journal, error) {
	file, err := os.OpenFile(filepath.Join(dir, JournalName), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // it only tells a copied run directory from one of a host since booted
	}
	j := &Journal{file: file, run: runName(dir, harness)}
	err = errors.Join(lock(file), j.add(line{
		Format: JournalFormat, Kind: lineRun, Host: host, Boot: proc.BootID(),
		Process: &ProcessLine{Name: "harness", Role: "harness", Identity: harness},
	}), syncDirectory(dir))
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	return j, nil
}

// runName tells runs apart by which process makes them, and where.
func runName(dir string, harness proc.Identity) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", proc.BootID(), harness.PID, harness.Start, dir))
	return hex.EncodeToString(sum[:4])
}

// Process writes down a process that was started. It fits
// proc.Options.Started.
func (j *Journal) Process(name, role string, id proc.Identity) error {
	return j.add(line{Kind: lineProcess, Process: &ProcessLine{Name: name, Role: role, Identity: id}})
}

// End writes down that every process of the run has ended, and closes the
// journal.
func (j *Journal) End() error {
	err := j.add(line{Kind: lineEnded})
	return errors.Join(err, j.Close())
}

// Close closes the journal of a run whose processes may be running still.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// add writes one line and syncs it.
func (j *Journal) add(l line) error {
	l.At = time.Now().UnixNano()
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return fmt.Errorf("writing the journal: an earlier line: %w", j.err)
	}
	if j.file == nil {
		return fmt.Errorf("writing the journal: %w", os.ErrClosed)
	}
	if _, err = j.file.Write(append(text, '\n')); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.err = err
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// errLocked says that somebody else writes the journal.
var errLocked = errors.New("another process is writing its journal")

// lock keeps heals from each other and from a run. Where the file system knows
// no locks, the harness's identity has to do.
func lock(file *os.File) error {
	if errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}

// syncDirectory makes a new file's name survive with its contents.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
