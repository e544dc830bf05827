package main

// Logins at the users' servers, and the sessions behind them.

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

const (
	// loginTimeout bounds the login at a user's server.
	loginTimeout = 30 * time.Second
	// writeTimeout is how long either side may take no octets at all.
	writeTimeout = 5 * time.Minute
	// hops is how many proxies a session may pass.
	hops = 5
)

type proxy struct {
	routes    routes
	users     map[string]string // nil to pass passwords on
	cleartext bool
	log       *slog.Logger

	mu     sync.Mutex
	logins map[uint64]*pop3client.Client // by connection: logged in, not yet passed on
}

func (p *proxy) server() *pop3server.Server {
	return &pop3server.Server{
		Backend: p,
		Auth:    &sasl.Auth{Password: p.login, AllowCleartext: p.cleartext},
		Limits:  pop3server.Limits{MaxConns: 20000},
	}
}

// login logs in at the user's server. The password is right if that succeeds.
func (p *proxy) login(ctx context.Context, user, password string) error {
	conn, ok := pop3server.ConnFrom(ctx)
	if !ok {
		return errors.New("no connection")
	}
	r := p.routes.find(user)
	if p.users != nil {
		want, known := p.users[user]
		if subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 || !known {
			return sasl.ErrFailed
		}
	}
	if r == nil {
		return sasl.ErrFailed
	}
	o := &pop3client.Options{TLSConfig: r.tls, AllowCleartext: r.clear, UTF8: conn.UTF8()}
	if r.clear {
		o.TLS = pop3client.Disabled
	}
	if p.users != nil {
		o.Auth = sasl.Plain(user, r.master, r.masterPassword)
	} else {
		o.User, o.Password = user, password
	}
	if r.xclient {
		var err error
		if o.XClient, err = attributes(conn); err != nil {
			return err
		}
	}
	dialCtx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	c, err := pop3client.Dial(dialCtx, r.addr, o)
	if err != nil {
		return p.refusal(r, err)
	}
	if conn.UTF8() && !c.UTF8Enabled() {
		_ = c.Close()
		return pop3.Errorf(pop3.CodeSysPerm, "The maildrop's server does not do UTF8")
	}
	p.keep(ctx, conn.ID(), c)
	return nil
}

// refusal is what a client is told of a login that failed at the server.
func (p *proxy) refusal(r *route, err error) error {
	var refused *pop3.Error
	if !errors.As(err, &refused) {
		p.log.Error("login at the user's server failed", "server", r.addr, "error", err)
		return pop3.Errorf(pop3.CodeSysTemp, "The maildrop's server can not be reached")
	}
	if errors.Is(err, pop3.ErrAuth) || refused.Code == "" && refused.Command != "connect" {
		if p.users != nil {
			p.log.Error("the server refused the master password", "server", r.addr, "error", err)
			return pop3.Errorf(pop3.CodeSysPerm, "The maildrop's server refused the proxy")
		}
		return sasl.ErrFailed
	}
	return &pop3.Error{Code: refused.Code, Message: refused.Message}
}

// attributes are what the server is told of the client.
func attributes(conn *pop3server.Conn) ([]pop3.Attribute, error) {
	ttl := hops
	session := strconv.FormatUint(conn.ID(), 10)
	for _, a := range conn.XClient() {
		switch a.Name {
		case "TTL":
			n, err := strconv.Atoi(a.Value)
			if err != nil || n <= 1 {
				return nil, pop3.Errorf(pop3.CodeSysPerm, "The proxies pass the session in a circle")
			}
			ttl = min(ttl, n-1)
		case "SESSION":
			session = a.Value
		}
	}
	list := []pop3.Attribute{{Name: "SESSION", Value: session}, {Name: "TTL", Value: strconv.Itoa(ttl)}}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		list = append(list, pop3.Attribute{Name: "ADDR", Value: a.IP.String()}, pop3.Attribute{Name: "PORT", Value: strconv.Itoa(a.Port)})
	}
	return list, nil
}

// keep keeps a login until Open takes it, or the connection ends.
func (p *proxy) keep(ctx context.Context, id uint64, c *pop3client.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.logins == nil {
		p.logins = map[uint64]*pop3client.Client{}
	}
	if old := p.logins[id]; old != nil {
		_ = old.Close()
	} else {
		context.AfterFunc(ctx, func() {
			if c := p.take(id); c != nil {
				_ = c.Close()
			}
		})
	}
	p.logins[id] = c
}

func (p *proxy) take(id uint64) *pop3client.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.logins[id]
	delete(p.logins, id)
	return c
}

// Open passes the session on, and returns when it is over.
func (p *proxy) Open(ctx context.Context, id sasl.Identity) (pop3server.Maildrop, error) {
	conn, _ := pop3server.ConnFrom(ctx)
	c := p.take(conn.ID())
	if c == nil {
		return nil, errors.New("a login without a password")
	}
	server, fromServer, err := c.Hijack()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	defer server.Close()
	client, fromClient, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if _, err := io.WriteString(client, "+OK Logged in\r\n"); err != nil {
		return nil, err
	}
	splice(client, fromClient, server, fromServer)
	return nil, nil
}

// splice passes octets both ways until the server ends, or the client and then
// the server. The end of the server's connection at once ends the client's.
func splice(client net.Conn, fromClient io.Reader, server net.Conn, fromServer io.Reader) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(server, fromClient)
		// What was said last may still be answered.
		if w, ok := server.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil {
			_ = server.Close()
		}
	}()
	pass(client, fromServer)
	_ = client.Close()
	_ = server.Close()
	<-done
}

// An idle session waits with little; who sends much gets a large buffer
// meanwhile.
const (
	idleBuffer = 256
	busyBuffer = 16 << 10 // a record of TLS
)

var buffers = sync.Pool{New: func() any { return new([busyBuffer]byte) }}

// pass copies until either side fails or src ends.
func pass(dst net.Conn, src io.Reader) {
	idle := make([]byte, idleBuffer)
	for {
		n, err := src.Read(idle)
		if !put(dst, idle[:n]) || err != nil {
			return
		}
		if n == len(idle) && !passMuch(dst, src) {
			return
		}
	}
}

// passMuch copies while reads fill the buffer, and reports whether more may
// come.
func passMuch(dst net.Conn, src io.Reader) bool {
	buf := buffers.Get().(*[busyBuffer]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if !put(dst, buf[:n]) || err != nil {
			return false
		}
		if n < len(buf) {
			return true
		}
	}
}

func put(dst net.Conn, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if dst.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return false
	}
	_, err := dst.Write(b)
	return err == nil
}
