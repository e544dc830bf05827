package imap

// Access rights (RFC 4314).

import "strings"

// Rights is a set of access rights, one octet each, in any order and without a
// meaning to repetition. Lowercase letters and digits are all that can stand
// in it.
type Rights string

// The rights of RFC 4314 section 2.1.
const (
	RightLookup        Rights = "l" // the mailbox is seen by LIST and can be subscribed
	RightRead          Rights = "r" // SELECT, and everything that reads
	RightSeen          Rights = "s" // \Seen is kept
	RightWrite         Rights = "w" // flags other than \Seen and \Deleted
	RightInsert        Rights = "i" // APPEND, COPY into the mailbox
	RightPost          Rights = "p" // mail to the mailbox's submission address
	RightCreate        Rights = "k" // CREATE of mailboxes below, RENAME to below
	RightDeleteMailbox Rights = "x" // DELETE, RENAME from
	RightDelete        Rights = "t" // \Deleted
	RightExpunge       Rights = "e" // EXPUNGE
	RightAdminister    Rights = "a" // SETACL, DELETEACL, GETACL, LISTRIGHTS
)

// RightsAll are the rights of RFC 4314 section 2.1, in the RFC's order.
const RightsAll Rights = "lrswipkxtea"

// The rights of RFC 2086 that RFC 4314 section 2.1.1 makes into others:
// "c" stands for one or both of k and x, "d" for any of e, t and x.
const (
	RightsObsoleteCreate Rights = "c"
	RightsObsoleteDelete Rights = "d"
)

// Valid reports whether every right is a lowercase letter or a digit.
func (r Rights) Valid() bool {
	for i := range len(r) {
		if c := r[i]; (c < 'a' || c > 'z') && !isDigit(c) {
			return false
		}
	}
	return true
}

// Has reports whether all rights of o are in r. The obsolete rights are rights
// like any other here: see [Rights.Expand].
func (r Rights) Has(o Rights) bool {
	for i := range len(o) {
		if strings.IndexByte(string(r), o[i]) < 0 {
			return false
		}
	}
	return true
}

// Equal reports whether both hold the same rights, in whatever order.
func (r Rights) Equal(o Rights) bool { return r.Has(o) && o.Has(r) }

// Add is r and behind them the rights of o that it lacks.
func (r Rights) Add(o Rights) Rights {
	for i := range len(o) {
		if c := o[i : i+1]; !r.Has(c) {
			r += c
		}
	}
	return r
}

// Remove is r without the rights of o.
func (r Rights) Remove(o Rights) Rights {
	var out Rights
	for i := range len(r) {
		if c := r[i : i+1]; !o.Has(c) {
			out += c
		}
	}
	return out
}

// Expand is r with what its obsolete rights stand for beside them: k for "c",
// and e, t, x for "d", as most servers take them.
func (r Rights) Expand() Rights {
	if r.Has(RightsObsoleteCreate) {
		r = r.Add(RightCreate)
	}
	if r.Has(RightsObsoleteDelete) {
		r = r.Add(RightDeleteMailbox + RightDelete + RightExpunge)
	}
	return r
}

// Obsolete is r with "c" where it holds k or x, and "d" where it holds e, t or
// x: what a client of RFC 2086 has to be told (RFC 4314 section 2.1.1).
func (r Rights) Obsolete() Rights {
	if r.Has(RightCreate) || r.Has(RightDeleteMailbox) {
		r = r.Add(RightsObsoleteCreate)
	}
	if r.Has(RightExpunge) || r.Has(RightDelete) || r.Has(RightDeleteMailbox) {
		r = r.Add(RightsObsoleteDelete)
	}
	return r
}

// RightsChange is what SETACL does with the rights it is given.
type RightsChange uint8

// The changes of SETACL: the rights themselves, "+" and "-" before them.
const (
	RightsReplace RightsChange = iota
	RightsAdd
	RightsRemove
)

// Apply is have, changed by rights.
func (c RightsChange) Apply(have, rights Rights) Rights {
	switch c {
	case RightsAdd:
		return have.Add(rights)
	case RightsRemove:
		return have.Remove(rights)
	}
	return Rights("").Add(rights)
}

// ACLEntry is the rights of one identifier: a user, a group, "anyone" or
// "anonymous". An identifier that begins with "-" has negative rights, which
// are taken away from those that others give (RFC 4314 section 2).
type ACLEntry struct {
	Identifier string
	Rights     Rights
}

// Identifiers that RFC 4314 section 2 reserves.
const (
	ACLAnyone    = "anyone"
	ACLAnonymous = "anonymous"
)
