package bench

import (
	"fmt"
	"net"

	"ptabench/bench/netns"
	"ptabench/ports"
	"ptabench/scenarios"
)

// A meeting is where the processes of a run meet: on loopback at free ports,
// or in a network of the run's own at the real ones.
type meeting struct {
	kind    scenarios.Network
	network *netns.Network // once built; nil on loopback
}

// build makes the network, if there is one to make.
func (m *meeting) build(connectors int) (err error) {
	if m.kind == scenarios.Namespaces {
		m.network, err = netns.Build(connectors)
	}
	return err
}

// close takes the network down again. The processes in it have ended.
func (m *meeting) close() error {
	if m.network == nil {
		return nil
	}
	return m.network.Close()
}

// source is the address that the n-th connector dials from, counted from 1, by
// which gates, kernel and directory tell connectors apart; empty where they
// have none of their own.
func (m *meeting) source(n int) string {
	switch {
	case m.kind == scenarios.Namespaces:
		return netns.Connector(n)
	case perConnectorSources:
		return loopbackSource(n)
	}
	return ""
}

// loopbackSource is the n-th connector's address on loopback. Only Linux
// answers on all of 127.0.0.0/8.
func loopbackSource(n int) string {
	n += 10
	return fmt.Sprintf("127.0.%d.%d", n/250, n%250+1)
}

// loopback is where a role that shares the harness's network is watched: out
// of the connectors' reach, like the operators' side of a real service.
const loopback = "127.0.0.1:0"

// cloudFlags say where the cloud listens at its first start.
func (m *meeting) cloudFlags() []string {
	if m.kind != scenarios.Namespaces {
		return nil
	}
	flags := []string{"--listen", netns.Cloud, "--port", "observe=" + loopback}
	for _, port := range ports.Cloud() {
		flags = append(flags, "--port", port+"="+net.JoinHostPort(netns.Cloud, port))
	}
	return flags
}

// directoryFlags say where the i-th directory server, from 0, listens at its
// first start. Only one can have the real ports of the one address.
func (m *meeting) directoryFlags(i int) []string {
	switch {
	case m.kind != scenarios.Namespaces:
		return nil
	case i > 0:
		free := net.JoinHostPort(netns.Cloud, "0")
		return []string{"--ldap", free, "--ldaps", free}
	}
	return []string{
		"--ldap", net.JoinHostPort(netns.Cloud, ports.LDAP),
		"--ldaps", net.JoinHostPort(netns.Cloud, ports.LDAPS),
	}
}

// connectorFlags give the n-th connector its address. In a network namespace it
// must be watched at that too.
func (m *meeting) connectorFlags(n int) (flags []string) {
	if source := m.source(n); source != "" {
		flags = append(flags, "--source", source)
	}
	if m.kind == scenarios.Namespaces {
		flags = append(flags, "--observe", net.JoinHostPort(m.source(n), "0"))
	}
	return flags
}

// host starts the n-th connector on its host; nil on loopback, where there is
// only one.
func (m *meeting) host(n int) func(start func() error) error {
	if m.network == nil {
		return nil
	}
	return m.network.Connector(n).Do
}
