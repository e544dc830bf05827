package imap

import "github.com/mailwire/mailwire/mime"

// The values of ENVELOPE and BODYSTRUCTURE (RFC 3501 section 7.4.2) are those
// of package mime, which makes them from messages and decodes their strings.
type (
	Envelope      = mime.Envelope
	Address       = mime.Address
	BodyStructure = mime.BodyStructure
)
