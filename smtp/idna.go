// Domain names in other scripts: U-labels to A-labels.

package smtp

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ASCIIDomain is a domain whose labels of other scripts are written as A-labels
// (RFC 5890): as "xn--" and Punycode (RFC 3492), in lower case and normal form
// NFKC. Domains of ASCII and address literals come back as they are. The error
// is a *PathError.
func ASCIIDomain(domain string) (string, error) {
	if isASCII(domain) {
		return domain, nil
	}
	if off, reason := checkDomain(domain); reason != "" {
		return "", &PathError{Text: domain, Offset: off, Reason: reason}
	}
	s := norm.NFKC.String(strings.ToLower(norm.NFKC.String(domain)))
	var b []byte
	dot := false
	// The full stops of other scripts are dots (RFC 3490 section 3.1).
	for label := range strings.SplitSeq(strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".").Replace(s), ".") {
		if dot {
			b = append(b, '.')
		}
		dot = true
		if isASCII(label) {
			b = append(b, label...)
			continue
		}
		start := len(b)
		b = append(b, "xn--"...)
		var ok bool
		if b, ok = appendPunycode(b, label); !ok || len(b)-start > 63 {
			return "", &PathError{Text: domain, Reason: "label longer than 63 octets as an A-label"}
		}
	}
	if off, reason := checkDomain(string(b)); reason != "" || len(b) > 255 {
		return "", &PathError{Text: domain, Offset: off, Reason: "no A-labels for this domain"}
	}
	return string(b), nil
}

// The parameters of RFC 3492 section 5.
const (
	punyBase, punyTMin, punyTMax, punySkew, punyDamp = 36, 1, 26, 38, 700
	punyBias, punyFirst                              = 72, 0x80

	// maxLabel bounds the work, which is quadratic: a longer label has no
	// A-label of 63 octets.
	maxLabel = 63
)

// appendPunycode is the encoder of RFC 3492 section 6.3.
func appendPunycode(dst []byte, label string) ([]byte, bool) {
	if utf8.RuneCountInString(label) > maxLabel {
		return dst, false
	}
	basic := 0
	for _, r := range label {
		if r < punyFirst {
			dst = append(dst, byte(r))
			basic++
		}
	}
	if basic > 0 {
		dst = append(dst, '-')
	}
	n, delta, bias := rune(punyFirst), 0, punyBias
	for done := basic; done < utf8.RuneCountInString(label); {
		next := rune(utf8.MaxRune + 1)
		for _, r := range label {
			if r >= n && r < next {
				next = r
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range label {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := punyBase; ; k += punyBase {
				t := min(max(k-bias, punyTMin), punyTMax)
				if q < t {
					break
				}
				dst = append(dst, punyDigit(t+(q-t)%(punyBase-t)))
				q = (q - t) / (punyBase - t)
			}
			dst = append(dst, punyDigit(q))
			bias = punyAdapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return dst, true
}

func punyDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}

func punyAdapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (punyBase-punyTMin)*punyTMax/2 {
		delta /= punyBase - punyTMin
		k += punyBase
	}
	return k + (punyBase-punyTMin+1)*delta/(delta+punySkew)
}
