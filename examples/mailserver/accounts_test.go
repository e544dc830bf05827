package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

func TestAccounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	domains := []string{"example.test", "other.test"}
	a, err := openAccounts(path, domains)
	require.NoError(t, err)
	require.NoError(t, a.set("Ada", "lovelace"))
	require.NoError(t, a.set("bob", "one:two"))

	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(kept), "lovelace")

	a, err = openAccounts(path, domains)
	require.NoError(t, err)
	for _, login := range []string{"ada", "ADA", "ada@example.test", "ada@OTHER.test"} {
		require.NoError(t, a.check(t.Context(), login, "lovelace"), login)
		require.Equal(t, "ada", a.login(login))
	}
	for login, password := range map[string]string{
		"ada": "Lovelace", "ada@elsewhere.test": "lovelace", "": "", "carol": "lovelace", "bob": "one", "@example.test": "",
	} {
		require.Equal(t, sasl.ErrFailed, a.check(t.Context(), login, password), login)
	}

	require.NoError(t, a.set("ada", "countess"))
	require.Equal(t, sasl.ErrFailed, a.check(t.Context(), "ada", "lovelace"))
	require.NoError(t, a.check(t.Context(), "ada", "countess"))
	require.Error(t, a.set("ada", ""))
	require.Error(t, a.set("a/b", "x"))
}

func TestRecipient(t *testing.T) {
	a, err := openAccounts(filepath.Join(t.TempDir(), "users"), []string{"example.test"})
	require.NoError(t, err)
	_, err = a.recipient("postmaster", "")
	require.Equal(t, errNoSuchBox, err)
	require.NoError(t, a.set("bob", "x"))
	require.NoError(t, a.set("ada", "x"))
	for _, tt := range []struct {
		local, domain, want string
		err                 error
	}{
		{"ada", "example.test", "ada", nil},
		{"ADA", "EXAMPLE.TEST", "ada", nil},
		{"ada", "example.org", "", errNotLocal},
		{"carol", "example.test", "", errNoSuchBox},
		{"postmaster", "", "ada", nil},
		{"Postmaster", "example.test", "ada", nil},
		{"ada", "", "", errNoSuchBox},
		{"../ada", "example.test", "", errNoSuchBox},
	} {
		got, err := a.recipient(tt.local, tt.domain)
		require.Equal(t, tt.err, err, tt)
		require.Equal(t, tt.want, got)
	}
}

func TestDamagedAccountsAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	for line, want := range map[string]string{
		"ada":              "expected name:iterations:salt:hash",
		"Ada:1:AA==:AA==":  `"Ada" is no user name here: letters a to z, digits, and inside it also . - _`,
		"ada:x:AA==:AA==":  `"x" is no number of iterations`,
		"ada:1:!:AA==":     "the salt is not base64",
		"ada:1:AA==:AA==":  "the hash is not 32 octets of base64",
		"ada.:1:AA==:AA==": `"ada." is no user name here: it ends in a dot`,
		":1:AA==:AA==":     "a user name has 1 to 64 characters, not 0",
	} {
		require.NoError(t, os.WriteFile(path, []byte(line+"\n"), 0o600))
		_, err := openAccounts(path, nil)
		require.EqualError(t, err, path+": line 1: "+want)
	}
}

func TestDemoAccountIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	a, err := openAccounts(path, []string{"example.test"})
	require.NoError(t, err)
	password, err := a.demo()
	require.NoError(t, err)
	require.Len(t, password, 16)
	again, err := a.demo()
	require.NoError(t, err)
	require.Equal(t, password, again)
	require.NoError(t, a.check(t.Context(), "demo@example.test", password))
}

func TestCertificateIsKept(t *testing.T) {
	dir := t.TempDir()
	cert, file, err := loadCertificate("", "", dir, []string{"example.test"})
	require.NoError(t, err)
	require.NoError(t, cert.Leaf.VerifyHostname("example.test"))
	require.NoError(t, cert.Leaf.VerifyHostname("localhost"))
	require.NoError(t, cert.Leaf.VerifyHostname("127.0.0.1"))
	again, _, err := loadCertificate("", "", dir, nil)
	require.NoError(t, err)
	require.Equal(t, cert.Certificate, again.Certificate)
	given, name, err := loadCertificate(file, filepath.Join(dir, "key.pem"), t.TempDir(), nil)
	require.NoError(t, err)
	require.Equal(t, file, name)
	require.Equal(t, cert.Certificate, given.Certificate)
	_, _, err = loadCertificate("missing", "missing", dir, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}
