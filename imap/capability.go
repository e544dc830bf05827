package imap

// Capabilities.

import (
	"slices"
	"strconv"
)

// Capability is one word of CAPABILITY, compared without regard to ASCII case.
type Capability string

// Capabilities of RFC 3501, RFC 9051 and the extensions.
const (
	CapIMAP4rev1        Capability = "IMAP4rev1"
	CapIMAP4rev2        Capability = "IMAP4rev2"
	CapStartTLS         Capability = "STARTTLS"
	CapLoginDisabled    Capability = "LOGINDISABLED"
	CapLiteralPlus      Capability = "LITERAL+"
	CapLiteralMinus     Capability = "LITERAL-"
	CapIdle             Capability = "IDLE"
	CapNamespace        Capability = "NAMESPACE"
	CapID               Capability = "ID"
	CapSASLIR           Capability = "SASL-IR"
	CapChildren         Capability = "CHILDREN"
	CapUIDPlus          Capability = "UIDPLUS"
	CapUnselect         Capability = "UNSELECT"
	CapMove             Capability = "MOVE"
	CapEnable           Capability = "ENABLE"
	CapSpecialUse       Capability = "SPECIAL-USE"
	CapCreateSpecialUse Capability = "CREATE-SPECIAL-USE"
	CapListExtended     Capability = "LIST-EXTENDED"
	CapListStatus       Capability = "LIST-STATUS"
	CapListMyRights     Capability = "LIST-MYRIGHTS"
	CapListMetadata     Capability = "LIST-METADATA"
	CapESearch          Capability = "ESEARCH"
	CapSearchRes        Capability = "SEARCHRES"
	CapWithin           Capability = "WITHIN"
	CapSort             Capability = "SORT"
	CapSortDisplay      Capability = "SORT=DISPLAY"
	CapESort            Capability = "ESORT"
	CapContextSearch    Capability = "CONTEXT=SEARCH"
	CapContextSort      Capability = "CONTEXT=SORT"
	CapPartial          Capability = "PARTIAL"
	CapSearchFuzzy      Capability = "SEARCH=FUZZY"
	CapFilters          Capability = "FILTERS"
	CapMultiSearch      Capability = "MULTISEARCH"
	CapCondStore        Capability = "CONDSTORE"
	CapQResync          Capability = "QRESYNC"
	CapACL              Capability = "ACL"
	CapQuota            Capability = "QUOTA"
	CapMetadata         Capability = "METADATA"
	CapMetadataServer   Capability = "METADATA-SERVER"
	CapMultiAppend      Capability = "MULTIAPPEND"
	CapCatenate         Capability = "CATENATE"
	CapReplace          Capability = "REPLACE"
	CapAppendLimit      Capability = "APPENDLIMIT"
	CapBinary           Capability = "BINARY"
	CapURLAuth          Capability = "URLAUTH"
	CapCompressDeflate  Capability = "COMPRESS=DEFLATE"
	CapNotify           Capability = "NOTIFY"
	CapObjectID         Capability = "OBJECTID"
	CapStatusSize       Capability = "STATUS=SIZE"
	CapSaveDate         Capability = "SAVEDATE"
	CapPreview          Capability = "PREVIEW"
	CapUTF8Accept       Capability = "UTF8=ACCEPT"
	CapUTF8Only         Capability = "UTF8=ONLY"
	CapUnauthenticate   Capability = "UNAUTHENTICATE"
	CapLanguage         Capability = "LANGUAGE"
	CapInProgress       Capability = "INPROGRESS"
	CapUIDOnly          Capability = "UIDONLY"
	CapUIDBatches       Capability = "UIDBATCHES"
	CapJMAPAccess       Capability = "JMAPACCESS"
	CapGmail            Capability = "X-GM-EXT-1"
	CapXList            Capability = "XLIST"
)

// Equal reports whether c and o are the same capability.
func (c Capability) Equal(o Capability) bool { return equalFold(string(c), string(o)) }

// CapAuth is the capability of a SASL mechanism: "AUTH=" and its name.
func CapAuth(mechanism string) Capability { return Capability("AUTH=" + mechanism) }

// Keys of capabilities that carry a number, for [Capabilities.Number]: the most
// messages that a command works on, or that one saves (RFC 9738).
const (
	CapMessageLimitKey = "MESSAGELIMIT"
	CapSaveLimitKey    = "SAVELIMIT"
)

// CapThread is the capability of a THREAD algorithm (RFC 5256).
func CapThread(a ThreadAlgorithm) Capability { return Capability("THREAD=" + string(a)) }

// Capabilities is a server's list, in its order.
type Capabilities []Capability

// Has reports whether c is in the list.
func (s Capabilities) Has(c Capability) bool { return slices.ContainsFunc(s, c.Equal) }

// Values is what follows "key=" in the list, such as the mechanisms for
// the key "AUTH".
func (s Capabilities) Values(key string) []string {
	var out []string
	for _, c := range s {
		if len(c) > len(key) && c[len(key)] == '=' && equalFold(string(c[:len(key)]), key) {
			out = append(out, string(c[len(key)+1:]))
		}
	}
	return out
}

// Number is the number behind "key=" in the list, such as the limit for the key
// "MESSAGELIMIT"; ok is false where there is none.
func (s Capabilities) Number(key string) (n uint64, ok bool) {
	for _, v := range s.Values(key) {
		if n, err := strconv.ParseUint(v, 10, 63); err == nil {
			return n, true
		}
	}
	return 0, false
}
