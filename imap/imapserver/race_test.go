//go:build race

package imapserver_test

// raceEnabled: sync.Pool forgets at random, and allocations cannot be counted.
const raceEnabled = true
