// Package pop3wire is the codec of POP3 (RFC 1939, RFC 2449, RFC 5034, RFC
// 6856): commands, replies, listings and capability lines, each both ways.
//
// A parser takes a complete line without its line end, an encoder appends one
// with CRLF. An encoder refuses what its grammar has no room for, CR, LF and
// NUL before all: nothing can be injected through a value.
package pop3wire
