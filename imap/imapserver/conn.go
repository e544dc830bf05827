package imapserver

// Conn is a connection as a Backend sees it.
type Conn struct {
}
