package memory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
	"golang.org/x/text/unicode/norm"
)

// Terms returns what text is found by: its words in order, folded to lower case
// without accents, English stop words left out, English irregular forms and
// endings reduced (Snowball's English stemmer). Scripts written without spaces
// give overlapping pairs of letters.
func Terms(text string) []string {
	words := Words(text)
	terms := words[:0]
	for _, w := range words {
		if !stopWord(w) {
			terms = append(terms, stem(w))
		}
	}
	return terms
}

// Words returns the words of text as Terms does, before stop words are dropped
// and endings removed.
func Words(text string) []string {
	var words []string
	for _, field := range strings.FieldsFunc(fold(text), notOfWord) {
		field = strings.Trim(field, "'")
		if cut, ok := strings.CutSuffix(field, "'s"); ok {
			field = cut
		}
		field = strings.ReplaceAll(field, "'", "")
		switch {
		case field == "":
		case dense(field):
			words = append(words, pairs(field)...)
		default:
			words = append(words, clip(field, maxWordBytes))
		}
	}
	return words
}

// maxWordBytes clips what is no word, such as keys and encoded data.
const maxWordBytes = 64

func notOfWord(r rune) bool {
	return r != '\'' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
}

// fold lowers case and drops accents: NFKD without the combining diacritical
// marks (U+0300 to U+036F). Marks that are letters of their script stay.
func fold(text string) string {
	ascii := true
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(text, " ")) {
		switch {
		case r >= 0x0300 && r <= 0x036F:
		case r == '\u2019' || r == '\u02BC':
			b.WriteByte('\'')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// dense reports whether the word is of a script that is written without spaces.
func dense(w string) bool {
	r, _ := utf8.DecodeRuneInString(w)
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func pairs(w string) []string {
	runes := []rune(w)
	if len(runes) < 3 {
		return []string{w}
	}
	out := make([]string, 0, len(runes)-1)
	for i := range len(runes) - 1 {
		out = append(out, string(runes[i:i+2]))
	}
	return out
}

func stem(w string) string {
	if len(w) < 3 || w[0] >= utf8.RuneSelf {
		return w
	}
	return english.Stem(regular(w), true)
}

// irregular lists English words whose forms endings do not explain: the base
// form and then the others.
const irregular = `
buy bought
go went gone goes
get got gotten
make made
take took taken
say said
tell told
meet met
leave left
give gave given
find found
come came
see saw seen
think thought
feel felt
begin began begun
run ran
write wrote written
speak spoke spoken
choose chose chosen
break broke broken
lose lost
pay paid
sell sold
send sent
spend spent
teach taught
learn learnt
win won
hold held
keep kept
build built
drive drove driven
fly flew flown
grow grew grown
know knew known
draw drew drawn
eat ate eaten
fall fell fallen
wear wore worn
throw threw thrown
lead led
catch caught
bring brought
sing sang sung
swim swam swum
ride rode ridden
hear heard
understand understood
show shown
steal stole stolen
forget forgot forgotten
freeze froze frozen
fight fought
seek sought
mean meant
deal dealt
sleep slept
shoot shot
stand stood
sit sat
rise rose risen
drink drank drunk
child children
person people persons
man men
woman women
foot feet
tooth teeth
mouse mice
life lives
wife wives
`

// regular returns the base form of an irregular form, and other words as they are.
func regular(w string) string {
	// Every form stands between two of " " and "\n", its base at the line's start.
	for at := 0; ; {
		i := strings.Index(irregular[at:], w)
		if i < 0 {
			return w
		}
		at += i
		before, after := irregular[at-1], irregular[at+len(w)]
		if before == ' ' && (after == ' ' || after == '\n') {
			line := irregular[strings.LastIndexByte(irregular[:at], '\n')+1 : at]
			base, _, _ := strings.Cut(line, " ")
			return base
		}
		at += len(w)
	}
}

// stopWord reports whether the folded word says nothing of what a passage is
// about: English articles, pronouns, prepositions, auxiliaries, question words.
func stopWord(w string) bool {
	switch w {
	case "a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "such",
		"i", "me", "my", "we", "us", "our", "you", "your", "he", "him", "his", "she", "her", "hers",
		"it", "its", "they", "them", "their", "im", "ive", "ill", "youre", "weve", "were", "theyre",
		"and", "or", "but", "if", "so", "as", "than", "then", "because", "while",
		"of", "in", "on", "at", "to", "for", "with", "by", "from", "about", "into", "onto", "up", "out", "over",
		"is", "am", "are", "was", "be", "been", "being", "do", "does", "did", "doing", "done",
		"has", "have", "had", "having", "will", "would", "can", "could", "shall", "should", "may", "might", "must",
		"dont", "didnt", "doesnt", "isnt", "wasnt", "wont", "cant", "couldnt",
		"what", "when", "where", "who", "whom", "whose", "which", "why", "how",
		"there", "here", "not", "no", "just", "also", "too", "very", "s", "t", "d", "ll", "m", "re", "ve":
		return true
	}
	return false
}

// hash is FNV-1a, 32 bits (Fowler, Noll, Vo): terms are compared by it in
// memory, where a chance match of two words costs a place in the ranking and
// nothing else.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
