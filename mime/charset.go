package mime

// Charsets to UTF-8: those of the WHATWG encoding standard and of IANA's register that golang.org/x/text knows, UTF-7, UTF-32
// and ISO-2022-KR.

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// charsetAlias maps names in lower case that are used in mail and known to neither index.
var charsetAlias = map[string]string{
	"utf8": "utf-8", "utf_8": "utf-8", "utf-8n": "utf-8", "unicode-1-1-utf-8": "utf-8",
	"utf7": "utf-7", "unicode-1-1-utf-7": "utf-7", "csunicode11utf7": "utf-7", "x-unicode-2-0-utf-7": "utf-7",
	"latin1": "iso-8859-1", "latin-1": "iso-8859-1", "iso8859_1": "iso-8859-1", "8859-1": "iso-8859-1", "iso-8859-8-i": "iso-8859-8",
	"latin-2": "iso-8859-2", "latin-9": "iso-8859-15", "latin9": "iso-8859-15",
	"win-1251": "windows-1251", "windows1251": "windows-1251", "win1251": "windows-1251", "cp-1251": "windows-1251",
	"windows1252": "windows-1252", "win-1252": "windows-1252", "cp-1252": "windows-1252", "ansi": "windows-1252",
	"windows1250": "windows-1250", "cp-1250": "windows-1250", "koi8": "koi8-r", "koi8r": "koi8-r",
	"cp-850": "cp850", "ibm-850": "cp850", "cp-437": "cp437", "cp-866": "cp866", "dos-866": "cp866", "cp-852": "cp852",
	"x-gbk": "gbk", "cp936": "gbk", "ms936": "gbk", "gb18030-0": "gb18030", "euc-cn": "gb2312", "euccn": "gb2312", "hz": "hz-gb-2312",
	"cp950": "big5", "big-5": "big5", "x-big5": "big5", "big5-hkscs:2004": "big5",
	"cp932": "shift_jis", "ms932": "shift_jis", "sjis": "shift_jis", "shift-jis": "shift_jis", "x-sjis": "shift_jis",
	"eucjp": "euc-jp", "x-euc-jp": "euc-jp", "iso2022jp": "iso-2022-jp", "jis": "iso-2022-jp", "cp50220": "iso-2022-jp", "cp50221": "iso-2022-jp",
	"cp949": "euc-kr", "ms949": "euc-kr", "euckr": "euc-kr", "ksc5601": "euc-kr", "ks_c_5601": "euc-kr", "uhc": "euc-kr",
	"maccyrillic": "x-mac-cyrillic", "mac-cyrillic": "x-mac-cyrillic", "csiso2022kr": "iso-2022-kr",
	"tis620": "tis-620", "macintosh": "macintosh", "x-mac-roman": "macintosh",
}

var charsetOwn = map[string]encoding.Encoding{
	"utf-8": unicode.UTF8, "utf-7": utf7Encoding{}, "hz-gb-2312": simplifiedchinese.HZGB2312, "big5": traditionalchinese.Big5,
	"utf-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-32": utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "utf-32be": utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
	"utf-32le": utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), "ucs-4": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"iso-2022-kr":     iso2022KREncoding{},
	"iso-10646-ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"cp437":           charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp866": charmap.CodePage866,
	"iso-8859-1": charmap.Windows1252,
}

// charset returns the encoding of a charset's name; nil if the name says nothing that 8-bit octets could be read by: unknown
// names, US-ASCII, and none.
func charset(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(name, " \t\r\n\"'"))
	if a, ok := charsetAlias[name]; ok {
		name = a
	}
	switch name {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "646", "us", "unknown-8bit", "x-unknown", "unknown", "8bit", "7bit", "default", "none":
		return nil
	}
	if len(name) > 64 {
		return nil
	}
	if e, ok := charsetOwn[name]; ok {
		return e
	}
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil && e != encoding.Replacement {
		return e
	}
	if n := strings.TrimPrefix(strings.TrimPrefix(name, "x-"), "cs"); n != name {
		if e, err := htmlindex.Get(n); err == nil && e != encoding.Replacement {
			return e
		}
	}
	return nil
}

// toUTF8 decodes b. Where the charset is unknown, b is taken as UTF-8 if it is valid, else as Windows-1252. Octets that are
// nothing in the charset become U+FFFD.
func toUTF8(b []byte, name string) string {
	e := charset(name)
	if e == nil {
		if utf8.Valid(b) {
			return string(b)
		}
		e = charmap.Windows1252
	}
	if e == unicode.UTF8 {
		return strings.ToValidUTF8(strings.TrimPrefix(string(b), "\ufeff"), "\uFFFD")
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// CharsetReader returns a reader of r's text in UTF-8. ok is false if the charset is unknown or says nothing (US-ASCII
// included); the reader then passes UTF-8 and reads other octets as Windows-1252.
func CharsetReader(r io.Reader, name string) (_ io.Reader, ok bool) {
	e := charset(name)
	if e == nil {
		return transform.NewReader(r, looseUTF8{}), false
	}
	return transform.NewReader(r, e.NewDecoder()), true
}

// looseUTF8 passes UTF-8 and reads each octet that is not part of it as Windows-1252.
type looseUTF8 struct{ transform.NopResetter }

func (looseUTF8) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r = charmap.Windows1252.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}
