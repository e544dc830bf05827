// Package imapserver is an IMAP4rev1 server (RFC 3501) with the extensions
// that clients use: IDLE, UIDPLUS, MOVE, NAMESPACE, ID, SPECIAL-USE, CHILDREN,
// UNSELECT, LIST-EXTENDED, LIST-STATUS, APPENDLIMIT, ENABLE, SASL-IR, LITERAL+.
//
// A mail store implements [Backend], [Session] and [Mailbox], which know
// messages by their UIDs alone. Package imaptest has one in memory, and a test
// suite for any.
//
//	s := &imapserver.Server{Backend: store, Auth: &sasl.Auth{Password: check}, TLSConfig: config}
//	err := s.ListenAndServe(":143")
package imapserver
