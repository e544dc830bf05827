package imapwire

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rfcLine is a line of an example in an RFC. testdata/extract.go made the
// files.
type rfcLine struct {
	side byte // 'C' or 'S'
	text string
}

// rfcExamples are the conversations of a file.
func rfcExamples(t testing.TB, file string) (out [][]rfcLine) {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, example := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n\n") {
		var lines []rfcLine
		for _, s := range strings.Split(example, "\n") {
			require.Regexp(t, "^[CS]:( |$)", s)
			lines = append(lines, rfcLine{s[0], strings.TrimPrefix(s[2:], " ")})
		}
		out = append(out, lines)
	}
	return out
}

func rfcFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/rfc*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// rfcLines are the lines of one side in a file.
func rfcLines(t testing.TB, file, side string) (lines []string) {
	for _, example := range rfcExamples(t, file) {
		for _, l := range example {
			if l.side == side[0] {
				lines = append(lines, l.text)
			}
		}
	}
	return lines
}

// frames are the frames of one side in an example: lines, joined where a
// literal is announced and shown.
func frames(example []rfcLine, side byte) (out []string) {
	var lines []string
	for _, l := range example {
		if l.side == side {
			lines = append(lines, l.text)
		}
	}
	for len(lines) > 0 {
		frame, line := lines[0], lines[0]
		lines = lines[1:]
		for {
			h, more := literalHeader([]byte(line))
			if !more || h.size > 1<<20 || side == 'S' && statusText([]byte(line)) {
				break
			}
			octets := ""
			if len(lines) > 0 {
				octets, lines = lines[0], lines[1:]
			}
			for int64(len(octets)) < h.size && len(lines) > 0 {
				octets += "\r\n" + lines[0]
				lines = lines[1:]
			}
			if int64(len(octets)) == h.size-2 {
				octets += "\r\n"
			}
			frame += "\r\n" + octets
			line = octets[min(int(h.size), len(octets)):]
		}
		out = append(out, frame)
	}
	return out
}

func known(file, frame string, table []rfcFault, used []bool) bool {
	for i, f := range table {
		if f.file != "" && "testdata/"+f.file+".txt" != file {
			continue
		}
		if ok, _ := regexp.MatchString(f.frame, frame); ok {
			used[i] = true
			return true
		}
	}
	return false
}

func TestRFCResponses(t *testing.T) {
	used := make([]bool, len(rfcResponseFaults))
	for _, file := range rfcFiles(t) {
		for _, example := range rfcExamples(t, file) {
			for _, frame := range frames(example, 'S') {
				r, err := ParseResponse([]byte(frame), nil)
				if _, unknown := r.(*UnknownData); unknown {
					err = errUnknown
				}
				var out []byte
				if err == nil {
					out, err = AppendResponse(nil, r, nil)
				}
				if err != nil {
					assert.True(t, known(file, frame, rfcResponseFaults, used), "%s: %s: %v", file, frame, err)
					continue
				}
				again, err := ParseResponse(frameOf(out), nil)
				if s, ok := r.(*StatusResponse); ok && s.Text == "" {
					s.Text = "Done" // RFC 3501 has no empty text
				}
				if assert.NoError(t, err, "%q", out) {
					assert.Equal(t, r, again)
				}
			}
		}
	}
	for i, u := range used {
		assert.True(t, u, "%v has no line", rfcResponseFaults[i])
	}
}

func TestRFCCommands(t *testing.T) {
	used := make([]bool, len(rfcCommandFaults))
	for _, file := range rfcFiles(t) {
		for _, example := range rfcExamples(t, file) {
			for _, frame := range frames(example, 'C') {
				c := NewCommandReader(strings.NewReader(frame+"\r\n"), CommandLimits{})
				cmd, err := c.Read()
				if err == nil {
					if _, unknown := cmd.Args.(*Unknown); unknown {
						err = errUnknown
					} else if err = readMessages(c, cmd.Args); err == nil {
						if _, err = c.Read(); err == io.EOF {
							continue
						}
					}
				}
				assert.True(t, known(file, frame, rfcCommandFaults, used), "%s: %q: %v", file, frame, err)
			}
		}
	}
	for i, u := range used {
		assert.True(t, u, "%v has no line", rfcCommandFaults[i])
	}
}

// readMessages reads the messages of an APPEND or REPLACE.
func readMessages(c *CommandReader, args Args) error {
	a, err := appendOf(args), error(nil)
	for a != nil && err == nil {
		for i := range a.Parts {
			if a.Parts[i].Text != nil {
				_, err = io.Copy(io.Discard, a.Parts[i].Text)
			}
		}
		if a.Message != nil {
			_, err = io.Copy(io.Discard, a.Message)
		}
		if err == nil {
			a, err = c.More()
		}
	}
	return err
}

var errUnknown = errors.New("unknown")

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
