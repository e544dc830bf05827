package main

// TO as mbox files: mboxrd, with the flags in Status and X-Status.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/mime/mbox"
)

type mboxStore struct {
	dir   string
	taken map[string]string
}

func (s *mboxStore) close() {}

func (s *mboxStore) open(_ context.Context, f *folder, dry bool) (box, error) {
	parts, err := f.fileParts("")
	if err != nil {
		return nil, &imap.Error{Kind: imap.NO, Text: err.Error()}
	}
	path := filepath.Join(append([]string{s.dir}, parts...)...) + ".mbox"
	if other, ok := s.taken[path]; ok && other != f.name {
		return nil, &imap.Error{Kind: imap.NO, Text: fmt.Sprintf("it would go to %s, where %q goes", path, other)}
	}
	if s.taken == nil {
		s.taken = make(map[string]string)
	}
	s.taken[path] = f.name
	if dry {
		file, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &mboxBox{f: file}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &mboxBox{f: file, end: end}, nil
}

// mboxBox is a file to which messages are appended. Nothing in it is changed.
type mboxBox struct {
	f   *os.File
	end int64
}

func (b *mboxBox) generation() string { return b.f.Name() }

func (b *mboxBox) stable() bool { return true }

// place is where the next message begins: what is behind it after a crash is a
// part of that message.
func (b *mboxBox) place() (string, bool) { return strconv.FormatInt(b.end, 10), true }

// mend takes away a message that was not written whole. It is kept beside the
// file, in case somebody else had written there.
func (b *mboxBox) mend(place string) error {
	at, err := strconv.ParseInt(place, 10, 64)
	if err != nil || at < 0 || at >= b.end {
		return nil
	}
	rest, err := os.Create(b.f.Name() + ".cut-" + place)
	if err != nil {
		return err
	}
	_, err = io.Copy(rest, io.NewSectionReader(b.f, at, b.end-at))
	if err == nil {
		err = rest.Sync()
	}
	if e := rest.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = b.f.Truncate(at)
	}
	b.end = at
	return err
}

func (b *mboxBox) list(_ context.Context, known map[string]bool) ([]present, error) {
	if _, err := b.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := mbox.NewReader(b.f, &mbox.Options{Variant: mbox.MboxRD})
	var out []present
	for m, err := range r.Messages() {
		if err != nil {
			return nil, err
		}
		id := strconv.FormatInt(m.Offset, 10)
		if known[id] {
			continue
		}
		text, err := io.ReadAll(m)
		if err != nil {
			return nil, err
		}
		var flags []imap.Flag
		for _, name := range []string{"Status: ", "X-Status: "} {
			if rest, ok := bytes.CutPrefix(text, []byte(name)); ok {
				var line []byte
				line, text, _ = bytes.Cut(rest, []byte("\n"))
				flags = append(flags, statusFlags(string(line))...)
			}
		}
		p := present{id: id, flags: flags}
		p.key, p.size = keyOfText(text)
		if p.digest, err = digestOf(bytes.NewReader(text)); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// digest is not asked for: list tells.
func (b *mboxBox) digest(context.Context, string) (string, error) { return "", errMbox }

func (b *mboxBox) add(_ context.Context, m *message, r io.Reader) (string, error) {
	id := strconv.FormatInt(b.end, 10)
	if _, err := b.f.Seek(b.end, io.SeekStart); err != nil {
		return "", err
	}
	date := m.date
	if date.IsZero() {
		date = time.Now()
	}
	text := io.MultiReader(strings.NewReader(statusFields(m.flags)), r)
	w := mbox.NewWriter(b.f, mbox.MboxRD, mbox.Limits{})
	err := w.WriteMessage("MAILER-DAEMON", date, &lfReader{r: text})
	if err == nil {
		err = b.f.Sync()
	}
	if err != nil {
		return "", err
	}
	b.end, err = b.f.Seek(0, io.SeekCurrent)
	return id, err
}

// statusLetters are those of Status (R) and X-Status.
var statusLetters = []struct {
	letter string
	flag   imap.Flag
}{
	{"R", imap.FlagSeen}, {"D", imap.FlagDeleted}, {"F", imap.FlagFlagged}, {"A", imap.FlagAnswered}, {"T", imap.FlagDraft},
}

// statusFields are the fields in which mail programs keep flags in mbox files.
func statusFields(flags []imap.Flag) string {
	status, x := "O", ""
	for _, l := range statusLetters {
		switch {
		case !imap.HasFlag(flags, l.flag):
		case l.flag == imap.FlagSeen:
			status = "RO"
		default:
			x += l.letter
		}
	}
	fields := "Status: " + status + "\n"
	if x != "" {
		fields += "X-Status: " + x + "\n"
	}
	return fields
}

func statusFlags(letters string) []imap.Flag {
	var out []imap.Flag
	for _, l := range statusLetters {
		if strings.Contains(letters, l.letter) {
			out = append(out, l.flag)
		}
	}
	return out
}

func (b *mboxBox) keeps(flags []imap.Flag) []imap.Flag {
	var out []imap.Flag
	for _, l := range statusLetters {
		if imap.HasFlag(flags, l.flag) {
			out = append(out, l.flag)
		}
	}
	return out
}

var errMbox = errors.New("nothing in an mbox file can be changed")

func (b *mboxBox) setFlags(context.Context, string, []imap.Flag) (string, error) { return "", errMbox }

func (b *mboxBox) remove(context.Context, []string) error { return errMbox }

func (b *mboxBox) close(context.Context) error { return b.f.Close() }
