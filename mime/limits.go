package mime

// The bounds of reading, and the report of what was wrong with the input.

import "fmt"

// Limits bounds what a message may make the reader do. A field that is zero or negative means the default.
type Limits struct {
	// Depth is how deep entities may nest, the message itself being 1; deeper multiparts and messages are leaves. Default 100.
	Depth int
	// Parts is how many entities a message may have; all beyond is the epilogue of the multipart it occurs in. Default 10000.
	Parts int
	// FieldSize is the longest header field, in octets with its folding, delivered as one token; what exceeds it comes as
	// KindFieldRest and is not interpreted. It bounds the Scanner's buffer. Default 256 KiB.
	FieldSize int
	// HeaderSize is how many octets of one entity's header a Part keeps for interpretation. Default 1 MiB.
	HeaderSize int
	// HeaderFields is how many fields of one entity's header a Part keeps. Default 5000.
	HeaderFields int
	// TotalHeaderSize is how many octets of all headers together a tree of Parts keeps. Default 16 MiB.
	TotalHeaderSize int
	// BoundaryLine is the longest line, in octets, that can be a delimiter. Default 2048, at most 8192.
	BoundaryLine int
	// Parameters is how many parameters of one field are read. Default 500.
	Parameters int
	// Addresses is how many addresses of one Envelope member are read. Default 20000.
	Addresses int
	// Defects is how many defects are kept; the first of each limit reached is kept beside them. Default 100.
	Defects int
}

const (
	defaultParameters = 500
	defaultAddresses  = 20000
	maxBoundaryLine   = 8192
)

var defaultLimits = Limits{
	Depth: 100, Parts: 10000, FieldSize: 256 << 10, HeaderSize: 1 << 20, HeaderFields: 5000, TotalHeaderSize: 16 << 20,
	BoundaryLine: 2048, Parameters: defaultParameters, Addresses: defaultAddresses, Defects: 100,
}

// Options configures a Scanner or Parse. nil means the defaults.
type Options struct {
	Limits Limits
}

func (o *Options) limits() *Limits {
	if o == nil || o.Limits == (Limits{}) {
		return &defaultLimits
	}
	l := o.Limits
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	d := &defaultLimits
	def(&l.Depth, d.Depth)
	def(&l.Parts, d.Parts)
	def(&l.FieldSize, d.FieldSize)
	def(&l.HeaderSize, d.HeaderSize)
	def(&l.HeaderFields, d.HeaderFields)
	def(&l.TotalHeaderSize, d.TotalHeaderSize)
	def(&l.BoundaryLine, d.BoundaryLine)
	def(&l.Parameters, d.Parameters)
	def(&l.Addresses, d.Addresses)
	def(&l.Defects, d.Defects)
	l.BoundaryLine = min(l.BoundaryLine, maxBoundaryLine)
	return &l
}

// DefectCode says what kind of fault was met.
type DefectCode uint8

// The faults that a Scanner and a tree report.
const (
	// DefectUnixFrom: a "From " line stands before the header.
	DefectUnixFrom DefectCode = iota + 1
	// DefectInvalidField: a line of the header is neither a field nor a continuation.
	DefectInvalidField
	// DefectMissingBlankLine: the header ends without a blank line, though a body or a delimiter follows.
	DefectMissingBlankLine
	// DefectMissingBoundary: a multipart has no usable boundary parameter.
	DefectMissingBoundary
	// DefectNoParts: no delimiter of a multipart was found.
	DefectNoParts
	// DefectUnclosed: a multipart ends without its close delimiter.
	DefectUnclosed
	// DefectDuplicateField: a field that may stand once stands again; the first one counts.
	DefectDuplicateField
	// DefectInvalidContentType: the media type cannot be read; the default holds.
	DefectInvalidContentType
	// DefectEncodedComposite: a multipart or message has a transfer encoding, which RFC 2045 section 6.4 forbids.
	DefectEncodedComposite
	// DefectConflictingBoundary: a Content-Type has more than one boundary parameter; the first one counts.
	DefectConflictingBoundary
	// DefectByteOrderMark: a byte order mark stands before a header.
	DefectByteOrderMark
	// DefectLimitDepth: an entity nests deeper than Limits.Depth and is a leaf.
	DefectLimitDepth
	// DefectLimitParts: there are more entities than Limits.Parts; the rest is opaque.
	DefectLimitParts
	// DefectLimitField: a field is longer than Limits.FieldSize.
	DefectLimitField
	// DefectLimitHeader: a header has more octets or fields than the limits, and the rest of it is not interpreted.
	DefectLimitHeader
)

var defectText = [...]string{
	DefectUnixFrom:            "From line before the header",
	DefectInvalidField:        "header line is not a field",
	DefectMissingBlankLine:    "no blank line after the header",
	DefectMissingBoundary:     "multipart without a boundary parameter",
	DefectNoParts:             "multipart without a delimiter line",
	DefectUnclosed:            "multipart without a close delimiter",
	DefectDuplicateField:      "field stands more than once",
	DefectInvalidContentType:  "Content-Type cannot be read",
	DefectEncodedComposite:    "multipart or message with a transfer encoding",
	DefectConflictingBoundary: "more than one boundary parameter",
	DefectByteOrderMark:       "byte order mark before the header",
	DefectLimitDepth:          "entities nest too deep",
	DefectLimitParts:          "too many entities",
	DefectLimitField:          "field too long",
	DefectLimitHeader:         "header too long",
}

func (c DefectCode) String() string {
	if int(c) < len(defectText) && defectText[c] != "" {
		return defectText[c]
	}
	return fmt.Sprintf("defect %d", uint8(c))
}

// A Defect is a fault of the input that was read over.
type Defect struct {
	Code   DefectCode
	Offset int64 // in octets from the start of the message
}

func (d Defect) String() string { return fmt.Sprintf("%s at offset %d", d.Code, d.Offset) }
