// Package pop3 holds the values that both sides of POP3 share (RFC 1939 and
// its extensions): messages and listings, capabilities, response codes, states
// and errors.
//
// It does no I/O. Package pop3wire turns these values into octets and back,
// pop3client and pop3server hold the conversations.
package pop3
