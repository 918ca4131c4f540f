package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestImportDirections holds the directions in which rooms may import each
// other, with the reason for each.
func TestImportDirections(t *testing.T) {
	rules := []struct {
		from   string
		not    []string
		reason string
	}{
		{"connector", []string{"bench", "gate", "cloudsim", "results", "onprem", "scenarios", "population", "cli"},
			"no test hook in what is measured, and another implementation must be able to take its place"},
		{"cloudsim", []string{"bench", "connector", "results", "onprem", "scenarios", "population", "cli"},
			"the cloud knows connectors by the wire and the harness by what it observes"},
		{"onprem", []string{"bench", "connector", "results", "cloudsim", "scenarios", "cli"},
			"what is on premises can be replaced by the real thing"},
		{"onprem/directory", []string{"bind", "wire"},
			"a directory knows nothing of who asks it"},
		{"onprem/adfs", []string{"onprem/directory", "onprem/slapd", "onprem/samba", "onprem/balancer", "population"},
			"a federation server asks a directory by LDAP, whichever it is, and knows its users from nowhere else"},
		{"onprem/balancer", []string{"bind", "wire", "onprem/adfs", "onprem/directory"},
			"it carries what it does not understand"},
		{"bind", []string{"bench", "gate", "connector", "cloudsim", "results", "onprem", "scenarios", "population", "cli"},
			"connectors and federation servers ask a directory by it, and no test hook is in what is measured"},
		{"bench", []string{"connector", "cloudsim", "onprem", "wire", "cli"},
			"roles are command lines, so that another build can be put in their place"},
		{"results", []string{"bench", "connector", "cloudsim", "onprem", "scenarios", "population", "observe", "synchash", "wire", "cli"},
			"old runs stay readable"},
		{"wire", []string{"bench", "connector", "cloudsim", "onprem", "scenarios", "population", "observe", "synchash", "results", "cli"},
			"it is the contract and nothing else"},
		{"observe", []string{"bench", "connector", "cloudsim", "onprem", "scenarios", "population", "synchash", "results", "wire", "cli"},
			"both sides of every role import it"},
		{"population", []string{"bench", "connector", "cloudsim", "onprem", "scenarios", "observe", "synchash", "results", "wire", "cli"},
			"the directory and the load generator must derive the same users from nothing but a seed"},
		{"scenarios", []string{"bench", "connector", "cloudsim", "onprem", "observe", "synchash", "results", "wire", "cli"},
			"a scenario can be checked without anything that runs it"},
		{"ports", []string{"bench", "gate", "connector", "cloudsim", "onprem", "scenarios", "population", "observe", "synchash", "results", "wire", "cli"},
			"a list of numbers that everybody may import imports nothing"},
		{"signed", []string{"bench", "gate", "connector", "cloudsim", "onprem", "scenarios", "population", "observe", "synchash", "results", "wire", "cli"},
			"cloud and connector verify each other's documents by it, and so may another implementation of either"},
		{"update", []string{"bench", "gate", "connector", "cloudsim", "onprem", "scenarios", "population", "observe", "synchash", "results", "wire", "cli"},
			"who publishes, the cloud and the connector meet in it, and so may another implementation of any"},
		{"gate", []string{"bench", "connector", "cloudsim", "onprem", "scenarios", "population", "synchash", "results", "wire", "cli"},
			"every role that breaks its own ports imports it, so it knows none of them"},
		{"cloudsim/signin", []string{"wire", "gate", "observe", "cloudsim/dispatch", "cloudsim/state", "cloudsim/authority", "cloudsim/manage"},
			"the sign-in page asks the cloud through one small interface who may come in, and knows nothing of how that is found out"},
		{"cloudsim/federation", []string{"wire", "gate", "observe", "cloudsim"},
			"whose word is taken depends on what came and on whom the administrator trusts, and on nothing else of the cloud"},
		{"setup", []string{"bench", "gate", "connector", "cloudsim", "onprem", "results", "scenarios", "population", "wire", "cli"},
			"it sees cloud, directory and connector as an administrator does: by their addresses and command lines"},
		{"sampleapp", []string{"bench", "gate", "connector", "cloudsim", "onprem", "results", "scenarios", "population", "synchash", "wire", "cli"},
			"it is a service of somebody else's, and knows the cloud by what any OpenID provider says of itself"},
		{"cloudsim/lockout", []string{"wire", "gate", "observe", "cloudsim/dispatch", "cloudsim/state", "cloudsim/authority", "cloudsim/signin"},
			"what locks an account is counted without anybody who signs in"},
		{"cloudsim/dispatch", []string{"wire", "gate", "cloudsim/state", "cloudsim/authority", "cloudsim/token"},
			"the same code runs under a virtual clock: no network, no disk"},
	}
	imports := projectImports(t)
	for _, rule := range rules {
		checked := false
		for pkg, deps := range imports {
			if !within(pkg, rule.from) {
				continue
			}
			checked = true
			for _, dep := range deps {
				for _, not := range rule.not {
					if within(dep, not) {
						t.Errorf("%s imports %s: %s", pkg, dep, rule.reason)
					}
				}
			}
		}
		if !checked {
			t.Errorf("the rule for %s matches no package", rule.from)
		}
	}
}

func within(pkg, room string) bool {
	pkg = strings.TrimPrefix(pkg, "ptabench/")
	return pkg == room || strings.HasPrefix(pkg, room+"/")
}

// projectImports maps each package of the module to those of the module that
// it imports, tests aside.
func projectImports(t *testing.T) map[string][]string {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "ptabench/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := make(map[string][]string)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports[p.ImportPath] = []string{}
		for _, dep := range p.Imports {
			if strings.HasPrefix(dep, "ptabench/") {
				imports[p.ImportPath] = append(imports[p.ImportPath], dep)
			}
		}
	}
	return imports
}
