package imapwire

// The tables through which commands, responses and codes of extensions are
// found. Each extension has a file of its own.

import "github.com/mailwire/mailwire/imap"

// argsEncoder is a command of an extension: it writes its arguments, each with
// the space before it.
type argsEncoder interface{ encodeArgs(e *CommandEncoder) }

// responseEncoder is an untagged response of an extension: it writes itself
// behind "* ", without a line end.
type responseEncoder interface {
	appendData(dst []byte, o *EncodeOptions) ([]byte, error)
}

// extensionCommands parse what follows a command's name, the space included.
var extensionCommands = map[string]func(p *parser) Args{}

// extensionResponses parse what follows an untagged response's name, the space
// included.
var extensionResponses = map[string]func(p *parser) Response{}

// extensionCodes parse the arguments of a response code, of which there are
// some.
var extensionCodes = map[string]func(p *parser) imap.Code{}

// appendExtensionCode appends the arguments of a code, each with the space
// before it.
func appendExtensionCode(dst []byte, code imap.Code) ([]byte, error) {
	return dst, errEncode
}
