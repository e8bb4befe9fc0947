package config

import (
	"fmt"
	"strings"
)

// Problem is one thing to put right before Sous can start.
type Problem struct {
	// Where is file:line, the environment variable, or the flag.
	Where string
	// Key is the setting, such as limits.turn_time; empty when it is not about one.
	Key string
	// Text says what is wrong and what is allowed. It never holds a secret.
	Text string
}

// String is the problem as one line.
func (p Problem) String() string {
	if p.Key == "" {
		return p.Where + ": " + p.Text
	}
	return fmt.Sprintf("%s: %s: %s", p.Where, p.Key, p.Text)
}

// InvalidError is what Load returns when anything is wrong: all of it, in the order it was found.
type InvalidError struct{ Problems []Problem }

// Error is one line for each problem under a heading.
func (e *InvalidError) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		b.WriteString("the configuration has a problem:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d problems:", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// suggestion returns ` (did you mean "x"?)` for the candidate that is nearest to name by edit distance,
// or "" when none is near.
func suggestion(name string, candidates []string) string {
	best, found := max(2, len(name)/3)+1, ""
	for _, c := range candidates {
		if d := distance(name, c); d < best {
			best, found = d, c
		}
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", found)
}

// distance is the Levenshtein distance in bytes, by the usual dynamic programme over one row
// (Wagner and Fischer, 1974).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
