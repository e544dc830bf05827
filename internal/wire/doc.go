// Package wire is the framing core that every codec of this module stands on.
//
// It turns an io.Reader into frames: lines that end in CRLF, literals of a
// counted number of octets, and bodies that end in CRLF "." CRLF. A frame's
// end is known before any grammar runs over it, so that bad grammar costs one
// frame and never the connection. It also holds the cursor that grammars run
// with on a complete frame ([Lexer]) and a streaming base64.
//
// The package does no I/O of its own, knows no clock and no context, and
// never allocates for a line. Bytes that it returns are borrowed: they are
// valid until the next call on the same value (see [SetPoison]).
package wire
