package smtpclient_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
)

// say is a server that says out, whatever it hears, and closes.
func say(t testing.TB, out []byte, cut testkit.Chunks) *testkit.PipeConn {
	client, server := testkit.Pipe()
	go func() {
		defer server.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		_, _ = testkit.ChunkConn(server, nil, cut).Write(out)
	}()
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// answers is a server that says a reply of out for each thing it hears, or
// after a second in which it hears nothing, and closes.
func answers(t testing.TB, out []byte) *testkit.PipeConn {
	client, server := testkit.Pipe()
	go func() {
		defer server.Close()
		buf := make([]byte, 64<<10)
		for line := range bytes.Lines(out) {
			_, _ = server.Write(line)
			if len(line) > 3 && line[3] == '-' {
				continue
			}
			_ = server.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := server.Read(buf); err == io.EOF {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// A server may say anything at any time: the client ends, without a panic, and
// never takes for accepted what no reply accepted.
func FuzzHostileServer(f *testing.F) {
	f.Add([]byte("220 mx\r\n250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 9\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"), uint64(1), uint8(0))
	f.Add([]byte("220 mx\r\n250 mx\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n221\r\n"), uint64(2), uint8(1))
	f.Add([]byte("220-\r\n220 \r\n500\r\n250 mx\r\n421 bye\r\n"), uint64(3), uint8(2))
	f.Add([]byte("220 mx\r\n250-mx\r\n250-LIMITS MAILMAX=0\r\n250 STARTTLS\r\n220 go\r\n250 AUTH LOGIN\r\n"), uint64(4), uint8(3))
	f.Fuzz(func(t *testing.T, out []byte, seed uint64, mode uint8) {
		synctest.Test(t, func(t *testing.T) {
			o := options()
			o.Chunking = smtpclient.Chunking(mode % 3)
			o.LMTP = mode&4 != 0
			if mode&8 != 0 {
				o.TLS = smtpclient.Opportunistic
			}
			conn := answers(t, out)
			if mode&16 != 0 {
				conn = say(t, out, testkit.Random(seed, 40))
			}
			c, err := smtpclient.NewClient(t.Context(), conn, o)
			if err != nil {
				return
			}
			defer c.Close()
			env := envelope(t, "a@x.example", "b@x.example", "c@x.example")
			for range 3 {
				res, err := c.Send(t.Context(), env, strings.NewReader("hi\n.\n"))
				require.Len(t, res.Recipients, 2)
				for _, v := range res.Recipients {
					require.True(t, v.Err != nil || v.Reply.Code/100 == 2)
				}
				require.Equal(t, err == nil, res.Accepted() > 0)
			}
			if x, err := c.Begin(t.Context(), env); err == nil {
				_, _ = x.Write([]byte("hi"))
				_, _ = x.Commit()
			}
			_ = c.Quit(t.Context())
		})
	})
}

// Replies without an end, in lines and in length, cost what the limits say.
func TestEndlessReplies(t *testing.T) {
	for name, part := range map[string]string{
		"lines":            "220-" + strings.Repeat("x", 500) + "\r\n",
		"short lines":      "220-\r\n",
		"no line end":      strings.Repeat("x", 1000),
		"220 and no end":   "220 ",
		"extensions":       "220 mx\r\n250-X\r\n",
		"nul and controls": "220-\x00\x01\x02\x7f\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := smtpclient.NewClient(t.Context(), say(t, bytes.Repeat([]byte(part), 8<<20/len(part)), testkit.Random(1, 4096)), options())
			require.Error(t, err)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
		})
	}
}

// A server that reads nothing, or says nothing, is left after the limit.
func TestServerThatDoesNotRead(t *testing.T) {
	for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
		synctest.Test(t, func(t *testing.T) {
			client, server := testkit.PipeSize(4 << 10)
			defer server.Close()
			go func() {
				_, _ = io.WriteString(server, "220 mx\r\n")
				_, _ = server.Read(make([]byte, 100))
				_, _ = io.WriteString(server, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
				_, _ = server.Read(make([]byte, 100))
				time.Sleep(time.Second)
				_, _ = io.WriteString(server, "250 ok\r\n250 ok\r\n354 go\r\n")
			}()
			o := options()
			o.Chunking = chunking
			c, err := smtpclient.NewClient(t.Context(), client, o)
			require.NoError(t, err)
			begin := time.Now()
			res, err := c.Send(t.Context(), envelope(t, "a@x.example", "b@x.example"), unknownLength(strings.Repeat("x", 1<<20)))
			require.Error(t, err)
			require.Zero(t, res.Accepted())
			require.Less(t, time.Since(begin), 16*time.Minute)
			_ = c.Close()
		})
	}
}

// What a caller gives is refused before an octet is written, if no command has
// room for it.
func TestInjectionIntoParameters(t *testing.T) {
	all := "AUTH PLAIN\r\n250-DSN\r\n250-DELIVERBY\r\n250-FUTURERELEASE\r\n250-MT-PRIORITY\r\n250-MTRK\r\n250-NO-SOLICITING\r\n250-RRVS\r\n250-XCLIENT\r\n250-XFORWARD\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
	for _, bad := range []string{"\r\nRCPT TO:<evil@x.example>", "\n", "\r", "\x00"} {
		for name, set := range map[string]func(e *smtp.Envelope){
			"ENVID":   func(e *smtp.Envelope) { e.Options.EnvelopeID = "a" + bad },
			"MTRK":    func(e *smtp.Envelope) { e.Options.Track.Certifier = "a" + bad },
			"SOLICIT": func(e *smtp.Envelope) { e.Options.Solicit = "a" + bad },
			"AUTH":    func(e *smtp.Envelope) { e.Options.Auth = &smtp.Path{Local: "a" + bad, Domain: "b"} },
			"BY":      func(e *smtp.Envelope) { e.Options.By.Mode = '\n' },
			"RRVS": func(e *smtp.Envelope) {
				e.To[0].Options.ValidSince, e.To[0].Options.ValidAction = time.Unix(1, 0), '\n'
			},
			"ORCPT": func(e *smtp.Envelope) {
				e.To[0].Options.Original = smtp.OriginalRecipient{Type: "a" + bad, Address: "b"}
			},
			"address":  func(e *smtp.Envelope) { e.To[0].Options.Original = smtp.OriginalRecipient{Type: "a", Address: bad} },
			"other":    func(e *smtp.Envelope) { e.Options.Other = []smtp.Param{{Name: "X", Value: bad}} },
			"other's":  func(e *smtp.Envelope) { e.To[0].Options.Other = []smtp.Param{{Name: "X" + bad}} },
			"domain":   func(e *smtp.Envelope) { e.To[0].Path.Domain = "é" + bad },
			"last one": func(e *smtp.Envelope) { e.To[1].Path.Local = "a" + bad },
		} {
			client, server := testkit.Pipe()
			go func() {
				_, _ = io.WriteString(server, "220 mx\r\n")
				_, _ = server.Read(make([]byte, 100))
				_, _ = io.WriteString(server, "250-mx\r\n250-"+all)
			}()
			c, err := smtpclient.NewClient(t.Context(), client, options())
			require.NoError(t, err)
			before := client.Sent()
			env := envelope(t, "a@x.example", "b@x.example", "c@x.example")
			set(env)
			_, err = c.Send(t.Context(), env, strings.NewReader("hi"))
			require.Error(t, err, name)
			_, err = c.Begin(t.Context(), env)
			require.Error(t, err, name)
			require.Error(t, c.XForward(t.Context(), smtp.Param{Name: "NAME", Value: bad}))
			require.Error(t, c.XClient(t.Context(), smtp.Param{Name: "A" + bad, Value: "x"}))
			require.Equal(t, before, client.Sent(), name)
			_ = c.Close()
			_ = server.Close()
		}
	}
}
