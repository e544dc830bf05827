package pop3test_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

func TestMain(m *testing.M) {
	wire.SetPoison(true)
	testkit.Main(m)
}

// Example is a test of a program that reads mail.
func Example() {
	var t *testing.T // the test's
	_ = func() {
		srv := pop3test.NewServer(t)
		srv.AddUser("ada", "secret")
		srv.Deliver("ada", "Subject: hello\r\n\r\nHello.\r\n")
		// Let the program fetch mail from srv.Addr, then:
		if len(srv.Messages("ada")) != 0 {
			t.Error("the message is still there")
		}
	}
}

func TestServer(t *testing.T) {
	ctx := t.Context()
	srv := pop3test.NewUnstartedServer(t)
	srv.Config.Domain = "test.example"
	srv.Start()
	srv.AddUser("ada", "old")
	srv.AddUser("ada", "secret")
	uid := srv.Deliver("ada", "Subject: x\n\nhello")
	kept := srv.Deliver("ada", "Subject: y\n")
	assert.NotEqual(t, uid, kept)
	assert.NotNil(t, srv.CertPool())

	o := &pop3client.Options{TLS: pop3client.Implicit, TLSConfig: srv.ClientTLS(), User: "ada", Password: "secret"}
	c, err := pop3client.Dial(ctx, srv.TLSAddr, o)
	require.NoError(t, err)
	assert.Equal(t, "test.example POP3 ready", c.Greeting())
	assert.True(t, srv.Locked("ada"))
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.NoError(t, err)
	assert.Equal(t, "Subject: x\r\n\r\nhello\r\n", string(data))
	assert.EqualValues(t, len(data), m.Size)
	late := srv.Deliver("ada", "Subject: z\n")
	assert.NotEqual(t, kept, late)
	require.NoError(t, c.Delete(ctx, 1))
	require.NoError(t, c.Quit(ctx))
	assert.Equal(t, []string{"Subject: y\n", "Subject: z\n"}, srv.Messages("ada"))
	assert.False(t, srv.Locked("ada"))
	assert.Nil(t, srv.Messages("nobody"))
	assert.Panics(t, func() { srv.Deliver("nobody", "x") })

	for _, login := range [][2]string{{"ada", "old"}, {"nobody", "secret"}, {"nobody", ""}} {
		assert.ErrorIs(t, srv.CheckPassword(ctx, login[0], login[1]), sasl.ErrFailed)
	}
	_, err = srv.Open(context.Background(), sasl.Identity{User: "nobody"})
	require.Error(t, err)
	srv.Close()
}

func TestFaults(t *testing.T) {
	ctx := t.Context()
	srv := pop3test.NewServer(t)
	srv.AddUser("ada", "secret")
	one := srv.Deliver("ada", "Subject: one\n")
	two := srv.Deliver("ada", "Subject: two\n\nbody\n")
	o := &pop3client.Options{TLSConfig: srv.ClientTLS(), User: "ada", Password: "secret"}
	srv.FailLogin("ada", pop3.ErrInUse)
	_, err := pop3client.Dial(ctx, srv.Addr, o)
	require.ErrorIs(t, err, pop3.ErrInUse)
	srv.FailLogin("ada", nil)

	srv.FailMessage("ada", one, 0, errors.New("disk"))
	srv.FailMessage("ada", two, 16, errors.New("disk"))
	c, err := pop3client.Dial(ctx, srv.Addr, o)
	require.NoError(t, err)
	var refused *pop3.Error
	_, err = c.Retrieve(ctx, 1)
	require.ErrorAs(t, err, &refused)
	m, err := c.Retrieve(ctx, 2)
	require.NoError(t, err)
	data, err := io.ReadAll(m)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, "Subject: two\r\n\r\nbo", string(data))
	require.Eventually(t, func() bool { return !srv.Locked("ada") }, 10*time.Second, time.Millisecond)
	srv.FailMessage("ada", two, 0, nil)

	srv.FailQuit("ada", pop3.Errorf(pop3.CodeSysTemp, "not removed"))
	c, err = pop3client.Dial(ctx, srv.Addr, o)
	require.NoError(t, err)
	require.NoError(t, c.Delete(ctx, 2))
	require.ErrorAs(t, c.Quit(ctx), &refused)
	assert.Equal(t, "not removed", refused.Message)
	assert.Len(t, srv.Messages("ada"), 2)
	assert.Panics(t, func() { srv.FailQuit("nobody", nil) })
	assert.Panics(t, func() { srv.FailMessage("ada", "none", 0, nil) })
}

func TestPlay(t *testing.T) {
	ctx := t.Context()
	addr := pop3test.Play(t, "S: -ERR go away\n", "S: +OK\nC: RETR 1\nS~ +OK\\r\\nhalf\n--- close ---\n")
	o := &pop3client.Options{TLS: pop3client.Disabled, NoCapa: true}
	var refused *pop3.Error
	_, err := pop3client.Dial(ctx, addr, o)
	require.ErrorAs(t, err, &refused)
	c, err := pop3client.Dial(ctx, addr, o)
	require.NoError(t, err)
	m, err := c.Retrieve(ctx, 1)
	require.NoError(t, err)
	_, err = io.ReadAll(m)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
