package smtpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// zone is a Resolver: "domain." has "pref host." records, hosts have addresses.
type zone map[string][]string

func (z zone) LookupMX(_ context.Context, domain string) ([]*net.MX, error) {
	if z["error "+domain] != nil {
		return nil, errors.New("server failure")
	}
	var mx []*net.MX
	for _, r := range z[domain] {
		var m net.MX
		if _, err := fmt.Sscanf(r, "%d %s", &m.Pref, &m.Host); err == nil {
			mx = append(mx, &m)
		}
	}
	if mx == nil {
		return nil, &net.DNSError{Err: "no such host", Name: domain, IsNotFound: true}
	}
	return mx, nil
}

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, r := range z[host] {
		if a, err := netip.ParseAddr(r); err == nil {
			addrs = append(addrs, a)
		}
	}
	if addrs == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

var dns = zone{
	"two.example.":           {"20 mx2.two.example.", "10 mx1.two.example."},
	"mx1.two.example.":       {"192.0.2.11", "2001:db8::11"},
	"mx2.two.example.":       {"192.0.2.12"},
	"implicit.example.":      {"192.0.2.20"},
	"null.example.":          {"0 ."},
	"error broken.example.":  {"x"},
	"nohost.example.":        {"10 gone.example."},
	"loop.example.":          {"10 c", "20 mx2.two.example."},
	"backup.example.":        {"5 mx2.two.example.", "10 mx1.two.example.", "10 c", "20 mx9.two.example."},
	"xn--bcher-kva.example.": {"1 mx2.two.example."},
}

func deliverer(d *dials) *smtpclient.Deliverer {
	x := &smtpclient.Deliverer{Resolver: dns, Options: *options()}
	x.Options.DialContext = d.DialContext
	return x
}

const again = "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\nS: 250 queued\n"

func to(domain string) string {
	return "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@" + domain + ">\n" + again
}

