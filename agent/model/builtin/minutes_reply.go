package builtin

import (
	"slices"
	"strings"
	"unicode"
)

// reply is how somebody meets what they are asked to do.
type reply int

const (
	silent reply = iota
	accepted
	declined
)

// replyReach is how many sentences after a request are read for the reply,
// replyTurns how many changes of speaker.
const replyReach, replyTurns = 8, 3

// maxTaking and maxFavour are the most words of a sentence that takes something
// on, and of a plain "yes" to a request.
const maxTaking, maxFavour = 18, 9

// said is the sentence as spoken but for noises, in lower case with a space
// around each word and mark: " sure , i can do that . ".
func (t *recording) said(s sentence) string {
	all := t.lex.tokenise(t.text(s))
	kept := all[:0]
	for _, k := range all {
		yes := k.low == "yep" || k.low == "yup" || k.low == "nah"
		if k.class&isFiller == 0 && (!k.mark() || len(kept) > 0) || yes {
			kept = append(kept, k)
		}
	}
	return flat(kept)
}

// answered adds the reply of the one who is asked: what they decline is no task,
// and what is no plain work is one only when they accept it.
func (t *recording) answered(a task) (task, bool) {
	kind, at := t.replyOf(a.at, a.owner)
	switch kind {
	case declined:
		return task{}, false
	case accepted:
		a.reply = at
		if a.dueless(t) {
			a.score++
		}
		return a, true
	}
	return a, !a.unsure
}

// dueless reports whether only the reply names a day.
func (a task) dueless(t *recording) bool {
	return t.lex.due(t.sentences[a.at]) == "" && t.lex.due(t.sentences[a.reply]) != ""
}

// replyOf reads how somebody replies to a sentence, in their first two
// sentences after it, and where.
func (t *recording) replyOf(at int, who string) (reply, int) {
	if who == "" || t.speakers[t.sentences[at].speaker] == who {
		return silent, 0
	}
	turns, own := 0, 0
	for i := at + 1; i < len(t.sentences) && i <= at+replyReach; i++ {
		if t.sentences[i].speaker != t.sentences[i-1].speaker {
			turns++
		}
		if turns > replyTurns || own == 2 {
			break
		}
		if t.speakers[t.sentences[i].speaker] != who {
			continue
		}
		if r := t.replies(t.sentences[i]); r != silent {
			return r, i
		}
		own++
	}
	return silent, 0
}

// replies reads a sentence as a reply to a request.
func (t *recording) replies(s sentence) reply {
	x := t.lex.items.replies
	said := t.said(s)
	switch {
	case s.question:
		return silent
	case has(said, x.refusing):
		return declined
	case t.takes(s):
		return accepted
	case starts(said, x.obliging):
		return accepted
	case starts(said, x.no):
		return declined
	case starts(said, x.yes) && strings.Count(said, " ") <= maxFavour+3 && !has(said, x.reserved):
		return accepted
	}
	return silent
}

// has reports whether a flat text holds one of the phrases.
func has(text string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, p) })
}

// starts reports whether a flat text begins with one of the phrases.
func starts(text string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.HasPrefix(text, p) })
}

// takes reports whether the speaker takes on what was said before: "I can do
// that", "leave it to me", "will do". "I'll take that as a yes" takes nothing on.
func (t *recording) takes(s sentence) bool {
	if s.question || s.len > maxTaking || has(s.flat, t.lex.items.replies.reserved) {
		return false
	}
	if strings.HasPrefix(s.flat, " will do ") && s.len == 2 {
		return true
	}
	for _, p := range t.lex.items.replies.taking {
		i := strings.Index(s.flat, p)
		if i < 0 {
			continue
		}
		next, _, _ := strings.Cut(s.flat[i+len(p):], " ")
		if next == "" || t.lex.classes[next]&isMark != 0 || !hasLetterOrDigit(next) || t.lex.items.replies.afterTaking[next] {
			return true
		}
	}
	return false
}

// takings finds the sentences that take something on, and what.
func (t *recording) takings() map[int]int {
	taken := map[int]int{}
	for j, s := range t.sentences {
		if !t.takes(s) {
			continue
		}
		if i := t.askedBefore(j); i >= 0 && taken[i] == 0 {
			taken[i] = j
		}
	}
	return taken
}

