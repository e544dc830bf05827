package main

// The list: a CSV file with one recipient a line.

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/smtp"
)

// recipient is a line of the list, and what became of it in a campaign.
type recipient struct {
	line int
	path smtp.Path
	key  string // the same for all spellings of an address
	row  []string

	progress
}

// list is a CSV file that was read.
type list struct {
	name       string
	columns    []string
	recipients []*recipient // in the file's order, each address once
	byKey      map[string]*recipient
	duplicates int
	problems   []problem
}

// problem is what is wrong with a line.
type problem struct {
	line int
	err  error
}

// addressColumns are the names of the column with the addresses, where none is
// given.
var addressColumns = []string{"email", "e-mail", "address", "mail", "email address", "e-mail address"}

// readList reads a list. Lines that have no good address are its problems;
// the error is that of the list as a whole.
func readList(name string, data []byte, column string) (*list, error) {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if len(data) > 1 && (data[0] == 0xFF && data[1] == 0xFE || data[0] == 0xFE && data[1] == 0xFF) {
		return nil, fmt.Errorf("%s: the file is in UTF-16; save it as CSV in UTF-8", name)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = separator(data)
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		if err == io.EOF {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l := &list{name: name, byKey: map[string]*recipient{}}
	for i, c := range head {
		c = strings.TrimSpace(c)
		if c == "" {
			return nil, fmt.Errorf("%s:1: column %d has no name", name, i+1)
		}
		if has(l.columns, c) {
			return nil, fmt.Errorf("%s:1: two columns are named %s", name, c)
		}
		if has(reservedNames, c) {
			return nil, fmt.Errorf("%s:1: a column can not be named %s: templates have something else by that name", name, c)
		}
		l.columns = append(l.columns, c)
	}
	at, err := l.addressColumn(column)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err) // it names the line
		}
		line, _ := r.FieldPos(0)
		if err := l.add(line, row, at); err != nil {
			l.problems = append(l.problems, problem{line, err})
		}
	}
}

func readListFile(path, column string) (*list, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return readList(path, data, column)
}

// separator is what the first line has between its columns: spreadsheets of
// half the world write semicolons.
func separator(data []byte) rune {
	head, _, _ := bytes.Cut(data, []byte("\n"))
	best, most := ',', bytes.Count(head, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func (l *list) addressColumn(column string) (int, error) {
	if column != "" {
		for i, c := range l.columns {
			if c == column {
				return i, nil
			}
		}
		return 0, fmt.Errorf("there is no column %s", column)
	}
	for _, want := range addressColumns {
		for i, c := range l.columns {
			if strings.EqualFold(c, want) {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("no column is named email; the first line names the columns, and -column says which has the addresses")
}

func (l *list) add(line int, row []string, at int) error {
	if len(row) != len(l.columns) {
		return fmt.Errorf("%d columns, expected %d", len(row), len(l.columns))
	}
	for i, s := range row {
		if !utf8.ValidString(s) {
			return fmt.Errorf("column %s is not UTF-8", l.columns[i])
		}
	}
	path, key, err := parseRecipient(row[at])
	if err != nil {
		return err
	}
	if l.byKey[key] != nil {
		l.duplicates++
		return nil
	}
	r := &recipient{line: line, path: path, key: key, row: row}
	l.byKey[key] = r
	l.recipients = append(l.recipients, r)
	return nil
}

// parseRecipient reads an address, and makes the key that all its spellings
// share: the domain in lower case and ASCII, the local part as it is.
func parseRecipient(s string) (smtp.Path, string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return smtp.Path{}, "", errors.New("no address")
	}
	path, err := smtp.ParsePath(s)
	if err != nil {
		return path, "", err
	}
	if path.Domain == "" {
		return path, "", fmt.Errorf("%q has no domain", s)
	}
	// As A-labels a domain needs no SMTPUTF8.
	if path.Domain, err = smtp.ASCIIDomain(path.Domain); err != nil {
		return path, "", err
	}
	c := path.Canonical()
	c.Domain = strings.ToLower(c.Domain)
	return path, c.String(), nil
}

// data is what a template gets of a recipient.
func (l *list) data(r *recipient) map[string]string {
	m := make(map[string]string, len(l.columns)+len(reservedNames))
	for i, c := range l.columns {
		m[c] = r.row[i]
	}
	return m
}
