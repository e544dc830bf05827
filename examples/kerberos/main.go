// Kerberos logs in to a mail server by a ticket, or runs an IMAP server that takes tickets: mailwire's GSSAPI and GS2-KRB5
// with a Kerberos library of one's own choice, here github.com/jcmturner/gokrb5. Folder krb5 joins the two.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/mailwire/mailwire/examples/kerberos/krb5"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/sasl"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

const usage = `usage: kerberos login [flags] HOST:PORT
       kerberos serve [flags]

login logs in to an IMAP server by a Kerberos ticket and lists the mailboxes.
The ticket is the one that kinit left, or is asked for with a keytab.

  kinit ada@EXAMPLE.ORG
  kerberos login mail.example.org:993

serve runs an IMAP server with a store in memory, which ends with it. It lets in
whoever has a ticket for imap/HOST, HOST being the name in its keytab.

  kerberos serve -keytab imap.keytab -cert cert.pem -key key.pem

Exit codes: 0 done, 1 failed, 2 wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "login":
		err = login(ctx, args[1:], stdout)
	case len(args) > 0 && args[0] == "serve":
		err = serve(ctx, args[1:], stdout)
	case len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help"):
		fmt.Fprint(stdout, usage)
	default:
		err = usageError("expected login or serve")
	}
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "kerberos: %v\nRun kerberos -h for help.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "kerberos: %v\n", err)
	return exitFailed
}

type usageError string

func (e usageError) Error() string { return string(e) }

// parse reads the flags of a command.
func parse(fs *flag.FlagSet, args []string, stdout io.Writer) error {
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, "%s\nflags of %s:\n", usage, fs.Name())
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return err
	}
	if err != nil {
		return usageError(err.Error())
	}
	return nil
}

func login(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("login", flag.ContinueOnError)
	conf := fs.String("config", env("KRB5_CONFIG", "/etc/krb5.conf"), "Kerberos configuration `file`")
	cache := fs.String("cache", "", "ticket cache `file`; by default KRB5CCNAME, else kinit's")
	keys := fs.String("keytab", "", "keytab `file` to ask for a ticket with, instead of a cache")
	principal := fs.String("principal", "", "`name@REALM` whose key the keytab has")
	authzid := fs.String("as", "", "`user` to act as, if the server allows it")
	only := fs.String("mechanism", "", "insist on `GSSAPI`, GS2-KRB5 or GS2-KRB5-PLUS")
	ca := fs.String("ca", "", "`file` of certificates to trust, besides the system's")
	trace := fs.Bool("v", false, "show the conversation, without secrets")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("expected one HOST:PORT")
	}
	tickets, err := kerberos(*conf, *cache, *keys, *principal)
	if err != nil {
		return err
	}
	defer tickets.Destroy()
	o := &imapclient.Options{Auth: &sasl.Credentials{GSSAPI: &krb5.Initiator{Client: tickets}, Authzid: *authzid, Only: words(*only)}}
	if *trace {
		o.Trace = stdout
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s has no certificate", *ca)
		}
		o.TLSConfig = &tls.Config{RootCAs: pool}
	}
	c, err := imapclient.Dial(ctx, fs.Arg(0), o)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(stdout, "logged in as %s@%s\n", tickets.Credentials.CName().PrincipalNameString(), tickets.Credentials.Realm())
	for m, err := range c.List(ctx, "", "*") {
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, m.Name)
	}
	return c.Logout(ctx)
}

// kerberos is a client with a ticket, or with a key to get one with.
func kerberos(conf, cache, keys, principal string) (*client.Client, error) {
	c, err := config.Load(conf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", conf, err)
	}
	if keys != "" {
		name, realm, ok := strings.Cut(principal, "@")
		if !ok {
			return nil, usageError("-keytab needs -principal name@REALM")
		}
		kt, err := keytab.Load(keys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keys, err)
		}
		cl := client.NewWithKeytab(name, realm, kt, c, client.DisablePAFXFAST(true))
		return cl, cl.Login()
	}
	if cache == "" {
		cache = env("KRB5CCNAME", defaultCache())
	}
	cc, err := credentials.LoadCCache(strings.TrimPrefix(cache, "FILE:"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w (kinit makes it)", cache, err)
	}
	return client.NewFromCCache(cc, c, client.DisablePAFXFAST(true))
}

// defaultCache is where MIT's and Heimdal's kinit leave tickets.
func defaultCache() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return "/tmp/krb5cc_" + u.Uid
}

func serve(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	keys := fs.String("keytab", "/etc/krb5.keytab", "keytab `file` with the key of imap/HOST")
	listen := fs.String("listen", "127.0.0.1:1143", "`address` to listen on; STARTTLS is offered with a certificate")
	cert := fs.String("cert", "", "certificate `file`, PEM")
	key := fs.String("key", "", "private key `file`, PEM")
	trace := fs.Bool("v", false, "show the conversations, without secrets")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("expected no argument but flags")
	}
	kt, err := keytab.Load(*keys)
	if err != nil {
		return fmt.Errorf("%s: %w", *keys, err)
	}
	store := imaptest.NewMemory()
	srv := &imapserver.Server{
		Backend: store,
		Auth: &sasl.Auth{
			GSSAPI: &krb5.Acceptor{Keytab: kt},
			// A principal's account is made when it first comes.
			Principal: func(_ context.Context, principal string) (string, error) {
				store.AddUser(principal, "")
				return principal, nil
			},
		},
	}
	if *cert != "" || *key != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if *trace {
		srv.Trace = stdout
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "IMAP on %s, with tickets for %s\n", l.Addr(), principals(kt))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		srv.Shutdown(end)
		<-done
		return nil
	}
}

// principals are the names in a keytab, each once.
func principals(kt *keytab.Keytab) string {
	var names []string
	seen := map[string]bool{}
	for _, e := range kt.Entries {
		name := strings.Join(e.Principal.Components, "/") + "@" + e.Principal.Realm
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func words(s string) []string { return strings.Fields(strings.ReplaceAll(s, ",", " ")) }

func env(name, or string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return or
}
