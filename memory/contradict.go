package memory

import (
	"slices"
	"strings"
)

// Contradicts reports whether two statements cannot both hold, as far as their
// words tell: they say the same of the same thing with another number, day or
// time ("the launch is on 3 May", "the launch is on 10 May"), one denies what the
// other says, or they give a thing two holders, names or places ("Bob owns
// billing", "Carol owns billing"). It reads English, knows nothing of meaning and
// is made to miss rather than to accuse: what it finds is to be shown to people
// side by side, never to be settled.
func Contradicts(a, b string) bool { return anyAgainst(claimsOf(a), claimsOf(b)) }

func anyAgainst(a, b []claim) bool {
	for _, x := range a {
		for _, y := range b {
			if x.against(y) {
				return true
			}
		}
	}
	return false
}

// claim is one sentence as it is compared.
type claim struct {
	// about are the content terms, values those that measure or date, both sorted;
	// denied says that the sentence denies.
	about, values []string
	denied        bool
	// relation gives a thing a holder or a place: "own", "named", "at"; "" for none.
	relation      string
	thing, holder []string
}

// maxClaims is how many sentences of a text are compared.
const maxClaims = 12

func claimsOf(text string) []claim {
	var out []claim
	for _, s := range sentences(clip(text, 4000)) {
		if c, ok := claimOf(Words(s)); ok && len(out) < maxClaims {
			out = append(out, c)
		}
	}
	return out
}

func claimOf(words []string) (claim, bool) {
	var c claim
	for i, w := range words {
		switch {
		case denial(w, wordAt(words, i+1)):
			c.denied = !c.denied
		case w == "may" && !asMonth(wordAt(words, i-1), wordAt(words, i+1)):
		case isValue(w):
			c.values = append(c.values, valueOf(w))
		case !stopWord(w) && !light(w):
			c.about = append(c.about, stem(w))
		}
	}
	c.about, c.values = set(c.about), set(c.values)
	c.relation, c.thing, c.holder = relate(words)
	return c, len(c.about) > 0 && len(c.about) <= 14
}

func set(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// against reports whether the claims cannot both hold.
func (c claim) against(o claim) bool {
	if c.relation != "" && c.relation == o.relation && !c.denied && !o.denied && slices.Equal(c.thing, o.thing) && apart(c.holder, o.holder) {
		return true
	}
	if !slices.Equal(c.about, o.about) {
		return false
	}
	if c.denied != o.denied {
		return slices.Equal(c.values, o.values)
	}
	return !c.denied && apart(c.values, o.values)
}

// apart reports whether both say something and neither says the same or more
// than the other.
func apart(a, b []string) bool {
	return len(a) > 0 && len(b) > 0 && !within(a, b) && !within(b, a)
}

func within(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(w string) bool { return !slices.Contains(whole, w) })
}

// denial reports whether the word denies: "not", "no longer", "isn't". Words
// drops the apostrophes.
func denial(w, next string) bool {
	switch w {
	case "not", "never", "isnt", "arent", "wasnt", "werent", "wont", "dont", "doesnt", "didnt", "cannot", "cant", "shouldnt", "mustnt":
		return true
	}
	return w == "no" && (next == "longer" || next == "more")
}

// isValue reports whether the word measures or dates.
func isValue(w string) bool {
	if w[0] >= '0' && w[0] <= '9' {
		return true
	}
	switch w {
	case "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "noon", "midnight", "half", "quarter",
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays",
		"today", "tomorrow", "yesterday", "tonight", "morning", "afternoon", "evening", "weekly", "daily", "monthly", "yearly", "spring", "summer", "autumn", "winter":
		return true
	}
	return month(w) != 0
}

// valueOf makes the forms of a value alike: "3rd" is "3", "mondays" is "monday".
func valueOf(w string) string {
	if m := month(w); m != 0 {
		return strings.ToLower(m.String())
	}
	if w[0] >= '0' && w[0] <= '9' {
		for _, end := range []string{"st", "nd", "rd", "th"} {
			if n, ok := strings.CutSuffix(w, end); ok && number(n) >= 0 {
				return strings.TrimLeft(n, "0")
			}
		}
		return strings.TrimLeft(w, "0")
	}
	if n := slices.Index([]string{"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}, w); n >= 0 {
		return string(appendInt(nil, n+1))
	}
	return strings.TrimSuffix(w, "s")
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = append(b, byte('0'+n/10))
	}
	return append(b, byte('0'+n%10))
}

// light reports whether the word adds nothing to what a statement is about.
func light(w string) bool {
	switch w {
	case "now", "new", "currently", "actually", "really", "instead", "again", "still", "already", "longer", "more", "happen", "happens", "takes", "take", "place",
		"scheduled", "planned", "set", "moved", "changed", "correct", "correction", "oclock", "am", "pm", "please", "remember", "day", "date", "time", "our":
		return true
	}
	return false
}

// relate finds the first relation of a sentence and what stands on its sides.
func relate(words []string) (relation string, thing, holder []string) {
	for i := 1; i < len(words); i++ {
		before, after := words[:i], words[i+1:]
		passive := auxiliary(words[i-1])
		switch verb := holds(words[i]); {
		case verb != "" && passive && wordAt(after, 0) == "by":
			return verb, content(before), content(after[1:])
		case verb != "" && !passive:
			return verb, content(after), content(before)
		case auxiliary(words[i]):
			if relation, thing, holder = relateBe(before, after); relation != "" {
				return relation, thing, holder
			}
		}
	}
	return "", nil, nil
}

// relateBe is relate for what stands before and after a form of "to be".
func relateBe(before, after []string) (relation string, thing, holder []string) {
	next, second := wordAt(after, 0), wordAt(after, 1)
	switch {
	case next == "responsible", next == "accountable":
		return "own", content(after[1:]), content(before)
	case next == "in" && second == "charge":
		return "own", content(after[2:]), content(before)
	case next == "called", next == "named":
		return "named", content(before), content(after[1:])
	case next == "in":
		if place := content(after[1:]); len(place) > 0 && len(place) <= 4 {
			return "at", content(before), place
		}
	}
	relation, thing = office(before)
	return relation, thing, content(after)
}

// holds is the relation of a verb that a thing has one subject of, "" for others.
func holds(w string) string {
	switch w {
	case "own", "owns", "owned":
		return "own"
	case "leads", "led", "heads", "headed", "manages", "managed", "runs", "run":
		return "lead"
	case "maintains", "maintained", "handles", "handled":
		return "own"
	case "chairs", "chaired", "hosts", "hosted":
		return "chair"
	case "keeps", "kept", "holds", "held":
		return "keep"
	}
	return ""
}

func auxiliary(w string) bool {
	switch w {
	case "is", "are", "was", "were", "be", "been", "being":
		return true
	}
	return false
}

// office reads "the owner of billing" as the relation and the thing.
func office(words []string) (relation string, thing []string) {
	for i, w := range words {
		if wordAt(words, i+1) != "of" {
			continue
		}
		switch w {
		case "owner":
			return "own", content(words[i+2:])
		case "lead", "leader", "head", "manager":
			return "lead", content(words[i+2:])
		}
	}
	return "", nil
}

// content returns the terms of some words that carry content, sorted.
func content(words []string) []string {
	var out []string
	for _, w := range words {
		if !stopWord(w) && !light(w) {
			out = append(out, stem(w))
		}
	}
	return set(out)
}
