package mime

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// showReceived writes a trace field as text, and leaves out what is not there.
func showReceived(r Received) string {
	var b strings.Builder
	put := func(k, v string) {
		if v != "" {
			b.WriteString(k + "=" + v + "|")
		}
	}
	host := func(k string, h ReceivedHost) {
		put(k, h.Domain)
		put(k+".name", h.Name)
		put(k+".helo", h.Helo)
		if h.Addr != (netip.Addr{}) {
			put(k+".addr", h.Addr.String())
		}
	}
	host("from", r.From)
	host("by", r.By)
	put("via", r.Via)
	put("with", r.With)
	put("id", r.ID)
	put("for", r.For)
	put("tls", r.TLS.Version)
	put("cipher", r.TLS.Cipher)
	if !r.Date.IsZero() {
		put("date", r.Date.Format(time.RFC3339))
	} else if r.DateText != "" {
		put("baddate", r.DateText)
	}
	return strings.TrimSuffix(b.String(), "|")
}

func TestParseReceived(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		// RFC 5321 and RFC 5322.
		{"from bar.com by foo.com ; Thu, 21 May 1998 05:33:29 -0700", "from=bar.com|by=foo.com|date=1998-05-21T05:33:29-07:00"},
		{"from foo.com by bar.org via TCP with ESMTP id ABC12345 for <x@y.example>; 19 Jul 2005 10:00:00 +0200", "from=foo.com|by=bar.org|via=TCP|with=ESMTP|id=ABC12345|for=x@y.example|date=2005-07-19T10:00:00+02:00"},
		{"from x.y.test by example.net via TCP with ESMTP id ABC12345 for <mary@example.net>; 21 Nov 1997 10:05:43 -0600", "from=x.y.test|by=example.net|via=TCP|with=ESMTP|id=ABC12345|for=mary@example.net|date=1997-11-21T10:05:43-06:00"},
		{"from node.example by x.y.test; 21 Nov 1997 10:01:22 -0600", "from=node.example|by=x.y.test|date=1997-11-21T10:01:22-06:00"},
		{"from localhost ([::1]) by h.example with ESMTP; 1 Jan 2020 00:00:00 +0000", "from=localhost|from.addr=::1|by=h.example|with=ESMTP|date=2020-01-01T00:00:00Z"},
		{"from [IPv6:2001:db8::1] (unknown) by h.example; 1 Jan 2020 00:00:00 +0000", "from=[IPv6:2001:db8::1]|from.addr=2001:db8::1|by=h.example|date=2020-01-01T00:00:00Z"},
		// Postfix.
		{"from mail.a.example (mail.a.example [192.0.2.1]) by mx.b.example (Postfix) with ESMTP id BC0C186A2A for <u@b.example>; Wed,  9 Mar 2011 06:19:47 -0500 (EST)",
			"from=mail.a.example|from.name=mail.a.example|from.addr=192.0.2.1|by=mx.b.example|with=ESMTP|id=BC0C186A2A|for=u@b.example|date=2011-03-09T06:19:47-05:00"},
		{"from a (unknown [2001:db8::2])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n\t(No client certificate requested)\r\n\tby mx (Postfix) with ESMTPS id 4X; Mon, 1 Jan 2024 00:00:00 +0000 (UTC)",
			"from=a|from.addr=2001:db8::2|by=mx|with=ESMTPS|id=4X|tls=TLSv1.3|cipher=TLS_AES_256_GCM_SHA384|date=2024-01-01T00:00:00Z"},
		{"by mx.example (Postfix, from userid 1000) id 12AB; Mon, 1 Jan 2024 00:00:00 +0000", "by=mx.example|id=12AB|date=2024-01-01T00:00:00Z"},
		// Sendmail.
		{"from maleman.mcom.com (maleman.mcom.com [198.93.92.3]) by urchin.netscape.com (8.7.5/8.7.3) with SMTP id CAA25028 for <jwz@urchin.mcom.com>; Mon, 29 Jul 1996 02:26:08 -0700 (PDT)",
			"from=maleman.mcom.com|from.name=maleman.mcom.com|from.addr=198.93.92.3|by=urchin.netscape.com|with=SMTP|id=CAA25028|for=jwz@urchin.mcom.com|date=1996-07-29T02:26:08-07:00"},
		{"from a.example (b.example [192.0.2.9] (may be forged)) by c.example (8.14.4/8.14.4) with ESMTP id x (version=TLSv1/SSLv3 cipher=DHE-RSA-AES256-SHA bits=256 verify=NO); Mon, 1 Jan 2024 00:00:00 GMT",
			"from=a.example|from.name=b.example|from.addr=192.0.2.9|by=c.example|with=ESMTP|id=x|tls=TLS|cipher=DHE-RSA-AES256-SHA|date=2024-01-01T00:00:00Z"},
		{"(from root@localhost) by h.example (8.9.3/8.9.3) id AAA; 1 Jan 2001 00:00:00 GMT", "by=h.example|id=AAA|date=2001-01-01T00:00:00Z"},
		// Exim.
		{"from [104.47.0.133] (helo=EUR01.example.com)\r\n\tby mx.example with esmtps (TLS1.2) tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\r\n\t(Exim 4.94.2)\r\n\t(envelope-from <a@b.example>)\r\n\tid 1lX; Mon, 1 Jan 2024 00:00:00 +0000",
			"from=[104.47.0.133]|from.helo=EUR01.example.com|from.addr=104.47.0.133|by=mx.example|with=esmtps|id=1lX|tls=TLS1.2|cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384|date=2024-01-01T00:00:00Z"},
		{"from mail-he1eur01on0133.outbound.protection.outlook.com\r\n\t([104.47.0.133] helo=EUR01-HE1.outlook.com) by\r\n\tmyassp01.mynet.it with SMTP (2.5.5); 15 Nov 2017 15:16:20 +0100",
			"from=mail-he1eur01on0133.outbound.protection.outlook.com|from.helo=EUR01-HE1.outlook.com|from.addr=104.47.0.133|by=myassp01.mynet.it|with=SMTP|date=2017-11-15T15:16:20+01:00"},
		{"from u by h.example with local (Exim 4.80) (envelope-from <u@h.example>) id 1ab-0-C for r@x.example; Mon, 1 Jan 2024 00:00:00 +0000", "from=u|by=h.example|with=local|id=1ab-0-C|for=r@x.example|date=2024-01-01T00:00:00Z"},
		{"from x ([192.0.2.3]:4321) by h with esmtps (TLSv1.3:TLS_AES_128_GCM_SHA256:128) id 1; Mon, 1 Jan 2024 00:00:00 +0000", "from=x|from.addr=192.0.2.3|by=h|with=esmtps|id=1|tls=TLSv1.3|cipher=TLS_AES_128_GCM_SHA256|date=2024-01-01T00:00:00Z"},
		// qmail.
		{"(qmail 31873 invoked by uid 60001); 9 Mar 2011 11:19:46 -0000", "date=2011-03-09T11:19:46Z"},
		{"from unknown (HELO EUR01.outlook.com) (80.68.177.35)\r\n  by  with SMTP; 15 Nov 2017 14:16:18 -0000", "from=unknown|from.helo=EUR01.outlook.com|from.addr=80.68.177.35|with=SMTP|date=2017-11-15T14:16:18Z"},
		{"from a.example (HELO b) (user@192.0.2.7) by c.example with SMTP; 1 Jan 2001 00:00:00 -0000", "from=a.example|from.helo=b|from.addr=192.0.2.7|by=c.example|with=SMTP|date=2001-01-01T00:00:00Z"},
		// Exchange.
		{"from AM4PR01MB1444.eurprd01.prod.exchangelabs.com\r\n ([fe80::7830:c66f:eaa8:e3dd]) by AM4PR01MB1444.eurprd01.prod.exchangelabs.com\r\n ([fe80::7830:c66f:eaa8:e3dd%14]) with mapi id 15.20.0218.015; Wed, 15 Nov\r\n 2017 14:16:14 +0000",
			"from=AM4PR01MB1444.eurprd01.prod.exchangelabs.com|from.addr=fe80::7830:c66f:eaa8:e3dd|by=AM4PR01MB1444.eurprd01.prod.exchangelabs.com|by.addr=fe80::7830:c66f:eaa8:e3dd%14|with=mapi|id=15.20.0218.015|date=2017-11-15T14:16:14Z"},
		{"from dispatchb.example (185.132.181.12) by LO2.example (10.152.42.102) with Microsoft SMTP\r\n Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n 15.20.4930.15 via Frontend Transport; Wed, 26 Jan 2022 09:06:51 +0000",
			"from=dispatchb.example|from.addr=185.132.181.12|by=LO2.example|by.addr=10.152.42.102|via=Frontend Transport|with=Microsoft SMTP Server|id=15.20.4930.15|tls=TLS1_2|cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384|date=2022-01-26T09:06:51Z"},
		{"from server2.ms.domain.com (10.3.1.83) by\r\n server1.ms.domain.com (10.3.1.86) with Microsoft SMTP Server (TLS)\r\n id 15.0.1044.25; Tue, 21 Jul 2022 11:00:55 -0400",
			"from=server2.ms.domain.com|from.addr=10.3.1.83|by=server1.ms.domain.com|by.addr=10.3.1.86|with=Microsoft SMTP Server|id=15.0.1044.25|tls=TLS|date=2022-07-21T11:00:55-04:00"},
		{"from [10.1.1.1] (Unknown [10.1.1.1])\r\n\tby xyz.example with ESMTPA\r\n\t; Mon, 18 Jul 2022 08:19:52 -0700", "from=[10.1.1.1]|from.addr=10.1.1.1|by=xyz.example|with=ESMTPA|date=2022-07-18T08:19:52-07:00"},
		// Yahoo, Gmail, GMX, Stalwart.
		{"from [217.146.183.184] by nm2.bullet.mail.ukl.yahoo.com with NNFMP;\r\n\t09 Mar 2011 11:19:46 -0000", "from=[217.146.183.184]|from.addr=217.146.183.184|by=nm2.bullet.mail.ukl.yahoo.com|with=NNFMP|date=2011-03-09T11:19:46Z"},
		{"from [93.48.39.139] by web28416.mail.ukl.yahoo.com via HTTP; Wed, 09 Mar 2011 11:19:45 GMT", "from=[93.48.39.139]|from.addr=93.48.39.139|by=web28416.mail.ukl.yahoo.com|via=HTTP|date=2011-03-09T11:19:45Z"},
		{"by igbni9 with SMTP id ni9so18658810igb.1\r\n        for <jeff@xamarin.com>; Fri, 16 Oct 2015 10:43:11 -0700 (PDT)", "by=igbni9|with=SMTP|id=ni9so18658810igb.1|for=jeff@xamarin.com|date=2015-10-16T10:43:11-07:00"},
		{"by 2002:a05:6402:1d53:b0:4a9 with SMTP id x; Mon, 1 Jan 2024 00:00:00 -0800 (PST)", "by=2002:a05:6402:1d53:b0:4a9|with=SMTP|id=x|date=2024-01-01T00:00:00-08:00"},
		{"from mail.proxdocs.de ([159.195.48.175]) by mx-ha.gmx.net (mxgmx107\r\n [212.227.17.5]) with ESMTPS (Nemesis) id 1MydKX-1va9PN213l-00zyre for\r\n <jonas@gmx.net>; Fri, 13 Feb 2026 22:40:20 +0100",
			"from=mail.proxdocs.de|from.addr=159.195.48.175|by=mx-ha.gmx.net|by.addr=212.227.17.5|with=ESMTPS|id=1MydKX-1va9PN213l-00zyre|for=jonas@gmx.net|date=2026-02-13T22:40:20+01:00"},
		{"from p.it.com (p.it.com [94.136.29.106] (AS48943 KAPPER GmbH, AT))\r\n    (using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384)\r\n    by mail.m.de (Stalwart SMTP) with ESMTPS id 4084ACAF0E46C13;\r\n    Wed, 11 Feb 2026 17:45:08 +0000",
			"from=p.it.com|from.name=p.it.com|from.addr=94.136.29.106|by=mail.m.de|with=ESMTPS|id=4084ACAF0E46C13|tls=TLSv1.3|cipher=TLS13_AES_256_GCM_SHA384|date=2026-02-11T17:45:08Z"},
		// Faults.
		{"by mm1.sprynet.com id <148226-12799>; Mon, 29 Jul 1996 02:21:58 -0700", "by=mm1.sprynet.com|id=148226-12799|date=1996-07-29T02:21:58-07:00"},
		{"from a by b Mon, 29 Jul 1996 02:21:58 -0700", "from=a|by=b|date=1996-07-29T02:21:58-07:00"},
		{"from a by b; l8:14:23 +1000", "from=a|by=b|baddate=l8:14:23 +1000"},
		{"from a by b", "from=a|by=b"},
		{"from a; by b; id 3; 1 Jan 2001 00:00:00 GMT", "from=a|by=b|id=3|date=2001-01-01T00:00:00Z"},
		{"FROM a BY b WITH smtp FOR \"a b\"@c.example; 1 Jan 2001 00:00 GMT", "from=a|by=b|with=smtp|for=\"a b\"@c.example|date=2001-01-01T00:00:00Z"},
		{"from a (unclosed by b; 1 Jan 2001 00:00:00 GMT", "from=a|by=b|date=2001-01-01T00:00:00Z"},
		{"from a (b;c [192.0.2.1]) by d (e) for <f@g>, <h@i>; 1 Jan 2001 00:00:00 GMT", "from=a|from.addr=192.0.2.1|by=d|for=f@g|date=2001-01-01T00:00:00Z"},
		{"from a from b by c by d", "from=a|by=c"},
		{"for", ""},
		{";;;", ""},
		{"from a(b.example [192.0.2.1])by c", "from=a|from.name=b.example|from.addr=192.0.2.1|by=c"},
		{"from a ([999.1.1.1]) by b ([]) via ] id [", "from=a|by=b|via=]|id=["},
	}
	for _, tt := range tests {
		f := ParseHeader([]byte("Received: " + tt.in + "\r\n\r\n"))
		g, _ := f.Get("received")
		assert.Equal(t, tt.want, showReceived(g.Received()), "%q", tt.in)
	}
	r := ParseReceived("pre from a (c1) (c2) x (c3) with b z (d); 1 Jan 2001 00:00:00 GMT")
	require.Equal(t, []ReceivedClause{{"", "pre", nil}, {"from", "a x", []string{"c1", "c2", "c3"}}, {"with", "b z", []string{"d"}}}, r.Clauses)
	require.Equal(t, "1 Jan 2001 00:00:00 GMT", r.DateText)
}

