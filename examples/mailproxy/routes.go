package main

// The files: which server has whose maildrop, and passwords.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// route is a line of the routes.
type route struct {
	name    string // a user, @domain or *
	addr    string
	clear   bool
	xclient bool
	tls     *tls.Config

	master, masterPassword string
}

type routes []*route

// find is the route of a user, nil if there is none.
func (rs routes) find(user string) *route {
	for _, r := range rs {
		switch {
		case r.name == "*", r.name == user:
			return r
		case r.name[0] == '@':
			if n := len(user) - len(r.name); n > 0 && strings.EqualFold(user[n:], r.name) {
				return r
			}
		}
	}
	return nil
}

func (rs routes) withoutMaster() *route {
	for _, r := range rs {
		if r.master == "" {
			return r
		}
	}
	return nil
}

func loadRoutes(path string) (rs routes, err error) {
	err = readLines(path, func(line string) error {
		r, err := parseRoute(strings.Fields(line))
		rs = append(rs, r)
		return err
	})
	if err == nil && len(rs) == 0 {
		err = fmt.Errorf("%s: no routes", path)
	}
	return rs, err
}

func parseRoute(words []string) (*route, error) {
	if len(words) < 2 {
		return nil, errors.New("expected a name and a server")
	}
	r := &route{name: words[0], addr: words[1], tls: &tls.Config{}}
	host, _, err := net.SplitHostPort(r.addr)
	if err != nil {
		return nil, err
	}
	r.tls.ServerName = host
	for _, w := range words[2:] {
		option, value, _ := strings.Cut(w, "=")
		switch {
		case w == "clear":
			r.clear = true
		case w == "xclient":
			r.xclient = true
		case option == "name" && value != "":
			r.tls.ServerName = value
		case option == "ca":
			pem, err := os.ReadFile(value)
			if err != nil {
				return nil, err
			}
			r.tls.RootCAs = x509.NewCertPool()
			if !r.tls.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s holds no certificate", value)
			}
		case option == "master":
			err := readLines(value, func(line string) error {
				var ok bool
				if r.master, r.masterPassword, ok = strings.Cut(line, ":"); !ok || r.master == "" {
					return errors.New("expected name:password")
				}
				return nil
			})
			if err == nil && r.master == "" {
				err = fmt.Errorf("%s: expected name:password", value)
			}
			if err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("unknown option %q", option)
		}
	}
	return r, nil
}

func loadUsers(path string) (map[string]string, error) {
	users := map[string]string{}
	return users, readLines(path, func(line string) error {
		name, password, ok := strings.Cut(line, ":")
		if !ok || name == "" || password == "" {
			return errors.New("expected name:password")
		}
		users[name] = password
		return nil
	})
}