func TestDeliver(t *testing.T) {
	both := "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@two.example>\nC: RCPT TO:<c@TWO.example>\nC: DATA\n"
	for _, tt := range []struct {
		name    string
		to      []string
		scripts []string
		dialled string
		errs    []string // of each recipient
		later   []bool   // try again
	}{
		{"first server", []string{"b@two.example"}, []string{hello + to("two.example") + quit}, "192.0.2.11:25", []string{""}, nil},
		{"address of the first is dead", []string{"b@two.example"}, []string{"", hello + to("two.example") + quit}, "192.0.2.11:25 [2001:db8::11]:25", []string{""}, nil},
		{"first host refuses to talk", []string{"b@two.example"}, []string{"", "S: 554 no\n--- client close ---\n", hello + to("two.example") + quit}, "192.0.2.11:25 [2001:db8::11]:25 192.0.2.12:25", []string{""}, nil},
		{"421 on the way", []string{"b@two.example"}, []string{hello + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@two.example>\nC: DATA\nS: 421 busy\n--- client close ---\n", hello + to("two.example") + quit}, "192.0.2.11:25 [2001:db8::11]:25", []string{""}, nil},
		{"all are dead", []string{"b@two.example"}, nil, "192.0.2.11:25 [2001:db8::11]:25 192.0.2.12:25", []string{"mx2.two.example [192.0.2.12]: smtpclient: connection refused"}, []bool{true}},
		{"verdicts are final", []string{"b@two.example", "c@TWO.example"}, []string{hello + both + "S: 250 ok\nS: 550 no\nS: 450 later\nS: 503 no\n" + rset + quit}, "192.0.2.11:25",
			[]string{"smtp: RCPT TO:<b@two.example>: 550 no", "smtp: RCPT TO:<c@TWO.example>: 450 later"}, []bool{false, true}},
		{"lost behind the message", []string{"b@two.example"}, []string{hello + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@two.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: hi\nC: .\n--- close ---\n"}, "192.0.2.11:25",
			[]string{"smtpclient: DATA: unexpected EOF (the message was sent)"}, []bool{true}},
		{"implicit MX", []string{"b@implicit.example"}, []string{hello + to("implicit.example") + quit}, "192.0.2.20:25", []string{""}, nil},
		{"null MX", []string{"b@null.example"}, nil, "", []string{"smtp: 556 5.1.10 domain null.example takes no mail (null MX)"}, []bool{false}},
		{"no such domain", []string{"b@none.example"}, nil, "", []string{"smtp: 550 5.1.2 domain or host none.example not found"}, []bool{false}},
		{"MX without address", []string{"b@nohost.example"}, nil, "", []string{"smtp: 550 5.1.2 domain or host gone.example not found"}, []bool{false}},
		{"lookup fails", []string{"b@broken.example"}, nil, "", []string{"smtp: 451 4.4.3 lookup of broken.example failed: server failure"}, []bool{true}},
		{"address literals", []string{"b@[192.0.2.7]", "b@[IPv6:2001:db8::7]"}, []string{hello + to("[192.0.2.7]") + quit, hello + to("[IPv6:2001:db8::7]") + quit}, "192.0.2.7:25 [2001:db8::7]:25", []string{"", ""}, nil},
		{"other literals", []string{"b@[x:y]", "postmaster"}, nil, "", []string{"smtp: 550 5.1.2 not an address to send to: [x:y]", "smtp: 550 5.1.2 no mail domain in <postmaster>"}, []bool{false, false}},
		{"this host is the best", []string{"b@loop.example"}, nil, "", []string{"smtp: 554 5.4.6 mail for loop.example loops back to this host"}, []bool{false}},
		{"only better ones than this host", []string{"b@backup.example"}, nil, "192.0.2.12:25", []string{"mx2.two.example [192.0.2.12]: smtpclient: connection refused"}, []bool{true}},
		{"A-labels", []string{"b@bücher.example"}, []string{hello + to("xn--bcher-kva.example") + quit}, "192.0.2.12:25", []string{""}, nil},
		{"more recipients than the server takes", []string{"b@[192.0.2.7]", "c@[192.0.2.7]", "d@[192.0.2.7]"},
			[]string{offers("PIPELINING", "LIMITS RCPTMAX=2") + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@[192.0.2.7]>\nC: RCPT TO:<c@[192.0.2.7]>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n" +
				"C: MAIL FROM:<a@x.example>\nC: RCPT TO:<d@[192.0.2.7]>\n" + again + quit}, "192.0.2.7:25", []string{"", "smtp: RCPT TO:<c@[192.0.2.7]>: 550 no", ""}, []bool{false, false, false}},
		{"lost between two parts", []string{"b@[192.0.2.7]", "c@[192.0.2.7]"},
			[]string{offers("PIPELINING", "LIMITS RCPTMAX=1") + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@[192.0.2.7]>\n" + again + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<c@[192.0.2.7]>\nC: DATA\n--- close ---\n"},
			"192.0.2.7:25", []string{"", "smtpclient: MAIL FROM:<a@x.example>: unexpected EOF"}, []bool{false, true}},
		{"several domains", []string{"b@implicit.example", "b@null.example", "b@[192.0.2.7]"}, []string{hello + to("implicit.example") + quit, hello + to("[192.0.2.7]") + quit}, "192.0.2.20:25 192.0.2.7:25",
			[]string{"", "smtp: 556 5.1.10 domain null.example takes no mail (null MX)", ""}, []bool{false, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &dials{t: t, scripts: tt.scripts}
			x := deliverer(d)
			x.Options.Chunking = smtpclient.ChunkNever
			message := strings.NewReader("xhi")
			_, _ = message.ReadByte()
			x.Policy = func(context.Context, string) (*smtpclient.Policy, error) {
				return &smtpclient.Policy{TLS: smtpclient.Disabled}, nil
			}
			env := envelope(t, "a@x.example", tt.to...)
			x.Options.DialContext = d.DialContext
			res, err := x.Deliver(t.Context(), env, onlySeeker{message})
			for i, want := range tt.errs {
				e := res.Recipients[i].Err
				if want == "" {
					require.NoError(t, e)
					continue
				}
				require.EqualError(t, e, want)
				require.Equal(t, tt.later[i], smtpclient.Temporary(e))
			}
			require.Equal(t, res.Accepted() == 0, err != nil)
			require.Equal(t, tt.dialled, strings.Join(d.to, " "))
		})
	}
	_, err := deliverer(&dials{t: t}).Deliver(t.Context(), &smtp.Envelope{}, strings.NewReader(""))
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = deliverer(&dials{t: t}).Deliver(ctx, envelope(t, "", "b@two.example"), strings.NewReader(""))
	require.ErrorIs(t, err, context.Canceled)
}

// onlySeeker hides all but reading and seeking.
type onlySeeker struct{ r *strings.Reader }

func (o onlySeeker) Read(p []byte) (int, error)                { return o.r.Read(p) }
func (o onlySeeker) Seek(off int64, whence int) (int64, error) { return o.r.Seek(off, whence) }

// What TLS there is for which policy.
func TestDeliverTLS(t *testing.T) {
	serverTLS, clientTLS := testkit.TLS("mx2.two.example")
	_, stranger := testkit.TLS("x")
	starttls := offers("STARTTLS") + "C: STARTTLS\nS: 220 go\n"
	encrypted := starttls + "--- starttls ---\nC: EHLO c\nS: 250-mx\nS: 250-PIPELINING\nS: 250 REQUIRETLS\n"
	mail := "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@xn--bcher-kva.example>\n" + again
	strict := strings.Replace(mail, "FROM:<a@x.example>", "FROM:<a@x.example> REQUIRETLS", 1)
	plain := offers("PIPELINING")
	enforce := func(mx string) *smtpclient.STS {
		return &smtpclient.STS{
			LookupTXT: func(context.Context, string) ([]string, error) { return []string{"v=STSv1; id=1;"}, nil },
			Fetch: func(_ context.Context, url string) ([]byte, error) {
				require.Equal(t, "https://mta-sts.xn--bcher-kva.example/.well-known/mta-sts.txt", url)
				return []byte("version: STSv1\nmode: enforce\nmx: " + mx + "\nmax_age: 86400\n"), nil
			},
		}
	}
	for _, tt := range []struct {
		name    string
		policy  *smtpclient.Policy
		sts     *smtpclient.STS
		trust   bool
		require bool
		scripts []string
		err     error
	}{
		{name: "opportunistic, any certificate", scripts: []string{encrypted + mail + quit}},
		{name: "opportunistic, none", scripts: []string{plain + mail + quit}},
		{name: "required, known", policy: &smtpclient.Policy{TLS: smtpclient.Required}, trust: true, scripts: []string{encrypted + mail + quit}},
		{name: "required, none", policy: &smtpclient.Policy{TLS: smtpclient.Required}, scripts: []string{plain + "--- client close ---\n"}, err: smtpclient.ErrTLSRequired},
		{name: "STS, known", sts: enforce("*.two.example"), trust: true, scripts: []string{encrypted + mail + quit}},
		{name: "STS, stripped", sts: enforce("*.two.example"), trust: true, scripts: []string{plain + "--- client close ---\n"}, err: smtpclient.ErrTLSRequired},
		{name: "STS, other server", sts: enforce("mx.elsewhere.example"), trust: true, err: smtpclient.ErrTLSRequired},
		{name: "policy before STS", policy: &smtpclient.Policy{TLS: smtpclient.Disabled}, sts: enforce("x.example"), scripts: []string{plain + mail + quit}},
		{name: "REQUIRETLS", require: true, trust: true, scripts: []string{encrypted + strict + quit}},
		{name: "REQUIRETLS, stripped", require: true, trust: true, scripts: []string{plain + "--- client close ---\n"}, err: smtpclient.ErrTLSRequired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &dials{t: t, scripts: tt.scripts}
			x := deliverer(d)
			x.Options.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				d.to = append(d.to, addr)
				s := d.scripts[0]
				d.scripts = d.scripts[1:]
				return testkit.PlayServer(t, parse(t, s), testkit.Player{Side: testkit.Server, TLS: serverTLS}), nil
			}
			x.Options.TLSConfig = stranger
			if tt.trust {
				x.Options.TLSConfig = clientTLS
			}
			x.STS = tt.sts
			if tt.policy != nil {
				x.Policy = func(context.Context, string) (*smtpclient.Policy, error) { return tt.policy, nil }
			}
			env := envelope(t, "a@x.example", "b@bücher.example")
			env.Options.RequireTLS = tt.require
			_, err := x.Deliver(t.Context(), env, onlySeeker{strings.NewReader("hi")})
			if tt.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tt.err)
				require.True(t, smtpclient.Temporary(err))
			}
			require.Empty(t, d.scripts)
		})
	}
	// Another certificate than asked for: no delivery, and no cleartext unless that is said.
	for _, fallback := range []bool{false, true} {
		calls := 0
		x := deliverer(&dials{t: t})
		x.Options.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			calls++
			client, server := testkit.Pipe()
			go func() {
				defer server.Close()
				script := starttls
				if calls > 1 {
					script = plain + mail + quit
				}
				p := testkit.Player{Side: testkit.Server}
				_ = p.Play(server, parse(t, script))
				if calls == 1 {
					_, _ = server.Write([]byte("this is no TLS at all\r\n"))
				}
			}()
			return client, nil
		}
		x.Policy = func(context.Context, string) (*smtpclient.Policy, error) {
			return &smtpclient.Policy{CleartextFallback: fallback}, nil
		}
		_, err := x.Deliver(t.Context(), envelope(t, "a@x.example", "b@bücher.example"), onlySeeker{strings.NewReader("hi")})
		require.Equal(t, fallback, err == nil, "%v", err)
		require.Equal(t, map[bool]int{false: 1, true: 2}[fallback], calls)
	}
}

