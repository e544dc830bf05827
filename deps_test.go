package mailwire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/mailwire/mailwire"

var protocols = []string{"smtp", "pop3", "imap"}

// source is one Go file of the module, nested modules left out.
type source struct {
	dir, name string // dir is slash-separated, "." for the root
	test      bool
	file      *ast.File
}

func (s *source) String() string { return path.Join(s.dir, s.name) }

func (s *source) imports() []string {
	var paths []string
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if name == "testdata" || p != "." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			if nested, _ := filepath.Glob(filepath.Join(p, "go.mod")); p != "." && len(nested) > 0 {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, &source{
			dir: filepath.ToSlash(filepath.Dir(p)), name: d.Name(),
			test: strings.HasSuffix(p, "_test.go"), file: f,
		})
		return nil
	})
	require.NoError(t, err)
	return all
}

// local is the folder of a package of this module, and whether it is one.
func local(p string) (string, bool) {
	if p == module {
		return ".", true
	}
	return strings.CutPrefix(p, module+"/")
}

func under(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// protocol is the protocol that a folder belongs to, empty for none, and its
// room there: "" for the vocabulary, else "wire", "client", "server", "test".
func protocol(dir string) (name, room string) {
	if dir == "imap/autoconfig" {
		return "", "" // the servers of an account, whatever they speak
	}
	for _, p := range protocols {
		if dir == p {
			return p, ""
		}
		if rest, ok := strings.CutPrefix(dir, p+"/"+p); ok {
			return p, rest
		}
		if under(dir, p) {
			return p, "?"
		}
	}
	return "", ""
}

// pure reports whether a file may do no I/O and know no clock.
func pure(s *source) bool {
	if p, room := protocol(s.dir); p != "" {
		return room == "" || room == "wire"
	}
	if s.dir == "mime" && s.name == "builder.go" {
		return false // a message is dated when it is made, unless its author says otherwise
	}
	return under(s.dir, "mime") || under(s.dir, "internal/wire") || s.dir == "sasl" && s.name != "auth.go" && s.name != "credentials.go"
}

// The rules of ARCHITECTURE.md, "Who may import whom".
func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		here, room := protocol(s.dir)
		for _, p := range s.imports() {
			dir, ours := local(p)
			first, _, _ := strings.Cut(p, "/")
			switch {
			case !ours && strings.Contains(first, "."):
				if strings.HasPrefix(p, "golang.org/x/text/") || s.test && strings.HasPrefix(p, "github.com/stretchr/testify/") {
					continue
				}
				if under(s.dir, "internal/testkit") && strings.HasPrefix(p, "github.com/stretchr/testify/") {
					continue
				}
				t.Errorf("%s imports %s: runtime needs golang.org/x/text alone, tests testify", s, p)
			case s.test || !ours:
			case under(s.dir, "examples"):
				if under(dir, "internal") {
					t.Errorf("%s imports %s: examples use the public API alone", s, p)
				}
			case under(dir, "examples"):
				t.Errorf("%s imports %s: the library does not know its examples", s, p)
			case under(s.dir, "internal/wire"):
				t.Errorf("%s imports %s: internal/wire stands on nothing", s, p)
			case under(s.dir, "mime"), under(s.dir, "sasl"):
				if other, _ := protocol(dir); other != "" {
					t.Errorf("%s imports %s: mime and sasl know no protocol", s, p)
				}
			}
			if !ours || s.test || here == "" {
				continue
			}
			there, target := protocol(dir)
			switch {
			case room == "?":
				t.Errorf("%s: %s has the rooms %[2]swire, %[2]sclient, %[2]sserver and %[2]stest", s, here)
			case there != "" && there != here:
				t.Errorf("%s imports %s: another protocol's", s, p)
			case room == "client" && target == "server" && there != "", room == "server" && target == "client" && there != "":
				t.Errorf("%s imports %s: client and server know nothing of each other", s, p)
			case target == "test" && there != "" && room != "test":
				t.Errorf("%s imports %s: it is for tests", s, p)
			case room == "" && !under(dir, "mime") && dir != "internal/wire":
				t.Errorf("%s imports %s: a vocabulary stands on mime's values and internal/wire at most", s, p)
			case room == "wire" && there == "" && dir != "internal/wire" && !under(dir, "mime"):
				t.Errorf("%s imports %s: a codec stands on its vocabulary and internal/wire", s, p)
			case room == "wire" && there != "" && target != "":
				t.Errorf("%s imports %s: a codec stands on its vocabulary and internal/wire", s, p)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	banned := []string{"net", "net/http", "crypto/tls", "context", "os", "os/exec", "syscall"}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	n := 0
	for _, s := range sources(t) {
		if s.test || !pure(s) {
			continue
		}
		n++
		for _, p := range s.imports() {
			if slices.Contains(banned, p) || p == "time" && under(s.dir, "internal/wire") {
				t.Errorf("%s imports %s: it does no I/O", s, p)
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			sel, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
				t.Errorf("%s uses time.%s: times come to it as values", s, sel.Sel.Name)
			}
			return true
		})
	}
	require.Positive(t, n)
}
