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
	CapQuotaSet         Capability = "QUOTASET"
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
	CapI18NLevel1       Capability = "I18NLEVEL=1"
	CapI18NLevel2       Capability = "I18NLEVEL=2"
	CapLoginReferrals   Capability = "LOGIN-REFERRALS"
	CapMailboxReferrals Capability = "MAILBOX-REFERRALS"
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
// messages that a command works on, or that one saves (RFC 9738); the largest
// message that any mailbox takes, in octets (RFC 7889).
const (
	CapMessageLimitKey = "MESSAGELIMIT"
	CapSaveLimitKey    = "SAVELIMIT"
	CapAppendLimitKey  = "APPENDLIMIT"
)

// CapQuotaResource is the capability of a quota's resource: "QUOTA=RES-" and its
// name (RFC 9208).
func CapQuotaResource(r QuotaResource) Capability { return Capability("QUOTA=RES-" + string(r)) }

// CapRights is the capability that names the rights a server has besides those
// of RFC 2086: "RIGHTS=" and they (RFC 4314 section 5.1).
func CapRights(r Rights) Capability { return Capability("RIGHTS=" + string(r)) }

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

// Rights are the rights of "RIGHTS=", which a server of RFC 4314 has besides
// those of RFC 2086; none where it is of RFC 2086 alone.
func (s Capabilities) Rights() Rights {
	var r Rights
	for _, v := range s.Values("RIGHTS") {
		r = r.Add(Rights(v))
	}
	return r
}

// QuotaResources are the resources of "QUOTA=RES-" (RFC 9208).
func (s Capabilities) QuotaResources() []QuotaResource {
	const res = "RES-"
	var out []QuotaResource
	for _, v := range s.Values("QUOTA") {
		if len(v) > len(res) && equalFold(v[:len(res)], res) {
			out = append(out, QuotaResource(upperASCII(v[len(res):])))
		}
	}
	return out
}
