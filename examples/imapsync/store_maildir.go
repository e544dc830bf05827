package main

// TO as a Maildir, with folders as in Maildir++.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime"
)

type maildirStore struct {
	dir   string
	taken map[string]string
}

func newMaildirStore(dir string) (*maildirStore, error) {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir)
	}
	return &maildirStore{dir: dir, taken: make(map[string]string)}, nil
}

func (s *maildirStore) close() {}

func (s *maildirStore) open(_ context.Context, f *folder, dry bool) (box, error) {
	dir := s.dir
	if len(f.parts) != 1 || f.parts[0] != imap.Inbox {
		parts, err := f.fileParts(".")
		if err != nil {
			return nil, &imap.Error{Kind: imap.NO, Text: err.Error()}
		}
		name, err := imap.EncodeUTF7(strings.Join(parts, "."))
		if err != nil {
			return nil, &imap.Error{Kind: imap.NO, Text: err.Error()}
		}
		dir = filepath.Join(dir, "."+name)
	}
	if other, ok := s.taken[dir]; ok && other != f.name {
		return nil, &imap.Error{Kind: imap.NO, Text: fmt.Sprintf("it would go to %s, where %q goes", dir, other)}
	}
	s.taken[dir] = f.name
	if dry {
		if _, err := os.Stat(filepath.Join(dir, "cur")); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return &maildirBox{dir: dir, validity: f.validity}, nil
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if dir != s.dir {
		if f, err := os.OpenFile(filepath.Join(dir, "maildirfolder"), os.O_CREATE, 0o600); err == nil {
			_ = f.Close()
		}
	}
	return &maildirBox{dir: dir, validity: f.validity}, nil
}

// maildirBox names a message's file by when it was received and its UID in FROM:
// a second copy of it can not come to be.
type maildirBox struct {
	dir      string
	validity uint32
	written  bool
	paths    map[string]string // of the files, by their names without flags
}

// mark is in the names of files that came from FROM.
const mark = ".imapsync"

// infoSeparator stands before a file's flags.
func infoSeparator() string {
	if runtime.GOOS == "windows" {
		return ";2,"
	}
	return ":2,"
}

func (b *maildirBox) generation() string { return b.dir }

func (b *maildirBox) stable() bool { return true }

func (b *maildirBox) mend(string) error { return nil }

func (b *maildirBox) place() (string, bool) { return "-", false }

// close makes sure of the names; the files themselves are on the disk.
func (b *maildirBox) close(context.Context) error {
	if !b.written {
		return nil
	}
	return syncDir(filepath.Join(b.dir, "cur"))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}

// base is the name of a message's file without its flags.
func (b *maildirBox) base(m *message) string {
	return fmt.Sprintf("%d.V%dU%d%s,S=%d", m.date.Unix(), b.validity, m.uid, mark, m.size)
}

// origin is the UID in FROM that base tells, zero where it tells none.
func (b *maildirBox) origin(base string) imap.UID {
	name, _, ok := strings.Cut(base, mark)
	_, name, _ = strings.Cut(name, ".V")
	validity, uid, _ := strings.Cut(name, "U")
	if !ok || validity != strconv.FormatUint(uint64(b.validity), 10) {
		return 0
	}
	return uidOf(uid)
}

func (b *maildirBox) list(_ context.Context, known map[string]bool) ([]present, error) {
	files, err := b.files()
	if err != nil {
		return nil, err
	}
	var out []present
	for base, path := range files {
		if known[base] {
			continue
		}
		_, info, _ := strings.Cut(filepath.Base(path), infoSeparator())
		p := present{id: base, uid: b.origin(base), flags: maildirFlags(info)}
		if p.uid == 0 {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			p.key, p.size = keyOfText(text)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y present) int { return strings.Compare(x.id, y.id) })
	return out, nil
}

func (b *maildirBox) digest(_ context.Context, id string) (string, error) {
	files, err := b.files()
	if err != nil {
		return "", err
	}
	f, err := os.Open(files[id])
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digestOf(f)
}

// keyOfText is what a message in a file is known by, and its size with lines that
// end in CRLF.
func keyOfText(text []byte) (key string, size int64) {
	lf := bytes.Count(text, []byte("\n")) - bytes.Count(text, []byte("\r\n"))
	return keyOf(mime.ParseBytes(text, nil).Envelope()), int64(len(text) + lf)
}

// files are the messages of the Maildir: their paths by their names without flags,
// which a mail program may change.
func (b *maildirBox) files() (map[string]string, error) {
	if b.paths != nil {
		return b.paths, nil
	}
	paths := make(map[string]string)
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(b.dir, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			base, _, _ := strings.Cut(e.Name(), infoSeparator())
			paths[base] = filepath.Join(b.dir, sub, e.Name())
		}
	}
	b.paths = paths
	return paths, nil
}

