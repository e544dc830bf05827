package imapclient_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/sasl"
)

// meet connects and does what the attack says, and returns what came of it.
func meet(ctx context.Context, conn *testkit.PipeConn, a *testkit.Attack, login sasl.Mechanism) (c *imapclient.Client, err error) {
	_, tls := testkit.TLS()
	o := *clear
	if a.Do == testkit.DoRequireTLS {
		o = imapclient.Options{TLS: imapclient.Required, TLSConfig: tls, Auth: login}
	}
	if c, err = imapclient.New(ctx, conn, &o); err != nil {
		return nil, err
	}
	one := imap.SeqNums(1, 1)
	switch a.Do {
	case testkit.DoFetch, testkit.DoSearch, testkit.DoCopy:
		if _, err = c.Select(ctx, "INBOX"); err != nil {
			return c, err
		}
	}
	switch a.Do {
	case testkit.DoLogin:
		err = c.Authenticate(ctx, login)
	case testkit.DoList:
		for _, e := range c.List(ctx, "", "*") {
			err = first(err, e)
		}
	case testkit.DoFetch:
		for m, e := range c.Fetch(ctx, one, imap.FetchUID, imap.FetchFlags, imap.FetchEnvelope, &imap.BodySection{Peek: true}) {
			if err = first(err, e); e != nil {
				continue
			}
			_ = m
		}
	case testkit.DoSearch:
		_, err = c.Search(ctx, imap.SearchAll{})
	case testkit.DoSelect:
		_, err = c.Select(ctx, "INBOX")
	case testkit.DoCopy:
		err = copyOne(ctx, c, one)
	case testkit.DoNoop:
		err = c.Noop(ctx)
	}
	return c, err
}

// copyOne copies a message, whatever more the client tells of it.
func copyOne(ctx context.Context, c *imapclient.Client, set imap.NumSet) error {
	return c.Do(ctx, &imapwire.Copy{Set: set, Mailbox: "x"}, nil)
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// The rows of ATTACKS.md that a server's answers reach a client by.
func TestAttacks(t *testing.T) {
	for _, a := range testkit.IMAPAttacks() {
		t.Run(a.ID+" "+a.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				conn, h := testkit.HostileServer(t, 0, a.Serve)
				var login sasl.Mechanism = sasl.Plain("", "ada", "lovelace")
				if a.Do == testkit.DoLogin {
					login = &sasl.Credentials{User: "ada", Password: "lovelace"}
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				c, err := meet(ctx, conn, &a, login)
				runtime.ReadMemStats(&after)
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "octets allocated")
				require.NoError(t, ctx.Err(), "the client's own limits end it, not the caller's patience")
				if a.Survives {
					var parse *imapwire.ParseError
					if err != nil {
						require.ErrorAs(t, err, &parse)
					}
					require.NoError(t, c.Noop(ctx))
				} else {
					require.Error(t, err)
					if c != nil {
						require.Error(t, c.Noop(ctx))
					}
				}
				for _, secret := range []string{"lovelace", "bG92ZWxhY2", "xvdmVsYWNl", "sb3ZlbGFjZ"} {
					assert.NotContains(t, h.Received(), secret)
				}
				if c != nil {
					_ = c.Close()
				}
				_ = conn.Close()
			})
		})
	}
}

// S2: what was said before TLS is forgotten.
func TestCapabilitiesBeforeTLSAreForgotten(t *testing.T) {
	conn, h := testkit.HostileServer(t, 0, func(h *testkit.Hostile) {
		h.Say("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=X-EVIL] ready\r\n")
		h.Answer("{tag} OK [CAPABILITY IMAP4rev1 AUTH=X-EVIL] go\r\n")
		h.StartTLS()
		for !h.Gone() {
			if strings.HasSuffix(h.ReadLine(), "CAPABILITY") {
				h.Say("* CAPABILITY IMAP4rev1 IDLE\r\n")
			}
			h.Say("{tag} OK done\r\n")
		}
	})
	_, tls := testkit.TLS()
	c, err := imapclient.New(t.Context(), conn, &imapclient.Options{TLS: imapclient.Required, TLSConfig: tls})
	require.NoError(t, err)
	caps, err := c.Capabilities(t.Context())
	require.NoError(t, err)
	assert.Equal(t, imap.Capabilities{"IMAP4rev1", "IDLE"}, caps)
	assert.Contains(t, h.Received(), "CAPABILITY")
	require.NoError(t, c.Close())
}

// F9: a server that does not read. What the client wants to send is bounded, and
// so is its patience.
func TestDeafServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		conn, _ := testkit.HostileServer(t, 1024, func(h *testkit.Hostile) {
			h.Say("* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n")
			h.Deaf(48 * time.Hour)
		})
		c, err := imapclient.New(ctx, conn, clear)
		require.NoError(t, err)
		_, err = c.Append(ctx, "INBOX", io.LimitReader(endless{}, 1<<30), &imap.AppendOptions{Size: 1 << 30})
		require.Error(t, err)
		require.NoError(t, ctx.Err())
		require.ErrorIs(t, c.Noop(ctx), imapclient.ErrClosed)
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// The search that found 4,294,967,295 messages is a set of one range.
func TestSetsAreNotExpanded(t *testing.T) {
	conn, _ := testkit.HostileServer(t, 0, func(h *testkit.Hostile) {
		h.Say("* OK [CAPABILITY IMAP4rev1 ESEARCH] ready\r\n")
		h.Answer("* ESEARCH (TAG \"{tag}\") UID ALL 1:4294967295\r\n{tag} OK done\r\n")
	})
	c, err := imapclient.New(t.Context(), conn, clear)
	require.NoError(t, err)
	var got *imapwire.ESearchData
	err = c.Do(t.Context(), &imapwire.Search{UID: true, Extended: true, Criteria: imap.SearchCriteria{imap.SearchAll{}}}, func(r imapwire.Response) error {
		if e, ok := r.(*imapwire.ESearchData); ok {
			got = e
		}
		return nil
	})
	require.NoError(t, err)
	require.NotNil(t, got)
	assert.Equal(t, "1:4294967295", got.All.String())
	require.NoError(t, c.Close())
}
