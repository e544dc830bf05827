// C:/S: transcripts: their text, and how one is played.

package testkit

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Script is a conversation, one line of it to a line of text:
//
//	# a comment
//	S: +OK ready <any>
//	C: USER joe\x20smith
//	C~ no CRLF is added behind this
//	S<< END
//	these lines as they are,
//	each with CRLF
//	END
//	--- starttls ---
//	--- close ---
//
// Lines get a CRLF. In C: and S: lines \r \n \t \0 \\ \xNN stand for octets.
// {{name}} is a variable: it matches a run without spaces, ) and ] in the
// first line that is expected with it, and stands for what it matched later;
// {{name=regexp}} says what it matches. {{re:regexp}} and <any> match without
// a name. {{repeat:1000:text}} is 1000 times the text.
//
// The directives are:
//
//	--- starttls ---       the TLS handshake, on both sides
//	--- close ---          the server closes, the client sees the end
//	--- client close ---   the client closes, the server sees the end
//	--- do NAME ---        a function of the test runs (Player.Do)
//	--- flush ---          what follows is another write
//
// Lines of one side behind each other are one write.
type Script struct {
	// Name is what errors call it, a file name.
	Name  string
	steps []step
}

type stepKind uint8

const (
	stepText stepKind = iota
	stepTLS
	stepClose
	stepDo
	stepFlush
)

type step struct {
	kind stepKind
	side Side // of stepText, stepClose: who speaks or closes
	line int
	text string // as written, without escapes undone; of stepDo the name
	crlf bool
	raw  bool // text is a block: no escapes, no variables
}

// Side is a side of a conversation.
type Side byte

// The two sides.
const (
	Client Side = 'C'
	Server Side = 'S'
)

// ParseScript reads a Script.
func ParseScript(name string, text []byte) (*Script, error) {
	s := &Script{Name: name}
	bad := func(line int, msg string) error { return fmt.Errorf("%s:%d: %s", name, line, msg) }
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		l, no := lines[i], i+1
		switch {
		case strings.TrimSpace(l) == "" || l[0] == '#':
		case strings.HasPrefix(l, "---"):
			st, ok := directive(strings.TrimSpace(strings.Trim(l, "- ")))
			if !ok {
				return nil, bad(no, "unknown directive "+strconv.Quote(l))
			}
			st.line = no
			s.steps = append(s.steps, st)
		case len(l) >= 2 && (l[0] == 'C' || l[0] == 'S') && (l[1] == ':' || l[1] == '~'):
			st := step{side: Side(l[0]), line: no, crlf: l[1] == ':', text: strings.TrimPrefix(l[2:], " ")}
			if _, err := pattern(st.text, nil); err != nil {
				return nil, bad(no, err.Error())
			}
			s.steps = append(s.steps, st)
		case len(l) > 3 && (l[0] == 'C' || l[0] == 'S') && l[1:3] == "<<":
			end := strings.TrimSpace(l[3:])
			side := Side(l[0])
			for i++; i < len(lines) && lines[i] != end; i++ {
				s.steps = append(s.steps, step{side: side, line: i + 1, crlf: true, raw: true, text: lines[i]})
			}
			if i == len(lines) || end == "" {
				return nil, bad(no, "the block has no end "+strconv.Quote(end))
			}
		default:
			return nil, bad(no, "expected C:, S:, C~, S~, C<<, S<<, #, or ---, got "+strconv.Quote(l))
		}
	}
	return s, nil
}

func directive(d string) (step, bool) {
	switch d {
	case "starttls":
		return step{kind: stepTLS}, true
	case "close", "server close":
		return step{kind: stepClose, side: Server}, true
	case "client close":
		return step{kind: stepClose, side: Client}, true
	case "flush":
		return step{kind: stepFlush}, true
	}
	name, ok := strings.CutPrefix(d, "do ")
	return step{kind: stepDo, text: strings.TrimSpace(name)}, ok
}