func TestParseSTSPolicy(t *testing.T) {
	p, err := smtpclient.ParseSTSPolicy([]byte("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nx-new: y\r\nmode: none\r\nmax_age: 604800\r\n"))
	require.NoError(t, err)
	require.Equal(t, &smtpclient.STSPolicy{Mode: smtpclient.STSEnforce, MX: []string{"mail.example.com", "*.example.net"}, MaxAge: 604800}, p)
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.example.com.": true, "mx.example.net": true, "a.b.example.net": false, "example.net": false,
		".example.net": false, "xexample.net": false, "mail.example.com.evil": false, "": false,
	} {
		require.Equal(t, want, p.Match(host), host)
	}
	p, err = smtpclient.ParseSTSPolicy([]byte("version:STSv1\nmode:none\nmax_age:99999999\n"))
	require.NoError(t, err)
	require.Equal(t, &smtpclient.STSPolicy{MaxAge: 31557600}, p)
	for _, bad := range []string{"", "mode: enforce\n", "version: STSv2\n", "version: STSv1\nmode: enforce\nmax_age: 1\n", "version: STSv1\nmode: maybe\n",
		"version: STSv1\nmode: none\n", "version: STSv1\nmode: none\nmax_age: -1\n", "version: STSv1\nmode: none\nmax_age: 99999999999\n", "version: STSv1\nx\n",
		"version: STSv1\nmx: a b\n", "version: STSv1\nmx: *\n", "version: STSv1\nmx: a.*.b\n", strings.Repeat("x", 65537)} {
		_, err := smtpclient.ParseSTSPolicy([]byte(bad))
		require.Error(t, err, "%.50q", bad)
	}
	require.Equal(t, "enforce testing none", fmt.Sprint(smtpclient.STSEnforce, smtpclient.STSTesting, smtpclient.STSNone))
}

