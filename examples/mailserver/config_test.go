package main

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseArgs(t *testing.T) {
	c, err := parseArgs(nil, nil)
	require.NoError(t, err)
	require.Equal(t, &config{dir: "./mailserver-data", domains: []string{"example.test"}, listeners: defaultListeners}, c)

	c, err = parseArgs([]string{
		"-dir", "/d", "-user", "Ada:love:lace", "-user", "bob:x", "-domain", "A.example", "-domain", "a.example", "-domain", "b.example",
		"-smtp", "off", "-submission", "off", "-submissions", "off", "-lmtp", "off", "-imap", ":143", "-imaps", "off",
		"-pop3", "off", "-pop3s", "[::1]:0", "-cert", "c", "-key", "k", "-relay", "mx.example:25", "-v",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, &config{
		dir: "/d", users: []user{{"ada", "love:lace"}, {"bob", "x"}}, domains: []string{"a.example", "b.example"},
		listeners: []listener{
			{nameIMAP, ":143", defaultListeners[4].usage}, {namePOP3S, "[::1]:0", defaultListeners[7].usage},
		},
		cert: "c", key: "k", relay: "mx.example:25", verbose: true,
	}, c)
	require.Equal(t, ":143", c.addr(nameIMAP))
	require.Empty(t, c.addr(nameSMTP))
}

func TestParseArgsRefuses(t *testing.T) {
	off := []string{}
	for _, l := range defaultListeners {
		off = append(off, "-"+l.name, "off")
	}
	for want, args := range map[string][]string{
		`invalid value "ada" for flag -user: expected name:password`:                                                           {"-user", "ada"},
		`invalid value "ada:" for flag -user: expected name:password`:                                                          {"-user", "ada:"},
		`invalid value "../x:y" for flag -user: "../x" is no user name here: letters a to z, digits, and inside it also . - _`: {"-user", "../x:y"},
		`invalid value "a..b" for flag -domain: not a domain`:                                                                  {"-domain", "a..b"},
		`-imap 143: expected host:port or off`:                                                                                 {"-imap", "143"},
		`-relay mx: expected host:port`:                                                                                        {"-relay", "mx"},
		`-cert and -key go together`:                                                                                           {"-cert", "x"},
		`unexpected argument "x"`:                                                                                              {"x"},
		`every service is off: nothing to do`:                                                                                  off,
		`flag provided but not defined: -imapz`:                                                                                {"-imapz", "x"},
	} {
		_, err := parseArgs(args, nil)
		require.EqualError(t, err, want)
	}
}

func TestHelpTeaches(t *testing.T) {
	var out bytes.Buffer
	_, err := parseArgs([]string{"-h"}, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, l := range defaultListeners {
		require.Contains(t, out.String(), "-"+l.name+" address\n")
		require.Contains(t, out.String(), l.addr)
	}
	require.Contains(t, out.String(), "-user name:password\n")
}
