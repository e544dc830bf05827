// Package sasl holds the mechanisms of RFC 4422 as pure exchanges, and the
// one configuration that every server of this module authenticates by.
//
// # Clients
//
// A client gives its protocol's client package a [Credentials], from which
// the strongest mechanism is chosen that the server offers, or one
// [Mechanism], made by [Plain] or [Login]. Clients of other protocols call
// [Begin], run the [Attempt] that it returns, and call [Attempt.Again] when
// the server refuses it.
//
// # Servers
//
// A server fills in an [Auth]; which mechanisms it offers follows from which
// of its fields are set, whether the line is encrypted, and which channel
// bindings it has. Servers of other protocols call [Auth.Mechanisms] and
// [Auth.Start].
//
// # Which mechanism when
//
//   - SCRAM-SHA-256 and the other SCRAMs (RFC 5802, RFC 7677) prove the
//     password to the server and the server to the client, and show neither.
//     Servers store [ScramKeys]. With -PLUS they prove too that nobody sits
//     between the two ends of TLS. Prefer them for passwords.
//   - PLAIN (RFC 4616) under TLS is what every server and client knows, and
//     all that password hashes other than SCRAM's (Argon2, bcrypt) and
//     directories can be checked with. LOGIN is PLAIN for old clients.
//   - OAUTHBEARER (RFC 7628) and XOAUTH2 carry an OAuth 2.0 token. Gmail and
//     Microsoft 365 ask for the latter.
//   - EXTERNAL takes the certificate that the client showed in TLS.
//   - GSSAPI (RFC 4752) and GS2-KRB5 (RFC 5801) are Kerberos, by a library of
//     one's own: see [GSSInitiator] and [GSSAcceptor].
//   - CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831) hide the password from
//     the line, from which it can be guessed, and have servers store it as it
//     is. They are for peers that know nothing better. DIGEST-MD5 is spoken
//     without its security layers.
//   - NTLM (MS-NLMP), for clients alone, is for old Exchange servers.
//   - ANONYMOUS (RFC 4505) says who nobody is.
//
// Exchanges do no I/O: they take and give the octets of challenges and
// responses, before base64. No mechanism has a security layer: what comes
// behind the login goes over the line as it is. Secrets never appear in an
// error, and no value of this package prints one. Everything a peer sends is
// bounded in size, and so is the work it asks for: see
// Credentials.MaxIterations.
package sasl
