// Package imapwire is the codec of IMAP4: commands and responses as values,
// both directions (RFC 3501, RFC 9051 and extensions).
//
// Frames come first and grammar second. A [CommandReader] (server side) and a
// [ResponseReader] (client side) know where each line and literal ends before
// any grammar runs, so that what does not parse costs one command or one
// response: a *[ParseError], after which the next one can be read. Large
// literals stream; small ones are buffered under a limit.
//
// The grammar alone, for complete frames in memory, is [ParseCommand] and
// [ParseResponse]. Encoders append to a slice, are deterministic, and refuse
// CR, LF and NUL where the grammar has no room for them.
//
// Both readers give the octets that they read, for proxies: Raw and Stream.
//
// What is not known here, commands, untagged responses, response codes, FETCH
// items, is kept as it stood on the wire.
package imapwire
