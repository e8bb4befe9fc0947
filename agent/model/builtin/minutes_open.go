package builtin

import (
	"slices"
	"strings"
)

// questions finds what stays open: a question that is met with "I don't know"
// and the like or with nothing at all, or words that say a matter is open.
func (t *recording) questions() []draftItem {
	var hits []hit
	met := map[int]int{}
	for i, s := range t.sentences {
		detail := 0.1 * float64(min(contents(s.toks), 6))
		if t.plainQuestion(s) && t.taken[i] == 0 {
			at, surely := t.unanswered(i)
			switch {
			case surely:
				hits = append(hits, hit{at: i, score: 2.5 + detail, rest: s.toks})
			case at > 0:
				hits = append(hits, hit{at: i, score: 2 + detail, rest: s.toks})
			case t.ignored(i):
				hits = append(hits, hit{at: i, score: 1.8 + detail, rest: s.toks})
			}
			met[i] = at
			continue
		}
		if t.saysOpen(s) {
			hits = append(hits, hit{at: i, score: 1.5 + detail, rest: s.toks})
		}
	}
	out := []draftItem{}
	text := func(h hit) string {
		w := phraseText(h.rest)
		if t.sentences[h.at].question {
			return w + "?"
		}
		return w
	}
	for _, h := range t.pick(hits, text) {
		quote, cues := t.quoteWith(h.at, h.lead, met[h.at])
		out = append(out, draftItem{Text: text(h), Cues: cues, Quote: quote})
	}
	return out
}

// saysOpen reports whether a statement says that a matter is open.
func (t *recording) saysOpen(s sentence) bool {
	return !s.question && s.len >= 6 && s.len <= 28 && s.content >= 2 && s.hasAny(t.lex.items.open) && t.lex.wellFormed(s.toks)
}

// plainQuestion reports whether a sentence is one well-formed question about
// the matter, not about the people who talk.
func (t *recording) plainQuestion(s sentence) bool {
	x := t.lex.items
	if !s.question || s.len < 5 || s.len > 28 || s.content < 1 || s.hasAny(x.idleQuestions) || !x.asking[s.toks[0].low] || restarts(s.toks) {
		return false
	}
	for _, k := range s.toks {
		switch k.low {
		case "i", "you", "i'm", "you're", "your", "my", "me":
			return false
		}
	}
	return true
}

// openReach is how many sentences after a question are read for the reply,
// maxOpenly and maxIgnorance the most words of a sentence, and of a whole turn,
// that leaves it open.
const openReach, maxOpenly, maxIgnorance = 6, 20, 25

// unanswered is the place of the reply that leaves a question open, 0 when
// there is none or somebody answers first; surely means it is said to be open,
// not only that somebody does not know.
func (t *recording) unanswered(at int) (reply int, surely bool) {
	q := t.sentences[at]
	turns := 0
	for i := at + 1; i < len(t.sentences) && i <= at+openReach; i++ {
		s := t.sentences[i]
		if s.speaker != t.sentences[i-1].speaker {
			turns++
		}
		if turns > replyTurns {
			break
		}
		said := t.said(s)
		switch {
		case !s.question && s.len <= maxOpenly && has(said, t.lex.items.replies.openly):
			return i, true
		case !s.question && s.speaker != q.speaker && t.ignorant(said) && t.turnWords(i) <= maxIgnorance:
			return i, false
		case s.speaker == q.speaker:
			continue
		case s.len >= 8, closedQuestion(q) && t.settlesIt(said):
			return 0, false
		}
	}
	return 0, false
}

// closedQuestion reports whether a yes or a no would answer.
func closedQuestion(q sentence) bool {
	switch q.toks[0].low {
	case "what", "how", "who", "when", "where", "which", "why", "whose":
		return false
	}
	return true
}

// settlesIt reports whether a reply begins with a yes or a no.
func (t *recording) settlesIt(said string) bool {
	return starts(said, t.lex.items.replies.yes) || starts(said, t.lex.items.replies.no)
}

// ignorant reports whether a reply begins with not knowing and does not go on
// to say what of.
func (t *recording) ignorant(said string) bool {
	for _, p := range t.lex.items.replies.ignorance {
		i := strings.Index(said, p)
		if i < 0 || strings.Count(said[:i+1], " ") > 7 {
			continue
		}
		next, _, _ := strings.Cut(said[i+len(p):], " ")
		if !hasLetterOrDigit(next) || t.lex.items.replies.fallow[next] {
			return true
		}
	}
	return false
}

// turnWords counts the words the speaker of sentence i says there without a break.
func (t *recording) turnWords(i int) int {
	from, to := i, i+1
	for from > 0 && t.sentences[from-1].speaker == t.sentences[i].speaker {
		from--
	}
	for to < len(t.sentences) && t.sentences[to].speaker == t.sentences[i].speaker {
		to++
	}
	words := 0
	for _, s := range t.sentences[from:to] {
		words += s.len
	}
	return words
}

// ignored reports whether "who will …?" to the whole group ends a turn and
// nobody comes forward or is named in the next turn, nor is anything said on it
// soon after: they talk of something else.
func (t *recording) ignored(at int) bool {
	q := t.sentences[at]
	if _, before, _, ok := q.after(t.lex.items.replies.seeking); !ok || len(before) > 0 || q.toks[0].low != "who" {
		return false
	}
	about := map[string]bool{}
	for _, k := range q.toks {
		if k.class&(isFunction|isMark) == 0 {
			about[k.stem] = true
		}
	}
	turns := 0
	for i := at + 1; i < len(t.sentences) && i <= at+openReach; i++ {
		s := t.sentences[i]
		if s.speaker != t.sentences[i-1].speaker {
			turns++
		}
		if turns == 0 {
			return false // the asker goes on
		}
		if turns > replyTurns {
			break
		}
		if t.onMatter(s, about) || turns == 1 && t.answersWho(s) {
			return false
		}
	}
	return turns > 0
}

// onMatter reports whether a sentence has a word of the question.
func (t *recording) onMatter(s sentence, about map[string]bool) bool {
	return slices.ContainsFunc(s.toks, func(k tok) bool { return about[k.stem] })
}

// answersWho reports whether a sentence may answer "who": it names somebody,
// speaks of a person, or agrees.
func (t *recording) answersWho(s sentence) bool {
	if t.settlesIt(t.said(s)) {
		return true
	}
	for i, k := range s.toks {
		if who, _ := nameAt(s.toks, i, t.calls); who != "" {
			return true
		}
		if slices.Contains([]string{"i", "i'll", "i'm", "me", "my", "he", "she", "you", "they", "we", "nobody", "somebody", "someone", "everybody"}, k.low) {
			return true
		}
	}
	return false
}
