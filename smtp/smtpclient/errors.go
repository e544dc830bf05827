// Whether to try again.

package smtpclient

import (
	"errors"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// SentError says that the connection was lost when the message had been sent
// whole, or its end at least may have arrived: whether the server took it is
// not known. A queue tries again, and may deliver twice (RFC 1047).
type SentError struct {
	// Err is how the connection was lost.
	Err error
}

func (e *SentError) Error() string { return e.Err.Error() + " (the message was sent)" }

// Unwrap is Err.
func (e *SentError) Unwrap() error { return e.Err }

// Temporary says what a queue does with a message or recipient that failed
// with err: true is to try again later, false to give up and report to the
// sender. A reply of the server says it by its code; values that can not be
// sent, extensions that are not offered and domains that take no mail are
// permanent; all else, such as a lost connection, a timeout, TLS that failed or
// was not offered, is temporary. Of nil it is false.
func Temporary(err error) bool {
	var own *smtp.Error
	var encode *smtpwire.EncodeError
	var path *smtp.PathError
	switch {
	case err == nil:
		return false
	case errors.Is(err, ErrTLSRequired):
		// Somebody on the way may have taken it away.
		return true
	case errors.As(err, &own):
		return !own.Permanent()
	case errors.As(err, &encode), errors.As(err, &path):
		return false
	}
	return true
}
