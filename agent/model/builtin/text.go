package builtin

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tok is a word or a mark of a cleaned sentence.
type tok struct {
	// text is as said, low in lower case with plain apostrophes.
	text, low string
	// stem is low without a plural "s"; equal stems count as one term.
	stem string
	// class is what the lexicon knows of the word.
	class class
}

func (t tok) mark() bool { return t.class&isMark != 0 }

// tokenise cuts a text at spaces and takes marks off words. Corpus spellings
// such as "L_C_D_" become "LCD".
func (l *lexicon) tokenise(s string) []tok {
	out := make([]tok, 0, len(s)/5+1)
	for s != "" {
		i := 0
		for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		s = s[i:]
		if s == "" {
			break
		}
		j := strings.IndexAny(s, " \t")
		if j < 0 {
			j = len(s)
		}
		out = l.field(out, s[:j])
		s = s[j:]
	}
	return out
}

const (
	openers = "([\"“‘{"
	closers = ")]\"”}.,;:!?…"
)

func (l *lexicon) field(out []tok, f string) []tok {
	f = strings.TrimLeft(f, openers)
	core := strings.TrimRight(f, closers)
	tail := f[len(core):]
	core = strings.Trim(core, "*_~`")
	if core != "" && hasLetterOrDigit(core) {
		core = strings.ReplaceAll(core, "_", "")
		out = l.push(out, core)
	}
	for i := range len(tail) {
		switch tail[i] {
		case '.', ',', ';', ':', '!', '?':
			m := string(tail[i])
			return append(out, tok{text: m, low: m, stem: m, class: isMark})
		}
	}
	return out
}

// push appends a word; endings that a corpus writes apart ("we 'll") join
// the word before.
func (l *lexicon) push(out []tok, s string) []tok {
	if n := len(out); n > 0 && !out[n-1].mark() {
		switch strings.ToLower(strings.ReplaceAll(s, "’", "'")) {
		case "'s", "'m", "'re", "'ve", "'ll", "'d", "n't":
			out[n-1] = l.word(out[n-1].text + s)
			return out
		}
	}
	return append(out, l.word(s))
}

func (l *lexicon) word(s string) tok {
	low := strings.ToLower(s)
	if strings.Contains(low, "’") {
		low = strings.ReplaceAll(low, "’", "'")
	}
	return tok{text: s, low: low, stem: lightStem(low), class: l.classes[low]}
}

func hasLetterOrDigit(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// lightStem takes a plural or possessive ending off.
func lightStem(w string) string {
	w = strings.TrimSuffix(w, "'s")
	n := len(w)
	switch {
	case n > 4 && strings.HasSuffix(w, "ies"):
		return w[:n-3] + "y"
	case n > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		return w[:n-2]
	case n > 3 && w[n-1] == 's' && w[n-2] != 's' && w[n-2] != 'u' && w[n-2] != 'i':
		return w[:n-1]
	}
	return w
}

// clean removes what spontaneous speech adds: fillers, repeated words, broken
// beginnings of words, openings such as "well, so". The result says the same.
func (l *lexicon) clean(in []tok) []tok {
	out := make([]tok, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i].class&isFiller != 0 || stutter(in, i) {
			continue
		}
		if n := l.idleAt(in, i); n > 0 {
			i += n - 1
			continue
		}
		if in[i].mark() {
			out = appendMark(out, in[i])
			continue
		}
		if n := repeats(out, in[i:]); n > 0 {
			i += n - 1
			continue
		}
		if n := len(out); n > 1 && out[n-1].low == "," && out[n-2].low == in[i].low {
			out = out[:n-1]
			continue
		}
		out = append(out, in[i])
	}
	return l.opening(out)
}

// appendMark keeps one mark where several meet; a stop wins over a comma.
func appendMark(out []tok, m tok) []tok {
	n := len(out)
	switch {
	case n == 0:
		return out
	case !out[n-1].mark():
		return append(out, m)
	case m.low != ",":
		out[n-1] = m
	}
	return out
}

// repeats is how many of the next words, at most three, say again the words
// just said.
func repeats(out, next []tok) int {
	first := next[0].low
	for n := 1; n <= 3 && n <= len(out) && n <= len(next); n++ {
		if n == 1 && (first == "that" || first == "had" || isNumber(first)) {
			continue
		}
		same := true
		for j := range n {
			same = same && out[len(out)-n+j].low == next[j].low
		}
		if same {
			return n
		}
	}
	return 0
}

// stutter reports whether word i is the broken beginning of word i+1.
func stutter(in []tok, i int) bool {
	t := in[i]
	if t.mark() || i+1 >= len(in) || len(t.low) > 4 || t.class != 0 {
		return false
	}
	next := in[i+1]
	if next.mark() && i+2 < len(in) {
		next = in[i+2]
	}
	return len(next.low) > len(t.low) && strings.HasPrefix(next.low, t.low) && t.low == t.text || len(t.low) == 1 && t.text == t.low && !isNumber(t.low)
}

// idleAt is the length of an idle phrase ("you know", "I mean") that begins at
// word i, with the comma after it; 0 when none does.
func (l *lexicon) idleAt(in []tok, i int) int {
next:
	for _, p := range l.idle {
		if len(p) > len(in)-i {
			continue
		}
		for j, w := range p {
			if in[i+j].low != w {
				continue next
			}
		}
		n := len(p)
		after := i+n == len(in) || in[i+n].mark()
		before := i == 0 || in[i-1].mark()
		// "I don't know the price" means something; ", I don't know," does not.
		if p[0] == "i" && p[1] == "mean" {
			return n
		}
		switch p[0] {
		case "i", "like", "of", "let's", "to", "at":
			if !after || !before {
				return 0
			}
		case "you", "if", "so", "as":
			if !after && !before {
				return 0
			}
		}
		return n
	}
	return 0
}

// opening drops the words a sentence only begins with.
func (l *lexicon) opening(s []tok) []tok {
	for len(s) > 0 && (s[0].mark() || s[0].class&isOpener != 0) {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1].low == "," {
		s = s[:len(s)-1]
	}
	return s
}

func isNumber(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// write joins tokens into text, with marks set close and a capital first.
func write(s []tok) string {
	var b strings.Builder
	for i, t := range s {
		if i > 0 && !t.mark() {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// contents counts the words that carry meaning.
func contents(s []tok) int {
	n := 0
	for _, t := range s {
		if t.class == 0 {
			n++
		}
	}
	return n
}

func wordCount(s []tok) int {
	n := 0
	for _, t := range s {
		if !t.mark() {
			n++
		}
	}
	return n
}

// listed joins names as people do: "a, b and c".
func listed(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
