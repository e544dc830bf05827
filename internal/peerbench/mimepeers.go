package main

// What the peers of package mime do for the same rows.

import (
	"bytes"
	"encoding/base64"
	"io"
	stdmime "mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"github.com/ProtonMail/gluon/imap"
	"github.com/ProtonMail/gluon/rfc822"
	"github.com/emersion/go-message"
	gomail "github.com/emersion/go-message/mail"
	"github.com/jhillyerd/enmime/v2"
)

var addressFields = []string{"From", "To", "Cc", "Reply-To"}

func stdlib(m []byte, t task, n *tally) error {
	msg, err := mail.ReadMessage(bytes.NewReader(m))
	if err != nil {
		return err
	}
	if t == envelope {
		for _, f := range addressFields {
			l, err := msg.Header.AddressList(f)
			if err != nil {
				return err
			}
			n.addresses += int64(len(l))
		}
		n.octets += int64(len(msg.Header.Get("Subject")))
		return nil
	}
	return stdlibPart(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, t, true, n)
}

func stdlibPart(ct, cte string, body io.Reader, t task, root bool, n *tally) error {
	n.parts++
	typ, params, err := stdmime.ParseMediaType(ct)
	if err != nil {
		return err
	}
	if strings.HasPrefix(typ, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := stdlibPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, t, false, n); err != nil {
				return err
			}
		}
	}
	if t == structure {
		if root {
			_, err = drain(body)
		}
		return err // NextRawPart passes over the body of a part
	}
	switch cte {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	k, err := drain(body)
	n.octets += k
	return err
}

func goMessage(m []byte, t task, n *tally) error {
	e, err := message.Read(bytes.NewReader(m))
	if err != nil {
		return err
	}
	if t == envelope {
		h := gomail.Header{Header: e.Header}
		for _, f := range addressFields {
			l, err := h.AddressList(f)
			if err != nil {
				return err
			}
			n.addresses += int64(len(l))
		}
		n.octets += int64(len(h.Get("Subject")))
		return nil
	}
	return goMessagePart(e, t, true, n)
}

func goMessagePart(e *message.Entity, t task, root bool, n *tally) error {
	n.parts++
	if r := e.MultipartReader(); r != nil {
		for {
			p, err := r.NextPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := goMessagePart(p, t, false, n); err != nil {
				return err
			}
		}
	}
	if t == structure && !root {
		return nil // NextPart passes over it
	}
	k, err := drain(e.Body)
	if t == decode {
		n.octets += k
	}
	return err
}

// enmimeDoes is enmime, which has no structure without decoding.
func enmimeDoes(m []byte, t task, n *tally) error {
	if t == envelope {
		e, err := enmime.ReadEnvelope(bytes.NewReader(m))
		if err != nil {
			return err
		}
		for _, f := range addressFields {
			l, err := e.AddressList(f)
			if err != nil {
				return err
			}
			n.addresses += int64(len(l))
		}
		n.octets += int64(len(e.GetHeader("Subject")))
		return nil
	}
	p, err := enmime.ReadParts(bytes.NewReader(m))
	if err != nil {
		return err
	}
	p.DepthMatchAll(func(p *enmime.Part) bool {
		n.parts++
		if t == decode && p.FirstChild == nil {
			n.octets += int64(len(p.Content))
		}
		return false
	})
	return nil
}

func gluon(m []byte, t task, n *tally) error {
	s := rfc822.Parse(m)
	if t == envelope {
		h, err := s.ParseHeader()
		if err != nil {
			return err
		}
		env, err := imap.Envelope(h)
		if err != nil {
			return err
		}
		// All hosts of the corpus begin so; the sender is From again.
		n.addresses += int64(strings.Count(env, ` "example.`) - 1)
		n.octets += int64(len(h.Get("Subject")))
		return nil
	}
	return s.Walk(func(p *rfc822.Section) error {
		n.parts++
		if t == structure {
			return nil
		}
		c, err := p.Children()
		if err != nil || len(c) > 0 {
			return err
		}
		b, err := p.DecodedBody()
		n.octets += int64(len(b))
		return err
	})
}
