package main

// The account store: who may log in, and whose mail is taken. It is a file of
// lines "name:iterations:salt:hash", the last two in base64; the hash is
// PBKDF2 with HMAC-SHA-256.

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mailwire/mailwire/sasl"
)

const (
	iterations = 100_000
	hashLen    = sha256.Size
	maxName    = 64
)

type account struct {
	iterations int
	salt, hash []byte
}

// accounts is the store. It may be used by many goroutines at once.
type accounts struct {
	path    string
	domains []string // lower case

	mu     sync.RWMutex
	byName map[string]account
}

func openAccounts(path string, domains []string) (*accounts, error) {
	a := &accounts{path: path, domains: domains, byName: map[string]account{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		if line == "" {
			continue
		}
		name, acc, err := parseAccount(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+1, err)
		}
		a.byName[name] = acc
	}
	return a, nil
}

func parseAccount(line string) (string, account, error) {
	f := strings.Split(line, ":")
	if len(f) != 4 {
		return "", account{}, errors.New("expected name:iterations:salt:hash")
	}
	if err := checkName(f[0]); err != nil {
		return "", account{}, err
	}
	n, err := strconv.Atoi(f[1])
	if err != nil || n < 1 || n > 100*iterations {
		return "", account{}, fmt.Errorf("%q is no number of iterations", f[1])
	}
	salt, err := base64.StdEncoding.DecodeString(f[2])
	if err != nil || len(salt) == 0 {
		return "", account{}, errors.New("the salt is not base64")
	}
	hash, err := base64.StdEncoding.DecodeString(f[3])
	if err != nil || len(hash) != hashLen {
		return "", account{}, errors.New("the hash is not 32 octets of base64")
	}
	return f[0], account{n, salt, hash}, nil
}

// checkName takes the names that are a folder's name on every system and an
// atom in every protocol.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a user name has 1 to %d characters, not %d", maxName, len(name))
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || i > 0 && (c == '.' || c == '-' || c == '_')) {
			return fmt.Errorf("%q is no user name here: letters a to z, digits, and inside it also . - _", name)
		}
	}
	if strings.HasSuffix(name, ".") {
		return fmt.Errorf("%q is no user name here: it ends in a dot", name)
	}
	return nil
}

// set adds a user or changes the password of one, and keeps the store on
// disk.
func (a *accounts) set(name, password string) error {
	name = strings.ToLower(name)
	if err := checkName(name); err != nil {
		return err
	}
	if password == "" {
		return fmt.Errorf("user %s: the password is empty", name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.byName[name]; ok && old.matches(password) {
		return nil
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	hash, err := pbkdf2.Key(sha256.New, password, salt, iterations, hashLen)
	if err != nil {
		return err
	}
	a.byName[name] = account{iterations, salt, hash}
	return a.save()
}

func (a *accounts) save() error {
	var b bytes.Buffer
	for _, name := range a.names() {
		acc := a.byName[name]
		fmt.Fprintf(&b, "%s:%d:%s:%s\n", name, acc.iterations,
			base64.StdEncoding.EncodeToString(acc.salt), base64.StdEncoding.EncodeToString(acc.hash))
	}
	return writeFile(a.path, b.Bytes(), 0o600)
}

// names are all users, sorted. The caller holds mu.
func (a *accounts) names() []string {
	names := make([]string, 0, len(a.byName))
	for name := range a.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (acc account) matches(password string) bool {
	hash, err := pbkdf2.Key(sha256.New, password, acc.salt, acc.iterations, hashLen)
	return err == nil && subtle.ConstantTimeCompare(hash, acc.hash) == 1
}

// login is the user that a login name stands for: name or name@domain.
func (a *accounts) login(login string) string {
	name := strings.ToLower(login)
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		if !slices.Contains(a.domains, name[i+1:]) {
			return ""
		}
		name = name[:i]
	}
	return name
}

// unknown is what a password is checked against when there is no such user,
// so that the answer takes as long.
var unknown = account{iterations: iterations, salt: make([]byte, 16), hash: make([]byte, hashLen)}

// check is the Password of the servers' sasl.Auth.
func (a *accounts) check(_ context.Context, login, password string) error {
	a.mu.RLock()
	acc, ok := a.byName[a.login(login)]
	a.mu.RUnlock()
	if !ok {
		acc = unknown
	}
	if matches := acc.matches(password); !matches || !ok {
		return sasl.ErrFailed
	}
	return nil
}

// errors of recipient.
var (
	errNotLocal  = errors.New("not a domain of this server")
	errNoSuchBox = errors.New("no such user here")
)

// recipient is the user who gets the mail of local@domain. Domains are
// compared without regard to case, and so are local parts here (RFC 5321
// section 2.4 leaves that to us). An empty domain goes with postmaster alone,
// who is the first user unless there is one of that name (section 4.5.1).
func (a *accounts) recipient(local, domain string) (string, error) {
	local = strings.ToLower(local)
	if domain == "" && local != "postmaster" {
		return "", errNoSuchBox
	}
	if domain != "" && !slices.Contains(a.domains, strings.ToLower(domain)) {
		return "", errNotLocal
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if _, ok := a.byName[local]; ok {
		return local, nil
	}
	if names := a.names(); local == "postmaster" && len(names) > 0 {
		return names[0], nil
	}
	return "", errNoSuchBox
}

// demo returns the password of the demo account, made once and kept beside
// the store.
func (a *accounts) demo() (string, error) {
	path := filepath.Join(filepath.Dir(a.path), "demo-password")
	if kept, err := os.ReadFile(path); err == nil {
		if password := strings.TrimSpace(string(kept)); password != "" {
			return password, a.set("demo", password)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	password := strings.ToLower(rand.Text()[:16])
	if err := writeFile(path, []byte(password+"\n"), 0o600); err != nil {
		return "", err
	}
	return password, a.set("demo", password)
}

// writeFile replaces a file at once: there is the old one or the new one,
// whole, whatever happens.
func writeFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
