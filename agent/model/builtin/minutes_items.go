package builtin

import (
	"slices"
	"strings"
)

// hit is a sentence that some phrase marks, with the words that follow it.
type hit struct {
	at    int // place in recording.sentences
	score float64
	// lead is the phrase, rest the words after it.
	lead string
	rest []tok
}

// after finds the first of the phrases in a sentence, whole words, and
// returns it with the words that follow; ok is false when there is none.
func (s sentence) after(phrases []string) (lead string, before, rest []tok, ok bool) {
	best := -1
	for _, p := range phrases {
		i := strings.Index(s.flat, p)
		if i >= 0 && (best < 0 || i < best || i == best && len(p) > len(lead)) {
			best, lead = i, p
		}
	}
	if best < 0 {
		return "", nil, nil, false
	}
	from := strings.Count(s.flat[:best+1], " ") - 1
	lead = strings.TrimSpace(lead)
	to := from + strings.Count(lead, " ") + 1
	// Who begins anew ("I'll get a, I'll get the message") means the last.
	if again := strings.LastIndex(s.flat, " "+lead+" "); again > best && again-best < 60 {
		to = strings.Count(s.flat[:again+1], " ") + strings.Count(lead, " ")
	}
	return lead, s.toks[:from], s.toks[to:], true
}

func (s sentence) hasAny(phrases []string) bool {
	for _, p := range phrases {
		if strings.Contains(s.flat, p) {
			return true
		}
	}
	return false
}

// assent reports whether somebody else agrees within the next few sentences.
func (t *recording) assent(at int) bool {
	for i := at + 1; i < len(t.sentences) && i <= at+4; i++ {
		s := t.sentences[i]
		if s.speaker == t.sentences[at].speaker {
			continue
		}
		text := strings.ToLower(t.text(s))
		for _, p := range t.lex.items.assents {
			if strings.HasPrefix(text, p) {
				return true
			}
		}
	}
	return false
}

// itemLimit grows with the meeting.
func (t *recording) itemLimit() int { return 6 + t.words/2500 }

// pick keeps the best hits in order of the meeting, none that says nearly the
// same as a better one.
func (t *recording) pick(hits []hit, text func(hit) string) []hit {
	slices.SortStableFunc(hits, func(a, b hit) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return a.at - b.at
	})
	var kept []hit
	var texts []map[string]bool
next:
	for _, h := range hits {
		if len(kept) == t.itemLimit() {
			break
		}
		words := contentSet(t.lex, text(h))
		for i, w := range texts {
			if kept[i].at == h.at || similar(w, words) {
				continue next
			}
		}
		kept = append(kept, h)
		texts = append(texts, words)
	}
	slices.SortFunc(kept, func(a, b hit) int { return a.at - b.at })
	return kept
}

func contentSet(l *lexicon, s string) map[string]bool {
	set := map[string]bool{}
	for _, k := range l.tokenise(s) {
		if k.class&(isFunction|isMark|isFiller) == 0 {
			set[k.stem] = true
		}
	}
	return set
}

func similar(a, b map[string]bool) bool {
	both := 0
	for w := range a {
		if b[w] {
			both++
		} else if isNumber(w) {
			return false // "wall 3" is not "wall 4"
		}
	}
	return both*10 >= 6*min(len(a), len(b))
}

// maxItemWords is where an item's text is cut at a clause.
const maxItemWords = 24

// phraseText writes the words of an item as a sentence without a subject.
func phraseText(words []tok) string {
	words = trimMarks(words)
	if n := len(words); n > 3 && words[n-1].low == "think" && person(words[n-2].low) {
		words = trimMarks(words[:n-2])
	}
	cut := wordCount(words) > maxItemWords
	if cut {
		words = firstClause(words)
	}
	for len(words) > 0 && dangling(words[len(words)-1], cut) {
		words = trimMarks(words[:len(words)-1])
	}
	return capital(write(words))
}

