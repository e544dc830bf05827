package imapwire

import "github.com/mailwire/mailwire/imap"

func AppendEnvelope(dst []byte, v *imap.Envelope) []byte                          { return dst }
func AppendBodyStructure(dst []byte, b *imap.BodyStructure, extended bool) []byte { return dst }
