// Package conformance holds the tests that every kind of directory passes: the
// same questions to each, by the connectors' own pool, and the answers that a
// sign-in gets. It is a room of its own because it belongs to no kind, and
// nothing but tests is in it.
package conformance
