package builtin

import "strings"

// wellFormed reports whether a cleaned sentence can be repeated on its own: it
// begins with a subject, has a finite verb after it and does not begin anew.
func (l *lexicon) wellFormed(s []tok) bool {
	s = trimMarks(s)
	if len(s) == 0 || !subject(s[0]) || dangling(s[len(s)-1], true) || restarts(s) {
		return false
	}
	verb := false
	subjectAt := 0
	for i, k := range s {
		if broken(s, i) {
			return false
		}
		verb = verb || i > 0 && finite(k.low) || contracted(k.low)
		if person(k.low) {
			// "they con they consider": two subjects without a link between.
			if subjectAt > 0 && i-subjectAt < 3 && !joins(s[subjectAt:i]) {
				return false
			}
			subjectAt = i
		}
	}
	return verb
}

// broken reports whether word i is an aside, the end of another sentence or a
// piece of a word.
func broken(s []tok, i int) bool {
	k := s[i]
	switch {
	case k.class&isOpener != 0 && interjected(s, i), k.low == "?", k.low == "!", k.low == "." && i < len(s)-1:
		return true
	case k.class != 0 || k.text != k.low && len(k.low) > 1:
		return false
	}
	return len(k.low) <= 2
}

// restarts reports whether a sentence begins anew in its middle: "is it Does
// that break".
func restarts(s []tok) bool {
	for i, k := range s {
		if i > 0 && k.class&isFunction != 0 && k.text[0] >= 'A' && k.text[0] <= 'Z' && k.low[0] != 'i' && k.low != "may" && !s[i-1].mark() {
			return true
		}
	}
	return false
}

// subject reports whether a statement can begin with the word.
func subject(k tok) bool {
	switch k.low {
	case "i", "we", "you", "they", "he", "she", "it", "there", "it's", "there's", "we're", "i'm", "they're", "we've", "i've",
		"we'll", "i'll", "i'd", "we'd", "you're", "the", "this", "these", "those", "our", "my", "their", "its", "his", "her",
		"some", "most", "many", "each", "every", "all", "people", "one", "if", "when", "a", "an", "another", "both", "users":
		return true
	}
	return k.class == 0 && len(k.text) > 2 && k.text[0] >= 'A' && k.text[0] <= 'Z'
}

func finite(low string) bool {
	switch low {
	case "is", "are", "was", "were", "am", "has", "have", "had", "will", "would", "can", "could", "should", "must", "may",
		"might", "do", "does", "did", "need", "needs", "want", "wants", "use", "uses", "get", "gets", "go", "goes", "makes",
		"make", "think", "thinks", "said", "says", "found", "made", "got", "went", "came", "took", "works", "seems", "means",
		"looks", "don't", "doesn't", "didn't", "can't", "won't", "isn't", "aren't", "wasn't", "cannot", "wanted", "needed", "used":
		return true
	}
	return false
}

// contracted reports whether a verb hides in the word: "we're".
func contracted(low string) bool {
	switch low {
	case "i'm", "it's", "there's", "that's", "he's", "she's", "i'd", "we'd", "they'd", "you'd":
		return true
	}
	return strings.HasSuffix(low, "'re") || strings.HasSuffix(low, "'ve") || strings.HasSuffix(low, "'ll")
}

// interjected reports whether word i is an aside such as "yeah" in the middle.
func interjected(s []tok, i int) bool {
	switch s[i].low {
	case "yeah", "yes", "okay", "ok", "alright", "anyway", "well", "right", "sure", "no":
		return i == 0 || i == len(s)-1 || s[i-1].mark() || s[i].low == "yeah" || s[i].low == "okay" || s[i].low == "ok"
	}
	return false
}

func person(low string) bool {
	switch low {
	case "i", "we", "they", "he", "she", "i'm", "we're", "they're", "i've", "we've", "i'll", "we'll", "it's", "i'd":
		return true
	}
	return false
}

// joins reports whether words between two subjects join them.
func joins(s []tok) bool {
	for _, k := range s[1:] {
		switch k.low {
		case "that", "if", "when", "what", "how", "because", "think", "and", "but", "so", "which", "where", "why", "said", "say",
			"than", "know", "hope", "believe", "as", "whether", "guess", "or", "while", "who":
			return true
		}
	}
	return false
}
