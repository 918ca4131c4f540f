package scenarios

import "ptabench/population"

// What lives on premises besides connectors: directories, the agent that syncs
// hashes, federation servers.

// Directory says which directory answers, and how.
type Directory struct {
	Kind    DirectoryKind  `yaml:"kind" default:"embedded" doc:"embedded (default): the test directory of this program; slapd: OpenLDAP; samba: a Samba AD domain controller; external: a directory of your own, which is only read and bound to (see external)"`
	Servers int            `yaml:"servers" default:"1" min:"1" max:"8" doc:"directory servers with the same accounts: one called directory (1 by default), or several called directory-1 and so on"`
	Order   DirectoryOrder `yaml:"order" default:"ordered" doc:"how connectors and federation servers choose among several: ordered (default), the first that answers; balanced, all in turn"`
	Delay   Duration       `yaml:"delay" default:"0s" min:"0s" max:"10s" doc:"added to the answer of every user bind, by the embedded directory; 0s by default"`

	External External `yaml:"external,omitempty" doc:"for kind external: where the directory is, and what may be asked of it"`
}

// DirectoryKind says who serves the directory.
type DirectoryKind string

// The kinds of directory.
const (
	Embedded DirectoryKind = "embedded"
	Slapd    DirectoryKind = "slapd"
	Samba    DirectoryKind = "samba"
	Outside  DirectoryKind = "external"
)

func (DirectoryKind) words() []string { return words(Embedded, Slapd, Samba, Outside) }

// DirectoryOrder says which of several directory servers is asked.
type DirectoryOrder string

// The orders.
const (
	Ordered  DirectoryOrder = "ordered"
	Balanced DirectoryOrder = "balanced"
)

func (DirectoryOrder) words() []string { return words(Ordered, Balanced) }

// External is somebody's own directory. Nothing is started for it and nothing
// in it is changed but what failing binds change: counts of bad passwords.
type External struct {
	URL     string `yaml:"url,omitempty" is:"ldaps" doc:"its address, such as ldaps://dc1.corp.example:636; 'ptabench run' and 'matrix' must be told the same by --i-may-load"`
	CA      string `yaml:"ca,omitempty" is:"text" doc:"PEM file with the authority that its certificate is verified by; the system's when not given"`
	Account string `yaml:"account,omitempty" is:"dn" doc:"distinguished name of the account that looks users up; its password comes by the environment, PTABENCH_DIRECTORY_PASSWORD"`
	Base    string `yaml:"base,omitempty" is:"dn" doc:"the distinguished name below which users are looked for"`
	Users   string `yaml:"users,omitempty" is:"text" doc:"file of user principal names and passwords, CSV, readable by its owner only"`
	MaxRate Rate   `yaml:"max_rate,omitempty" min:"0.1/s" max:"100000/s" doc:"sign-ins per second that it may be asked for at most, on average; load.rate and the ends of capacity must keep to it, arrivals constant does in each second, and poisson has more of them in some"`
	Confirm string `yaml:"confirm,omitempty" is:"text" doc:"who allowed this load and when, in words; kept with the run"`
}

// SyncAgent is the agent that syncs hashes. Its fields have defaults only where
// the section is there: it is what says that the agent runs.
type SyncAgent struct {
	Interval Duration `yaml:"interval,omitempty" min:"100ms" max:"24h" doc:"how often it reads what changed; 120s when not given, as documented"`
	// StandingInterval is why a disabled account still signs in by hash sync.
	StandingInterval Duration `yaml:"standing_interval,omitempty" min:"100ms" max:"24h" doc:"how often the cloud is told which accounts are disabled, with the next reading; 30m when not given, as documented; with every reading when it is not longer than interval"`
	Batch            int      `yaml:"batch,omitempty" min:"1" max:"20000" doc:"accounts that it pushes at once, at most; 1000 when not given"`
}

// EventKind is one way in which a user's account changes.
type EventKind string

func (EventKind) words() (all []string) {
	for _, kind := range population.EventKinds() {
		all = append(all, string(kind))
	}
	return all
}

// On says whether the agent runs.
func (a SyncAgent) On() bool { return a.Interval != 0 }

// What a SyncAgent has when its fields are not given.
const (
	hashSyncInterval = Duration(120e9)
	standingInterval = Duration(1800e9)
	hashSyncBatch    = 1000
)

// Federation is a farm of federation servers behind a balancer, of none where no
// tenant signs in by federation.
type Federation struct {
	Servers int `yaml:"servers" default:"2" min:"1" max:"16" doc:"federation servers, named adfs-1 and so on, behind the process balancer; 2 by default; none unless a tenant's method is federation"`
}
