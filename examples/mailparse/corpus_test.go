package main

// The corpus of real messages, against CPython's email package.

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"os"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corpus returns the messages that lie beside the module.
func corpus(t *testing.T) (dir string, files []string) {
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "corpus"))
	require.NoError(t, err)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of real messages beside the module")
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(path) != ".json" {
			files = append(files, path)
		}
		return err
	}))
	require.Greater(t, len(files), 400)
	return dir, files
}

const pythonLeaves = `
import sys, json, email, hashlib
for path in sys.stdin.buffer.read().split(b'\0'):
    if path:
        out = []
        for p in email.message_from_bytes(open(path, 'rb').read()).walk():
            if not p.is_multipart():
                d = p.get_payload(decode=True) or b''
                out.append([p.get_content_type(), len(d), hashlib.sha256(d).hexdigest()])
        print(json.dumps(out))
`

const (
	lastLine   = "CPython drops the line ending at the end of a message whose multipart is not closed; no delimiter follows that it could belong to"
	badBase64  = "CPython gives base64 with faults back as it stands, and we decode what is there"
	noField    = "the header goes on behind a line that is no field, or ends where CPython goes on"
	entersAll  = "CPython parses every message type; here message/rfc822 and message/global are entered, the others are leaves"
	itsOwnType = "CPython reads other types out of a faulty Content-Type"
	fewerParts = "the number of leaves differs; package mime's corpus test says why"
)

// differing is every message that CPython reads otherwise.
var differing = map[string]string{
	"enmime/low-quality/bad-header-wrap.raw":                    noField,
	"enmime/mail/epilogue-sample.raw":                           badBase64,
	"enmime/mail/mime-bad-content-transfer-encoding.raw":        badBase64,
	"enmime/mail/mime-bad-content-type.raw":                     itsOwnType,
	"enmime/mail/mime-blank-media-name.raw":                     itsOwnType,
	"enmime/parts/badboundary.raw":                              lastLine,
	"enmime/parts/ctype-invalid-characters.raw":                 itsOwnType,
	"enmime/parts/extra-base64-character.raw":                   badBase64,
	"enmime/parts/multimixed-no-closing-boundary.raw":           lastLine,
	"mailparser/Apache-2.0.txt":                                 noField,
	"mailparser/malformed/000.eml":                              fewerParts,
	"mailparser/malformed/001.eml":                              lastLine,
	"mailparser/malformed/003.eml":                              fewerParts,
	"mailparser/malformed/005.eml":                              "a line that closes the outer multipart and begins the inner one begins the inner one",
	"mailparser/malformed/006.eml":                              lastLine,
	"mailparser/malformed/008.eml":                              lastLine,
	"mailparser/malformed/009.eml":                              lastLine,
	"mailparser/malformed/011.eml":                              lastLine,
	"mailparser/malformed/012.eml":                              lastLine,
	"mailparser/malformed/013.eml":                              fewerParts,
	"mailparser/malformed/016.eml":                              lastLine,
	"mailparser/malformed/017.eml":                              "CPython needs a semicolon before the boundary parameter",
	"mailparser/malformed/019.eml":                              fewerParts,
	"mailparser/rfc/001.eml":                                    entersAll,
	"mailparser/rfc/008.eml":                                    "CPython parses the base64 of an encoded message as a message",
	"mailparser/thirdparty/002.eml":                             badBase64,
	"mailparser/thirdparty/003.eml":                             "CPython does not know the quoted-printable that blanks follow",
	"mailparser/thirdparty/005.eml":                             lastLine,
	"mailparser/thirdparty/009.eml":                             entersAll,
	"mailparser/thirdparty/012.eml":                             fewerParts,
	"mimekit/dkim/multipart-no-end-boundary.msg":                lastLine,
	"mimekit/mbox/content-length-summary.txt":                   "a multipart without a boundary keeps its name",
	"mimekit/mbox/issue1189-summary.txt":                        "a multipart without a boundary keeps its name",
	"mimekit/mbox/jwz-summary.txt":                              "a multipart without a boundary keeps its name",
	"mimekit/mbox/simple.mbox.txt":                              fewerParts,
	"mimekit/mbox/unmunged.mbox.txt":                            noField,
	"mimekit/messages/bounce.txt":                               fewerParts,
	"mimekit/messages/delivery-status-multiple-blank-lines.txt": fewerParts,
	"mimekit/messages/delivery-status-no-blank-line.txt":        fewerParts,
	"mimekit/messages/delivery-status.anonymized.eml":           fewerParts,
	"mimekit/messages/delivery-status.txt":                      fewerParts,
	"mimekit/messages/delivery-status2.txt":                     fewerParts,
	"mimekit/messages/disposition-notification.anonymized.eml":  entersAll,
	"mimekit/messages/disposition-notification.txt":             entersAll,
	"mimekit/messages/empty-multipart.txt":                      "the line ending before a delimiter belongs to it, though nothing else is there",
	"mimekit/messages/feedback-report.txt":                      fewerParts,
	"mimekit/messages/issue358.txt":                             fewerParts,
	"mimekit/partial/message-partial.0.eml":                     fewerParts,
	"mimekit/partial/message-partial.1.eml":                     entersAll,
	"mimekit/partial/message-partial.2.eml":                     entersAll,
	"mimekit/partial/rfc2046.0.eml":                             entersAll,
	"mimekit/partial/rfc2046.1.eml":                             entersAll,
	"mimekit/tnef/MAPI_ATTACH_DATA_OBJ/VIA_Nytt_14021.htm":      noField,
	"mimekit/tnef/unicode-mapi-attr-name/message.html":          noField,
}

