package policy

import (
	"regexp"
	"strings"
	"unicode"
)

// A mention is "@" or "#" with a name that somebody else chose, its words joined by
// no-break spaces, as front ends write what they replace an id with. Whoever asks
// has named that person or channel, and said nothing of the words in the name: so a
// mention counts whole or not at all.
var mention = regexp.MustCompile(`[@#][\p{L}\p{M}\p{N}\x{00A0}._’'-]+`)

// span is where a mention stands in a normalised text.
type span struct{ from, to int }

// cuts reports whether what stands from one place to another takes a part of a
// mention and not the rest. The sign in front may be left out.
func cuts(spans []span, from, to int) bool {
	for _, s := range spans {
		if from < s.to && to > s.from && (from > s.from+1 || to < s.to) {
			return true
		}
	}
	return false
}

// pieces calls f with the parts of a text that are mentions and those that are not.
func pieces(text string, f func(part string, mentioned bool)) {
	for {
		at := mention.FindStringIndex(text)
		if at == nil {
			break
		}
		// A possessive is the requester's own.
		name := strings.TrimRight(text[at[0]:at[1]], ".-_")
		if cut, ok := strings.CutSuffix(name, "'s"); ok {
			name = cut
		} else {
			name = strings.TrimSuffix(name, "’s")
		}
		name = strings.TrimRight(name, "'’")
		f(text[:at[0]], false)
		f(name, true)
		text = text[at[0]+len(name):]
	}
	f(text, false)
}

// mentions is plain for a text with mentions, and where those are.
func mentions(text string) (string, []span) {
	if !strings.ContainsAny(text, "@#") {
		return plain(text), nil
	}
	var b strings.Builder
	var spans []span
	blank := false
	pieces(strings.ToLower(text), func(part string, mentioned bool) {
		from := -1
		for _, r := range part {
			if unicode.IsSpace(r) {
				blank = b.Len() > 0
				continue
			}
			if blank {
				b.WriteByte(' ')
				blank = false
			}
			if from < 0 {
				from = b.Len()
			}
			b.WriteRune(r)
		}
		if mentioned && from >= 0 {
			spans = append(spans, span{from, b.Len()})
		}
	})
	return b.String(), spans
}
