package sqlite

import (
	"strings"
	"unicode"
)

// words splits a text into lower-case words. Writing without spaces (Chinese,
// Japanese, Korean) becomes pairs of neighbouring letters, so that parts of it
// are found; the index holds exactly what this function returns.
func words(text string) []string {
	var all []string
	var word, wide []rune
	flush := func() {
		if len(word) > 0 {
			all = append(all, strings.ToLower(string(word)))
		}
		if len(wide) == 1 {
			all = append(all, string(wide))
		}
		for i := 0; i+1 < len(wide); i++ {
			all = append(all, string(wide[i:i+2]))
		}
		word, wide = nil, nil
	}
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			if len(word) > 0 {
				flush()
			}
			wide = append(wide, r)
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			if len(wide) > 0 {
				flush()
			}
			word = append(word, r)
		default:
			flush()
		}
	}
	flush()
	return all
}
