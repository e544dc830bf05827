package imapwire

// What the RFCs' examples have that is not the protocol, and why.

// rfcFault is a regular expression of frames in a file, or in every file, that
// are not what the protocol has.
type rfcFault struct{ file, frame, why string }

var rfcResponseFaults = []rfcFault{
	{"", `\.\.\.|\. \. \.`, "cut short"},
	{"", `XPIG-LATIN`, "an experiment"},
	{"rfc2683", `<===`, "a remark in the line"},
	{"rfc4314", `^\* \d FETCH \(FLAGS \([^)]*\)$`, "a parenthesis too few"},
	{"rfc4314", `(?i)^a00[56] (Select|Listrights) `, "OK is missing"},
	{"rfc5032", `^a1 \* SEARCH`, "a tag too many"},
	{"rfc5162", `30007: 30008$`, "wrapped in a number"},
	{"rfc5465", `^\* ESEARCH .* \(COUNT 17\)$`, "parentheses that ESEARCH has not"},
	{"rfc5465", `^\* EXISTS 93$`, "the number stands behind"},
	{"rfc5465", `^d STATUS completed$`, "OK is missing"},
	{"rfc6851", `^\(more expunges\)$`, "cut short"},
}

var rfcCommandFaults = []rfcFault{
	{"", `^DONE$`, "ends IDLE"},
	{"", `^$|^[A-Za-z0-9+/]{16,}(?: [A-Za-z0-9+/]+)*=*$`, "a part of AUTHENTICATE"},
	{"", `\.\.\.|<authentication exchange>|<client |<commands |<large `, "cut short"},
	{"", `(?s)(APPEND|REPLACE) [^\r]*\{\d+\}(\r\n|$)`, "octets that are not as many as announced"},
	{"", `XPIG-LATIN|BLURDYBLOOP|\(ANNOTATE`, "an extension that nobody has"},
	{"rfc2683", `FETCH [12] UID FLAGS`, "parentheses are missing"},
	{"rfc4314", `lrQswicda`, "a right in a capital"},
	{"rfc4959", `\(note that`, "a remark in the line"},
	{"rfc5162", `9990:9999 15000`, "wrapped in a set"},
	{"rfc7162", `9990:9999 15000`, "wrapped in a set"},
	{"rfc5267", `^B0[12] .*SORT RETURN`, "a SORT without keys"},
	{"rfc5464", `GETMETADATA "INBOX" /private/comment /shared/comment`, "parentheses are missing"},
	{"rfc5464", `\{33\}`, "a literal that is not shown"},
	{"rfc5819", `RECURSIVEMATCH\)""`, "a space is missing"},
	{"", `UID ESEARCH`, "the grammar has no such command"},
	{"rfc8508", `(?i)^-----|^[a-z-]+: |^[a-z]+="|^Fritz|^Yours|^Here is`, "a message that is longer than announced"},
}