func TestParseListFields(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want ListID
	}{
		// RFC 2919 section 3.
		{"List Header Mailing List <list-header.nisto.com>", ListID{"List Header Mailing List", "list-header.nisto.com"}},
		{"<commonspace-users.list-id.within.com>", ListID{"", "commonspace-users.list-id.within.com"}},
		{"\"Lena's Personal Joke List\"\r\n <lenas-jokes.da39efc25c530ad145d41b86f7420c3b.021999.localhost>", ListID{"Lena's Personal Joke List", "lenas-jokes.da39efc25c530ad145d41b86f7420c3b.021999.localhost"}},
		{"\"An internal CMU List\" <0Jks9449.list-id.cmu.edu>", ListID{"An internal CMU List", "0Jks9449.list-id.cmu.edu"}},
		{"=?utf-8?q?caf=C3=A9?= <a.b>", ListID{"café", "a.b"}},
		{"a.b.example", ListID{"", "a.b.example"}},
		{"a.b (comment)", ListID{"", "a.b"}},
		{"x <a.\r\n b", ListID{"x", "a.b"}},
		{"\"a <b> c\" <d.e>", ListID{"a <b> c", "d.e"}},
		{"", ListID{}},
	} {
		assert.Equal(t, tt.want, ParseListID(tt.in), "%q", tt.in)
	}
	for _, tt := range []struct {
		in   string
		want []ListURI
		no   bool
	}{
		// RFC 2369 section 3.
		{"<mailto:list@host.com?subject=help> (List Instructions)", []ListURI{{"mailto:list@host.com?subject=help", "List Instructions"}}, false},
		{"<mailto:list-manager@host.com?body=info>", []ListURI{{"mailto:list-manager@host.com?body=info", ""}}, false},
		{"<http://www.host.com/list/>, <mailto:list-info@host.com>", []ListURI{{"http://www.host.com/list/", ""}, {"mailto:list-info@host.com", ""}}, false},
		{"(Use this command to join the list)\r\n <mailto:list-manager@host.com?body=subscribe%20list>", []ListURI{{"mailto:list-manager@host.com?body=subscribe%20list", "Use this command to join the list"}}, false},
		{"<http://www.host.com/list.cgi?cmd=sub&lst=list>,\r\n <mailto:list-manager@host.com?body=subscribe%20list>", []ListURI{{"http://www.host.com/list.cgi?cmd=sub&lst=list", ""}, {"mailto:list-manager@host.com?body=subscribe%20list", ""}}, false},
		{"<mailto:moderator@host.com> (Postings are Moderated)", []ListURI{{"mailto:moderator@host.com", "Postings are Moderated"}}, false},
		{"<mailto:moderator@host.com?subject=list%20posting>", []ListURI{{"mailto:moderator@host.com?subject=list%20posting", ""}}, false},
		{"NO (posting not allowed on this list)", nil, true},
		{"no", nil, true},
		{"<mailto:listmom@host.com> (Contact Person for Help)", []ListURI{{"mailto:listmom@host.com", "Contact Person for Help"}}, false},
		{"<ftp://ftp.host.com/list/archive/>,\r\n <http://www.host.com/list/archive/> (Web Archive)", []ListURI{{"ftp://ftp.host.com/list/archive/", ""}, {"http://www.host.com/list/archive/", "Web Archive"}}, false},
		// Others.
		{"<https://x.example/\r\n a b>", []ListURI{{"https://x.example/ab", ""}}, false},
		{"https://x.example/, mailto:a@b.example", []ListURI{{"https://x.example/", ""}, {"mailto:a@b.example", ""}}, false},
		{"<https://x.example/a,b>", []ListURI{{"https://x.example/a,b", ""}}, false},
		{"<a:b> (c), (d) <e:f>", []ListURI{{"a:b", "c"}, {"e:f", "d"}}, false},
		{"<a:b", []ListURI{{"a:b", ""}}, false},
		{"(unclosed <a:b>", []ListURI{{"a:b", ""}}, false},
		{"<>, some words", nil, false},
		{"", nil, false},
		{",,,", nil, false},
	} {
		l, no := ParseListURIs(tt.in)
		assert.Equal(t, tt.want, l, "%q", tt.in)
		assert.Equal(t, tt.no, no, "%q", tt.in)
	}
	l, _ := ParseListURIs(strings.Repeat("<a:b>,", 200))
	require.Len(t, l, 100)

	uris := []ListURI{{"mailto:u@x.example", ""}, {"https://x.example/u", ""}}
	for _, tt := range []struct {
		in   string
		want Unsubscribe
	}{
		{"", Unsubscribe{}},
		{"List-Unsubscribe: <mailto:u@x.example>, <https://x.example/u>\n\n", Unsubscribe{URIs: uris}},
		{"List-Unsubscribe: <mailto:u@x.example>, <https://x.example/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n\n", Unsubscribe{uris, "https://x.example/u"}},
		{"List-Unsubscribe: <mailto:u@x.example>, <https://x.example/u>\nList-Unsubscribe-Post: List-Unsubscribe = one-click\n\n", Unsubscribe{uris, "https://x.example/u"}},
		{"List-Unsubscribe: <mailto:u@x.example>, <https://x.example/u>\nList-Unsubscribe-Post: Yes\n\n", Unsubscribe{URIs: uris}},
		{"List-Unsubscribe: <http://x.example/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n\n", Unsubscribe{URIs: []ListURI{{"http://x.example/u", ""}}}},
		{"List-Unsubscribe-Post: List-Unsubscribe=One-Click\n\n", Unsubscribe{}},
	} {
		require.Equal(t, tt.want, ParseHeader([]byte(tt.in)).Unsubscribe(), "%q", tt.in)
	}
}

