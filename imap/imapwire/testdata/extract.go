// Extract writes the example conversations of an RFC's text to the standard
// output, one line each with its side, "C: " or "S: ". Lines that the RFC
// wraps are joined; page breaks are passed over.
//
//	go run extract.go <rfc3501.txt >rfc3501.txt
package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var (
	spoken = regexp.MustCompile(`^ +(?:Examples?:)? *([CS]): ?(.*)$`)
	paging = regexp.MustCompile(`^(\f|RFC [0-9]+ .*[0-9]{4}$|[A-Z][a-z]+(?:, et al\.)? +(?:Standards Track|Informational) .*\[Page [0-9]+\]$)`)
)

func main() {
	var side, text string
	column := 0
	flush := func() {
		if side != "" {
			fmt.Println(side + ": " + text)
		}
		side = ""
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := in.Text()
		if paging.MatchString(line) {
			continue
		}
		if m := spoken.FindStringSubmatchIndex(line); m != nil {
			flush()
			side, text = line[m[2]:m[3]], strings.TrimLeft(line[m[4]:m[5]], " ")
			column = m[2]
			continue
		}
		rest := strings.TrimLeft(line, " ")
		switch {
		case side == "":
		case rest == "" || len(line)-len(rest) <= column:
			flush()
		default:
			if !strings.HasSuffix(text, "(") && !strings.HasPrefix(rest, ")") {
				text += " "
			}
			text += rest
		}
	}
	flush()
}
