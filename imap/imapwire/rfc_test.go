package imapwire

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rfcLines are the lines of one side in the RFCs' examples. testdata/extract.go
// made the files.
func rfcLines(t testing.TB, file, side string) (lines []string) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if line, ok := strings.CutPrefix(s.Text(), side+": "); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

func rfcFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/rfc*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func TestRFCResponses(t *testing.T) {
	for _, file := range rfcFiles(t) {
		for _, line := range rfcLines(t, file, "S") {
			r, err := ParseResponse([]byte(line), nil)
			if err != nil {
				assert.Contains(t, line, "...", "%s: %v", file, err)
				continue
			}
			if strings.HasSuffix(line, "FETCH (...)") {
				continue // an RFC's way to leave out: an item without a value
			}
			out, err := AppendResponse(nil, r, nil)
			if !assert.NoError(t, err, line) {
				continue
			}
			again, err := ParseResponse(bytes.TrimSuffix(out, []byte("\r\n")), nil)
			if s, ok := r.(*StatusResponse); ok && s.Text == "" {
				s.Text = "Done" // RFC 3501 has no empty text
			} else if ok && strings.HasPrefix(s.Text, "[") && s.Code == nil {
				continue // RFC 7162 wraps a code in the middle
			}
			if assert.NoError(t, err, "%q", out) {
				assert.Equal(t, r, again)
			}
		}
	}
}

// notCommands are the lines of clients that are no command that can be parsed
// alone: answers in IDLE and AUTHENTICATE, messages and literals, commands that
// end in a literal's header, what a reader of an RFC is told in parentheses,
// and two mistakes (RFC 5819 lacks a space, RFC 7162 has too many).
var notCommands = regexp.MustCompile(`^DONE$|^$|^[A-Za-z0-9+/=]{6,}$|^YI.* |^\S+ \S+.* \{\d+\}$|\(note that|RECURSIVEMATCH\)""|9990:9999 15000`)

func TestRFCCommands(t *testing.T) {
	for _, file := range rfcFiles(t) {
		for _, line := range rfcLines(t, file, "C") {
			cmd, err := ParseCommand([]byte(line), nil)
			if err != nil {
				assert.Regexp(t, notCommands, line, "%s: %v", file, err)
				continue
			}
			if _, ok := literalHeader([]byte(line)); ok && !strings.Contains(line, " APPEND ") {
				continue // the rest is in the next lines
			}
			out, err := AppendCommand(nil, cmd.Tag, cmd.Args)
			if !assert.NoError(t, err, line) {
				continue
			}
			again, err := ParseCommand(bytes.TrimSuffix(out, []byte("\r\n")), nil)
			if assert.NoError(t, err, "%q", out) {
				assert.Equal(t, cmd.Args, again.Args)
			}
		}
	}
}

// The conversation of RFC 3501 section 6.3.11, octet by octet.
func TestRFCAppend(t *testing.T) {
	lines := rfcLines(t, "testdata/rfc3501.txt", "C")
	from := slices.IndexFunc(lines, func(s string) bool { return strings.Contains(s, " APPEND ") })
	to := from + slices.IndexFunc(lines[from:], func(s string) bool { return strings.Contains(s, " CHECK") })
	// The octets are 310 with the line end behind the last line; what the RFC
	// shows behind it ends the command.
	in := strings.Join(lines[from:to+1], "\r\n") + "\r\n"
	log := served(strings.NewReader(in), CommandLimits{})
	require.Len(t, log, 4)
	assert.Contains(t, log[1], "tomorrow?\\r\\n\" <nil>")
	assert.Equal(t, "FXXZ &imapwire.Check{}", log[2])

	log = served(strings.NewReader("A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man\r\n"), CommandLimits{})
	assert.Equal(t, []string{"+", "+", `A001 &imapwire.Login{Username:"FRED FOOBAR", Password:"fat man"}`, "EOF"}, log)
}
