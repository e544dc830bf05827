// What hostile IMAP servers do.

package testkit

import (
	"strings"
	"time"
)

// Words for what an IMAP client is to do in an [Attack]. Before all but the
// first two the client is connected without TLS and has read the greeting; before
// DoFetch, DoSearch and DoCopy it has selected INBOX. Behind what it does, where it
// survives, a NOOP is answered.
const (
	// DoRequireTLS connects with STARTTLS required, and with credentials.
	DoRequireTLS = "require TLS"
	// DoConnect connects in the clear.
	DoConnect = "connect"
	// DoLogin logs in by the mechanism SCRAM-SHA-256, and no other.
	DoLogin = "login"
	// DoList lists all mailboxes. DoFetch fetches UID, FLAGS, ENVELOPE and the
	// body of message 1, DoSearch searches for all, DoSelect selects INBOX,
	// DoCopy copies message 1, DoNoop sends a NOOP.
	DoList   = "list"
	DoFetch  = "fetch"
	DoSearch = "search"
	DoSelect = "select"
	DoCopy   = "copy"
	DoNoop   = "noop"
)

const imapGreeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS LITERAL+ UIDPLUS ESEARCH AUTH=SCRAM-SHA-256] ready\r\n"

// imapAnswer serves a client that does one thing: said is the answer to its
// first command, in place of {tag} its tag. All that follow are answered OK.
func imapAnswer(said ...string) func(h *Hostile) {
	return func(h *Hostile) {
		h.Say(imapGreeting)
		h.ReadLine()
		for _, s := range said {
			h.Say(s)
		}
		imapServe(h)
	}
}

// imapMailbox is imapAnswer behind a SELECT of a mailbox with so many messages.
func imapMailbox(messages string, said ...string) func(h *Hostile) {
	return func(h *Hostile) {
		imapSelect(h, messages)
		h.ReadLine()
		for _, s := range said {
			h.Say(s)
		}
		imapServe(h)
	}
}

func imapSelect(h *Hostile, messages string) {
	h.Say(imapGreeting)
	h.Answer("* " + messages + " EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n{tag} OK [READ-WRITE] done\r\n")
}

// imapServe answers every command with OK.
func imapServe(h *Hostile) {
	for {
		line := h.ReadLine()
		if h.Gone() {
			return
		}
		if strings.HasSuffix(line, "CAPABILITY") {
			h.Say("* CAPABILITY IMAP4rev1\r\n")
		}
		h.Say("{tag} OK done\r\n")
	}
}

// imapUpgrade serves a client that begins TLS: said is its answer to STARTTLS.
func imapUpgrade(said string) func(h *Hostile) {
	return func(h *Hostile) {
		h.Say(imapGreeting)
		if line := h.ReadLine(); strings.HasSuffix(line, "CAPABILITY") {
			h.Say("* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n")
			h.ReadLine()
		}
		h.Say(said)
		h.StartTLS()
		imapServe(h)
	}
}

