//go:build !linux

package netns

import (
	"context"
	"errors"
)

var errNotHere = errors.New("network: namespaces: only Linux has network namespaces; use network: loopback")

// Enter is not to be had here.
func Enter(context.Context, Command) (inside bool, code int, err error) { return false, 0, errNotHere }

// Inside says whether this program was started by Enter.
func Inside() (bool, error) { return false, nil }

// A Network cannot be built here.
type Network struct{}

// A Namespace is not to be had here.
type Namespace struct{}

// Build is not to be had here.
func Build(int) (*Network, error) { return nil, errNotHere }

// Connector is the namespace of the n-th connector.
func (n *Network) Connector(int) *Namespace { return nil }

// Close does nothing here.
func (n *Network) Close() error { return nil }

// Do is not to be had here.
func (s *Namespace) Do(func() error) error { return errNotHere }
