package builtin

import (
	"slices"
	"strings"
)

// actions finds what somebody is to do: people committing themselves, and
// requests that name somebody. Owner and due are given as the words say them;
// whoever reads the draft checks both.
func (t *recording) actions() []draftAction {
	names := t.callNames()
	var hits []hit
	owners := map[int]string{}
	for i, s := range t.sentences {
		if s.len < 4 || s.len > 60 {
			continue
		}
		h, owner, ok := t.actionIn(i, s, names)
		if !ok || restarts(h.rest) || s.hasAny(t.lex.items.noAction) {
			continue
		}
		hits = append(hits, h)
		owners[i] = owner
	}
	out := []draftAction{}
	text := func(h hit) string { return phraseText(h.rest) }
	for _, h := range t.pick(hits, text) {
		s := t.sentences[h.at]
		quote, cues := t.quote(s, h.lead)
		a := draftAction{Text: text(h), Cues: cues, Quote: quote}
		if o := owners[h.at]; o != "" {
			a.Owner = &o
		}
		if due := t.lex.due(s); due != "" {
			a.Due = &due
		}
		out = append(out, a)
	}
	return out
}

// actionIn reads one sentence as a commitment, an assignment, a request, or a
// duty of the group with a day.
func (t *recording) actionIn(i int, s sentence, names map[string]string) (hit, string, bool) {
	if h, ok := t.commitment(i, s); ok {
		return h, t.speakers[s.speaker], true
	}
	if owner, rest, ok := t.assignment(s, names); ok {
		return hit{i, 3 + t.detail(s), rest[0].low, rest}, owner, true
	}
	if h, owner, ok := t.request(i, s, names); ok {
		return h, owner, true
	}
	lead, _, rest, ok := s.after(t.lex.items.groupDuty)
	if !ok || s.question || t.lex.due(s) == "" {
		return hit{}, "", false
	}
	verb, strong := t.verb(rest)
	if verb < 0 || !strong {
		return hit{}, "", false
	}
	return hit{i, 1.5 + t.detail(s), lead, rest[verb:]}, "", true
}

// commitment reads "I'll send …". "I can" and "let me" are promises only of
// plain work.
func (t *recording) commitment(i int, s sentence) (hit, bool) {
	lead, _, rest, ok := s.after(t.lex.items.commits)
	if !ok || s.question {
		return hit{}, false
	}
	verb, strong := t.verb(rest)
	if verb < 0 || !strong {
		return hit{}, false
	}
	if weak := lead == "i can" || lead == "let me"; weak && !t.lex.items.works[rest[verb].low] {
		return hit{}, false
	}
	return hit{i, 2 + t.detail(s), lead, rest[verb:]}, true
}

// request reads "Bob, can you send …?" and "can you send …, Bob?"; without a
// name it counts only with a day.
func (t *recording) request(i int, s sentence, names map[string]string) (hit, string, bool) {
	lead, before, rest, ok := s.after(t.lex.items.requests)
	if !ok {
		return hit{}, "", false
	}
	verb, strong := t.verb(rest)
	if verb < 0 || !strong {
		return hit{}, "", false
	}
	owner := named(before, names)
	if owner == "" {
		owner = namedLast(rest, names)
	}
	switch {
	case owner != "":
		return hit{i, 3 + t.detail(s), lead, withoutName(rest[verb:], names)}, owner, true
	case t.lex.due(s) != "":
		return hit{i, 1.5 + t.detail(s), lead, rest[verb:]}, "", true
	}
	return hit{}, "", false
}

// detail rewards a day and things to act on.
func (t *recording) detail(s sentence) float64 {
	d := 0.1 * float64(min(s.content, 6))
	if t.lex.due(s) != "" {
		d++
	}
	return d
}

// verb finds the verb that says what to do, over words such as "just" and
// "also"; strong means it is work to do after the meeting, not talk in it.
func (t *recording) verb(rest []tok) (at int, strong bool) {
	for i, k := range rest {
		if i > 3 {
			break
		}
		after := rest[i+1:]
		if t.lex.items.works[k.low] {
			return i, object(after)
		}
		if t.lex.items.light[k.low] {
			return i, contents(after) > 0 && t.lex.workOf(k.low, after)
		}
		switch k.low {
		case "just", "also", "then", "probably", "definitely", "go", "and", "have", "to", "try", "please", "maybe", "be", "able", "certainly", "quickly":
			continue
		}
		return -1, false
	}
	return -1, false
}

// object reports whether the words after a verb name what is worked on; "it"
// alone does not.
func object(after []tok) bool {
	if len(after) == 0 || after[0].low == "is" {
		return false
	}
	switch after[0].low {
	case "it", "that", "this", "them", "those", "these":
		return contents(after) > 0
	}
	for _, k := range after {
		if k.class&(isFunction|isMark|isFiller) == 0 {
			return true
		}
	}
	return false
}