var maildirLetters = []struct {
	letter byte
	flag   imap.Flag
}{
	{'D', imap.FlagDraft}, {'F', imap.FlagFlagged}, {'P', imap.FlagForwarded}, {'R', imap.FlagAnswered},
	{'S', imap.FlagSeen}, {'T', imap.FlagDeleted},
}

func maildirFlags(info string) []imap.Flag {
	var out []imap.Flag
	for _, l := range maildirLetters {
		if strings.IndexByte(info, l.letter) >= 0 {
			out = append(out, l.flag)
		}
	}
	return out
}

func maildirInfo(flags []imap.Flag) string {
	info := infoSeparator()
	for _, l := range maildirLetters {
		if imap.HasFlag(flags, l.flag) {
			info += string(l.letter)
		}
	}
	return info
}

func (b *maildirBox) keeps(flags []imap.Flag) []imap.Flag { return maildirFlags(maildirInfo(flags)) }

func (b *maildirBox) add(_ context.Context, m *message, r io.Reader) (string, error) {
	base := b.base(m)
	tmp := filepath.Join(b.dir, "tmp", base)
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, &lfReader{r: r})
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && !m.date.IsZero() {
		err = os.Chtimes(tmp, m.date, m.date)
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(b.dir, "cur", base+maildirInfo(m.flags)))
	}
	if err != nil {
		os.Remove(tmp)
		return "", err
	}
	b.written = true
	if b.paths != nil {
		b.paths[base] = filepath.Join(b.dir, "cur", base+maildirInfo(m.flags))
	}
	return base, nil
}

func (b *maildirBox) setFlags(_ context.Context, id string, flags []imap.Flag) (string, error) {
	files, err := b.files()
	if err != nil {
		return "", err
	}
	path, ok := files[id]
	if !ok {
		return id, nil // deleted here
	}
	to := filepath.Join(b.dir, "cur", id+maildirInfo(flags))
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	b.written, files[id] = true, to
	return id, nil
}

func (b *maildirBox) remove(_ context.Context, ids []string) error {
	files, err := b.files()
	if err != nil {
		return err
	}
	for _, id := range ids {
		path, ok := files[id]
		if !ok {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		b.written = true
		delete(files, id)
	}
	return nil
}

// lfReader makes CRLF to LF, as the files of a Maildir have it.
type lfReader struct {
	r   io.Reader
	err error
	cr  bool // a CR was held back
	out []byte
	buf [16 << 10]byte
}

func (l *lfReader) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		// What comes out is never more than one octet longer than what went in.
		var n int
		n, l.err = l.r.Read(l.buf[2:])
		l.out = l.buf[:0]
		for _, c := range l.buf[2 : 2+n] {
			if l.cr && c != '\n' {
				l.out = append(l.out, '\r')
			}
			if l.cr = c == '\r'; !l.cr {
				l.out = append(l.out, c)
			}
		}
		if l.err != nil && l.cr {
			l.cr = false
			l.out = append(l.out, '\r')
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}
