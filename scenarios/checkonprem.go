package scenarios

import "fmt"

// checkOnPrem completes the directory, the hash sync agent and the federation
// servers, and finds what they cannot be together.
func (d *decoder) checkOnPrem(s *Scenario) {
	d.fillOnPrem(s)
	if d.sound("directory.kind") {
		d.checkDirectory(s)
	}
	d.leaveUnused(s)
}

// checkDirectory finds what a directory of its kind cannot have beside it.
func (d *decoder) checkDirectory(s *Scenario) {
	kind, dir := s.Directory.Kind, s.Directory
	if kind != Embedded && dir.Delay != 0 && d.sound("directory.delay") {
		d.wrong("directory.delay", dir.Delay.String(), "0s: only the embedded directory can be told to be slow, and directory.kind is "+string(kind))
	}
	if s.Network == Namespaces && kind != Embedded && d.sound("network") {
		d.wrong("directory.kind", string(kind), "embedded with network namespaces, in whose network no other directory is started")
	}
	for i, o := range s.Connectors.Overrides {
		path := fmt.Sprintf("connectors.overrides[%d].directory_delay", i)
		if kind != Embedded && o.DirectoryDelay != 0 && d.sound(path) {
			d.wrong(path, o.DirectoryDelay.String(), "it not for directory.kind "+string(kind)+", which cannot be told to be slow")
		}
	}
	d.checkHashes(s)
	if len(s.Population.Events) > 0 && kind == Outside {
		d.wrong("population.events", "given for an external directory", "it not: nothing of it is changed")
	}
	if kind == Outside {
		d.checkExternal(s)
	} else if dir.External != (External{}) || d.below["directory.external"] && !d.bad["directory"] {
		d.wrong("directory.external", "given for kind "+string(kind), "it only with directory.kind external")
	}
}

// fillOnPrem fills in what depends on another field.
func (d *decoder) fillOnPrem(s *Scenario) {
	needed, _ := d.hashesNeeded(s)
	if _, given := d.at["hash_sync"]; given || needed && d.sound("directory.kind") && s.Directory.Kind == Samba {
		if s.HashSync.Interval == 0 {
			s.HashSync.Interval = hashSyncInterval
		}
		if s.HashSync.StandingInterval == 0 {
			s.HashSync.StandingInterval = standingInterval
		}
		if s.HashSync.Batch == 0 {
			s.HashSync.Batch = hashSyncBatch
		}
	}
	for i := range s.Tenants {
		t, path := &s.Tenants[i], fmt.Sprintf("tenants[%d].fallback", i)
		if t.Method != Federated || !d.sound(fmt.Sprintf("tenants[%d].method", i)) {
			continue
		}
		if _, given := d.at[path]; given && d.sound(path) && t.Fallback != FallbackOff {
			d.wrong(path, string(t.Fallback), "off, or no such line: with federation nobody else can answer")
		}
		t.Fallback = FallbackOff
	}
}

// leaveUnused has what no tenant makes use of not be there, and notes the
// sections of it: where methods are compared one file has those of all.
func (d *decoder) leaveUnused(s *Scenario) {
	unused := func(section string) {
		if _, given := d.at[section]; given {
			s.Unused = append(s.Unused, section)
		}
	}
	if needed, certain := d.hashesNeeded(s); certain && !needed {
		unused("hash_sync")
		s.HashSync = SyncAgent{}
	}
	if federates, certain := d.federates(s); certain && !federates {
		unused("federation")
		s.Federation = Federation{}
	}
}

// checkHashes looks for who could sync the hashes that tenants need. The roles
// that fill a directory know them, whatever its kind; the agent reads them from
// those that keep them.
func (d *decoder) checkHashes(s *Scenario) {
	if s.Directory.Kind == Slapd && s.HashSync.On() {
		d.wrong("hash_sync", "given for directory.kind slapd", "it only for embedded or samba: OpenLDAP keeps no hash that the cloud could use, so its role pushes those of the users that it made")
	}
	if s.Directory.Kind != Outside {
		return
	}
	if s.HashSync.On() {
		d.wrong("hash_sync", "given for an external directory", "it not: nothing is read out of one but where its users are")
	}
	for i, t := range s.Tenants {
		if t.NeedsHashes() && d.sound(fmt.Sprintf("tenants[%d].method", i), fmt.Sprintf("tenants[%d].fallback", i)) {
			field, value := needsHashes(t)
			d.wrong(fmt.Sprintf("tenants[%d].%s", i, field), value, "pass-through with fallback off, or federation: no hashes are read out of an external directory")
		}
	}
}

func needsHashes(t Tenant) (field, value string) {
	if t.Method == HashSync {
		return "method", string(t.Method)
	}
	return "fallback", string(t.Fallback)
}

// checkExternal holds the load against what somebody's own directory may be
// asked.
func (d *decoder) checkExternal(s *Scenario) {
	e := s.Directory.External
	missing := func(field, expected string) {
		if path := "directory.external." + field; d.sound(path) {
			d.wrong(path, "missing", expected)
		}
	}
	for _, f := range []struct{ name, value, expected string }{
		{"url", e.URL, rules["ldaps"].form},
		{"account", e.Account, "the distinguished name of the account that looks users up"},
		{"base", e.Base, "the distinguished name below which users are looked for"},
		{"users", e.Users, "a file of user principal names and passwords, CSV"},
		{"confirm", e.Confirm, "who allowed this load and when, in words"},
	} {
		if f.value == "" {
			missing(f.name, f.expected)
		}
	}
	if e.MaxRate == 0 {
		missing("max_rate", "the sign-ins per second that it may be asked for at most")
	}
	if s.Directory.Servers > 1 && d.sound("directory.servers") {
		d.wrong("directory.servers", fmt.Sprint(s.Directory.Servers), "1 for external: its address is directory.external.url")
	}
	if len(s.Population.States) > 0 {
		d.wrong("population.states", "given for an external directory", "it not: its users are active as far as is known, and nothing of them is changed")
	}
}

// checkMaxRate holds everything that makes sign-ins to what somebody's own
// directory may be asked.
func (d *decoder) checkMaxRate(s *Scenario) {
	limit := s.Directory.External.MaxRate
	if s.Directory.Kind != Outside || limit == 0 || !d.sound("directory.external.max_rate") {
		return
	}
	for _, r := range []struct {
		path string
		rate Rate
	}{{"load.rate", s.Load.Rate}, {"capacity.from", s.Capacity.From}, {"capacity.to", s.Capacity.To}} {
		if _, given := d.at[r.path]; r.path == "capacity.to" && !given { // it follows from the others
			continue
		}
		if r.rate > limit && d.sound(r.path) {
			d.wrong(r.path, r.rate.String(), "at most "+limit.String()+", as directory.external.max_rate has it")
		}
	}
}