// askedBefore is the place of the nearest sentence before j that asks for
// something which the speaker of j can take on; -1 when there is none near.
func (t *recording) askedBefore(j int) int {
	turns, between := 0, 0
	for i := j - 1; i >= 0 && i >= j-replyReach; i-- {
		if t.sentences[i].speaker != t.sentences[i+1].speaker {
			turns++
		}
		if turns > replyTurns {
			break
		}
		p := t.sentences[i]
		if _, _, ok := t.wanted(p, p.speaker == t.sentences[j].speaker); ok {
			return i
		}
		if p.len >= 8 {
			between++
		}
		if between > 1 {
			break
		}
	}
	return -1
}

// wanted reads a sentence that says what somebody should do: a request, "who
// can …?", "someone has to …". One does not ask oneself.
func (t *recording) wanted(s sentence, oneself bool) (lead string, what []tok, ok bool) {
	if s.len < 4 || s.len > 40 || s.hasAny(t.lex.items.noAction) {
		return "", nil, false
	}
	lists := [...]struct {
		phrases  []string
		suitable bool
	}{
		{t.lex.items.replies.seeking, s.question},
		{t.lex.items.requests, !oneself},
		{t.lex.items.groupDuty, !s.question},
	}
	for _, l := range lists {
		if !l.suitable {
			continue
		}
		lead, _, rest, found := s.after(l.phrases)
		if !found {
			continue
		}
		verb, strong := t.verb(rest)
		if verb < 0 || !strong {
			verb = t.lex.favour(rest)
		}
		if verb >= 0 {
			return lead, rest[verb:], true
		}
	}
	return "", nil, false
}

// takenOn makes a task of a sentence that somebody's reply takes on.
func (t *recording) takenOn(i int, s sentence) (task, bool) {
	at := t.taken[i]
	if at == 0 {
		return task{}, false
	}
	by := t.sentences[at]
	lead, what, ok := t.wanted(s, s.speaker == by.speaker)
	if !ok {
		return task{}, false
	}
	a := task{
		hit:   hit{at: i, score: 3 + t.detail(s), lead: lead, rest: withoutName(what, t.calls)},
		owner: t.speakers[by.speaker], reply: at,
	}
	if a.dueless(t) {
		a.score++
	}
	return a, true
}

// favour finds the verb of what is asked of somebody, whatever it is, but not
// of what is done at once by talking: "tell us", "explain", "go on".
func (l *lexicon) favour(rest []tok) int {
	for i, k := range rest {
		if i > 3 {
			break
		}
		if l.items.replies.softening[k.low] {
			continue
		}
		after := rest[i+1:]
		if k.mark() || k.class&isFunction != 0 && k.class&isCommon == 0 || len(k.low) < 3 || l.items.replies.talk[k.low] || !object(after) {
			return -1
		}
		if strings.HasSuffix(k.low, "ing") && k.low != "bring" || strings.HasSuffix(k.low, "n't") || l.items.replies.toUs[after[0].low] {
			return -1
		}
		return i
	}
	return -1
}

// quoteWith quotes a sentence together with the reply to it, both marked off by
// an ellipsis, when both can be found again by their words.
func (t *recording) quoteWith(at int, lead string, reply int) (string, []int) {
	quote, cues := t.quote(t.sentences[at], lead)
	if reply <= 0 {
		return quote, cues
	}
	more, where := t.quote(t.sentences[reply], "")
	if !quotable(quote) || !quotable(more) {
		return quote, cues
	}
	for _, id := range where {
		if !slices.Contains(cues, id) {
			cues = append(cues, id)
		}
	}
	return quote + " … " + more, cues
}

// quotable reports whether a quote can be a piece of another: several words, no
// ellipsis of its own.
func quotable(s string) bool {
	if strings.Contains(s, "...") || strings.Contains(s, "…") {
		return false
	}
	words := 0
	for f := range strings.FieldsSeq(s) {
		if strings.ContainsFunc(f, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			words++
		}
	}
	return words >= 2
}
