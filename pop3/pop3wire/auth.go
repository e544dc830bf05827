// The exchange of AUTH (RFC 5034 section 4).

package pop3wire

import (
	"encoding/base64"
	"errors"
)

// ErrAuthCancelled is a client's line that cancels the exchange.
var ErrAuthCancelled = errors.New("pop3: authentication cancelled by the client")

var errBase64 = errors.New("not base64")

// decode64 is strict, as RFC 5034 demands. Its error shows nothing of b.
func decode64(b []byte) ([]byte, error) {
	for _, c := range b {
		// The decoder would pass over them.
		if c == '\r' || c == '\n' {
			return nil, errBase64
		}
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, b)
	if err != nil {
		return nil, errBase64
	}
	return out[:n], nil
}

// AppendChallenge appends a server's challenge: a plus, a space and base64.
func AppendChallenge(dst, challenge []byte) []byte {
	dst = base64.StdEncoding.AppendEncode(append(dst, '+', ' '), challenge)
	return append(dst, '\r', '\n')
}

// ParseChallenge reads the challenge in a reply of status Continue.
func ParseChallenge(r *Reply) ([]byte, error) {
	b := []byte(r.Text)
	challenge, err := decode64(b)
	if err != nil {
		if textChallenge(r.Text) {
			return []byte{}, nil
		}
		return nil, badLine(b, 0, "expected a challenge in base64")
	}
	return challenge, nil
}

// AppendAuthResponse appends a client's response.
func AppendAuthResponse(dst, response []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(dst, response), '\r', '\n')
}

// AppendAuthCancel appends the line that cancels the exchange.
func AppendAuthCancel(dst []byte) []byte { return append(dst, "*\r\n"...) }

// ParseAuthResponse reads a client's response, which is never nil. The error
// is ErrAuthCancelled or a *ParseError.
func ParseAuthResponse(line []byte) ([]byte, error) {
	if len(line) == 1 && line[0] == '*' {
		return nil, ErrAuthCancelled
	}
	response, err := decode64(line)
	if err != nil {
		return nil, &ParseError{Msg: "expected a response in base64"}
	}
	return response, nil
}
