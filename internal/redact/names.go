package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Directory knows exact names, e-mail addresses and ids of people in a workspace. The nil Directory knows
// nobody. It is never changed after Names made it.
type Directory struct {
	entries map[string]bool // small letters, words joined by one space; entries of one word as they are
	words   int             // the most words an entry has
}

// Names makes a directory. A word is a run of letters and digits, so O'Brien has two. Entries of several
// words are found whatever their case, entries of one word in exactly the case given, since names like Mark
// and Will are also words. Entries of fewer than three characters or more than eight words are left out.
func Names(entries ...string) *Directory {
	const most = 8
	d := &Directory{entries: make(map[string]bool, len(entries))}
	for _, e := range entries {
		words := split(e)
		if utf8.RuneCountInString(e) < 3 || len(words) == 0 || len(words) > most {
			continue
		}
		d.entries[key(e, words)] = true
		d.words = max(d.words, len(words))
	}
	return d
}

// key is what words of the text are known by.
func key(text string, words []span) string {
	if len(words) == 1 {
		return text[words[0].start:words[0].end]
	}
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToLower(text[w.start:w.end]))
	}
	return b.String()
}

type span struct{ start, end int }

// split lists the runs of letters, digits and marks.
func split(text string) []span {
	var words []span
	start := -1
	for i, r := range text {
		switch inside := r < 0x80 && isAlnum(byte(r)) || r >= 0x80 && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)); {
		case inside && start < 0 && !escapeEnd(text, i+1):
			start = i
		case !inside && start >= 0:
			words = append(words, span{start, i})
			start = -1
		}
	}
	if start >= 0 {
		words = append(words, span{start, len(text)})
	}
	return words
}

// find adds the directory's entries that the text holds, the longest at each place.
func (d *Directory) find(s *scan) {
	if d == nil || d.words == 0 {
		return
	}
	words := split(s.text)
	for i := 0; i < len(words); {
		n := d.longest(s.text, words[i:])
		if n > 0 {
			s.add(Person, words[i].start, words[i+n-1].end)
		}
		i += max(n, 1)
	}
}

// longest returns how many of the first words are an entry together, 0 when none are.
func (d *Directory) longest(text string, words []span) int {
	most := 1
	for most < min(d.words, len(words)) && touching(text[words[most-1].end:words[most].start]) {
		most++
	}
	for n := most; n > 0; n-- {
		if d.entries[key(text, words[:n])] {
			return n
		}
	}
	return 0
}

// touching reports whether two words with this between them can be of one name or address.
func touching(gap string) bool {
	return utf8.RuneCountInString(gap) == 1 && !strings.ContainsAny(gap, "\r,;:!?()[]{}<>|/\"") || gap == ". " || gap == "  "
}
