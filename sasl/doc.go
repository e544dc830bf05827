// Package sasl holds the mechanisms of RFC 4422 as pure exchanges, and the
// one configuration that every server of this module authenticates by.
//
// A client gives a [Mechanism] (made by [Plain], [Login]) to its protocol's
// client package. A server fills in an [Auth]; which mechanisms it offers
// follows from which of its fields are set and whether the line is
// encrypted.
//
// Exchanges do no I/O: they take and give the octets of challenges and
// responses, before base64. Secrets never appear in an error.
package sasl
