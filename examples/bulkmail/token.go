package main

// What stands for a recipient in addresses, links and message identifiers.

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailwire/mailwire/mime/report"
)

// secret makes codes that only its owner can make.
type secret []byte

// loadSecret reads a state's secret, which is made the first time.
func loadSecret(dir string) (secret, error) {
	path := filepath.Join(dir, "secret")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		s := make([]byte, 32)
		rand.Read(s)
		return s, writeFile(path, []byte(hex.EncodeToString(s)+"\n"))
	}
	if err != nil {
		return nil, err
	}
	s, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(s) < 16 {
		return nil, fmt.Errorf("%s: expected 32 octets in hex digits", path)
	}
	return s, nil
}

// The uses of codes. One is good for nothing else.
const (
	useBounce      = "bounce"
	useUnsubscribe = "unsubscribe"
	useMessage     = "message"
	useBoundary    = "boundary"
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// token is a code of 24 letters and digits, in one case, for mail systems
// change it.
func (s secret) token(use string, of ...string) string {
	return tokenEncoding.EncodeToString(s.sum(use, of...)[:15])
}

func (s secret) sum(use string, of ...string) []byte {
	h := hmac.New(sha256.New, s)
	h.Write([]byte(use))
	for _, x := range of {
		h.Write([]byte{0})
		h.Write([]byte(x))
	}
	return h.Sum(nil)
}

// messageID is the identifier of the one message that a campaign has for a
// recipient, without angle brackets: however often it is tried, readers and
// servers can tell that it is the same.
func (c *config) messageID(s secret, campaign, key string) string {
	return s.token(useMessage, campaign, key) + c.from.addr[strings.LastIndexByte(c.from.addr, '@'):]
}

const recipientPlaceholder = "+{recipient}@"

// verpSender is the sender that report.AppendVERP makes addresses from.
func verpSender(pattern string) (sender string, ok bool) {
	local, domain, ok := strings.Cut(pattern, recipientPlaceholder)
	return local + "@" + domain, ok
}

// sender is the envelope's sender of a message to a recipient.
func (c *config) sender(s secret, addr, key string) string {
	if sender, ok := verpSender(c.returnPath); ok {
		if b, err := report.AppendVERP(nil, sender, addr); err == nil && isASCII(addr) {
			return string(b)
		}
		// The local part would be too long.
		return expand(c.returnPath, "recipient", s.token(useBounce, key))
	}
	return expand(c.returnPath, "token", s.token(useBounce, key))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// unsubscribe is the addresses that a recipient can unsubscribe with; either
// may be empty.
func (c *config) unsubscribe(s secret, campaign, addr, key string) (web, mail string) {
	token := s.token(useUnsubscribe, key)
	if c.unsubscribeURL != "" {
		web = expand(c.unsubscribeURL, "token", token, "email", url.QueryEscape(addr), "campaign", url.QueryEscape(campaign))
	}
	if c.unsubscribeMail != "" {
		mail = "mailto:" + escapeMailto(expand(c.unsubscribeMail, "token", token)) + "?subject=unsubscribe"
	}
	return web, mail
}

// escapeMailto escapes an address for a mailto URL (RFC 6068 section 2).
func escapeMailto(addr string) string {
	var b strings.Builder
	for i := range len(addr) {
		c := addr[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$'*+:@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// placeholder takes what stands for {name} in a pattern out of an address, in
// any case of letters.
func placeholder(addr, pattern, name string) (string, bool) {
	before, after, ok := strings.Cut(strings.ToLower(pattern), "{"+name+"}")
	if !ok {
		return "", false
	}
	addr = strings.ToLower(addr)
	addr, ok = strings.CutPrefix(addr, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(addr, after)
}
