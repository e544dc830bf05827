package sasl_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

// Both sides of a login with stored keys, of which the client derives its own
// once: to be compared with BenchmarkPBKDF2.
func BenchmarkScramLogin(b *testing.B) {
	keys, err := sasl.NewScramKeys(sasl.SHA256, thePassword, nil, 4096)
	require.NoError(b, err)
	a := &sasl.Auth{ScramKeys: func(context.Context, string, sasl.Hash) (*sasl.ScramKeys, error) { return keys, nil }}
	c := &sasl.Credentials{User: "ada", Password: thePassword}
	for b.Loop() {
		_, server, client := converse(b, a, c, "SCRAM-SHA-256", sasl.Line{}, nil)
		if server != nil || client != nil {
			b.Fatal(server, client)
		}
	}
}

func BenchmarkPBKDF2(b *testing.B) {
	for b.Loop() {
		if _, err := pbkdf2.Key(sha256.New, thePassword, []byte("0123456789abcdef"), 4096, 32); err != nil {
			b.Fatal(err)
		}
	}
}