// IMAPAttacks are the rows of ATTACKS.md that reach an IMAP client through what
// a server says.
func IMAPAttacks() []Attack {
	huge := "4294967295"
	var numbers strings.Builder
	for range 20_000 {
		numbers.WriteString(" 4294967295")
	}
	return []Attack{
		{"S2", "octets behind the answer to STARTTLS", DoRequireTLS, imapUpgrade("{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"), false},
		{"S2", "an answer before its command, behind STARTTLS", DoRequireTLS, imapUpgrade("{tag} OK go\r\n* OK\r\n+ \r\n"), false},
		{"S3", "no STARTTLS", DoRequireTLS, func(h *Hostile) {
			h.Say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")
			for !h.Gone() {
				line := h.ReadLine()
				if strings.HasSuffix(line, "CAPABILITY") {
					h.Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done\r\n")
				} else {
					h.Say("{tag} BAD what\r\n")
				}
			}
		}, false},
		{"S3", "STARTTLS refused", DoRequireTLS, imapUpgrade("{tag} NO not now\r\n"), false},
		{"S3", "STARTTLS not understood", DoRequireTLS, imapUpgrade("{tag} BAD what\r\n"), false},
		{"S3", "an unknown answer to STARTTLS", DoRequireTLS, imapUpgrade("{tag} YES\r\n"), false},
		{"S3", "another's tag in the answer to STARTTLS", DoRequireTLS, imapUpgrade("other OK go\r\n"), false},
		{"S3", "PREAUTH", DoRequireTLS, func(h *Hostile) {
			h.Say("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n")
			imapServe(h)
		}, false},
		{"S6", "the handshake fails", DoRequireTLS, func(h *Hostile) {
			h.Say(imapGreeting)
			for strings.HasSuffix(h.ReadLine(), "CAPABILITY") {
				h.Say("* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n")
			}
			h.Say("{tag} OK go\r\n")
			h.r.Peek(1) // of the client's hello
			h.Say("* OK no TLS here\r\n* OK\r\n* OK\r\n")
			h.Stall()
		}, false},
		{"S4", "a tagged answer before any command", DoNoop, func(h *Hostile) {
			h.Say(imapGreeting + "a1 OK done\r\nA1 OK done\r\n")
			imapServe(h)
		}, false},
		{"S4", "another's tag", DoNoop, imapAnswer("x{tag} OK done\r\n"), false},

		{"I1", "a huge literal in a LIST and nothing more", DoList, imapAnswer("* LIST () \"/\" {" + huge + "}\r\n"), false},
		{"I1", "a literal beyond 64 bits", DoList, imapAnswer("* LIST () \"/\" {99999999999999999999}\r\n"), false},
		{"I1", "a body beyond 64 bits", DoFetch, imapMailbox("1", "* 1 FETCH (BODY[] {99999999999999999999}\r\n"), false},
		{"I1", "a huge literal and its octets", DoList, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("* LIST () \"/\" {" + huge + "}\r\n")
			h.Repeat("x", -1)
		}, false},
		{"I1", "a line without end", DoList, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("* LIST () \"/\" ")
			h.Repeat("x", -1)
		}, false},
		{"I1", "a greeting without end", DoConnect, func(h *Hostile) {
			h.Say("* OK ")
			h.Repeat("x", -1)
		}, false},
		{"I2", "100,000 literals of one octet", DoList, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("* LIST () \"/\" x (y (")
			h.Repeat("{1}\r\na ", 100_000)
			h.Say("{1}\r\na))\r\n{tag} OK done\r\n")
			imapServe(h)
		}, true},
		{"I2", "literals without end", DoList, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("* LIST () \"/\" x (y (")
			h.Repeat("{1}\r\na ", -1)
		}, false},
		{"I6", "a body structure a million deep", DoFetch, func(h *Hostile) {
			imapSelect(h, "1")
			h.Answer("* 1 FETCH (BODYSTRUCTURE ")
			h.Repeat("(", 1_000_000)
			h.Say("\r\n{tag} OK done\r\n")
			imapServe(h)
		}, true},
		{"I6", "messages in messages", DoFetch, func(h *Hostile) {
			imapSelect(h, "1")
			h.Answer("* 1 FETCH (BODYSTRUCTURE ")
			h.Repeat(`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) `, 50_000)
			h.Say("\r\n{tag} OK done\r\n")
			imapServe(h)
		}, true},
		{"I6", "unknown data a million deep", DoFetch, func(h *Hostile) {
			imapSelect(h, "1")
			h.Answer("* 1 FETCH (X-DEEP ")
			h.Repeat("(", 1_000_000)
			h.Say("\r\n{tag} OK done\r\n")
			imapServe(h)
		}, true},
		{"I7", "a search that found everything, and a mailbox as full", DoSearch, imapMailbox(huge, "* ESEARCH (TAG \"{tag}\") UID ALL 1:"+huge+"\r\n", "{tag} OK done\r\n"), false},
		{"I7", "a search that found more than there is", DoSearch, imapMailbox("3", "* ESEARCH (TAG \"{tag}\") UID ALL 1:"+huge+"\r\n", "{tag} OK done\r\n"), false},
		{"I7", "the largest number, many times", DoSearch, imapMailbox("3", "* SEARCH"+numbers.String()+"\r\n", "{tag} OK done\r\n"), true},
		{"I7", "a number too large", DoSearch, imapMailbox("3", "* SEARCH 4294967296\r\n", "{tag} OK done\r\n"), true},
		{"I7", "a copy of everything", DoCopy, imapMailbox("1", "{tag} OK [COPYUID 1 1:"+huge+" 1:"+huge+"] done\r\n"), true},
		{"I7", "everything vanished", DoNoop, imapAnswer("* VANISHED (EARLIER) 1:" + huge + "\r\n* VANISHED " + huge + "\r\n* " + huge + " EXISTS\r\n* " + huge + " EXPUNGE\r\n{tag} OK done\r\n"), true},
		{"I7", "a mailbox as full as can be", DoSelect, imapAnswer("* " + huge + " EXISTS\r\n* " + huge + " RECENT\r\n* OK [UIDNEXT " + huge + "] x\r\n* OK [UIDVALIDITY " + huge + "] x\r\n{tag} OK [READ-WRITE] done\r\n"), true},

		{"Sessions", "a greeting that is none", DoConnect, func(h *Hostile) { h.Say("HTTP/1.1 400 Bad Request\r\n\r\n") }, false},
		{"Sessions", "the end instead of a greeting", DoConnect, func(*Hostile) {}, false},
		{"Sessions", "silence instead of a greeting", DoConnect, (*Hostile).Stall, false},
		{"Sessions", "silence instead of an answer", DoNoop, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Stall()
		}, false},
		{"Sessions", "the end in an answer", DoList, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("* LIST () \"/\" {5}\r\nab")
		}, false},
		{"Sessions", "BYE without end", DoNoop, func(h *Hostile) {
			h.Say(imapGreeting)
			h.ReadLine()
			h.Repeat("* BYE\r\n", -1)
		}, false},
		{"Sessions", "an OK before the server's signature", DoLogin, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("{tag} OK welcome\r\n")
			imapServe(h)
		}, false},
		{"Sessions", "a challenge that is not base64", DoLogin, func(h *Hostile) {
			h.Say(imapGreeting)
			h.Answer("+ !!!\r\n")
			h.ReadLine()
			h.Say("{tag} NO no\r\n")
			h.Stall()
		}, false},
		{"Sessions", "challenges without end", DoLogin, func(h *Hostile) {
			h.Say(imapGreeting)
			h.ReadLine()
			h.Repeat("+ \r\n", -1)
		}, false},
		{"Sessions", "Slowloris", DoNoop, func(h *Hostile) {
			h.Say(imapGreeting)
			h.ReadLine()
			h.Slowly("* OK "+strings.Repeat("x", 10_000), 10*time.Minute)
		}, false},
	}
}
