package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		if err := runChild(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "peerbench:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestLoad(t *testing.T) {
	for _, name := range []string{"ours", "go-smtp"} {
		w, err := load(name, 3, 2, 1000, false)
		require.NoError(t, err, name)
		require.Equal(t, tally{parts: 6, octets: 6 * int64(len(dataText(76, 1000)))}, w.tally, name)
		require.Positive(t, w.took, name)
		require.Positive(t, w.cpu, name)
		w, err = load(name, 50, 1, 1000, true)
		require.NoError(t, err, name)
		require.Positive(t, w.memory, name)
	}
	require.ErrorContains(t, runChild([]string{"serve", "nobody"}), "no server")
	require.ErrorContains(t, runChild([]string{"sleep"}), "without a task")
}

func TestReplyCounter(t *testing.T) {
	var r replyCounter
	for _, p := range []string{"220 a\r\n25", "0-b\r\n250", " c\r\n", "354 go on\r", "\n"} {
		r.count([]byte(p))
	}
	require.Equal(t, 3, r.replies)
}

func TestDelay(t *testing.T) {
	a, b := delayPipe()
	_, _ = a.Write([]byte("one"))
	_, _ = a.Write([]byte("two"))
	buf := make([]byte, 2)
	var got []byte
	for len(got) < 6 {
		n, err := b.Read(buf)
		require.NoError(t, err)
		got = append(got, buf[:n]...)
	}
	require.Equal(t, "onetwo", string(got))
	require.NoError(t, a.Close())
	_, err := b.Read(buf)
	require.Error(t, err)
	_, err = b.Write(buf)
	require.Error(t, err)
}
