package imap

// Quotas (RFC 9208, RFC 2087).

// QuotaResource is what a quota limits.
type QuotaResource string

// The resources of RFC 9208 section 5.
const (
	QuotaStorage           QuotaResource = "STORAGE"            // messages, in units of 1024 octets
	QuotaMessage           QuotaResource = "MESSAGE"            // number of messages
	QuotaMailbox           QuotaResource = "MAILBOX"            // number of mailboxes
	QuotaAnnotationStorage QuotaResource = "ANNOTATION-STORAGE" // annotations, in units of 1024 octets
)

// Equal reports whether r and o are the same resource.
func (r QuotaResource) Equal(o QuotaResource) bool { return equalFold(string(r), string(o)) }

// Quota is a quota root and what of its resources is used. Mailboxes that
// share a root share its limits.
type Quota struct {
	Root      string // often empty
	Resources []QuotaUsage
}

// QuotaUsage is one resource of a quota root, in the resource's units.
type QuotaUsage struct {
	Resource QuotaResource
	Usage    int64
	Limit    int64
}

// Usage is what the root says of a resource; ok is false where it does not
// limit it.
func (q *Quota) Usage(r QuotaResource) (u QuotaUsage, ok bool) {
	for _, u := range q.Resources {
		if u.Resource.Equal(r) {
			return u, true
		}
	}
	return QuotaUsage{}, false
}

// QuotaLimit is a limit for SETQUOTA, in the resource's units.
type QuotaLimit struct {
	Resource QuotaResource
	Limit    int64
}
