package imapwire

// The tables through which commands, responses and codes of extensions are
// found. Each extension has a file of its own.

import (
	"strconv"

	"github.com/mailwire/mailwire/imap"
)

// argsEncoder is a command of an extension: it writes its arguments, each with
// the space before it.
type argsEncoder interface{ encodeArgs(e *CommandEncoder) }

// responseEncoder is an untagged response of an extension: it writes itself
// behind "* ", without a line end.
type responseEncoder interface {
	appendData(dst []byte, o *EncodeOptions) ([]byte, error)
}

// extensionCommands parse what follows a command's name, the space included.
var extensionCommands = map[string]func(p *parser) Args{
	"APPEND":        (*parser).appendCommand,
	"CANCELUPDATE":  (*parser).cancelUpdate,
	"COMPARATOR":    (*parser).comparator,
	"COMPRESS":      (*parser).compress,
	"DELETEACL":     (*parser).deleteACL,
	"ESEARCH":       (*parser).esearch,
	"GENURLAUTH":    (*parser).genURLAuth,
	"GETACL":        (*parser).getACL,
	"GETJMAPACCESS": (*parser).getJMAPAccess,
	"GETMETADATA":   (*parser).getMetadata,
	"GETQUOTA":      (*parser).getQuota,
	"GETQUOTAROOT":  (*parser).getQuotaRoot,
	"LANGUAGE":      (*parser).language,
	"LISTRIGHTS":    (*parser).listRights,
	"MYRIGHTS":      (*parser).myRights,
	"NOTIFY":        (*parser).notify,
	"REPLACE":       (*parser).replace,
	"RESETKEY":      (*parser).resetKey,
	"RLIST":         (*parser).rlist,
	"RLSUB":         (*parser).rlsub,
	"SETACL":        (*parser).setACL,
	"SETMETADATA":   (*parser).setMetadata,
	"SETQUOTA":      (*parser).setQuota,
	"SORT":          func(p *parser) Args { return p.sort(false) },
	"THREAD":        func(p *parser) Args { return p.thread(false) },
	"UID REPLACE":   (*parser).uidReplace,
	"UID SORT":      func(p *parser) Args { return p.sort(true) },
	"UID THREAD":    func(p *parser) Args { return p.thread(true) },
	"UIDBATCHES":    (*parser).uidBatches,
	"URLFETCH":      (*parser).urlFetch,
	"XLIST":         (*parser).xlist,
}

// extensionResponses parse what follows an untagged response's name, the space
// included.
var extensionResponses = map[string]func(p *parser) Response{
	"ACL":        (*parser).aclData,
	"COMPARATOR": (*parser).comparatorData,
	"GENURLAUTH": (*parser).genURLAuthData,
	"JMAPACCESS": (*parser).jmapAccessData,
	"LANGUAGE":   (*parser).languageData,
	"LISTRIGHTS": (*parser).listRightsData,
	"METADATA":   (*parser).metadataData,
	"MYRIGHTS":   (*parser).myRightsData,
	"QUOTA":      (*parser).quotaData,
	"QUOTAROOT":  (*parser).quotaRootData,
	"SORT":       (*parser).sortData,
	"THREAD":     (*parser).threadData,
	"UIDBATCHES": (*parser).uidBatchesData,
	"URLFETCH":   (*parser).urlFetchData,
}

// extensionCodes parse the arguments of a response code, of which there are
// some.
var extensionCodes = map[string]func(p *parser) imap.Code{
	"METADATA": (*parser).metadataCode,

	imap.CodeBadEventName:        (*parser).badEventCode,
	imap.CodeBadURLName:          (*parser).badURLCode,
	imap.CodeInProgressName:      (*parser).inProgressCode,
	imap.CodeMailboxIDName:       (*parser).mailboxIDCode,
	imap.CodeMessageLimitName:    (*parser).messageLimitCode,
	imap.CodeNoUpdateName:        (*parser).noUpdateCode,
	imap.CodeReferralName:        (*parser).referralCode,
	imap.CodeUndefinedFilterName: (*parser).undefinedFilterCode,
	imap.CodeURLMechName:         (*parser).urlMechCode,
}

// appendExtensionCode appends the arguments of a code, each with the space
// before it.
func appendExtensionCode(dst []byte, code imap.Code) ([]byte, error) {
	switch c := code.(type) {
	case imap.CodeMetadata:
		return appendMetadataCode(dst, c)
	case imap.CodeUndefinedFilter:
		return appendAtom(append(dst, ' '), c.Filter)
	case imap.CodeNoUpdate:
		return appendTagString(append(dst, ' '), c.Tag)
	case imap.CodeBadEvent:
		return appendBadEvent(dst, c)
	case imap.CodeMessageLimit:
		dst = strconv.AppendUint(append(dst, ' '), uint64(c.Limit), 10)
		if c.LastUID != 0 {
			dst = strconv.AppendUint(append(dst, ' '), uint64(c.LastUID), 10)
		}
		return dst, nil
	case imap.CodeMailboxID:
		dst, err := appendAtom(append(dst, " ("...), c.ID)
		return append(dst, ')'), err
	case imap.CodeReferral:
		return appendReferral(dst, c)
	case imap.CodeBadURL:
		return appendBadURL(dst, c)
	case imap.CodeURLMech:
		return appendURLMech(dst, c)
	case imap.CodeInProgress:
		return appendInProgress(dst, c)
	}
	return dst, errEncode
}

// spLaxMailbox is the mailbox that a response names, with the space before it.
func (p *parser) spLaxMailbox() string {
	p.sp()
	return p.laxMailbox()
}

// maxItems is how many entries one response may list: of what a few octets each
// name, memory must not grow to many times what came.
const maxItems = 100_000

// room fails where a list of n items is full.
func (p *parser) room(n int) {
	if n >= maxItems {
		p.FailMsg("more than " + strconv.Itoa(maxItems) + " items")
	}
}

// more moves over spaces and reports whether the frame goes on.
func (p *parser) more() bool {
	if p.failed() {
		return false
	}
	n := p.Spaces()
	if p.End() {
		return false
	}
	if n == 0 {
		p.Fail("a space")
		return false
	}
	return true
}

func (e *CommandEncoder) spMailbox(name string) {
	e.lit(" ")
	e.mailbox(name)
}

func (e *CommandEncoder) spString(s string) {
	e.lit(" ")
	e.astring(s)
}
