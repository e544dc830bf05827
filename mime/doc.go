// Package mime reads and writes Internet messages: RFC 5322 headers, RFC 2045-2049 bodies, and the forms that real senders
// make of them. It stands in layers, each usable alone:
//
//   - [Scanner] splits a message into tokens (fields, end of header, body, delimiters) over a byte slice without copying,
//     or over an io.Reader in one bounded buffer. The raw octets of all tokens, put together, are the input.
//   - [Header] and [Field] keep a header's raw octets and decode on demand: text and encoded-words (RFC 2047), addresses,
//     dates, parameters (RFC 2231), message identifiers, trace fields, mailing list fields, and authentication results.
//     [DecodeText], [ParseAddressList], [ParseDate], [ParseContentType] and others do the same for strings that come from
//     elsewhere.
//   - [Part] is the tree of a message, with the offsets of every header and body, made in one pass by [Parse] or
//     [ParseBytes]. It opens bodies over any io.ReaderAt and yields the values of IMAP's ENVELOPE and BODYSTRUCTURE.
//   - [Body] is a message as its reader sees it: text, HTML, attachments. Beside it stand HTML as text ([NewHTMLReader]),
//     previews, base subjects, format=flowed, uuencode and yEnc, and the structures of PGP and S/MIME ([Security]).
//   - [Message] builds a message, [Edit] changes fields of one and no other octet, [Downgrade] makes one 7-bit, and
//     [NewCanonicalBody] gives DKIM's canonical forms.
//
// Packages report, mbox and tnef, below this one, read and write delivery reports, mbox files and winmail.dat.
//
// Bad input is never an error: it is a [Defect] with its offset, and reading goes on. Errors are those of the io.Reader.
// Every bound is a field of [Limits]; what lies beyond a bound is passed over as opaque octets and reported as a Defect,
// so that a hostile message can still be listed, and its cost grows linearly with its size.
//
// # Decisions where the standards leave room
//
//   - Lines end in CRLF or LF, mixed at will. A lone CR is an octet of its line.
//   - A message that begins with a blank line has an empty header. A leading "From " line (or ">From ") is kept in the
//     header's octets as a field without a name.
//   - A byte order mark before a header is kept in the same way, and is in no field's name.
//   - A header line that is no field stays in the header, nameless, if a field follows it at once; otherwise the header
//     ends there without a blank line and the line belongs to the body.
//   - A delimiter is a whole line: "--", the boundary, optionally "--", optionally spaces and tabs. The line ending before
//     it belongs to it (RFC 2046 section 5.1.1), so it counts in no body.
//   - Of several fields that may stand once, the first counts, and a Defect is reported; To, Cc and Bcc are put together
//     (RFC 5322 section 4.5.3).
//   - A multipart without a boundary parameter, or in which no delimiter is found, is a leaf, described as text/plain.
//   - message/rfc822 and message/global are entered unless they are transfer-encoded or the limits are reached; then they
//     are leaves, described as application/octet-stream.
//   - An unquoted comma in a name does not make two addresses of it, and a missing comma between two addresses does not make
//     one; the last at sign of several parts mailbox and host.
//   - Encoded-words are decoded within quotes and next to other text, never within an address. What they decode to is one line:
//     it holds no CR, LF or NUL.
//   - Zone letters, unknown zone names and offsets of a day or more are UTC (RFC 5322 section 4.3).
//   - Lines are counted as the number of LF octets, as IMAP servers do.
package mime