func trimMarks(w []tok) []tok {
	for len(w) > 0 && w[0].mark() {
		w = w[1:]
	}
	for len(w) > 0 && w[len(w)-1].mark() {
		w = w[:len(w)-1]
	}
	return w
}

// firstClause cuts at the last comma before the limit, or at the limit.
func firstClause(w []tok) []tok {
	cut := 0
	for i, k := range w {
		if k.low == "," && i >= 5 && i <= maxItemWords {
			cut = i
		}
	}
	if cut == 0 {
		cut = min(maxItemWords, len(w))
	}
	return trimMarks(w[:cut])
}

// dangling reports whether a text should not end with the word; a text that
// was cut short is held to more.
func dangling(k tok, cut bool) bool {
	switch k.low {
	case "and", "or", "but", "so", "because", "the", "a", "an", "if", "then", "okay", "ok", "right", "yeah":
		return true
	case "of", "to", "with", "for", "that", "you", "which", "as", "like", "just", "is", "are", "in", "on", "at", "my":
		return cut
	}
	return false
}

// decisions finds what the group settles.
func (t *recording) decisions() []draftItem {
	out := []draftItem{}
	for _, h := range t.settling {
		quote, cues := t.quote(t.sentences[h.at], h.lead)
		out = append(out, draftItem{Text: decisionText(h), Cues: cues, Quote: quote})
	}
	return out
}

// decided finds phrases of deciding in statements that neither doubt nor deny,
// better when somebody assents; in order of the meeting.
func (t *recording) decided() []hit {
	x := t.lex.items
	var hits []hit
	for i, s := range t.sentences {
		if s.question || s.len < 4 {
			continue
		}
		score := 0.0
		lead, _, rest, ok := s.after(x.decided)
		if ok {
			score = 3
		} else if lead, _, rest, ok = s.after(x.deciding); ok {
			score = 1
			if t.assent(i) {
				score = 2.5
			}
		}
		if !ok || contents(rest) < 1 || wordCount(rest) < 2 || !opensDecision(lead, rest) || restarts(rest) || s.hasAny(x.doubts) {
			continue
		}
		score += 0.1 * float64(min(contents(rest), 6))
		if score >= 2 {
			hits = append(hits, hit{at: i, score: score, lead: lead, rest: rest})
		}
	}
	return t.pick(hits, decisionText)
}

// opensDecision reports whether the words after "we decided" can be what was
// decided.
func opensDecision(lead string, rest []tok) bool {
	if leadVerb(lead) != "" {
		return !rest[0].mark()
	}
	switch rest[0].low {
	case "to", "that", "on", "not", "against", "the", "a", "an", "we", "it", "this", ":", "upon":
		return true
	}
	return false
}

// decisionText begins with the verb of the decision: "Go with rubber".
func decisionText(h hit) string {
	words := thirdPerson(h.rest)
	if verb := leadVerb(h.lead); verb != "" {
		if len(words) > 0 && words[0].class != 0 {
			words[0].text = strings.ToLower(words[0].text[:1]) + words[0].text[1:]
		}
		return phraseText(append([]tok{{text: verb, low: verb}}, words...))
	}
	for len(words) > 0 && (words[0].low == "that" || words[0].low == "to" || words[0].low == "on" || words[0].mark()) {
		words = words[1:]
	}
	return phraseText(words)
}

// leadVerb is the verb at the end of a phrase such as "we'll go with".
func leadVerb(lead string) string {
	for _, v := range [...]string{"go with", "go for", "stick with", "stick to", "use", "keep", "have", "drop", "skip", "adopt", "approve", "postpone", "choose", "pick", "do"} {
		if strings.HasSuffix(lead, " "+v) {
			return v
		}
		if strings.HasSuffix(lead, " going with") && v == "go with" || strings.HasSuffix(lead, " going for") && v == "go for" {
			return v
		}
	}
	return ""
}