func TestParseAuthResults(t *testing.T) {
	prop := func(s string) AuthProp {
		name, v, _ := strings.Cut(s, "=")
		typ, n, ok := strings.Cut(name, ".")
		if !ok {
			return AuthProp{"", name, v}
		}
		return AuthProp{typ, n, v}
	}
	res := func(method, result string, props ...string) AuthResult {
		r := AuthResult{Method: method, Version: 1, Result: result}
		for _, p := range props {
			r.Props = append(r.Props, prop(p))
		}
		return r
	}
	comment := func(r AuthResult, c ...string) AuthResult { r.Comments = c; return r }
	reason := func(r AuthResult, s string) AuthResult { r.Reason = s; return r }
	v := func(r AuthResult, n int) AuthResult { r.Version = n; return r }
	tests := []struct {
		in   string
		want AuthResults
	}{
		// RFC 8601 appendix B.
		{"example.org 1; none", AuthResults{ServerID: "example.org", Version: 1, None: true}},
		{"example.com;\r\n spf=pass smtp.mailfrom=example.net", AuthResults{ServerID: "example.com", Version: 1, Results: []AuthResult{res("spf", "pass", "smtp.mailfrom=example.net")}}},
		{"example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net", AuthResults{ServerID: "example.com", Version: 1,
			Results: []AuthResult{comment(res("auth", "pass", "smtp.auth=sender@example.net"), "cram-md5"), res("spf", "pass", "smtp.mailfrom=example.net")}}},
		{"example.com; iprev=pass policy.iprev=192.0.2.200", AuthResults{ServerID: "example.com", Version: 1, Results: []AuthResult{res("iprev", "pass", "policy.iprev=192.0.2.200")}}},
		{"example.com; dkim=pass reason=\"good signature\"\r\n header.i=@mail-router.example.net;\r\n dkim=fail reason=\"bad signature\"\r\n header.i=@newyork.example.com", AuthResults{ServerID: "example.com", Version: 1,
			Results: []AuthResult{reason(res("dkim", "pass", "header.i=@mail-router.example.net"), "good signature"), reason(res("dkim", "fail", "header.i=@newyork.example.com"), "bad signature")}}},
		{"foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
			AuthResults{ServerID: "foo.example.net", Version: 1, Results: []AuthResult{comment(res("dkim", "fail", "policy.expired=1362471462"),
				"Because I like it", "One yay", "wait for it", "A dot can go here", "like that", "this surprised me", "as I wasn't expecting it")}}},
		// Servers.
		{"mx.google.com;\r\n dkim=pass header.i=@gmail.com header.s=20230601 header.b=\"a/b+c=\";\r\n spf=pass (google.com: domain of x@gmail.com designates 2607:f8b0::229 as permitted sender) smtp.mailfrom=x@gmail.com;\r\n dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=gmail.com",
			AuthResults{ServerID: "mx.google.com", Version: 1, Results: []AuthResult{res("dkim", "pass", "header.i=@gmail.com", "header.s=20230601", "header.b=a/b+c="),
				comment(res("spf", "pass", "smtp.mailfrom=x@gmail.com"), "google.com: domain of x@gmail.com designates 2607:f8b0::229 as permitted sender"),
				comment(res("dmarc", "pass", "header.from=gmail.com"), "p=NONE sp=QUARANTINE dis=NONE")}}},
		{"spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=x.example; dkim=pass (signature was verified)\r\n header.d=x.example;dmarc=fail action=none\r\n header.from=x.example;compauth=pass reason=100",
			AuthResults{Version: 1, Results: []AuthResult{comment(res("spf", "pass", "smtp.mailfrom=x.example"), "sender IP is 192.0.2.1"), comment(res("dkim", "pass", "header.d=x.example"), "signature was verified"),
				res("dmarc", "fail", "action=none", "header.from=x.example"), reason(res("compauth", "pass"), "100")}}},
		{"i=2; mx.google.com; arc=pass (i=1 spf=pass); dkim=pass header.b=abc/d+e=", AuthResults{Instance: 2, ServerID: "mx.google.com", Version: 1,
			Results: []AuthResult{comment(res("arc", "pass"), "i=1 spf=pass"), res("dkim", "pass", "header.b=abc/d+e=")}}},
		{" gmx.net; dkim=pass header.i=@proxforge.de", AuthResults{ServerID: "gmx.net", Version: 1, Results: []AuthResult{res("dkim", "pass", "header.i=@proxforge.de")}}},
		{"i=1; i.example 2; none", AuthResults{Instance: 1, ServerID: "i.example", Version: 2, None: true}},
		{"x.example; DKIM/2=Pass Header.I=@A.example", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{v(res("dkim", "pass", "header.i=@A.example"), 2)}}},
		{"x.example; auth=pass smtp.mailfrom=\"a b;c\"@d.example", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{res("auth", "pass", "smtp.mailfrom=\"a b;c\"@d.example")}}},
		{"\"x example\"; spf=none", AuthResults{ServerID: "x example", Version: 1, Results: []AuthResult{res("spf", "none")}}},
		// Faults.
		{"", AuthResults{Version: 1}},
		{"x.example", AuthResults{ServerID: "x.example", Version: 1}},
		{"x.example;", AuthResults{ServerID: "x.example", Version: 1}},
		{"x.example; ; =; a; b=; spf=pass", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{res("spf", "pass")}}},
		{"x.example; spf=pass (unclosed smtp.mailfrom=a", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{res("spf", "pass", "smtp.mailfrom=a")}}},
		{"x.example; spf=pass junk . =x smtp.helo=y", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{res("spf", "pass", "smtp.helo=y")}}},
		{"x.example; none; spf=pass", AuthResults{ServerID: "x.example", Version: 1, Results: []AuthResult{res("spf", "pass")}}},
		{"x.example; nonesuch", AuthResults{ServerID: "x.example", Version: 1}},
	}
	for _, tt := range tests {
		h := ParseHeader([]byte("Authentication-Results: " + tt.in + "\r\n\r\n"))
		f, _ := h.Get("authentication-results")
		assert.Equal(t, tt.want, f.AuthResults(), "%q", tt.in)
	}
	r := res("dkim", "pass", "header.d=x", "header.d=y")
	got, ok := r.Prop("header", "d")
	require.True(t, ok)
	require.Equal(t, "x", got)
	_, ok = r.Prop("header", "i")
	require.False(t, ok)
}

