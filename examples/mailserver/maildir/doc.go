// Package maildir keeps the mail of one account in a Maildir tree, with what
// POP3 and IMAP need beside it: UIDs, keywords, mod-sequences, subscriptions.
//
// # On disk
//
// The root of the tree is a Maildir (maildir(5): tmp, new, cur) and is the
// folder INBOX. Other folders are Maildir++ folders beside it: "Archive/2024"
// is the directory ".Archive.2024". Elements of names are in modified UTF-7
// (RFC 3501 section 5.1.3), as Dovecot writes them; a dot inside an element is
// encoded too. Flags are in the names of the files, keywords as the letters a
// to z. Messages are kept octet for octet as they were given.
//
// Beside tmp, new and cur every folder has
//
//	mailwire.index      UIDs, mod-sequences, sizes, dates, keywords, expunges
//	mailwire-keywords   which keyword is which letter ("0 $Forwarded" is a)
//	mailwire.lock       empty; locked by who changes the folder
//
// and the root also mailwire-subscriptions (a name a line), the last
// UIDVALIDITY given out (mailwire-uidvalidity), and locks.
//
// The files are the truth, the index is a record of them. What other programs
// do to the tree (deliver, rename to change flags, move, delete) is found by
// reading the directories, when their modification times say that something
// happened. An index that is lost or damaged is made again: with a greater
// UIDVALIDITY, and UIDs in the order of delivery.
//
// # What is promised
//
// A message is written to tmp, synced, renamed into new or cur and the
// directory synced before Append or a delivery returns. Half a message is
// never seen, whatever happens to the process or the machine.
//
// A UID is on disk before anybody is told of it: after a crash it is the UID
// of the same message, and never that of another one. Changes of flags and
// expunges are not synced; a power failure may undo the last of them.
//
// Mod-sequences are microseconds since 1970, or one more than the last where
// the clock stands or goes back. So those given out after a crash are above
// all that were given out before, without a sync for each.
//
// A folder has up to [MaxKeywords] keywords. The first 26 are letters in the
// names of the files; those beyond are in the index alone and are lost with
// it. One that no message has any more makes room for another. Keywords for
// which there is no room are left out.
//
// # Several processes
//
// Several processes, and several Stores in one, may use the same tree. Who
// changes a folder holds its lock, for milliseconds. Locks are flock(2), a
// file opened for nobody else on Windows, and elsewhere a file that exists
// as long as the lock is held and is refreshed while it is. On Windows the
// info part of a name begins with a semicolon, and a message that is being
// read cannot be renamed or removed.
package maildir