// LoadScripts reads the scripts that match glob, relative to the test's
// folder; none is a failure.
func LoadScripts(t testing.TB, glob string) []*Script {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts at %s (%v)", glob, err)
	}
	var scripts []*Script
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseScript(filepath.ToSlash(f), text)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// part is a piece of a line: literal text, or an expression.
type part struct {
	text string
	name string // of a variable to capture
	re   string
}

// pattern cuts text into its parts and undoes escapes; vars are put in.
func pattern(text string, vars map[string]string) ([]part, error) {
	var parts []part
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			parts = append(parts, part{text: string(lit)})
			lit = nil
		}
	}
	for text != "" {
		switch {
		case strings.HasPrefix(text, "<any>"):
			flush()
			parts = append(parts, part{re: ".*?"})
			text = text[5:]
		case strings.HasPrefix(text, "{{"):
			end := strings.Index(text, "}}")
			if end < 0 {
				return nil, errors.New("{{ without }}")
			}
			// A regexp may end in a brace of its own.
			for end+2 < len(text) && text[end+2] == '}' {
				end++
			}
			expr := text[2:end]
			text = text[end+2:]
			if re, ok := strings.CutPrefix(expr, "re:"); ok {
				flush()
				parts = append(parts, part{re: re})
			} else if rep, ok := strings.CutPrefix(expr, "repeat:"); ok {
				count, what, _ := strings.Cut(rep, ":")
				n, err := strconv.Atoi(count)
				if err != nil || n < 0 {
					return nil, fmt.Errorf("bad count in {{%s}}", expr)
				}
				lit = append(lit, strings.Repeat(what, n)...)
			} else {
				name, re, ok := strings.Cut(expr, "=")
				if !ok {
					re = `[^ \r\n)\]]+`
				}
				if v, set := vars[name]; set {
					lit = append(lit, v...)
				} else {
					flush()
					parts = append(parts, part{name: name, re: re})
				}
			}
			last := len(parts) - 1
			if last >= 0 && parts[last].re != "" {
				if _, err := regexp.Compile(parts[last].re); err != nil {
					return nil, err
				}
			}
		case text[0] == '\\':
			b, n, err := unescape(text)
			if err != nil {
				return nil, err
			}
			lit = append(lit, b)
			text = text[n:]
		default:
			lit = append(lit, text[0])
			text = text[1:]
		}
	}
	flush()
	return parts, nil
}