func TestTraceLinear(t *testing.T) {
	for _, s := range []string{"(", "()", "((a)", "<", "\"", "\"a", "from ", "for <a@b> ", "from (", ";", "a=b;", "spf=pass ", "a.b=c ", "(\\", "<a:b>,", "x ", "Mon, ", "from a ([1.2.3.4]) "} {
		n := 32 << 10 / len(s)
		for _, f := range []func(string){
			func(s string) { ParseReceived(s) },
			func(s string) { ParseAuthResults(s) },
			func(s string) { ParseAuthResults("x; a=b " + s) },
			func(s string) { ParseListURIs(s) },
			func(s string) { ParseListID(s) },
			func(s string) { ParseMessageIDs(s) },
		} {
			one := allocated(func() { f(strings.Repeat(s, n)) })
			two := allocated(func() { f(strings.Repeat(s, 2*n)) })
			require.LessOrEqual(t, float64(two), 2.5*float64(one)+256<<10, "%q", s)
		}
	}
}

func FuzzTrace(f *testing.F) {
	for _, s := range []string{"from a (b [1.2.3.4]) by c (d) via e with f id <g> for <h@i>; 1 Jan 2001 00:00:00 GMT", "a 1; b=c (d) e.f=\"g\" reason=h; none",
		"<a:b> (c), d", "i=1; x; arc=pass", "from unknown (HELO x) (1.2.3.4) (TLSv1.3:X:256)", "A <b.c>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := func(s string) { require.False(t, strings.ContainsAny(s, "\r\n\x00"), "%q", s) }
		r := ParseReceived(s)
		for _, c := range r.Clauses {
			clean(c.Name + c.Value + strings.Join(c.Comments, ""))
		}
		clean(showReceived(r) + r.DateText)
		a := ParseAuthResults(s)
		clean(a.ServerID)
		for _, m := range a.Results {
			require.NotEmpty(t, m.Method)
			require.NotEmpty(t, m.Result)
			clean(m.Method + m.Result + m.Reason + strings.Join(m.Comments, ""))
			for _, p := range m.Props {
				require.NotEmpty(t, p.Name)
				clean(p.Type + p.Name + p.Value)
			}
		}
		require.False(t, a.None && len(a.Results) > 0)
		l, no := ParseListURIs(s)
		require.False(t, no && len(l) > 0)
		for _, u := range l {
			require.NotEmpty(t, u.URI)
			clean(u.URI + u.Comment)
		}
		id := ParseListID(s)
		clean(id.Name + id.ID)
		for _, m := range ParseMessageIDs(s) {
			require.NotEmpty(t, m)
			clean(m)
		}
	})
}
