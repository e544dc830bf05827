package imapserver_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imaptest"
)

func crlf(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n") }

// plainMessage is the message of RFC 3501 section 8.
var plainMessage = crlf(`
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

Minutes of the meeting.
`)

// nestedMessage has parts of every kind: 1 text, 2 a message with two parts, 3
// base64 text in another charset.
var nestedMessage = crlf(`
Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
From: =?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>
To: group: a@example.org, "B. C." <b@example.org>;
Subject: =?UTF-8?B?R3LDvMOfZQ==?= aus
 Wien
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Stra=C3=9Fenbahn f=
=C3=A4hrt
--outer
Content-Type: message/rfc822

From: inner@example.org
Subject: inside
Content-Type: multipart/alternative; boundary=inner

--inner

first
--inner
Content-Type: text/html

<b>second</b>
--inner--
--outer
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=a.txt

R3L832UgYXVzIE38bmNoZW4=
--outer--
`)

func samples(t testing.TB, m *imaptest.Memory) {
	t.Helper()
	for i, s := range []string{plainMessage, nestedMessage} {
		var flags []imap.Flag
		if i == 0 {
			flags = []imap.Flag{imap.FlagSeen}
		}
		_, err := m.DeliverAt("user", "INBOX", s, day.AddDate(0, 0, i), flags...)
		require.NoError(t, err)
	}
}
