// Package smtpwire is the codec of SMTP and LMTP: commands and replies as
// values, from octets and to octets, for both sides (RFC 5321 and its
// extensions).
//
// It parses one complete line, without its CRLF, at a time, and appends
// complete lines. It does no I/O. What an encoder would have to write and the
// grammar has no room for, CR, LF and NUL before all, it refuses: nobody can
// put a second command into an argument.
package smtpwire
