//go:build !linux

package kernel

import (
	"errors"
	"runtime"
)

// errLinux says where the rules are.
var errLinux = errors.New("nftables: linux has it and " + runtime.GOOS + " has not")

// A Table is of no use here.
type Table struct{ name string }

// NewTable returns a table that takes no rules.
func NewTable(name string) *Table { return &Table{name: name} }

// Name is that of the table.
func (t *Table) Name() string { return t.name }

// Add says that there are no rules here.
func (t *Table) Add(r Rule) error {
	if err := r.check(); err != nil {
		return err
	}
	return errLinux
}

// Remove says that there are no rules here.
func (t *Table) Remove(string) (packets uint64, err error) { return 0, errLinux }

// Close does nothing.
func (t *Table) Close() error { return nil }

// Delete says that there are no tables here.
func Delete(string) (found bool, err error) { return false, errLinux }

// Supported says that there are no tables here.
func Supported() error { return errLinux }

// Holder is none.
func Holder(string) (pid int) { return 0 }

// Namespace is empty: there are none.
func Namespace() string { return "" }
