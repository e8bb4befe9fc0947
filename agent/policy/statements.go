package policy

import "strings"

// statement is one policy of a document, padded with line ends in front so that
// a parser counts lines as the document does.
type statement struct {
	text string
	line int
}

// statements cuts a document at the semicolons that end policies, so that a
// mistake in one does not hide the mistakes in the others. Strings and comments
// are passed over. What follows the last semicolon is a statement when it is
// more than white space and comments.
func statements(doc string) []statement {
	var out []statement
	start, substance := 0, -1
	for i := 0; i < len(doc); {
		switch n := skip(doc[i:]); {
		case n > 0: // a comment or white space
			i += n
			continue
		case substance < 0:
			substance = i
		}
		switch doc[i] {
		case '"':
			i += quoted(doc[i:])
		case ';':
			i++
			out = append(out, cut(doc, start, i, substance))
			start, substance = i, -1
		default:
			i++
		}
	}
	if substance >= 0 {
		out = append(out, cut(doc, start, len(doc), substance))
	}
	return out
}

func cut(doc string, from, to, substance int) statement {
	return statement{
		text: strings.Repeat("\n", strings.Count(doc[:from], "\n")) + doc[from:to],
		line: strings.Count(doc[:substance], "\n") + 1,
	}
}

// skip returns the length of the white space or comment at the head of s.
func skip(s string) int {
	switch {
	case strings.HasPrefix(s, "//"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n + 1
		}
		return len(s)
	case s[0] == ' ', s[0] == '\t', s[0] == '\n', s[0] == '\r':
		return 1
	}
	return 0
}

// quoted returns the length of the string literal at the head of s; one that is
// never closed ends with its line.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(s)
}
