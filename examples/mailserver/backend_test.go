package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
)

func newTestServer(t *testing.T) *mailserver {
	t.Helper()
	c, err := parseArgs([]string{"-dir", t.TempDir(), "-user", "ada:lovelace"}, nil)
	require.NoError(t, err)
	m, _, _, err := open(c, t.Output())
	require.NoError(t, err)
	t.Cleanup(m.store.close)
	return m
}

// The suite that any IMAP backend can be run through.
func TestIMAPBackend(t *testing.T) {
	imaptest.TestBackend(t, func(t *testing.T) imapserver.Backend { return &mailboxes{newTestServer(t)} })
}
