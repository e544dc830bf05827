//go:build ignore

// Extract writes the example conversations of the RFCs on IMAP to this folder:
// for each RFC a file of lines with their side, "C: " or "S: ", and an empty
// line where an example ends. Lines that the RFC wraps are joined; page breaks
// and comments are passed over.
//
//	go run extract.go <folder with rfc3501.txt and so on>
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var rfcs = []int{
	2086, 2087, 2088, 2177, 2180, 2193, 2195, 2221, 2342, 2359, 2683, 2971, 3348, 3501, 3502, 3691,
	4314, 4315, 4466, 4469, 4551, 4731, 4959, 4978, 5032, 5092, 5161, 5162, 5182, 5255, 5256, 5258, 5267,
	5464, 5465, 5466, 5530, 5819, 6154, 6203, 6237, 6851, 7162, 7377, 7888, 7889,
	8438, 8440, 8457, 8474, 8508, 8514, 8970, 9051, 9208, 9394, 9738,
}

var (
	spoken = regexp.MustCompile(`^ +(?:Examples?:)? *([CS]): ?(.*)$`)
	aside  = regexp.MustCompile(`^(<[A-Z]|\([A-Z][a-z]* [a-z]|\.\.\.)`)
	paging = regexp.MustCompile(`^(\f.*|RFC [0-9]+ .*[0-9]{4}|.* \[Page [0-9]+\])$`)
)

func main() {
	log.SetFlags(0)
	for _, n := range rfcs {
		name := "rfc" + strconv.Itoa(n) + ".txt"
		text, err := os.ReadFile(filepath.Join(os.Args[1], name))
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(name, extract(string(text)), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// unpaged is text without its page breaks and the empty lines around them.
func unpaged(text string) (out []string) {
	broken := false
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r", ""), "\n") {
		switch {
		case paging.MatchString(line):
			for len(out) > 0 && strings.TrimSpace(out[len(out)-1]) == "" {
				out = out[:len(out)-1]
			}
			broken = true
			continue
		case broken && strings.TrimSpace(line) == "":
			continue
		case broken && !strings.HasPrefix(line, "      ") && !spoken.MatchString(line):
			out = append(out, "")
		}
		broken = false
		out = append(out, line)
	}
	return out
}

func extract(text string) []byte {
	var out bytes.Buffer
	var side, said string
	column := 0
	flush := func() {
		if side != "" {
			fmt.Fprintln(&out, strings.TrimRight(side+": "+said, " "))
		}
		side = ""
	}
	end := func() {
		flush()
		if out.Len() > 0 && !bytes.HasSuffix(out.Bytes(), []byte("\n\n")) {
			out.WriteByte('\n')
		}
	}
	for _, line := range unpaged(text) {
		rest := strings.TrimLeft(line, " ")
		if m := spoken.FindStringSubmatchIndex(line); m != nil {
			flush()
			side, said = line[m[2]:m[3]], strings.TrimLeft(line[m[4]:m[5]], " ")
			column = m[2]
			continue
		}
		switch {
		case strings.HasPrefix(rest, "//") || aside.MatchString(rest):
			flush()
		case rest == "" || len(line)-len(rest) < column:
			end()
		case side != "":
			if !strings.HasSuffix(said, "(") && !strings.HasPrefix(rest, ")") && said != "" {
				said += " "
			}
			said += rest
		}
	}
	end()
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
