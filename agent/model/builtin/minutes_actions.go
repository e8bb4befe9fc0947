package builtin

import (
	"slices"
	"strings"
)

// task is an action found: its owner, "" when nobody, and the place of the
// sentence that takes it on, 0 when it stands alone.
type task struct {
	hit
	owner string
	reply int
	// unsure says that it counts only when its owner accepts it.
	unsure bool
}

// actions finds what somebody is to do: people committing themselves, requests
// that name somebody, and what somebody takes on when it is asked for. Owner and
// due are given as the words say them; whoever reads the draft checks both.
func (t *recording) actions() []draftAction {
	var hits []hit
	tasks := map[int]task{}
	for i, s := range t.sentences {
		if s.len < 4 || s.len > 60 {
			continue
		}
		a, ok := t.taskIn(i, s)
		if !ok || restarts(a.rest) || s.hasAny(t.lex.items.noAction) {
			continue
		}
		hits = append(hits, a.hit)
		tasks[i] = a
	}
	out := []draftAction{}
	text := func(h hit) string { return phraseText(h.rest) }
	for _, h := range t.pick(hits, text) {
		owner, reply := tasks[h.at].owner, tasks[h.at].reply
		quote, cues := t.quoteWith(h.at, h.lead, reply)
		a := draftAction{Text: text(h), Cues: cues, Quote: quote}
		if owner != "" {
			a.Owner = &owner
		}
		if due := t.dueWith(h.at, reply); due != "" {
			a.Due = &due
		}
		out = append(out, a)
	}
	return out
}

// dueWith is the day in the sentence, else that in the reply to it.
func (t *recording) dueWith(at, reply int) string {
	due := t.lex.due(t.sentences[at])
	if due == "" && reply > 0 {
		due = t.lex.due(t.sentences[reply])
	}
	return due
}

// taskIn reads one sentence as a commitment, an assignment, a request,
// something that somebody takes on, or a duty of the group with a day.
func (t *recording) taskIn(i int, s sentence) (task, bool) {
	if h, ok := t.commitment(i, s); ok {
		return task{hit: h, owner: t.speakers[s.speaker]}, true
	}
	if a, ok := t.takenOn(i, s); ok {
		return a, true
	}
	if a, ok := t.assignment(i, s); ok {
		return t.answered(a)
	}
	if a, ok := t.request(i, s); ok {
		return t.answered(a)
	}
	lead, _, rest, ok := s.after(t.lex.items.groupDuty)
	if !ok || s.question || t.lex.due(s) == "" {
		return task{}, false
	}
	verb, strong := t.verb(rest)
	if verb < 0 || !strong {
		return task{}, false
	}
	return task{hit: hit{at: i, score: 1.5 + t.detail(s), lead: lead, rest: rest[verb:]}}, true
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
	return hit{at: i, score: 2 + t.detail(s), lead: lead, rest: rest[verb:]}, true
}

// request reads "Bob, can you send …?" and "can you send …, Bob?"; without a
// name it counts only with a day. What is asked by name need not be plain work,
// it then counts when it is accepted.
func (t *recording) request(i int, s sentence) (task, bool) {
	lead, before, rest, ok := s.after(t.lex.items.requests)
	if !ok {
		return task{}, false
	}
	owner := named(before, t.calls)
	if owner == "" {
		owner = namedLast(rest, t.calls)
	}
	verb, strong := t.verb(rest)
	if !strong {
		verb = -1
		if asked := spokenTo(before, rest, t.calls); asked != "" && t.lex.items.replies.asks[lead] {
			owner, verb = asked, t.lex.favour(rest)
		}
	}
	switch {
	case verb < 0:
		return task{}, false
	case owner != "":
		return task{hit: hit{at: i, score: 3 + t.detail(s), lead: lead, rest: withoutName(rest[verb:], t.calls)}, owner: owner, unsure: !strong}, true
	case strong && t.lex.due(s) != "":
		return task{hit: hit{at: i, score: 1.5 + t.detail(s), lead: lead, rest: rest[verb:]}}, true
	}
	return task{}, false
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
			return i, contents(after) > 0 && !bare(after) && t.lex.workOf(k.low, after)
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

// bare reports whether the object is a mere "it" or "that", whatever is said
// about it afterwards: "do it by Friday", "take that as a joke".
func bare(after []tok) bool {
	switch after[0].low {
	case "it", "that", "this", "them", "those", "these":
		return len(after) == 1 || after[1].class&(isMark|isFunction) != 0
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
func (t *recording) assignment(at int, s sentence) (task, bool) {
	if s.question {
		return task{}, false
	}
	for i := range s.toks {
		who, n := nameAt(s.toks, i, t.calls)
		if who == "" || i > 0 && t.lex.items.reporting[s.toks[i-1].low] {
			continue
		}
		rest, sure := assigned(s.toks[i+n:], i == 0)
		if rest == nil {
			continue
		}
		verb, strong := t.verb(rest)
		if (verb != 0 || !strong) && sure {
			verb, strong = t.lex.favour(rest), false
		}
		if verb == 0 && (strong || sure) && (sure || t.lex.items.works[rest[0].low]) {
			return task{hit: hit{at: at, score: 3 + t.detail(s), lead: rest[0].low, rest: rest}, owner: who, unsure: !strong}, true
		}
	}
	return task{}, false
}

// assigned returns the words after "will" or "to" that say what the person just
// named is to do, and whether they are said to do it; after a mere comma, at the
// beginning of a sentence, they may only be spoken to.
func assigned(rest []tok, first bool) (what []tok, sure bool) {
	if len(rest) < 2 {
		return nil, false
	}
	switch rest[0].low {
	case "will", "to", "shall", "should", "'ll":
		return rest[1:], true
	case ",":
		if first {
			return rest[1:], false
		}
	}
	return nil, false
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

// spokenTo is named and namedLast for a name that nothing but a mark parts from
// the request.
func spokenTo(before, rest []tok, names map[string]string) string {
	before = trimMarks(before)
	for i := range before {
		if who, n := nameAt(before, i, names); who != "" && i+n == len(before) {
			return who
		}
	}
	return namedLast(rest, names)
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
