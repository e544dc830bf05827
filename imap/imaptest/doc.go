// Package imaptest is for tests of programs that speak IMAP: a server on the
// loopback over a mail store in memory, and a suite that any
// [imapserver.Backend] can be run through.
package imaptest
