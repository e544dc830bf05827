package pop3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

func ExampleSizer() {
	stored := "Subject: x\n\nstored with LF, the last line without an end"
	var s pop3.Sizer
	_, _ = io.Copy(&s, strings.NewReader(stored))
	fmt.Println(len(stored), s.Size())
	// Output: 56 60
}

func ExampleCapabilities() {
	caps := pop3.Capabilities{{Name: "SASL", Params: []string{"PLAIN"}}, {Name: "EXPIRE", Params: []string{"60"}}}
	days, _, _ := caps.Expire()
	fmt.Println(caps.Has("uidl"), caps.Mechanisms(), days)
	// Output: false [PLAIN] 60
}

func ExampleError() {
	err := fmt.Errorf("fetching: %w", &pop3.Error{Code: "IN-USE", Message: "locked", Command: "PASS"})
	fmt.Println(errors.Is(err, pop3.ErrInUse), err)
	// Output: true fetching: pop3: PASS: -ERR [IN-USE] locked
}

func TestSizer(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "a": 3, "a\n": 3, "a\r\n": 3, "a\r": 3, "\n": 2, "\r": 2, "\r\n": 2, "\n\r": 4, "\r\r\n": 4, "\r\n\r\n": 4,
		"a\nb": 6, "\r\n\n": 4, "a\r\nb\rc\n": 9, ".\n": 3,
	} {
		for size := 1; size <= len(text)+1; size++ {
			var s pop3.Sizer
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				_, _ = io.WriteString(&s, rest[:n])
				rest = rest[n:]
			}
			assert.Equal(t, want, s.Size(), "%q in pieces of %d", text, size)
		}
	}
}

// FuzzSizer compares with what the writer of bodies sends.
func FuzzSizer(f *testing.F) {
	f.Add([]byte("a\r\n.b\n\rc"), 2)
	f.Add([]byte("\r\r\n\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = 1 + (size&0x7fffffff)%50
		var s pop3.Sizer
		var b bytes.Buffer
		w := wire.NewDotWriter(&b, wire.BareNormalise)
		for rest := data; len(rest) > 0; {
			n := min(size, len(rest))
			_, _ = s.Write(rest[:n])
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(wire.NewReader(&b, wire.Options{}).DotBody(wire.DotOptions{}))
		if err != nil || int64(len(sent)) != s.Size() {
			t.Fatalf("%q: %d counted, %d sent, %v", data, s.Size(), len(sent), err)
		}
	})
}

func TestValidUID(t *testing.T) {
	for _, s := range []string{"a", "!", "~", strings.Repeat("x", 70)} {
		assert.True(t, pop3.ValidUID(s), s)
	}
	for _, s := range []string{"", " ", "a b", "\x7f", "é", "a\n", strings.Repeat("x", 71)} {
		assert.False(t, pop3.ValidUID(s), s)
	}
}

func TestCode(t *testing.T) {
	assert.True(t, pop3.Code("sys/temp").Is(pop3.CodeSysTemp))
	assert.True(t, pop3.Code("SYS/TEMP/DISK").Is(pop3.CodeSysTemp))
	assert.True(t, pop3.CodeSysTemp.Is("SYS"))
	assert.False(t, pop3.Code("SYS/TEMPORARY").Is(pop3.CodeSysTemp))
	assert.False(t, pop3.Code("SYS").Is(pop3.CodeSysTemp))
	assert.False(t, pop3.Code("").Is(""))
	assert.False(t, pop3.Code("\u017fYS").Is("SYS"))
	for _, c := range []pop3.Code{"A", "A/B", "IN-USE", "!#["} {
		assert.True(t, c.Valid(), c)
	}
	for _, c := range []pop3.Code{"", "/", "A/", "A B", "A]", "A\r\n", "é", "\x7f"} {
		assert.False(t, c.Valid(), c)
	}
}

func TestError(t *testing.T) {
	e := pop3.Errorf(pop3.CodeSysTemp, "disk %d\r\n.", 3)
	assert.EqualError(t, e, "pop3: -ERR [SYS/TEMP] disk 3 .")
	assert.True(t, e.Temporary())
	assert.False(t, pop3.Errorf(pop3.CodeSysPerm, "x").Temporary())
	assert.EqualError(t, &pop3.Error{Command: "DELE 1"}, "pop3: DELE 1: -ERR")
	assert.ErrorIs(t, &pop3.Error{Code: "auth"}, pop3.ErrAuth)
	assert.ErrorIs(t, pop3.ErrLoginDelay, pop3.ErrLoginDelay)
	assert.NotErrorIs(t, &pop3.Error{Code: "AUTH"}, pop3.ErrInUse)
	assert.NotErrorIs(t, &pop3.Error{}, io.EOF)

	assert.Nil(t, pop3.AsError(nil))
	assert.Same(t, e, pop3.AsError(fmt.Errorf("x: %w", e)))
	assert.Equal(t, &pop3.Error{Code: pop3.CodeSysTemp, Message: "Local error in processing"}, pop3.AsError(errors.New("secret")))
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a b": "a b", " a\r\n b\x00": "a b", "caf\u00e9": "caf?", "\xff": "?", "a  b": "a b", "\x7f": "",
	} {
		assert.Equal(t, want, pop3.CleanText(in), "%q", in)
	}
}

func TestCapabilities(t *testing.T) {
	caps := pop3.Capabilities{
		{Name: "SASL", Params: []string{"plain", "CRAM-MD5"}}, {Name: "LOGIN-DELAY", Params: []string{"900", "USER"}},
		{Name: "EXPIRE", Params: []string{"NEVER"}}, {Name: "IMPLEMENTATION", Params: []string{"Shlemazle", "Plotz"}}, {Name: "sasl", Params: []string{"LOGIN"}},
	}
	assert.Equal(t, []string{"PLAIN", "CRAM-MD5", "LOGIN"}, caps.Mechanisms())
	assert.Equal(t, "Shlemazle Plotz", caps.Implementation())
	d, perUser, ok := caps.LoginDelay()
	assert.True(t, ok && perUser)
	assert.Equal(t, 15*time.Minute, d)
	days, perUser, ok := caps.Expire()
	assert.True(t, ok && !perUser)
	assert.Equal(t, pop3.ExpireNever, days)
	x, ok := caps.Get("login-delay")
	require.True(t, ok)
	assert.Equal(t, "LOGIN-DELAY 900 USER", x.String())

	for _, none := range []pop3.Capabilities{nil, {{Name: "EXPIRE"}, {Name: "LOGIN-DELAY"}}, {{Name: "EXPIRE", Params: []string{"-1"}}, {Name: "LOGIN-DELAY", Params: []string{"9999999999"}}}} {
		_, _, ok = none.Expire()
		assert.False(t, ok)
		_, _, ok = none.LoginDelay()
		assert.False(t, ok)
		assert.Empty(t, none.Implementation())
		assert.Empty(t, none.Mechanisms())
	}
	days, perUser, ok = pop3.Capabilities{{Name: "EXPIRE", Params: []string{"5", "user"}}}.Expire()
	assert.True(t, ok && perUser)
	assert.Equal(t, 5, days)
}

func TestStates(t *testing.T) {
	assert.Equal(t, "AUTHORIZATION TRANSACTION UPDATE State(9)", fmt.Sprint(pop3.Authorization, " ", pop3.Transaction, " ", pop3.Update, " ", pop3.State(9)))
}
