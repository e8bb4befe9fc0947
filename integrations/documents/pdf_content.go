package documents

import (
	"errors"
	"strconv"
)

// pdfTokens reads the operands and operators of a content stream (ISO 32000-1,
// 7.8.2 and 7.2).
type pdfTokens struct {
	b  []byte
	at int
}

// An operand is a float64, a pdfName, a []byte (a string), a []any (an array), or
// nil for what no operator that is carried out needs.
type (
	pdfName     string
	pdfOperator string
)

var errEnd = errors.New("the end of the stream")

// next returns the next operand or operator; errEnd at the end.
func (t *pdfTokens) next(depth int) (any, error) {
	t.space()
	if t.at >= len(t.b) {
		return nil, errEnd
	}
	c := t.b[t.at]
	switch {
	case c == '/':
		t.at++
		return pdfName(t.name()), nil
	case c == '(':
		return t.literal(), nil
	case c == '<' && t.peek(1) == '<':
		t.at += 2
		t.until(depth, ">>")
		return nil, nil
	case c == '<':
		return t.hex(), nil
	case c == '[':
		t.at++
		return t.until(depth, "]"), nil
	case c == ']' || c == '}' || c == '{' || c == ')':
		t.at++
		return pdfOperator(c), nil
	case c == '>':
		t.at++
		if t.peek(0) == '>' {
			t.at++
			return pdfOperator(">>"), nil
		}
		return pdfOperator(">"), nil
	}
	word := t.word()
	if n, ok := number(word); ok {
		return n, nil
	}
	return pdfOperator(word), nil
}

func (t *pdfTokens) peek(n int) byte {
	if t.at+n < len(t.b) {
		return t.b[t.at+n]
	}
	return 0
}

func (t *pdfTokens) space() {
	for t.at < len(t.b) {
		switch c := t.b[t.at]; {
		case white(c):
			t.at++
		case c == '%':
			for t.at < len(t.b) && t.b[t.at] != '\n' && t.b[t.at] != '\r' {
				t.at++
			}
		default:
			return
		}
	}
}

func white(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func delimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return white(c)
}

// word reads up to the next delimiter, at least one byte.
func (t *pdfTokens) word() string {
	from := t.at
	t.at++
	for t.at < len(t.b) && !delimiter(t.b[t.at]) {
		t.at++
	}
	return string(t.b[from:t.at])
}

func (t *pdfTokens) name() string {
	var out []byte
	for t.at < len(t.b) && !delimiter(t.b[t.at]) {
		c := t.b[t.at]
		t.at++
		if c == '#' && t.at+1 < len(t.b) {
			if v, err := strconv.ParseUint(string(t.b[t.at:t.at+2]), 16, 8); err == nil {
				c = byte(v)
				t.at += 2
			}
		}
		out = append(out, c)
	}
	return string(out)
}

func number(s string) (float64, bool) {
	if c := s[0]; c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') {
		return 0, false
	}
	for len(s) > 1 && s[0] == '-' && s[1] == '-' {
		s = s[1:]
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && n > -1e9 && n < 1e9
}

// until reads operands up to the closing word.
func (t *pdfTokens) until(depth int, end pdfOperator) []any {
	all := []any{}
	for depth < maxDepth {
		v, err := t.next(depth + 1)
		if err != nil || v == end {
			return all
		}
		all = append(all, v)
	}
	return all
}

// literal reads a string in parentheses.
func (t *pdfTokens) literal() []byte {
	out := []byte{}
	open := 0
	for t.at < len(t.b) {
		c := t.b[t.at]
		t.at++
		switch c {
		case '(':
			open++
			if open == 1 {
				continue
			}
		case ')':
			if open--; open == 0 {
				return out
			}
		case '\\':
			out = t.escape(out)
			continue
		}
		out = append(out, c)
	}
	return out
}

func (t *pdfTokens) escape(out []byte) []byte {
	c := t.peek(0)
	t.at++
	switch c {
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case '\r':
		if t.peek(0) == '\n' {
			t.at++
		}
		return out
	case '\n':
		return out
	}
	if c < '0' || c > '7' {
		return append(out, c)
	}
	v := int(c - '0')
	for range 2 {
		if c := t.peek(0); c >= '0' && c <= '7' {
			v = v*8 + int(c-'0')
			t.at++
		}
	}
	return append(out, byte(v))
}

// hex reads a string of hexadecimal digits.
func (t *pdfTokens) hex() []byte {
	t.at++
	out := []byte{}
	half := -1
	for t.at < len(t.b) {
		c := t.b[t.at]
		t.at++
		v := 0
		switch {
		case c == '>':
			if half >= 0 {
				out = append(out, byte(half<<4))
			}
			return out
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'a' && c <= 'f':
			v = int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			v = int(c-'A') + 10
		default:
			continue
		}
		if half < 0 {
			half = v
			continue
		}
		out = append(out, byte(half<<4|v))
		half = -1
	}
	return out
}

// skipImage passes over an image that stands in the stream: its bytes end at EI
// between white space.
func (t *pdfTokens) skipImage() {
	for t.at+1 < len(t.b) {
		if t.b[t.at] == 'E' && t.b[t.at+1] == 'I' && t.at > 0 && white(t.b[t.at-1]) && (t.at+2 >= len(t.b) || white(t.b[t.at+2])) {
			t.at += 2
			return
		}
		t.at++
	}
	t.at = len(t.b)
}
