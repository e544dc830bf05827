package main

// The corpora: generated, the same in each run.

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

func share(n int, short bool) int {
	if short {
		return max(1, n/10)
	}
	return n
}

var words = strings.Fields("the quick mail of our people came late and was read by nobody before noon although every gateway on its way had done what it could to be fast")

func prose(b *bytes.Buffer, r *rand.Rand, octets int) {
	for end := b.Len() + octets; b.Len() < end; {
		line := b.Len()
		for b.Len()-line < 64 {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(' ')
		}
		b.WriteString("end.\r\n")
	}
}

func commonFields(b *bytes.Buffer, i int) {
	fmt.Fprintf(b, "From: \"Sender Number %d\" <sender%d@example.org>\r\nTo: User One <user%d@example.com>, other@example.com\r\n"+
		"Subject: Message number %d about things\r\nDate: Mon, 01 Jan 2001 00:00:%02d +0000\r\nMessage-ID: <%d.20010101@example.org>\r\nMIME-Version: 1.0\r\n", i, i, i, i, i%60, i)
}

// small is 1000 text messages of 3 KB with 20 fields.
func small(short bool) [][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	var out [][]byte
	for i := range share(1000, short) {
		var b bytes.Buffer
		for h := range 6 {
			fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mail.example.com (Postfix) with ESMTPS id 4ABC%04d\r\n\tfor <user%d@example.com>; Mon, 01 Jan 2001 00:00:%02d +0000\r\n", h, h, h+1, i, i, h)
		}
		commonFields(&b, i)
		fmt.Fprintf(&b, "Cc: Third Person <third@example.net>\r\nReply-To: list@example.org\r\nIn-Reply-To: <%d.first@example.com>\r\nReferences: <%d.first@example.com>\r\n"+
			"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\nUser-Agent: Example 1.0\r\nX-Spam-Status: No\r\n\r\n", i, i)
		prose(&b, r, 3000-b.Len())
		out = append(out, b.Bytes())
	}
	return out
}

func base64Lines(b *bytes.Buffer, r *rand.Rand, octets int) {
	line := make([]byte, 57)
	text := make([]byte, 76)
	for n := 0; n < octets; n += len(line) {
		for i := range line {
			line[i] = byte(r.Uint32())
		}
		base64.StdEncoding.Encode(text, line)
		b.Write(text)
		b.WriteString("\r\n")
	}
}

// big is 50 messages, each with a base64 attachment of 2 MB.
func big(short bool) [][]byte {
	r := rand.New(rand.NewPCG(2, 2))
	var out [][]byte
	for i := range share(50, short) {
		var b bytes.Buffer
		commonFields(&b, i)
		b.WriteString("Content-Type: multipart/mixed; boundary=\"=_mixed\"\r\n\r\n--=_mixed\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
		prose(&b, r, 500)
		b.WriteString("\r\n--=_mixed\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"data.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		base64Lines(&b, r, 2<<20)
		b.WriteString("--=_mixed--\r\n")
		out = append(out, b.Bytes())
	}
	return out
}

// news is 200 newsletters of 55 KB: HTML in quoted-printable, in an alternative and a related.
func news(short bool) [][]byte {
	r := rand.New(rand.NewPCG(3, 3))
	var out [][]byte
	for i := range share(200, short) {
		var b bytes.Buffer
		commonFields(&b, i)
		b.WriteString("Content-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n--=_alt\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
		prose(&b, r, 2000)
		b.WriteString("\r\n--=_alt\r\nContent-Type: multipart/related; boundary=\"=_rel\"\r\n\r\n--=_rel\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		for b.Len() < 52000 {
			fmt.Fprintf(&b, "<td class=3D\"c%d\" style=3D\"font: 12px sans-serif; color: #%06x\">%s =\r\ncaf=C3=A9 %s %s =E2=82=AC%d</td>\r\n",
				r.IntN(9), r.IntN(1<<24), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(1000))
		}
		b.WriteString("\r\n--=_rel\r\nContent-Type: image/gif\r\nContent-ID: <logo@example.org>\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		base64Lines(&b, r, 2000)
		b.WriteString("--=_rel--\r\n\r\n--=_alt--\r\n")
		out = append(out, b.Bytes())
	}
	return out
}

func octets(c [][]byte) (n int64) {
	for _, m := range c {
		n += int64(len(m))
	}
	return
}
