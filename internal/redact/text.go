package redact

import "strings"

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isAlpha(c byte) bool { return isLower(c) || isUpper(c) }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isWord(c byte) bool  { return isAlnum(c) || c == '_' }
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// isBase64 covers both alphabets and the padding.
func isBase64(c byte) bool { return isWord(c) || c == '-' || c == '+' || c == '/' || c == '=' }

func isTokenByte(c byte) bool { return isWord(c) || c == '-' }

// run returns the end of the longest run of class that begins at i, of max bytes at most.
func run(text string, i, limit int, class func(byte) bool) int {
	end := min(len(text), i+limit)
	for i < end && class(text[i]) {
		i++
	}
	return i
}

// escapeEnd reports whether text[:i] ends in an escape of JSON or of a programming language (\n, \u003c),
// whose letters do not belong to what follows.
func escapeEnd(text string, i int) bool {
	if i >= 2 && text[i-2] == '\\' && strings.IndexByte("nrtbfv", text[i-1]) >= 0 {
		return true
	}
	if i < 6 || text[i-6] != '\\' || text[i-5] != 'u' {
		return false
	}
	return run(text, i-4, 4, isHex) == i
}

// freeBefore reports whether no word runs into position i from the left.
func (s *scan) freeBefore(i int) bool {
	return i == 0 || !isWord(s.text[i-1]) || escapeEnd(s.text, i)
}

// freeAfter reports whether no word runs on at position i.
func (s *scan) freeAfter(i int) bool { return i >= len(s.text) || !isWord(s.text[i]) }

// lastWord returns where, in lower, the last of the words begins, -1 when there is none. A word may not
// stand inside a longer one, except that it may have a plural s.
func lastWord(lower string, words ...string) int {
	best := -1
	for _, w := range words {
		for end := len(lower); ; {
			i := strings.LastIndex(lower[:end], w)
			if i <= best {
				break
			}
			if wordAt(lower, i, len(w)) {
				best = i
				break
			}
			end = i + len(w) - 1
		}
	}
	return best
}

// firstWord is lastWord from the other side.
func firstWord(lower string, words ...string) int {
	best := -1
	for _, w := range words {
		for from := 0; ; {
			i := strings.Index(lower[from:], w)
			if i < 0 || best >= 0 && from+i >= best {
				break
			}
			if i += from; wordAt(lower, i, len(w)) {
				best = i
				break
			}
			from = i + 1
		}
	}
	return best
}

func wordAt(lower string, i, n int) bool {
	if i > 0 && isAlpha(lower[i-1]) && isAlpha(lower[i]) && !escapeEnd(lower, i) {
		return false
	}
	rest := lower[i+n:]
	if rest == "" || !isAlpha(rest[0]) || !isAlpha(lower[i+n-1]) {
		return true
	}
	return rest[0] == 's' && (len(rest) == 1 || !isAlpha(rest[1]))
}

// before returns up to n bytes of the lower-case text before i, after those n bytes behind it.
func (s *scan) before(i, n int) string { return s.lower[max(0, i-n):i] }
func (s *scan) after(i, n int) string  { return s.lower[i:min(len(s.lower), i+n)] }

// said reports whether one of the words stands up to ahead bytes before start or up to behind after end.
func (s *scan) said(start, end, ahead, behind int, words ...string) bool {
	return lastWord(s.before(start, ahead), words...) >= 0 || firstWord(s.after(end, behind), words...) >= 0
}
