// Package mbox reads and writes mbox files, the messages one behind the other, as streams.
//
// A message begins with its From_ line, "From sender date", and ends before the blank line in front of the next From_ line.
// The files differ in how they keep lines of a message that begin with "From " apart from From_ lines:
//
//   - mboxo puts ">" before them, and so cannot be undone: a line that began with ">From " before looks the same.
//   - mboxrd puts ">" also before lines that begin with any number of ">" and "From ", and is undone exactly.
//   - mboxcl quotes as mboxo does and gives the body's length in a Content-Length field.
//   - mboxcl2 gives the length and leaves the body as it is.
//
// A Reader takes all of them, with LF or CRLF or both, from any io.Reader, in bounded memory. What it gives back for a file
// that a Writer wrote as mboxrd or mboxcl2 is what was written, octet for octet, but that a message without a line ending at its
// end gains one.
//
// # What counts as a From_ line
//
// RFC 4155 asks for "From ", an address, and a date as asctime prints it. What stands in files is looser, and text such as
// "From Russia with love" stands there unquoted, so:
//
//   - A line with "From " at its beginning and a date with a time of day at its end is a From_ line wherever a line begins. The
//     date may be asctime's, RFC 5322's or ISO 8601's, with or without seconds, weekday and zone, and with "remote from host"
//     behind it.
//   - A line with "From " and one word that is "-", "<>", MAILER-DAEMON or holds an at sign is a From_ line if a blank line or the
//     file's beginning precedes it, and a header field, a blank line or the file's end follows it.
//   - "From -" (Mozilla) is one wherever a line begins if a header field follows it.
//   - No other line is one, nor is one longer than Limits.FromLine.
package mbox

import (
	"fmt"
)

// A Variant is one of the forms of mbox files.
type Variant uint8

// The variants. Auto, for reading alone, decides between MboxRD, MboxCL and MboxCL2 by the first Limits.Window octets: a file
// whose Content-Length fields are right is MboxCL2, or MboxCL where quoted lines stand in it and no unquoted; any other is
// MboxRD. An mboxo file cannot be told from mboxrd; read so, all is as with MboxO but for lines quoted twice or more.
const (
	Auto Variant = iota
	MboxO
	MboxRD
	MboxCL
	MboxCL2
)

func (v Variant) String() string {
	switch v {
	case Auto:
		return "auto"
	case MboxO:
		return "mboxo"
	case MboxRD:
		return "mboxrd"
	case MboxCL:
		return "mboxcl"
	case MboxCL2:
		return "mboxcl2"
	}
	return fmt.Sprintf("Variant(%d)", uint8(v))
}

// counted tells whether messages carry their length.
func (v Variant) counted() bool { return v == MboxCL || v == MboxCL2 }

// Limits bounds what a file may make the Reader and Writer do. A field that is zero or negative means the default.
type Limits struct {
	// Window is the Reader's buffer, in octets, and how far it looks ahead in a file that is no io.ReaderAt. Default 64 KiB, at least 8 KiB.
	Window int
	// FromLine is the longest From_ line, in octets. Default 1024, at most 4096.
	FromLine int
	// Buffer is how many octets of a message the Writer holds to know its length, where the message is no io.Seeker. Only
	// MboxCL and MboxCL2 need it. Default 64 MiB.
	Buffer int64
}

const maxFromLine = 4096

func (l Limits) defaults() Limits {
	if l.Window <= 0 {
		l.Window = 64 << 10
	}
	l.Window = max(l.Window, 8<<10)
	if l.FromLine <= 0 {
		l.FromLine = 1024
	}
	l.FromLine = min(l.FromLine, maxFromLine)
	if l.Buffer <= 0 {
		l.Buffer = 64 << 20
	}
	return l
}

// Options configures a Reader. nil means the defaults.
type Options struct {
	// Variant is the form of the file. The default is Auto.
	Variant Variant
	// Raw leaves quoted lines, and the Content-Length field that a Writer puts first, as they stand in the file.
	Raw    bool
	Limits Limits
}

// A SyntaxError tells of octets that belong to no message.
type SyntaxError struct {
	Offset int64 // in octets from the beginning of the file
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("mbox: at octet %d: %s", e.Offset, e.Msg)
}
