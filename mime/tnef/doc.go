// Package tnef reads the Transport Neutral Encapsulation Format (MS-OXTNEF): the winmail.dat, of type
// application/ms-tnef, in which Outlook and Exchange put a message's files and properties.
//
// Parse reads the structure over an io.ReaderAt in one pass and gives a Message: its attributes, MAPI properties as
// typed values, recipients, attachments and embedded messages. File data and bodies are ranges of the source and
// stream from it; what is kept in memory is bounded by Limits. Text, HTML and RTF give the bodies; compressed RTF is
// decompressed (MS-OXRTFCP), and HTML or text encapsulated in RTF is taken out of it (MS-OXRTFEX).
//
// Bad input is a Defect with its offset, checksums included, and reading goes on as far as the structure can be
// followed. The only errors are the source's, and ErrFormat for data that is not TNEF.
package tnef
