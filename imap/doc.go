// Package imap holds the values that both sides of IMAP4 share (RFC 3501,
// RFC 9051 and their extensions): numbers and sets, flags, mailbox names,
// search keys, fetch items, capabilities, response codes and errors.
//
// It does no I/O. Package imapwire turns these values into octets and back.
//
// Where an extension may add to a list, the type is open: [FetchItem] and
// [SearchKey] are interfaces that a caller may implement, [Flag],
// [MailboxAttr], [StatusItem] and [Capability] are strings, and [Code] is an
// interface with [CodeRaw] for what this package does not know.
//
// Strings that name a mailbox are UTF-8 everywhere in the API; modified UTF-7
// exists on the wire alone.
package imap
