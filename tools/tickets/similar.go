package tickets

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// duplicateAt is the similarity from which two titles probably name the same
// work, and sameAt that from which nobody needs to look: it is what counts for
// tickets filed after the search, such as the neighbours of one meeting that a
// person decided on one by one. searchedAt is the part of the words a search must
// share with a title to count as a search for it.
const (
	duplicateAt = 0.6
	sameAt      = 0.95
	searchedAt  = 0.5
)

// Similarity says how alike two titles are, from 0 to 1: the mean of the Dice
// coefficients (2·|A∩B| / (|A|+|B|), Dice 1945) over their content words and
// over the letter trigrams of those words, so that both word order and
// misspellings matter little. Titles that name different numbers (server 12,
// server 13) are about different things and stay below the duplicate mark.
func Similarity(a, b string) float64 {
	wa, wb := contentWords(a), contentWords(b)
	if len(wa) == 0 || len(wb) == 0 {
		return 0
	}
	s := (dice(wa, wb) + dice(trigrams(wa), trigrams(wb))) / 2
	if na, nb := numbers(wa), numbers(wb); !slices.Equal(na, nb) && len(na) > 0 && len(nb) > 0 {
		s = min(s, duplicateAt-0.1)
	}
	return s
}

// covers reports whether a search for query was a search for title: they share
// at least half of the content words of the shorter one.
func covers(query, title string) bool {
	q, t := contentWords(query), contentWords(title)
	if len(q) == 0 || len(t) == 0 {
		return strings.TrimSpace(query) == strings.TrimSpace(title)
	}
	return float64(common(q, t)) >= searchedAt*float64(min(len(q), len(t)))
}

// contentWords returns the sorted set of a text's words without accents, case,
// endings and the words that say little.
func contentWords(text string) []string {
	var all []string
	split := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for _, w := range strings.FieldsFunc(fold(text), split) {
		if !sayingLittle(w) {
			all = append(all, stem(w))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fold lowers the case and takes the accents off.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
}

func sayingLittle(w string) bool {
	switch w {
	case "a", "an", "the", "of", "to", "in", "on", "at", "for", "with", "by", "and", "or", "is", "are", "be", "was",
		"it", "its", "this", "that", "we", "our", "i", "my", "you", "your", "when", "please", "should", "need", "needs", "has",
		"have", "some", "from", "as", "do", "does", "s", "t", "ticket", "issue", "der", "die", "das", "und", "le", "la", "les", "et", "de":
		return true
	}
	return false
}

// stem takes common English endings off words long enough to keep a root.
func stem(w string) string {
	for _, ending := range []string{"ing", "ies", "es", "ed", "s"} {
		if root, ok := strings.CutSuffix(w, ending); ok && len(root) >= 4 {
			return strings.TrimSuffix(root, "e")
		}
	}
	if len(w) > 4 {
		return strings.TrimSuffix(w, "e")
	}
	return w
}

// trigrams returns the sorted set of letter trigrams of the words, each word
// with its ends marked.
func trigrams(words []string) []string {
	var all []string
	for _, w := range words {
		r := []rune("^" + w + "$")
		for i := 0; i+3 <= len(r); i++ {
			all = append(all, string(r[i:i+3]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func numbers(words []string) []string {
	var all []string
	for _, w := range words {
		if strings.ContainsFunc(w, unicode.IsDigit) {
			all = append(all, w)
		}
	}
	return all
}

// dice is over sorted sets of which at least one has members.
func dice(a, b []string) float64 {
	if len(a)+len(b) == 0 {
		return 0
	}
	return 2 * float64(common(a, b)) / float64(len(a)+len(b))
}

// common counts what two sorted sets share.
func common(a, b []string) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch strings.Compare(a[i], b[j]) {
		case 0:
			n, i, j = n+1, i+1, j+1
		case -1:
			i++
		default:
			j++
		}
	}
	return n
}
