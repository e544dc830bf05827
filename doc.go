// Package mailwire is a library for the mail protocols: codecs, clients and
// servers for SMTP, LMTP, POP3 and IMAP, with SASL and the message format
// beside them. This package itself is empty; import the rooms you need.
//
// Each protocol has the same rooms, here for SMTP:
//
//	smtp             the values both sides share; no I/O
//	smtp/smtpwire    bytes to values and back
//	smtp/smtpclient  the client
//	smtp/smtpserver  the server, behind a small Backend interface
//	smtp/smtptest    a server for your own tests
//
// and likewise pop3 and imap. Beside them stand
//
//	mime             the message format: header, addresses, dates, parts, bodies, building
//	mime/report      delivery reports, and bounces that follow no standard
//	mime/mbox        mbox files
//	mime/tnef        winmail.dat
//	sasl             authentication, one configuration for all servers
//
// ARCHITECTURE.md tells how they fit together.
package mailwire
