package textclass

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWords bounds the work one message can cause; what follows these words is ignored.
const maxWords = 256

// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923).
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// word is one word of a message.
type word struct {
	from, to   int    // where it stands in tokens.source, in bytes
	start, end int    // where it stands in tokens.runes, without the boundary marks on both sides
	hash       uint64 // of its folded form
}

// tokens is a message cut into words. It is reused from message to message.
type tokens struct {
	source string // the message, decomposed if it is not ASCII
	runes  []rune // the folded words, each between boundary marks
	words  []word
}

// boundary stands before the first and after the last character of a word, so that beginnings and ends of words
// have features of their own.
const boundary = ' '

// split cuts text into words: runs of letters, marks and digits. Case and accents are folded, every digit counts as
// the same one, and apostrophes vanish ("what's" is one word). Whatever else there is separates words.
func (t *tokens) split(text string) {
	t.source, t.runes, t.words = text, t.runes[:0], t.words[:0]
	if !isASCII(text) {
		t.source = norm.NFKD.String(text)
	}
	open := false
	for at, r := range t.source {
		switch {
		case isApostrophe(r) || isAccent(r):
			continue
		case isWordRune(r):
			if !open {
				if len(t.words) == maxWords {
					return
				}
				t.open(at)
				open = true
			}
			t.add(r)
			t.words[len(t.words)-1].to = at + runeLen(t.source, at)
		case open:
			t.close()
			open = false
		}
	}
	if open {
		t.close()
	}
}

func (t *tokens) open(at int) {
	t.runes = append(t.runes, boundary)
	t.words = append(t.words, word{from: at, start: len(t.runes), hash: fnvOffset})
}

func (t *tokens) add(r rune) {
	r = fold(r)
	t.runes = append(t.runes, r)
	w := &t.words[len(t.words)-1]
	w.hash = hashRune(w.hash, r)
}

func (t *tokens) close() {
	t.words[len(t.words)-1].end = len(t.runes)
	t.runes = append(t.runes, boundary)
}

// shown is word i as its author wrote it, in composed form.
func (t *tokens) shown(i int) string {
	return norm.NFC.String(t.source[t.words[i].from:t.words[i].to])
}

func fold(r rune) rune {
	if r < utf8.RuneSelf {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case '0' <= r && r <= '9':
			return '0'
		}
		return r
	}
	if unicode.IsDigit(r) {
		return '0'
	}
	return unicode.ToLower(r)
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

func isApostrophe(r rune) bool { return r == '\'' || r == '\u2019' || r == '\u02bc' }

// isAccent reports the combining accents of Latin, Greek and Cyrillic. Marks of other scripts carry vowels and stay.
func isAccent(r rune) bool { return 0x0300 <= r && r <= 0x036f }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func runeLen(s string, at int) int {
	_, n := utf8.DecodeRuneInString(s[at:])
	return n
}

func hashRune(h uint64, r rune) uint64 {
	if r < utf8.RuneSelf {
		return (h ^ uint64(r)) * fnvPrime
	}
	for ; r != 0; r >>= 8 {
		h = (h ^ uint64(r&0xff)) * fnvPrime
	}
	return h
}

// hashPair joins two hashes and a kind; the order of the two matters.
func hashPair(kind, a, b uint64) uint64 {
	h := (fnvOffset ^ kind) * fnvPrime
	h = (h ^ a) * fnvPrime
	h ^= h >> 29
	h = (h ^ b) * fnvPrime
	return h ^ h>>32
}
