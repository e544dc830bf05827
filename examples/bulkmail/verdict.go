package main

// What an attempt says: of the recipient, and of the server.

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mailwire/mailwire/mime/report"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// fault is what an attempt says of the server.
type fault uint8

const (
	faultNone  fault = iota
	faultDown        // it fails now; later it may not
	faultOff         // it fails until somebody mends the configuration
	faultAvoid       // it can not take this message
)

// verdict is what an attempt says.
type verdict struct {
	what     event // evSent, evRetry, evFailed, evDoubt or evVoid
	fault    fault
	text     string
	suppress bool // the address is gone for good
}

// errCompose marks a message that could not be made.
var errCompose = errors.New("the message can not be made")

// judge judges what became of a message to one recipient. A server that
// fails, a login that is refused, a sender that is refused: none of these says
// anything of the recipient.
func judge(res *smtp.Result, err error) verdict {
	if err == nil {
		reply := res.Reply
		if len(res.Recipients) == 1 && res.Reply.Code == 0 {
			reply = res.Recipients[0].Reply
		}
		return verdict{what: evSent, text: reply.String()}
	}
	v := verdict{what: evVoid, fault: faultDown, text: err.Error()}
	var (
		lost      *smtpclient.SentError
		extension *smtpclient.ExtensionError
		encode    *smtpwire.EncodeError
		path      *smtp.PathError
		refusal   *smtp.Error
	)
	switch {
	case errors.As(err, &lost):
		v.what = evDoubt
	case errors.Is(err, errCompose), errors.As(err, &encode), errors.As(err, &path):
		v.what, v.fault = evFailed, faultNone
	case errors.As(err, &extension):
		v.fault = faultAvoid
	case errors.Is(err, smtpclient.ErrTLSRequired), errors.Is(err, smtpclient.ErrCleartextAuth), errors.Is(err, sasl.ErrMechanism):
		v.fault = faultOff
	case errors.As(err, &refusal):
		judgeRefusal(&v, refusal)
	}
	return v
}

func judgeRefusal(v *verdict, e *smtp.Error) {
	v.text = refusalText(e)
	command, _, _ := strings.Cut(e.Command, " ")
	switch {
	case e.Code == 421:
		// The server says goodbye, whatever it was asked.
	case command == "AUTH", e.Code == 530, e.Code == 535, e.Code == 538:
		if e.Permanent() {
			v.fault = faultOff
		}
	case command == "MAIL":
		if e.Permanent() {
			v.fault = faultAvoid
		}
	case command != "RCPT" && command != "DATA" && command != "BDAT":
		// Greeting, EHLO, STARTTLS: the server's own troubles.
	case e.Permanent():
		v.what, v.fault = evFailed, faultNone
		v.suppress = command == "RCPT" && gone(e)
	default:
		v.what, v.fault = evRetry, faultNone
	}
}

// gone reports whether a refusal says that the address does not exist.
func gone(e *smtp.Error) bool {
	r := report.Recipient{Action: report.Failed, Status: report.Status(e.EnhancedCode), Reply: e.Code}
	return !r.Status.IsZero() && r.Advice() == report.AdviceSuppress
}

func refusalText(e *smtp.Error) string {
	text := fmt.Sprint(e.Code)
	if !e.EnhancedCode.IsZero() {
		text += " " + e.EnhancedCode.String()
	}
	text += " " + strings.ReplaceAll(e.Message, "\n", " ")
	if e.Command != "" {
		text += " (" + e.Command + ")"
	}
	return text
}
