package pop3wire

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

func TestLanguages(t *testing.T) {
	for line, want := range map[string]pop3.Language{
		"en": {Tag: "en"}, "en-boont English Boontling dialect": {Tag: "en-boont", Name: "English Boontling dialect"}, "es Espa\u00f1ol": {Tag: "es", Name: "Espa\u00f1ol"},
	} {
		l, err := ParseLanguage([]byte(line))
		require.NoError(t, err, line)
		assert.Equal(t, want, l)
		b, err := AppendLanguage([]byte("x"), l)
		require.NoError(t, err)
		assert.Equal(t, "x"+line+"\r\n", string(b))
	}
	for _, line := range []string{"", " en", "*", "en\x00", "en a\x00b", "caf\u00e9", strings.Repeat("a", 65)} {
		_, err := ParseLanguage([]byte(line))
		var e *ParseError
		require.ErrorAs(t, err, &e, line)
	}
	for _, l := range []pop3.Language{{}, {Tag: "a b"}, {Tag: "."}, {Tag: "en", Name: "a\r\n."}, {Tag: "en", Name: "\xff"}} {
		b, err := AppendLanguage([]byte("x"), l)
		var e *EncodeError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "x", string(b))
	}
}

func TestMechanismLines(t *testing.T) {
	b, err := AppendMechanism(nil, "cram-md5")
	require.NoError(t, err)
	assert.Equal(t, "CRAM-MD5\r\n", string(b))
	for line, want := range map[string]string{"PLAIN": "PLAIN", "login ": "LOGIN"} {
		m, err := ParseMechanism([]byte(line))
		require.NoError(t, err)
		assert.Equal(t, want, m)
	}
	for _, s := range []string{"", "A B", "A\r\nB", ".", strings.Repeat("A", 21)} {
		_, err := ParseMechanism([]byte(s))
		require.Error(t, err, s)
		_, err = AppendMechanism(nil, s)
		require.Error(t, err, s)
	}
}

func readEnvelope(t testing.TB, b []byte) (pop3.Envelope, error) {
	var p EnvelopeParser
	for l := NewLines(wire.NewReader(bytes.NewReader(b), wire.Options{}), false); ; {
		line, err := l.Next()
		if err == io.EOF {
			return p.Envelope()
		}
		require.NoError(t, err)
		if err := p.Line(line); err != nil {
			return pop3.Envelope{}, err
		}
	}
}

func TestEnvelope(t *testing.T) {
	e := pop3.Envelope{Info: [3]string{"host.example", ".", ""}, From: "", To: []string{"ada@host.example", ".bob@host.example"}}
	b, err := AppendEnvelope([]byte{}, &e)
	require.NoError(t, err)
	assert.Equal(t, "host.example\r\n..\r\n\r\n\r\nada@host.example\r\n..bob@host.example\r\n.\r\n", string(b))
	again, err := readEnvelope(t, b)
	require.NoError(t, err)
	assert.Equal(t, e, again)
	_, err = readEnvelope(t, []byte("a\r\nb\r\nc\r\nd\r\n.\r\n"))
	require.ErrorContains(t, err, "five lines")
	_, err = readEnvelope(t, []byte("a\x00\r\n.\r\n"))
	require.Error(t, err)
	for _, e := range []pop3.Envelope{{}, {To: []string{""}}, {To: []string{"a\r\n.\r\n"}}, {From: "\n", To: []string{"a"}}, {Info: [3]string{"\x00"}, To: []string{"a"}}} {
		b, err := AppendEnvelope([]byte("x"), &e)
		require.Error(t, err)
		assert.Equal(t, "x", string(b))
	}
}

func FuzzExtensions(f *testing.F) {
	f.Add([]byte("en English"), "ada@example.org", "<>")
	f.Add([]byte("PLAIN"), ".", "a\r\n")
	f.Fuzz(func(t *testing.T, line []byte, from, to string) {
		if l, err := ParseLanguage(line); err == nil {
			if b, err := AppendLanguage(nil, l); err == nil {
				if again, err := ParseLanguage(oneLine(t, b)); err != nil || again != l {
					t.Fatalf("%q: %+v, again %+v, %v", line, l, again, err)
				}
			}
		}
		if m, err := ParseMechanism(line); err == nil {
			b, err := AppendMechanism(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseMechanism(oneLine(t, b)); err != nil || again != m {
				t.Fatalf("%q: %q, again %q, %v", line, m, again, err)
			}
		}
		e := pop3.Envelope{Info: [3]string{to, from}, From: from, To: []string{to, from}}
		if len(from) > 8000 || len(to) > 8000 {
			return
		}
		if b, err := AppendEnvelope(nil, &e); err == nil {
			if again, err := readEnvelope(t, b); err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%+v became %+v, %v", e, again, err)
			}
		}
	})
}
