// Package interop holds tests that run real mail programs and servers against this
// module's servers. They are behind the build tag interop:
//
//	go test -tags interop ./internal/interop
//
// A test whose program is not installed is skipped; with MAILWIRE_INTEROP set
// to "required" it fails.
package interop
