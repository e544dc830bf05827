package imap

// Response codes of the extensions of SEARCH, of NOTIFY, and of limits.

// Names of codes that carry arguments.
const (
	CodeUndefinedFilterName = "UNDEFINED-FILTER"
	CodeNoUpdateName        = "NOUPDATE"
	CodeBadEventName        = "BADEVENT"
	CodeMessageLimitName    = "MESSAGELIMIT"
	CodeInProgressName      = "INPROGRESS"
)

// CodeUndefinedFilter is UNDEFINED-FILTER (RFC 5466): the filter that SEARCH
// named and nobody stored.
type CodeUndefinedFilter struct{ Filter string }

// CodeNoUpdate is NOUPDATE (RFC 5267): the result of the command with the tag
// is not kept up to date.
type CodeNoUpdate struct{ Tag string }

// CodeBadEvent is BADEVENT (RFC 5465) with the events that the server knows.
type CodeBadEvent struct{ Events []NotifyEvent }

// CodeMessageLimit is MESSAGELIMIT (RFC 9738): a command stopped behind Limit
// messages. LastUID is the lowest that was done; zero where not known.
type CodeMessageLimit struct {
	Limit   uint32
	LastUID UID
}

// CodeInProgress is INPROGRESS (RFC 9585): how far the command with the tag is.
// A server that tells nothing of it sends no arguments: [CodeInProgressAtom].
type CodeInProgress struct {
	Tag string // empty where not told
	// Progress and Goal are negative where not told.
	Progress, Goal int64
}

// CodeInProgressAtom is INPROGRESS without arguments.
const CodeInProgressAtom CodeAtom = CodeInProgressName

func (CodeUndefinedFilter) CodeName() string { return CodeUndefinedFilterName }
func (CodeNoUpdate) CodeName() string        { return CodeNoUpdateName }
func (CodeBadEvent) CodeName() string        { return CodeBadEventName }
func (CodeMessageLimit) CodeName() string    { return CodeMessageLimitName }
func (CodeInProgress) CodeName() string      { return CodeInProgressName }