func unescape(s string) (b byte, n int, err error) {
	if len(s) >= 2 {
		if i := strings.IndexByte(`rnt0\`, s[1]); i >= 0 {
			return "\r\n\t\x00\\"[i], 2, nil
		}
		if s[1] == 'x' && len(s) >= 4 {
			if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(v), 4, nil
			}
		}
	}
	return 0, 0, fmt.Errorf(`unknown escape at %q; there are \r \n \t \0 \\ \xNN`, s)
}

// Player plays one side of scripts. The zero value is ready to use.
type Player struct {
	// Side is the side it plays: Client when zero.
	Side Side
	// Timeout is how long it waits for the peer at each step; 10 seconds
	// when zero.
	Timeout time.Duration
	// TLS is for the handshake; testkit.TLS() of its side when nil.
	TLS *tls.Config
	// Vars are variables set before.
	Vars map[string]string
	// Do are the functions of "--- do NAME ---".
	Do map[string]func()
	// Cut, if set, cuts what is sent into writes.
	Cut Chunks
}

// Play plays s over conn. It does not close conn but where the script says
// so. The error names the file and the line, what was expected and what came.
func (p Player) Play(conn net.Conn, s *Script) error {
	if p.Side == 0 {
		p.Side = Client
	}
	if p.Timeout == 0 {
		p.Timeout = 10 * time.Second
	}
	r := &run{Player: p, script: s, vars: maps.Clone(p.Vars)}
	if r.vars == nil {
		r.vars = map[string]string{}
	}
	r.use(conn)
	for i := range s.steps {
		if err := r.step(&s.steps[i]); err != nil {
			return fmt.Errorf("%s:%d: %w", s.Name, s.steps[i].line, err)
		}
	}
	if err := r.send(); err != nil {
		return fmt.Errorf("%s: at the end: %w", s.Name, err)
	}
	return nil
}

type run struct {
	Player
	script *Script
	vars   map[string]string
	conn   net.Conn
	r      *bufio.Reader
	out    []byte
}

func (r *run) use(conn net.Conn) {
	r.conn, r.r = conn, bufio.NewReader(conn)
}

func (r *run) step(st *step) error {
	if st.kind == stepText && st.side == r.Side {
		b, err := r.bytes(st)
		r.out = append(r.out, b...)
		return err
	}
	if err := r.send(); err != nil {
		return err
	}
	switch st.kind {
	case stepText:
		return r.expect(st)
	case stepTLS:
		return r.handshake()
	case stepClose:
		if st.side == r.Side {
			// The peer may have gone first: then the TLS alert has no taker.
			_ = r.conn.Close()
			return nil
		}
		return r.expectEOF()
	case stepDo:
		f := r.Do[st.text]
		if f == nil {
			return fmt.Errorf("no function %q in Player.Do", st.text)
		}
		f()
	}
	return nil
}

// bytes is what a line of our side stands for.
func (r *run) bytes(st *step) ([]byte, error) {
	var b []byte
	if st.raw {
		b = []byte(st.text)
	} else {
		parts, err := pattern(st.text, r.vars)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			if p.name != "" {
				return nil, fmt.Errorf("variable %q has no value yet", p.name)
			}
			if p.re != "" {
				return nil, errors.New("a wildcard in a line that is sent")
			}
			b = append(b, p.text...)
		}
	}
	if st.crlf {
		b = append(b, "\r\n"...)
	}
	return b, nil
}

func (r *run) send() error {
	if len(r.out) == 0 {
		return nil
	}
	out := r.out
	r.out = nil
	_ = r.conn.SetWriteDeadline(time.Now().Add(r.Timeout))
	w := r.conn
	if r.Cut != nil {
		w = ChunkConn(r.conn, nil, r.Cut)
	}
	if n, err := w.Write(out); err != nil {
		return fmt.Errorf("sending what stands before: %w, after %d of %d octets", err, n, len(out))
	}
	return nil
}

func (r *run) expect(st *step) error {
	_ = r.conn.SetReadDeadline(time.Now().Add(r.Timeout))
	var parts []part
	if st.raw {
		parts = []part{{text: st.text}}
	} else {
		var err error
		if parts, err = pattern(st.text, r.vars); err != nil {
			return err
		}
	}
	if !st.crlf {
		return r.expectRaw(parts)
	}
	// A text with an LF in it is more than one line.
	lines := 1
	for _, p := range parts {
		lines += strings.Count(p.text, "\n")
	}
	var got []byte
	for range lines {
		l, err := r.r.ReadBytes('\n')
		got = append(got, l...)
		if err != nil {
			return fmt.Errorf("expected %s\n got %s and then: %w", quote([]byte(st.text)), quote(got), err)
		}
	}
	line, ok := bytes.CutSuffix(got, []byte("\r\n"))
	if !ok {
		return fmt.Errorf("expected %s with CRLF\n got %s", quote([]byte(st.text)), quote(got))
	}
	return r.match(st.text, parts, line)
}

func (r *run) expectRaw(parts []part) error {
	var want []byte
	for _, p := range parts {
		if p.re != "" {
			return errors.New("a wildcard in a text without a line end")
		}
		want = append(want, p.text...)
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(r.r, got)
	if err != nil {
		return fmt.Errorf("expected %s\n got %s and then: %w", quote(want), quote(got[:n]), err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("expected %s\n got %s", quote(want), quote(got))
	}
	return nil
}

func (r *run) match(text string, parts []part, line []byte) error {
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	var names []string
	plain := true
	var want []byte
	for _, p := range parts {
		switch {
		case p.re == "":
			re.WriteString(quoteBytes(p.text))
			want = append(want, p.text...)
			continue
		case p.name != "":
			re.WriteString("(" + latin1([]byte(ungroup(p.re))) + ")")
			names = append(names, p.name)
		default:
			re.WriteString("(?:" + latin1([]byte(ungroup(p.re))) + ")")
		}
		plain = false
	}
	if plain {
		if !bytes.Equal(want, line) {
			return fmt.Errorf("expected %s\n got %s", quote(want), quote(line))
		}
		return nil
	}
	m := regexp.MustCompile(re.String() + `\z`).FindStringSubmatch(latin1(line))
	if m == nil {
		return fmt.Errorf("expected %s\n got %s", quote([]byte(text)), quote(line))
	}
	for i, n := range names {
		v := fromLatin1(m[i+1])
		if old, set := r.vars[n]; set && old != v {
			return fmt.Errorf("variable %q is %q and %q in one line", n, old, v)
		}
		r.vars[n] = v
	}
	return nil
}

// ungroup makes the groups of a test's expression silent, so that ours keep
// their numbers.
func ungroup(re string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(re); i++ {
		switch c := re[i]; {
		case c == '\\' && i+1 < len(re):
			b.WriteByte(c)
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '(' && !class && !strings.HasPrefix(re[i:], "(?"):
			b.WriteString("(?:")
			continue
		}
		b.WriteByte(re[i])
	}
	return b.String()
}

// Octets become runes, so that expressions see octets.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func fromLatin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func quoteBytes(s string) string { return regexp.QuoteMeta(latin1([]byte(s))) }

func quote(b []byte) string {
	const most = 400
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + fmt.Sprintf(" and %d octets more", len(b)-most)
	}
	return strconv.QuoteToASCII(string(b))
}

func (r *run) handshake() error {
	if n := r.r.Buffered(); n > 0 {
		b, _ := r.r.Peek(n)
		return fmt.Errorf("expected the TLS handshake, got plaintext %s", quote(b))
	}
	cfg := r.TLS
	server, client := TLS()
	if cfg == nil && r.Side == Server {
		cfg = server
	} else if cfg == nil {
		cfg = client
	}
	_ = r.conn.SetDeadline(time.Now().Add(r.Timeout))
	t := tls.Client(r.conn, cfg)
	if r.Side == Server {
		t = tls.Server(r.conn, cfg)
	}
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	r.use(t)
	return nil
}

func (r *run) expectEOF() error {
	_ = r.conn.SetReadDeadline(time.Now().Add(r.Timeout))
	got, err := io.ReadAll(io.LimitReader(r.r, 4096))
	if len(got) > 0 {
		return fmt.Errorf("expected the end of the connection, got %s", quote(got))
	}
	if err != nil && isTimeout(err) {
		return fmt.Errorf("expected the end of the connection: %w", err)
	}
	return nil
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// PlayServer begins to play the server's side of s and returns the client's
// end of a connection to it. The test fails where the script is left, and
// waits for the script's end.
func PlayServer(t testing.TB, s *Script, p Player) net.Conn {
	t.Helper()
	client, server := Pipe()
	p.Side = Server
	done := make(chan error, 1)
	go func() {
		err := p.Play(server, s)
		_ = server.Close()
		done <- err
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
	return client
}

// PlayClient plays the client's side of s to serve, which gets the server's
// end of a connection and owns it. It returns when both are done.
func PlayClient(t testing.TB, s *Script, p Player, serve func(net.Conn)) {
	t.Helper()
	client, server := Pipe()
	p.Side = Client
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(server)
	}()
	if err := p.Play(client, s); err != nil {
		t.Error(err)
	}
	_ = client.Close()
	<-done
}
