package main

// What was copied: one file for each folder, one line for each thing done.
//
//	imapsync 1 UIDVALIDITY "generation of the destination" "folder"
//	begin            copying begins
//	+ UID PLACE      a message is about to be added; PLACE is the destination's
//	= UID ID FLAGS   it was added as ID
//	f UID FLAGS      its flags were changed
//	- UID            it was taken away
//	end              copying ended
//
// A file without "end" behind the last "begin" may lack what was done last: the
// destination is then looked at. That is why lines need not be on the disk before
// the next message is added.

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
)

// entry is a message that was copied.
type entry struct {
	id    string
	flags []imap.Flag
}

type journal struct {
	path    string
	head    string
	entries map[imap.UID]entry
	// clean is set where everything that was done is in entries.
	clean bool
	// open is the message that was being added when the last run broke off,
	// and place where; zero if there was none.
	open  imap.UID
	place string

	f     *os.File
	w     *bufio.Writer
	lines int
}

// openJournal reads what is known of a folder. A file about another generation
// of the folder or of the destination counts for nothing.
func openJournal(dir, folder string, validity uint32, generation string) (*journal, error) {
	sum := sha256.Sum256([]byte(folder))
	j := &journal{
		path:    filepath.Join(dir, hex.EncodeToString(sum[:8])+".journal"),
		head:    fmt.Sprintf("imapsync 1 %d %q %q", validity, generation, folder),
		entries: make(map[imap.UID]entry),
	}
	b, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	head, rest, _ := strings.Cut(string(b), "\n")
	if head != j.head {
		return j, nil
	}
	j.clean = true
	for line := range strings.Lines(rest) {
		if !strings.HasSuffix(line, "\n") || !j.read(strings.Fields(line)) {
			j.clean = false
			break
		}
		j.lines++
	}
	return j, nil
}

func (j *journal) read(f []string) bool {
	switch {
	case len(f) == 1 && f[0] == "begin":
		j.clean = false
		return true
	case len(f) == 1 && f[0] == "end":
		j.clean, j.open = true, 0
		return true
	case len(f) < 2:
		return false
	}
	n, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil || n == 0 {
		return false
	}
	uid := imap.UID(n)
	switch {
	case f[0] == "+" && len(f) == 3:
		j.open, j.place = uid, f[2]
	case f[0] == "=" && len(f) >= 3:
		j.entries[uid] = entry{f[2], flagsOf(f[3:])}
		j.open = 0
	case f[0] == "f":
		if e, ok := j.entries[uid]; ok {
			e.flags = flagsOf(f[2:])
			j.entries[uid] = e
		}
	case f[0] == "-" && len(f) == 2:
		delete(j.entries, uid)
	default:
		return false
	}
	return true
}

func flagsOf(words []string) []imap.Flag {
	var out []imap.Flag
	for _, w := range words {
		out = append(out, imap.Flag(w))
	}
	return out
}

func (e entry) line(uid imap.UID) string {
	b := fmt.Appendf(nil, "= %d %s", uid, e.id)
	for _, f := range e.flags {
		b = append(append(b, ' '), f...)
	}
	return string(append(b, '\n'))
}

// begin opens the file for what is done from now on. It is written anew, which
// drops what no longer counts.
func (j *journal) begin() error {
	f, err := os.CreateTemp(filepath.Dir(j.path), "new-*")
	if err != nil {
		return err
	}
	j.f, j.w = f, bufio.NewWriter(f)
	fmt.Fprintf(j.w, "%s\n", j.head)
	for _, uid := range slices.Sorted(maps.Keys(j.entries)) {
		io.WriteString(j.w, j.entries[uid].line(uid))
	}
	io.WriteString(j.w, "begin\n")
	err = j.sync()
	if err == nil {
		err = os.Rename(f.Name(), j.path)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		j.f = nil
	}
	return err
}

func (j *journal) sync() error {
	if err := j.w.Flush(); err != nil {
		return err
	}
	return j.f.Sync()
}

// write writes a line and hands it to the system, which keeps it when the program
// is killed.
func (j *journal) write(line string) error {
	io.WriteString(j.w, line)
	return j.w.Flush()
}

// adding notes that a message is about to be added. durable puts the note on the
// disk, for destinations that have to be mended after a crash.
func (j *journal) adding(uid imap.UID, place string, durable bool) error {
	if err := j.write(fmt.Sprintf("+ %d %s\n", uid, place)); err != nil || !durable {
		return err
	}
	return j.sync()
}

func (j *journal) added(uid imap.UID, e entry) error {
	j.entries[uid] = e
	return j.write(e.line(uid))
}

func (j *journal) flagged(uid imap.UID, flags []imap.Flag) error {
	e := j.entries[uid]
	e.flags = flags
	j.entries[uid] = e
	b := fmt.Appendf(nil, "f %d", uid)
	for _, f := range flags {
		b = append(append(b, ' '), f...)
	}
	return j.write(string(append(b, '\n')))
}

func (j *journal) removed(uid imap.UID) error {
	delete(j.entries, uid)
	return j.write(fmt.Sprintf("- %d\n", uid))
}

// end closes the file; whole says that nothing is missing in it.
func (j *journal) end(whole bool) error {
	if j.f == nil {
		return nil
	}
	if whole {
		io.WriteString(j.w, "end\n")
	}
	err := j.sync()
	if e := j.f.Close(); err == nil {
		err = e
	}
	j.f = nil
	return err
}