func TestCorpusLikePython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to compare with")
	}
	dir, files := corpus(t)
	cmd := exec.Command(python, "-c", pythonLeaves)
	cmd.Stdin = strings.NewReader(strings.Join(files, "\x00"))
	theirs, err := cmd.Output()
	require.NoError(t, err)
	var ours, errs bytes.Buffer
	require.Equal(t, 0, run(context.Background(), append([]string{"-json"}, files...), nil, &ours, &errs), errs.String())
	theirLines, ourLines := strings.Split(strings.TrimSpace(string(theirs)), "\n"), strings.Split(strings.TrimSpace(ours.String()), "\n")
	require.Len(t, theirLines, len(files))
	require.Len(t, ourLines, len(files))
	same := 0
	for i, file := range files {
		name := filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator)))
		var m jsonMessage
		require.NoError(t, json.Unmarshal([]byte(ourLines[i]), &m))
		require.Equal(t, file, m.File)
		var want [][3]any
		require.NoError(t, json.Unmarshal([]byte(theirLines[i]), &want))
		var got [][3]any
		for _, p := range m.Parts {
			got = append(got, [3]any{p.Type, float64(p.DecodedOctets), p.SHA256})
		}
		if assert.ObjectsAreEqual(want, got) {
			same++
			assert.Empty(t, differing[name], "%s differs no more", name)
		} else {
			assert.NotEmpty(t, differing[name], "%s: CPython has %v, we have %v", name, want, got)
		}
	}
	require.Equal(t, len(files), same+len(differing), "files in the table that are not in the corpus")
}

// TestCorpusModes: every message is shown in every way, without a fault of ours.
func TestCorpusModes(t *testing.T) {
	_, files := corpus(t)
	save := t.TempDir()
	for _, flags := range [][]string{nil, {"-text"}, {"-extract", save}, {"-json", "-mbox"}} {
		var out, errs bytes.Buffer
		code := run(context.Background(), append(flags, files...), nil, &out, &errs)
		if len(flags) < 2 || flags[1] != "-mbox" {
			require.Equal(t, 0, code, errs.String())
			require.Empty(t, errs.String())
		}
		require.NotEmpty(t, out.String())
		for _, c := range out.String() {
			require.False(t, c < ' ' && c != '\n' && c != '\t' || c == 0x7f, "%q in the output of %v", c, flags)
		}
	}
	// What was saved lies in the folder, and nowhere else.
	n := 0
	require.NoError(t, filepath.WalkDir(save, func(path string, e fs.DirEntry, err error) error {
		if path != save {
			require.Equal(t, save, filepath.Dir(path))
			require.True(t, e.Type().IsRegular())
			n++
		}
		return err
	}))
	require.Greater(t, n, 50)
}
