package scenarios

import (
	"slices"
	"strconv"
	"strings"

	"ptabench/ports"
)

// The words for documented ports.
const (
	requestPorts  = "requests"
	responsePorts = "responses"
)

// ldapsPort stands for the directory's port for user binds.
const ldapsPort = "ldaps"

// httpsPort stands for the port of federation servers.
const httpsPort = "https"

// The first and last port that answers go to.
const firstResponsePort, lastResponsePort = ports.FirstResponse, ports.LastResponse

const portForm = "a documented port (80, 443, 8080, 9090, 9091, 9350, 9352, 5671, 10100 to 10120), a range of them, requests, responses, ldaps or https"

// portPattern is what a port may look like, for the JSON schema.
const portPattern = `^(80|443|8080|9090|9091|9350|9352|5671|101[01][0-9]|10120|10[0-9]{3}-10[0-9]{3}|requests|responses|ldaps|https)$`

// documentedPorts are the ports of the cloud that can be blocked.
var documentedPorts = func() map[string]bool {
	all := make(map[string]bool)
	for _, p := range ports.Cloud() {
		all[p] = true
	}
	return all
}()

// expandPort turns a port, range or word into port numbers. The second result
// says what is wrong, and is empty when nothing is.
func expandPort(text string) ([]string, string) {
	switch text {
	case ldapsPort, httpsPort:
		return []string{text}, ""
	case requestPorts:
		return ports.Requests(), ""
	case responsePorts:
		text = strconv.Itoa(firstResponsePort) + "-" + strconv.Itoa(lastResponsePort)
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil {
		return nil, portForm
	}
	if from < 1 || from > 65535 || to < 1 || to > 65535 {
		return nil, "a port from 1 to 65535, and of those " + portForm
	}
	if from > to || !documentedPorts[first] || !documentedPorts[last] || isRange && from != to && from < firstResponsePort {
		return nil, portForm
	}
	var all []string
	for p := from; p <= to; p++ {
		all = append(all, strconv.Itoa(p))
	}
	return all, ""
}

// addPorts appends what is not there yet.
func addPorts(ports, more []string) []string {
	for _, p := range more {
		if !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return ports
}

// portRanges is the inverse of expanding: three or more ports in a row become
// a range.
func portRanges(ports []string) []string {
	var all []string
	for i := 0; i < len(ports); {
		end := i + 1
		for end < len(ports) && follows(ports[end-1], ports[end]) {
			end++
		}
		if end-i >= 3 {
			all = append(all, ports[i]+"-"+ports[end-1])
		} else {
			all = append(all, ports[i:end]...)
		}
		i = end
	}
	return all
}

func follows(a, b string) bool {
	m, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && n == m+1
}

// portsPattern is several ports in one text.
const portsPattern = `^[a-z0-9-]+( *, *[a-z0-9-]+)*$`

// portNumbers are the documented ports in ascending order.
func portNumbers() []int {
	var all []int
	for p := range documentedPorts {
		n, _ := strconv.Atoi(p) // the map holds numbers only
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
