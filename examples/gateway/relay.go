package main

// A client's session and the one upstream that goes with it: what the client
// hears of a sender, a recipient and a message is what upstream says.

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// goodbye is the longest wait for upstream's answer to QUIT.
const goodbye = 2 * time.Second

// gateway is what all sessions share; it is the smtpserver.Backend.
type gateway struct {
	upstream string
	options  smtpclient.Options
	xclient  bool // tell upstream who the client is, by XCLIENT
	proxy    bool // by the PROXY protocol
	lmtp     bool // the server's side

	rules      *rules
	quarantine string
	tmp        string
	spamd      string
	spamMax    int64
	hookTime   time.Duration

	log   *slog.Logger
	count counters
}

func (g *gateway) NewSession(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	g.count.connections.Add(1)
	g.count.sessions.Add(1)
	return &session{gateway: g, conn: c}, nil
}

// session is the smtpserver.Session.
type session struct {
	*gateway
	conn *smtpserver.Conn

	up   *smtpclient.Client // nil while there is none
	helo string             // the name upstream was told
	open bool               // upstream is in a transaction

	facts    facts
	accepted int
	like     string
}

// Helo connects upstream, to offer what it offers. A failure is told when
// there is mail.
func (s *session) Helo(ctx context.Context, name string) error {
	if s.up != nil && s.helo != name {
		s.drop()
	}
	_ = s.connect(ctx)
	return nil
}

// Capabilities are those that depend on upstream.
func (s *session) Capabilities() smtpserver.Capabilities {
	return smtpserver.Capabilities{DSN: s.up != nil && s.up.Extensions().Has("DSN")}
}

// connect opens the session upstream.
func (s *session) connect(ctx context.Context) error {
	if s.up != nil {
		return nil
	}
	o := s.options
	client, _ := netip.ParseAddrPort(s.conn.RemoteAddr().String())
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	if s.proxy {
		local, _ := netip.ParseAddrPort(s.conn.LocalAddr().String())
		o.Proxy = &smtpclient.ProxyHeader{Source: client, Destination: netip.AddrPortFrom(local.Addr().Unmap(), local.Port())}
	}
	if helo := s.conn.HeloName(); helo != "" && (s.proxy || s.xclient) {
		o.HelloName = helo
	}
	c, err := smtpclient.Dial(ctx, s.upstream, &o)
	if err == nil && s.xclient {
		addr := client.Addr().WithZone("").String()
		if client.Addr().Is6() {
			addr = "IPV6:" + addr
		}
		attributes := []smtp.Param{{Name: "ADDR", Value: addr}, {Name: "NAME", Value: "[UNAVAILABLE]"}}
		if name := s.conn.ClientName(); name != "" {
			attributes[1].Value = name
		}
		if helo := s.conn.HeloName(); helo != "" {
			attributes = append(attributes, smtp.Param{Name: "HELO", Value: helo})
		}
		if err = c.XClient(ctx, attributes...); err != nil {
			_ = c.Close()
		}
	}
	if err != nil {
		s.log.Warn("upstream", "upstream", s.upstream, "error", err)
		var missing *smtpclient.ExtensionError
		if errors.As(err, &missing) {
			// The gateway's set-up is at fault, not the message.
			return smtp.Errorf(451, smtp.EnhancedCode{4, 3, 5}, "the next server does not offer %s", missing.Extension)
		}
		return err
	}
	s.up, s.helo = c, s.conn.HeloName()
	return nil
}

func (s *session) drop() {
	if s.up != nil {
		_ = s.up.Close()
	}
	s.up, s.open = nil, false
}

// failed is what the client is told of an error upstream: upstream's own
// words where it had some, else that it may try again.
func (s *session) failed(err error) error {
	var said *smtp.Error
	if !errors.As(err, &said) {
		s.drop()
		s.count.failed.Add(1)
		s.log.Warn("upstream", "upstream", s.upstream, "error", err)
		return smtp.Errorf(451, smtp.EnhancedCode{4, 4, 2}, "the next server can not be reached or broke off; try again later")
	}
	if said.Code == 421 {
		s.drop()
	}
	if said.Permanent() {
		s.count.refused.Add(1)
	} else {
		s.count.failed.Add(1)
	}
	return said
}