// A policy stands while its age lasts, whatever becomes of its record.
func TestSTSCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		txt, txtErr, text, fetches, lookups := []string{"other", "v=STSv1; id=1"}, error(nil), "version: STSv1\nmode: testing\nmx: a.b\nmax_age: 3600\n", 0, 0
		s := &smtpclient.STS{
			LookupTXT: func(_ context.Context, name string) ([]string, error) {
				require.Equal(t, "_mta-sts.x.example", name)
				lookups++
				return txt, txtErr
			},
			Fetch: func(context.Context, string) ([]byte, error) { fetches++; return []byte(text), nil },
		}
		mode := func() string {
			p, err := s.Policy(t.Context(), "X.example")
			require.NoError(t, err)
			if p == nil {
				return "no policy"
			}
			return p.Mode.String()
		}
		require.Equal(t, "testing", mode())
		require.Equal(t, "testing", mode())
		require.Equal(t, [2]int{1, 1}, [2]int{lookups, fetches})
		time.Sleep(6 * time.Minute)
		require.Equal(t, "testing", mode())
		require.Equal(t, [2]int{2, 1}, [2]int{lookups, fetches})
		txtErr = errors.New("suppressed")
		time.Sleep(6 * time.Minute)
		require.Equal(t, "testing", mode())
		txt, txtErr, text = []string{"v=STSv1; id=2;"}, nil, "garbage"
		time.Sleep(6 * time.Minute)
		require.Equal(t, "testing", mode())
		text = "version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 3600\n"
		time.Sleep(6 * time.Minute)
		require.Equal(t, "enforce", mode())
		txt = []string{"v=STSv1; id=3", "v=STSv1; id=4"} // two are none
		time.Sleep(2 * time.Hour)
		require.Equal(t, "no policy", mode())
		p, err := s.Policy(t.Context(), "[192.0.2.1]")
		require.NoError(t, err)
		require.Nil(t, p)
	})
	n := 0
	s := &smtpclient.STS{MaxDomains: 2, LookupTXT: func(context.Context, string) ([]string, error) { n++; return nil, nil }}
	for range 2 {
		for _, d := range []string{"a.x", "b.x", "c.x"} {
			_, err := s.Policy(t.Context(), d)
			require.NoError(t, err)
		}
	}
	require.Greater(t, n, 3)
}

