package main

// Programs that judge a message in a file: SpamAssassin's spamd, over its own
// protocol, and commands.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// verdict is what spamd says.
type verdict struct {
	scanned bool // false for messages too large for it
	spam    bool
	score   float64
}

// maxSpamReply bounds what is read of spamd's answer.
const maxSpamReply = 16 << 10

// spamd asks for the verdict on a message of size octets (CHECK of the SPAMC
// protocol). addr is "host:port" or the path of a Unix socket.
func spamd(ctx context.Context, addr string, message io.Reader, size int64, timeout time.Duration) (v verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network := "tcp"
	if strings.Contains(addr, "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return v, fmt.Errorf("spamd: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	w := bufio.NewWriter(conn)
	fmt.Fprintf(w, "CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n", size)
	n, err := io.Copy(w, message)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = w.Flush()
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
		err = c.CloseWrite()
	}
	if err == nil {
		v, err = readVerdict(bufio.NewReader(io.LimitReader(conn, maxSpamReply)))
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return verdict{}, fmt.Errorf("spamd: %w", err)
	}
	return v, nil
}

// readVerdict reads "SPAMD/1.1 0 EX_OK" and "Spam: True ; 15.0 / 5.0" among
// the fields that follow.
func readVerdict(r *bufio.Reader) (v verdict, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return v, fmt.Errorf("no answer: %w", err)
	}
	f := strings.Fields(line)
	if len(f) < 2 || !strings.HasPrefix(f[0], "SPAMD/") {
		return v, fmt.Errorf("answered %.80q", line)
	}
	if f[1] != "0" {
		return v, fmt.Errorf("refused: %.80q", strings.Join(f[1:], " "))
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return verdict{}, fmt.Errorf("the answer breaks off: %w", err)
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(name), "Spam") {
			continue
		}
		word, scores, ok := strings.Cut(value, ";")
		score, _, _ := strings.Cut(scores, "/")
		v.spam = strings.EqualFold(strings.TrimSpace(word), "true") || strings.EqualFold(strings.TrimSpace(word), "yes")
		if v.score, err = strconv.ParseFloat(strings.TrimSpace(score), 64); !ok || err != nil {
			return verdict{}, fmt.Errorf("answered %.80q", line)
		}
		v.scanned = true
	}
	if !v.scanned {
		return v, errors.New("answered without a verdict")
	}
	return v, nil
}

// runCommand gives a message to a program and reports whether its exit code
// is 1; 0 is false, any other an error.
func runCommand(ctx context.Context, argv []string, message io.Reader, timeout time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = message
	cmd.WaitDelay = time.Second
	said := &head{max: 512}
	cmd.Stderr = said
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return false, fmt.Errorf("command %s: %w", argv[0], ctx.Err())
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return true, nil
	case errors.As(err, &exit):
		return false, fmt.Errorf("command %s: %w: %s", argv[0], err, strings.TrimSpace(said.String()))
	}
	return false, fmt.Errorf("command %s: %w", argv[0], err)
}

// head keeps the first octets of what is written.
type head struct {
	bytes.Buffer
	max int
}

func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), h.max-h.Len())])
	return len(p), nil
}