func (s *session) Mail(ctx context.Context, from smtp.Path, o *smtp.MailOptions) error {
	client, _ := netip.ParseAddrPort(s.conn.RemoteAddr().String())
	s.facts = facts{client: client.Addr().Unmap(), from: pathText(from)}
	s.accepted = 0
	fresh := s.up == nil
	if err := s.connect(ctx); err != nil {
		return s.failed(err)
	}
	err := s.up.Mail(ctx, from, o)
	var said *smtp.Error
	if err != nil && !fresh && (!errors.As(err, &said) || said.Code == 421) {
		// Upstream did not wait for as long as this client may.
		s.drop()
		if err = s.connect(ctx); err == nil {
			err = s.up.Mail(ctx, from, o)
		}
	}
	if err != nil {
		return s.failed(err)
	}
	s.open = true
	return nil
}

func (s *session) Rcpt(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error {
	f := s.facts
	f.to = pathText(to)
	target, err := s.rules.recipient(&f, to)
	if err != nil {
		s.count.rejected.Add(1)
		return err
	}
	like := s.rules.likeness(&f)
	switch {
	case s.accepted == 0:
	case like != s.like:
		return smtp.Errorf(452, smtp.EnhancedCode{4, 5, 3}, "other rules apply to %s: send it in a message of its own", to)
	case s.options.LMTP && !s.lmtp:
		// LMTP may take the message for one and not for the other, which SMTP
		// can not say.
		return smtp.Errorf(452, smtp.EnhancedCode{4, 5, 3}, "one recipient at a time")
	}
	if s.up == nil {
		return smtp.Errorf(451, smtp.EnhancedCode{4, 4, 2}, "the next server broke off; try again later")
	}
	if err := s.up.Rcpt(ctx, target, o); err != nil {
		return s.failed(err)
	}
	if s.accepted == 0 {
		s.facts.to, s.like = f.to, like
	}
	s.accepted++
	return nil
}

// watched is a message that says how reading it ended.
type watched struct {
	r   io.Reader
	n   int64
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (s *session) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	id := strings.ToLower(rand.Text()[:12])
	message := &watched{r: r}
	res, d, err := s.relay(ctx, id, env, message)
	log := s.log.With("id", id, "client", s.facts.client, "from", s.facts.from, "to", paths(env.To), "octets", message.n)
	var said *smtp.Error
	switch {
	case err == nil:
		s.count.octets.Add(message.n)
		d.count()
		what := "relayed"
		if d.final != nil && d.final.action == quarantine {
			what = "quarantined"
			s.count.quarantined.Add(1)
		} else {
			s.count.relayed.Add(1)
		}
		log.Info(what)
	case errors.As(err, &said):
		log.Info("refused", "reply", said.Error())
	default:
		s.count.failed.Add(1)
		log.Warn("failed", "error", err)
	}
	return res, err
}

// relay decides about a message and sends it on.
func (s *session) relay(ctx context.Context, id string, env *smtp.Envelope, r io.Reader) (*smtp.Result, decision, error) {
	none := decision{}
	header, rest, whole, err := readHeader(r)
	if err != nil {
		return nil, none, err
	}
	if !whole && len(s.rules.list) > 0 {
		s.count.rejected.Add(1)
		return nil, none, smtp.Errorf(552, smtp.EnhancedCode{5, 3, 4}, "the header has more than %d octets", maxHeader)
	}
	parsed := mime.ParseHeader(header)
	if hops(parsed) >= maxHops {
		s.count.rejected.Add(1)
		return nil, none, smtp.Errorf(554, smtp.EnhancedCode{5, 4, 6}, "the message went through %d servers: it is in a loop", maxHops)
	}
	f := s.facts
	f.header = &parsed
	d, err := s.rules.decide(&f)
	if err != nil {
		return nil, d, s.hookFailed(err)
	}
	body := io.MultiReader(bytes.NewReader(rest), r)
	switch {
	case d.spool:
		sp, err := newSpool(s.tmp, io.MultiReader(bytes.NewReader(header), inspect(s.rules, &f, d.watch, header, body)))
		if err != nil {
			return nil, d, s.watchedFor(err)
		}
		defer sp.close()
		s.hooks(ctx, &f, sp)
		if d, err = s.rules.decide(&f); err != nil {
			return nil, d, s.hookFailed(err)
		}
		body = io.NewSectionReader(sp.file, int64(len(header)), sp.size-int64(len(header)))
	case len(d.watch) > 0 && (d.final == nil || d.final.action != reject):
		body = inspect(s.rules, &f, d.watch, header, body)
	}
	if d.final != nil && d.final.action == reject {
		d.count()
		s.count.rejected.Add(1)
		return nil, d, d.final.refusal
	}
	header, err = edited(header, d.edits, env.Options.UTF8)
	if err != nil {
		s.count.rejected.Add(1)
		return nil, d, smtp.Errorf(554, smtp.EnhancedCode{5, 6, 0}, "the header can not be edited as the rules of this gateway ask")
	}
	message := &watched{r: io.MultiReader(strings.NewReader(s.conn.Received(env, id)), bytes.NewReader(header), body)}
	if d.final != nil && d.final.action == quarantine {
		q := &quarantined{From: env.From.String(), To: paths(env.To), Client: f.client.String(), Rule: d.final.where}
		if err := keep(s.quarantine, id, q, message); err != nil {
			return nil, d, s.watchedFor(err)
		}
		return &smtp.Result{Reply: smtp.Reply{Lines: []string{"quarantined as " + id}}}, d, nil
	}
	res, err := s.send(ctx, env, &d, message)
	if message.err != nil {
		// Upstream was cut off in the middle, and has nothing.
		s.drop()
		return nil, d, s.watchedFor(message.err)
	}
	if err != nil {
		err = s.failed(err)
		s.drop()
		return nil, d, err
	}
	return res, d, nil
}

// watchedFor counts the refusals of rules that looked into the body.
func (s *session) watchedFor(err error) error {
	var said *smtp.Error
	if errors.As(err, &said) {
		s.count.rejected.Add(1)
	}
	return err
}

// send sends a message to the recipients that upstream took, or to the one
// that a rule has in their place.
func (s *session) send(ctx context.Context, env *smtp.Envelope, d *decision, message io.Reader) (*smtp.Result, error) {
	if s.up == nil {
		return nil, smtpclient.ErrClosed
	}
	if d.redirect == nil {
		res, err := s.up.Data(ctx, message)
		if err != nil {
			return nil, err
		}
		s.open = false
		out := &smtp.Result{Reply: smtp.Reply{Lines: res.Reply.Lines}}
		if s.options.LMTP {
			out.Recipients = res.Recipients
		}
		return out, nil
	}
	if err := s.up.Reset(ctx); err != nil {
		return nil, err
	}
	s.open = false
	other := *env
	other.To = []smtp.Recipient{{Path: d.redirect.to}}
	x, err := s.up.Begin(ctx, &other)
	if err != nil {
		return nil, err
	}
	if _, err := x.ReadFrom(message); err != nil {
		x.Abort()
		return nil, err
	}
	res, err := x.Commit()
	if err != nil {
		return nil, err
	}
	return &smtp.Result{Reply: smtp.Reply{Lines: res.Reply.Lines}}, nil
}

// hooks lets conditions ask programs about a message in a file.
func (s *session) hooks(ctx context.Context, f *facts, sp *spool) {
	var asked bool
	var v verdict
	var verr error
	f.spam = func() (verdict, error) {
		if !asked && sp.size <= s.spamMax {
			v, verr = spamd(ctx, s.spamd, sp.reader(), sp.size, s.hookTime)
		}
		asked = true
		return v, verr
	}
	f.command = func(argv []string) (bool, error) {
		return runCommand(ctx, argv, sp.reader(), s.hookTime)
	}
}

// hookFailed: what can not be judged is neither passed nor refused for good.
func (s *session) hookFailed(err error) error {
	s.log.Error("hook", "error", err)
	s.count.failed.Add(1)
	return smtp.Errorf(451, smtp.EnhancedCode{4, 3, 0}, "the message can not be checked now; try again later")
}

func (s *session) Reset(ctx context.Context) {
	if s.open && s.up != nil {
		if err := s.up.Reset(ctx); err != nil {
			s.drop()
		}
	}
	s.open, s.accepted = false, 0
}

func (s *session) Close() error {
	s.count.sessions.Add(-1)
	if s.up != nil && !s.open {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_ = s.up.Quit(ctx)
	}
	s.drop()
	return nil
}