func TestFetchSTS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, "version: STSv1\n")
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
		case "/long":
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, strings.Repeat("x", 100000))
		default:
			http.NotFound(w, r)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	fetch := smtpclient.FetchSTS(srv.Client())
	b, err := fetch(t.Context(), srv.URL+"/ok")
	require.NoError(t, err)
	require.Equal(t, "version: STSv1\n", string(b))
	for _, path := range []string{"/moved", "/html", "/long", "/none"} {
		_, err := fetch(t.Context(), srv.URL+path)
		require.Error(t, err, path)
	}
	_, err = smtpclient.FetchSTS(http.DefaultClient)(t.Context(), srv.URL+"/ok")
	require.Error(t, err) // an unknown certificate
	_, err = fetch(t.Context(), "https://\x00")
	require.Error(t, err)
	srv.Client().CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
}

func FuzzSTSPolicy(f *testing.F) {
	f.Add([]byte("version: STSv1\nmode: enforce\nmx: *.x\nmax_age: 1\n"), "a.x")
	f.Fuzz(func(t *testing.T, text []byte, host string) {
		p, err := smtpclient.ParseSTSPolicy(text)
		if err != nil {
			return
		}
		p.Match(host)
		out := "version: STSv1\nmode: " + p.Mode.String() + fmt.Sprintf("\nmax_age: %d\n", p.MaxAge)
		for _, mx := range p.MX {
			out += "mx: " + mx + "\n"
		}
		again, err := smtpclient.ParseSTSPolicy([]byte(out))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
