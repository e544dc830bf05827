// What a server stores of a SCRAM password.

package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Hash is a hash function that SCRAM is defined with.
type Hash string

const (
	SHA1   Hash = "SHA-1"
	SHA256 Hash = "SHA-256"
	SHA512 Hash = "SHA-512"
)

// hashes are those of SCRAM, the strongest first.
var hashes = []Hash{SHA512, SHA256, SHA1}

// new is nil for an unknown hash.
func (h Hash) new() func() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return nil
}

func (h Hash) size() int {
	switch h {
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// The bounds of SCRAM's iteration counts. RFC 5802 section 5.1 and RFC 7677
// section 4 ask for 4096 at least.
const (
	DefaultMinIterations = 4096
	DefaultMaxIterations = 1_000_000

	// defaultIterations is the count of keys that are made here.
	defaultIterations = 4096
	saltSize          = 16
	// maxSalt bounds a salt that a peer or a store gives, in octets.
	maxSalt = 1024
)

// ScramKeys is what a server stores of a user's password for SCRAM. The
// password can not be had from it other than by guessing; who holds it can
// pose as the server.
type ScramKeys struct {
	Hash       Hash
	Iterations int
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
}

// NewScramKeys derives keys from a password, which is prepared by [SASLprep].
// A nil salt stands for 16 octets of crypto/rand, iterations of 0 for 4096.
// The error says that the hash is unknown, the iterations are negative, or
// the password can not be prepared.
func NewScramKeys(h Hash, password string, salt []byte, iterations int) (*ScramKeys, error) {
	if h.new() == nil {
		return nil, fmt.Errorf("sasl: unknown hash %q", string(h))
	}
	if iterations == 0 {
		iterations = defaultIterations
	}
	if iterations < 0 || len(salt) > maxSalt {
		return nil, errors.New("sasl: iterations or salt out of range")
	}
	prepared, err := SASLprep(password)
	if err != nil {
		return nil, err
	}
	if prepared == "" {
		return nil, errors.New("sasl: the password is empty")
	}
	if len(salt) == 0 {
		salt = make([]byte, saltSize)
		rand.Read(salt)
	}
	salted, err := pbkdf2.Key(h.new(), prepared, salt, iterations, h.size())
	if err != nil {
		return nil, err
	}
	return keysOf(h, salted, append([]byte(nil), salt...), iterations), nil
}

func keysOf(h Hash, salted, salt []byte, iterations int) *ScramKeys {
	return &ScramKeys{
		Hash: h, Iterations: iterations, Salt: salt,
		StoredKey: sum(h, mac(h, salted, "Client Key")),
		ServerKey: mac(h, salted, "Server Key"),
	}
}

func mac(h Hash, key []byte, msg string) []byte {
	m := hmac.New(h.new(), key)
	m.Write([]byte(msg))
	return m.Sum(nil)
}

func sum(h Hash, p []byte) []byte {
	d := h.new()()
	d.Write(p)
	return d.Sum(nil)
}

// check says whether the keys can be used at all.
func (k *ScramKeys) check() error {
	switch n := k.Hash.size(); {
	case n == 0:
		return fmt.Errorf("sasl: SCRAM keys of unknown hash %q", string(k.Hash))
	case k.Iterations < 1:
		return errors.New("sasl: SCRAM keys: expected an iteration count of 1 at least")
	case len(k.Salt) == 0 || len(k.Salt) > maxSalt:
		return fmt.Errorf("sasl: SCRAM keys: expected a salt of 1 to %d octets", maxSalt)
	case len(k.StoredKey) != n || len(k.ServerKey) != n:
		return fmt.Errorf("sasl: SCRAM keys: expected a StoredKey and a ServerKey of %d octets", n)
	}
	return nil
}

// Verify reports whether password is that of the keys, at the cost of a
// login. It compares in constant time.
func (k *ScramKeys) Verify(password string) bool {
	if k.check() != nil {
		return false
	}
	prepared, err := SASLprep(password)
	if err != nil || prepared == "" {
		return false
	}
	salted, err := pbkdf2.Key(k.Hash.new(), prepared, k.Salt, k.Iterations, k.Hash.size())
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(keysOf(k.Hash, salted, nil, 0).StoredKey, k.StoredKey) == 1
}

// AppendText adds the keys in the form of RFC 5803 that databases use too:
// SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
func (k *ScramKeys) AppendText(dst []byte) ([]byte, error) {
	if err := k.check(); err != nil {
		return dst, err
	}
	b64 := base64.StdEncoding
	dst = append(append(append(dst, "SCRAM-"...), k.Hash...), '$')
	dst = append(strconv.AppendInt(dst, int64(k.Iterations), 10), ':')
	dst = append(b64.AppendEncode(dst, k.Salt), '$')
	dst = append(b64.AppendEncode(dst, k.StoredKey), ':')
	return b64.AppendEncode(dst, k.ServerKey), nil
}

// MarshalText is AppendText to a new slice.
func (k *ScramKeys) MarshalText() ([]byte, error) { return k.AppendText(nil) }

// UnmarshalText reads what AppendText writes. Its errors do not show the text.
func (k *ScramKeys) UnmarshalText(text []byte) error {
	bad := func(what string) error { return errors.New("sasl: SCRAM keys: expected " + what) }
	parts := strings.Split(string(text), "$")
	if len(parts) != 3 {
		return bad("SCRAM-hash$iterations:salt$StoredKey:ServerKey")
	}
	name, ok := strings.CutPrefix(parts[0], "SCRAM-")
	count, salt, ok2 := strings.Cut(parts[1], ":")
	stored, server, ok3 := strings.Cut(parts[2], ":")
	if !ok || !ok2 || !ok3 {
		return bad("SCRAM-hash$iterations:salt$StoredKey:ServerKey")
	}
	n, err := parseCount(count)
	if err != nil {
		return bad("a decimal iteration count")
	}
	out := ScramKeys{Hash: Hash(name), Iterations: n}
	for _, f := range []struct {
		dst  *[]byte
		text string
	}{{&out.Salt, salt}, {&out.StoredKey, stored}, {&out.ServerKey, server}} {
		if *f.dst, err = decode64(f.text); err != nil {
			return bad("base64")
		}
	}
	if err := out.check(); err != nil {
		return err
	}
	*k = out
	return nil
}

// ParseScramKeys reads what AppendText writes.
func ParseScramKeys(text string) (*ScramKeys, error) {
	k := new(ScramKeys)
	if err := k.UnmarshalText([]byte(text)); err != nil {
		return nil, err
	}
	return k, nil
}

// decode64 is strict: one text for one value, and no line ends.
func decode64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, ErrProtocol
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

// parseCount reads a posit-number of RFC 5802.
func parseCount(s string) (int, error) {
	if s == "" || len(s) > 9 || s[0] == '0' {
		return 0, ErrProtocol
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrProtocol
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, nil
}
