package maildir

// Names of folders: "Archive/2024" outside, ".Archive.2024" on disk.

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Inbox is the name of the root of the tree.
const Inbox = "INBOX"

// ErrName is wrapped where a name cannot be that of a folder.
var ErrName = errors.New("not a name for a folder")

// maxDirName is below the 255 octets that file systems allow.
const maxDirName = 240

// temporaryPrefix begins the names of directories that are being made or
// removed. No folder has such a name: its first element would be empty.
const temporaryPrefix = "..mailwire-"

var utf7Base64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// plain reports whether r stands for itself on disk.
func plain(r rune) bool {
	if r < ' ' || r > '~' || r == '.' {
		return false
	}
	return runtime.GOOS != "windows" || !strings.ContainsRune(`\:;*?"<>|`, r)
}

func encodeElement(b *strings.Builder, s string) {
	for len(s) > 0 {
		if r, n := utf8.DecodeRuneInString(s); plain(r) {
			b.WriteByte(byte(r))
			if r == '&' {
				b.WriteByte('-')
			}
			s = s[n:]
			continue
		}
		var raw []byte
		for len(s) > 0 {
			r, n := utf8.DecodeRuneInString(s)
			if plain(r) {
				break
			}
			for _, u := range utf16.AppendRune(nil, r) {
				raw = append(raw, byte(u>>8), byte(u))
			}
			s = s[n:]
		}
		b.WriteByte('&')
		b.WriteString(utf7Base64.EncodeToString(raw))
		b.WriteByte('-')
	}
}

// decodeElement accepts more than encodeElement writes; see nameOfDir.
func decodeElement(s string) (string, bool) {
	var b strings.Builder
	for len(s) > 0 {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		code, rest, ok := strings.Cut(s[i+1:], "-")
		if !ok {
			return "", false
		}
		s = rest
		if code == "" {
			b.WriteByte('&')
			continue
		}
		raw, err := utf7Base64.DecodeString(code)
		if err != nil || len(raw)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units)))
	}
	return b.String(), true
}

// cleanName checks a name and writes INBOX in capitals where it is the first
// element.
func cleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("maildir: %w: %q is not UTF-8", ErrName, name)
	}
	for i, r := range name {
		if r < ' ' || 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029' {
			return "", fmt.Errorf("maildir: %w: control character %U at offset %d of %q", ErrName, r, i, name)
		}
	}
	elements := strings.Split(name, "/")
	for _, e := range elements {
		if e == "" {
			return "", fmt.Errorf("maildir: %w: empty element in %q", ErrName, name)
		}
	}
	if strings.EqualFold(elements[0], Inbox) {
		name = Inbox + name[len(Inbox):]
	}
	return name, nil
}

// dirOfName is the directory of a folder below the root, empty for INBOX, and
// the name as it is written here.
func dirOfName(name string) (dir, clean string, err error) {
	clean, err = cleanName(name)
	if err != nil {
		return "", "", err
	}
	if clean == Inbox {
		return "", clean, nil
	}
	var b strings.Builder
	for e := range strings.SplitSeq(clean, "/") {
		b.WriteByte('.')
		encodeElement(&b, e)
	}
	if b.Len() > maxDirName {
		return "", "", fmt.Errorf("maildir: %w: %.40q... takes %d octets on disk, of at most %d", ErrName, name, b.Len(), maxDirName)
	}
	return b.String(), clean, nil
}

// nameOfDir is the folder a directory below the root is for. Only what
// dirOfName would write is one: no two directories have the same name.
func nameOfDir(dir string) (string, bool) {
	if len(dir) < 2 || dir[0] != '.' || strings.HasPrefix(dir, temporaryPrefix) {
		return "", false
	}
	elements := strings.Split(dir[1:], ".")
	for i, e := range elements {
		var ok bool
		if elements[i], ok = decodeElement(e); !ok {
			return "", false
		}
	}
	name := strings.Join(elements, "/")
	if back, _, err := dirOfName(name); err != nil || back != dir {
		return "", false
	}
	return name, true
}
