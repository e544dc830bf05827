package mime

// Names of files: of an attachment to be saved, of a message in a .eml file, and of a message in a Maildir.

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// SafeNameSize is the longest name, in octets, that SafeFilename gives: every file system in use takes it.
const SafeNameSize = 180

// SafeFilename makes of a name that the sender gave a name that can be a file's within any folder of any usual file system: the last
// element of a path of either kind of separators, without control, invisible and reserved characters, leading dots or trailing dots and blanks, no
// name of a Windows device, at most SafeNameSize octets with its extension kept. It is never empty. Different names may
// become one: create files so that nothing is overwritten.
func SafeFilename(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.TrimRight(name, `/\`)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	var b strings.Builder
	for _, r := range name {
		switch {
		case strings.ContainsRune(`<>:"/\|?*`, r):
			b.WriteByte('_')
		case unicode.IsControl(r) || invisible(r) || r == 0x2028 || r == 0x2029 || r == utf8.RuneError || 0xE0000 <= r:
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	s := strings.Join(strings.Fields(b.String()), " ")
	s = strings.TrimLeft(s, ". ")
	s = strings.TrimRight(s, ". ")
	if s == "" {
		return "unnamed"
	}
	stem, _, _ := strings.Cut(s, ".")
	switch u := strings.ToUpper(strings.TrimRight(stem, " ")); u {
	case "CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$":
		s = "_" + s
	default:
		if n := strings.TrimRight(u, "0123456789¹²³"); (n == "COM" || n == "LPT") && utf8.RuneCountInString(u) == 4 {
			s = "_" + s
		}
	}
	if s[0] == '-' || s[0] == '~' { // an option or a home folder to a shell
		s = "_" + s[1:]
	}
	if len(s) > SafeNameSize {
		ext := ""
		if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= 20 {
			ext = s[i:]
		}
		s = strings.TrimRight(strings.ToValidUTF8(s[:SafeNameSize-len(ext)], ""), ". ") + ext
	}
	return s
}

// extensions is the usual ones of types without a name.
var extensions = map[string]string{
	"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/vcard": ".vcf", "text/x-vcard": ".vcf", "text/csv": ".csv",
	"text/xml": ".xml", "text/rtf": ".rtf", "text/markdown": ".md", "text/css": ".css", "text/rfc822-headers": ".txt", "text/x-patch": ".patch", "text/x-diff": ".diff",
	"image/jpeg": ".jpg", "image/jpg": ".jpg", "image/pjpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/bmp": ".bmp",
	"image/tiff": ".tiff", "image/webp": ".webp", "image/svg+xml": ".svg", "image/heic": ".heic", "image/avif": ".avif", "image/x-icon": ".ico",
	"audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg", "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/basic": ".au", "audio/flac": ".flac", "audio/amr": ".amr",
	"video/mp4": ".mp4", "video/mpeg": ".mpg", "video/quicktime": ".mov", "video/webm": ".webm", "video/x-msvideo": ".avi", "video/3gpp": ".3gp",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/x-zip-compressed": ".zip", "application/gzip": ".gz", "application/x-gzip": ".gz",
	"application/x-tar": ".tar", "application/x-7z-compressed": ".7z", "application/rtf": ".rtf", "application/json": ".json", "application/xml": ".xml",
	"application/postscript": ".ps", "application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx", "application/vnd.oasis.opendocument.text": ".odt",
	"application/vnd.oasis.opendocument.spreadsheet": ".ods", "application/ics": ".ics", "application/ms-tnef": ".dat", "application/vnd.ms-tnef": ".dat",
	"application/pgp-signature": ".asc", "application/pgp-encrypted": ".asc", "application/pgp-keys": ".asc", "application/pkcs7-mime": ".p7m",
	"application/x-pkcs7-mime": ".p7m", "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s", "application/mbox": ".mbox",
	"message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt", "message/disposition-notification": ".txt", "message/feedback-report": ".txt",
}

// SafeFilename returns a name to save the part under: the sender's made safe as the function SafeFilename does, or where
// there is none the embedded message's subject or "part" and the part's number, with the extension of the media type.
func (p *Part) SafeFilename() string {
	if n := p.Filename(); strings.Trim(n, " ./\\") != "" {
		return SafeFilename(n)
	}
	mt := p.ContentType().MediaType()
	ext, ok := extensions[mt]
	if !ok {
		ext = ".bin"
		if strings.HasPrefix(mt, "text/") {
			ext = ".txt"
		}
	}
	if p.Message != nil {
		if s := p.Message.Header.Text("Subject"); strings.Trim(s, `. _/\`) != "" {
			return emlName(s)
		}
	}
	return "part" + p.number("-") + ext
}

// number returns the part's number, its elements each behind sep.
func (p *Part) number(sep string) string {
	n := ""
	if p.Parent == nil || p.Parent.Message == p {
		n = sep + "1" // the body of a message without parts
	}
	for q := p; q.Parent != nil; q = q.Parent {
		if q.Parent.Message == q {
			continue
		}
		i, _ := slices.BinarySearchFunc(q.Parent.Children, q.Start, func(c *Part, start int64) int { return cmp.Compare(c.Start, start) })
		n = sep + strconv.Itoa(i+1) + n
	}
	return n
}

// emlName makes a file name of a subject. A slash in one is no path: the words on both sides of it are the name.
func emlName(subject string) string {
	subject = strings.NewReplacer("/", "_", `\`, "_").Replace(subject)
	subject = strings.TrimRight(subject[:min(len(subject), 4*SafeNameSize)], ". ")
	return SafeFilename(subject + ".eml")
}

// EMLName returns a file name for a message of this header, as mail clients do it: the date in its own zone if it has one, the
// subject, ".eml": "2024-05-17 Offer.eml".
func EMLName(h Header) string {
	subject := strings.TrimSpace(h.Text("Subject"))
	if strings.Trim(subject, `. _/\`) == "" {
		subject = "message"
	}
	if t, err := h.Date("Date"); err == nil {
		subject = t.Format(time.DateOnly) + " " + subject
	}
	return emlName(subject)
}

// A MaildirName is the name of a message in a Maildir: cur/<unique>,S=<size>,W=<size>:2,<flags>.
type MaildirName struct {
	// Unique is the part before the colon, size attributes included, as it stands.
	Unique string
	// Size is the octets of the file and VirtualSize the octets with CRLF line endings, as Maildir++ and Dovecot write them in the
	// name; -1 where they do not.
	Size, VirtualSize int64
	// Flags is the letters of the flags, sorted, each once: D (draft), F (flagged), P (passed), R (replied), S (seen), T (trashed), and the
	// lower-case ones of Dovecot's keywords. Empty in new.
	Flags string
	// Info tells whether the name has ":2,", as all in cur do.
	Info bool
}

// ParseMaildirName reads a name. The separator is ":", or ";" or "!" as on file systems that do not allow a colon. ok is false
// for names that are not messages: hidden files, names with a path separator, and experimental info (":1,").
func ParseMaildirName(name string) (n MaildirName, ok bool) {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\\x00\r\n") {
		return MaildirName{}, false
	}
	n = MaildirName{Unique: name, Size: -1, VirtualSize: -1}
	if i := strings.LastIndexAny(name, ":;!"); i >= 0 {
		info := name[i+1:]
		flags, two := strings.CutPrefix(info, "2,")
		switch {
		case two && i > 0:
			n.Unique, n.Info = name[:i], true
			n.Flags = maildirFlags(flags)
		case name[i] == ':':
			return MaildirName{}, false
		}
	}
	for _, a := range strings.Split(n.Unique, ",")[1:] {
		if v, ok := strings.CutPrefix(a, "S="); ok {
			n.Size = maildirSize(v)
		} else if v, ok := strings.CutPrefix(a, "W="); ok {
			n.VirtualSize = maildirSize(v)
		}
	}
	return n, true
}

func maildirSize(s string) int64 {
	v, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return -1
	}
	return int64(v)
}

func maildirFlags(s string) string {
	var set [128]bool
	for i := 0; i < len(s) && s[i] != ','; i++ {
		if isLetter(s[i]) {
			set[s[i]] = true
		}
	}
	var b []byte
	for c, on := range set {
		if on {
			b = append(b, byte(c))
		}
	}
	return string(b)
}

// Has tells whether the flag is set.
func (n MaildirName) Has(flag byte) bool { return strings.IndexByte(n.Flags, flag) >= 0 }

// String returns the name, with ":" and the flags in order where Info is set or there are flags. Sizes are as Unique has them.
func (n MaildirName) String() string {
	if !n.Info && n.Flags == "" {
		return n.Unique
	}
	return n.Unique + ":2," + maildirFlags(n.Flags)
}