// workOf tells "look into the costs" and "talk to the client" from "look" and
// "talk about": verbs of every kind of talk count with a day or a fitting
// preposition only.
func (l *lexicon) workOf(verb string, after []tok) bool {
	next := after[0].low
	switch verb {
	case "look":
		return next == "into" || next == "up"
	case "talk", "speak":
		return len(after) > 1 && after[1].low != "you" && slices.Contains([]string{"to", "with"}, next)
	case "ask", "call":
		return !slices.Contains([]string{"a", "it", "that", "you", "my", "for"}, next)
	case "follow", "set":
		return next == "up"
	case "report", "bring", "work", "finish", "start", "give", "move", "include", "record", "run", "change":
		return l.due(sentence{toks: after, flat: flat(after)}) != ""
	case "put":
		return next == "together" || l.due(sentence{toks: after, flat: flat(after)}) != ""
	case "make", "take", "do":
		return !passing(after)
	}
	return next != "is" && next != "i" && next != "i'll"
}

// passing reports whether what is made, taken or done is over at once: a note,
// sense, a point.
func passing(after []tok) bool {
	for _, k := range after[:min(len(after), 5)] {
		switch k.low {
		case "note", "notes", "sense", "sure", "proposal", "point", "remark", "comment", "minutes", "is":
			return true
		}
	}
	return false
}

// assignment reads "Bob will send …", "Bob to send …", "Bob, send …".
func (t *recording) assignment(s sentence, names map[string]string) (string, []tok, bool) {
	for i, k := range s.toks {
		who, n := nameAt(s.toks, i, names)
		if who == "" || i > 0 && t.lex.items.reporting[s.toks[i-1].low] {
			continue
		}
		rest := s.toks[i+n:]
		if len(rest) == 0 || k.mark() || s.question {
			continue
		}
		switch rest[0].low {
		case "will", "to", "shall", "should", "'ll":
		default:
			continue
		}
		if verb, strong := t.verb(rest[1:]); verb == 0 && strong {
			return who, rest[1:], true
		}
	}
	return "", nil, false
}

// callNames maps what people are called (lower case) to the speaker: full
// names, and first names that only one has.
func (t *recording) callNames() map[string]string {
	names := map[string]string{}
	for _, p := range t.speakers {
		bare, _, _ := strings.Cut(p, " (")
		parts := strings.Fields(strings.ToLower(bare))
		if len(parts) == 0 {
			continue
		}
		calls := []string{strings.Join(parts, " "), parts[0]}
		for _, c := range slices.Compact(calls) {
			if old, taken := names[c]; taken && old != p || len(c) < 2 || t.lex.classes[c] != 0 {
				names[c] = ""
				continue
			}
			names[c] = p
		}
	}
	return names
}

// nameAt returns who is named at word i, in at most four words.
func nameAt(toks []tok, i int, names map[string]string) (string, int) {
	call := ""
	who, n := "", 0
	for j := i; j < len(toks) && j < i+4 && !toks[j].mark(); j++ {
		if call != "" {
			call += " "
		}
		call += toks[j].low
		if p := names[call]; p != "" {
			who, n = p, j-i+1
		}
	}
	return who, n
}

// named finds the name somebody is spoken to with, before a request.
func named(before []tok, names map[string]string) string {
	for i := len(before) - 1; i >= 0; i-- {
		if who, n := nameAt(before, i, names); who != "" && i+n >= len(before)-2 {
			return who
		}
	}
	return ""
}

// namedLast finds a name at the end: "can you send it, Bob?".
func namedLast(rest []tok, names map[string]string) string {
	rest = trimMarks(rest)
	for i := max(0, len(rest)-3); i < len(rest); i++ {
		if who, n := nameAt(rest, i, names); who != "" && i+n == len(rest) && i > 0 && rest[i-1].low == "," {
			return who
		}
	}
	return ""
}

func withoutName(rest []tok, names map[string]string) []tok {
	rest = trimMarks(rest)
	for i := max(0, len(rest)-3); i < len(rest); i++ {
		if who, n := nameAt(rest, i, names); who != "" && i+n == len(rest) && i > 0 && rest[i-1].low == "," {
			return rest[:i-1]
		}
	}
	return rest
}

// due returns the words of a sentence that say a day, as said, or "".
func (l *lexicon) due(s sentence) string {
	for i, k := range s.toks {
		if l.items.days[k.low] {
			return withNext(s.toks, i)
		}
		if l.items.months[k.low] {
			if d := dayOfMonth(s.toks, i); d != "" {
				return d
			}
		}
		if len(k.low) == 10 && k.low[4] == '-' && k.low[7] == '-' && isNumber(k.low) {
			return k.low
		}
	}
	for _, p := range l.items.times {
		if strings.Contains(s.flat, p) {
			return strings.TrimSpace(p)
		}
	}
	return ""
}

// withNext is the day at i with "next" or "this"; "" for a day that was.
func withNext(toks []tok, i int) string {
	if i > 0 {
		switch p := toks[i-1].low; p {
		case "next", "this":
			return p + " " + toks[i].low
		case "last":
			return ""
		}
	}
	return toks[i].low
}

// dayOfMonth is the month at i with the number beside it; "" without one.
func dayOfMonth(toks []tok, i int) string {
	switch {
	case i+1 < len(toks) && isNumber(toks[i+1].low):
		return toks[i].low + " " + toks[i+1].low
	case i > 0 && isNumber(toks[i-1].low):
		return toks[i-1].low + " " + toks[i].low
	}
	return ""
}
