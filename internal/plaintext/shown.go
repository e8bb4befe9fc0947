package plaintext

import "strings"

// Shown is a text as a terminal may be given it: what the terminal would obey
// rather than show (escape sequences, a return to the start of the line) is a
// replacement mark, and what would show it in another order than it has (bidi
// overrides and isolates) is left out. Line ends and tabs stay.
func Shown(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return '\uFFFD'
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// Name is the name of a file or a folder as it is kept and shown: in one line,
// valid UTF-8, with a replacement mark for each control character.
func Name(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return '\uFFFD'
		}
		return r
	}, Shown(strings.ReplaceAll(s, "\r", "\uFFFD")))
}
