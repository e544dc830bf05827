// Package smtp holds the values that both sides of SMTP, submission and LMTP
// share (RFC 5321, RFC 6409, RFC 2033 and their extensions): paths,
// envelopes, replies, enhanced status codes and errors.
//
// It does no I/O. Package smtpwire turns these values into octets and back,
// smtpclient and smtpserver hold the conversations.
package smtp
