package builtin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// enough is the part of a question's words a passage must share to be shown as
// an answer. Below it, saying that nothing was found is more honest.
const enough = 0.5

// keywords returns the sorted set of a text's words that mean something: without
// function words, without the words questions are made of, without endings.
func keywords(text string) []string {
	split := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’' }
	var out []string
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), split) {
		w = strings.TrimSuffix(strings.TrimSuffix(strings.Trim(w, "'’"), "'s"), "’s")
		if w != "" && !emptyWord(w) && !strings.HasPrefix(w, "summari") {
			out = append(out, root(w))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// root takes common English endings off, so that "batteries" meets "battery".
func root(w string) string {
	for _, e := range [...][2]string{
		{"ies", "y"}, {"sses", "ss"}, {"ings", ""}, {"ing", ""}, {"edly", ""}, {"ed", ""}, {"ers", ""}, {"er", ""}, {"es", ""}, {"s", ""}, {"ly", ""},
	} {
		if r, ok := strings.CutSuffix(w, e[0]); ok && len(r) >= 4 && !strings.HasSuffix(w, "ss") {
			w = r + e[1]
			break
		}
	}
	if len(w) > 4 {
		w = strings.TrimSuffix(w, "e")
	}
	if n := len(w); n > 4 && w[n-1] == w[n-2] {
		w = w[:n-1]
	}
	return w
}

func emptyWord(w string) bool {
	switch w {
	case "a", "an", "the", "of", "to", "in", "on", "at", "for", "with", "by", "and", "or", "is", "are", "be", "was", "were", "been",
		"it", "its", "this", "that", "these", "those", "we", "our", "us", "i", "my", "me", "you", "your", "he", "she", "they", "them",
		"their", "his", "her", "what", "who", "whom", "whose", "when", "where", "why", "how", "which", "what's", "do", "does", "did", "done",
		"has", "have", "had", "can", "could", "would", "should", "will", "shall", "may", "might", "must", "am", "not", "no", "if", "as",
		"from", "about", "into", "than", "then", "there", "here", "so", "but", "any", "some", "all", "again", "also", "just", "please",
		"s", "t", "m", "re", "ve", "ll", "isn't", "don't", "didn't", "doesn't", "many", "much", "anyone", "anybody", "anything",
		"somebody", "someone", "something", "everything", "up", "out", "get", "got", "one", "ones", "let", "let's", "it's", "i'm",
		// the words questions to a memory are made of
		"tell", "show", "find", "search", "look", "recall", "remember", "remind", "know", "say", "said", "says", "discuss", "discussed",
		"discussion", "decide", "decided", "decision", "decisions", "agree", "agreed", "talk", "talked", "mention", "mentioned",
		"meeting", "meetings", "minutes", "last", "previous", "latest", "recent", "summary", "summarise", "recap", "action",
		"actions", "item", "items", "open", "question", "questions", "thing", "things", "point", "points", "give", "list", "conclusion",
		"outcome", "regarding", "concerning", "think", "happen", "happened", "need", "needs", "want", "ticket", "tickets", "issue", "team",
		"answer", "idea", "next", "steps", "step", "follow", "ups", "todo", "todos", "today", "yesterday", "week", "month", "call", "status", "current", "currently", "future",
		"upon", "whole", "group", "explain", "describe":
		return true
	}
	return false
}

// covered is the part of want that is in have, from 0 to 1; both are sorted
// sets. It is 0 when nothing is wanted.
func covered(want, have []string) float64 {
	if len(want) == 0 {
		return 0
	}
	n := 0
	for _, w := range want {
		if _, ok := slices.BinarySearch(have, w); ok {
			n++
		}
	}
	return float64(n) / float64(len(want))
}

const nothingFound = "I found nothing about that in what I remember."

// recallText answers a question with the best passages, word for word, each
// with its citation as the tool gave it.
func recallText(c command, o outcome) string {
	return recallFrom(c, o, answers(c, passagesOf(o)))
}

var reDecision = regexp.MustCompile(`(?i)\b(decide|decided|decision|decisions|agree|agreed|settle on|settled on)\b`)

// asksForDecision reports whether the question is what was decided, so that
// what was merely said is not taken for it.
func asksForDecision(question string) bool { return reDecision.MatchString(question) }

// recallFrom shows the passages that were picked.
func recallFrom(c command, o outcome, hits []passage) string {
	if !o.done() {
		return "I could not look it up: " + o.why()
	}
	if len(hits) == 0 {
		return nothingFound + " I know what was in transcripts I made minutes of and what I was told to remember; attach a transcript, or ask with other words." + withheldText(o)
	}
	var b strings.Builder
	switch {
	case asksForDecision(c.text) && !slices.ContainsFunc(hits, func(h passage) bool { return h.Kind == "decision" }):
		b.WriteString("I know of no decision about that. What was said:\n\n")
	case len(hits) > 1:
		b.WriteString("What I remember of that:\n\n")
	}
	for i, h := range hits {
		if i > 0 {
			b.WriteString("\n")
		}
		if len(hits) > 1 {
			b.WriteString("- ")
		}
		b.WriteString(passageText(c.text, h))
		for _, before := range h.Before {
			b.WriteString("\n  - before that: " + inline(before))
		}
	}
	return b.String() + disagreements(hits) + withheldText(o)
}

// disagreements says that passages contradict each other, and quotes those that
// are not among them.
func disagreements(hits []passage) string {
	var others []string
	found := false
	for _, h := range hits {
		for _, other := range h.Against {
			found = true
			shown := slices.ContainsFunc(hits, func(o passage) bool { return strings.HasPrefix(other, "“"+o.Text+"”") })
			if !shown && !slices.Contains(others, other) {
				others = append(others, other)
			}
		}
	}
	if !found {
		return ""
	}
	text := "\n\nThese do not agree with each other; I cannot say which holds."
	if len(others) > 0 {
		text = "\n\nThat does not agree with what else I remember, and I cannot say which holds:"
		for _, o := range others {
			text += "\n- " + inline(o)
		}
	}
	return text
}

// withheldText says that there is more that cannot be told here.
func withheldText(o outcome) string {
	var r struct {
		Withheld int `json:"withheld"`
	}
	o.into(&r)
	if r.Withheld == 0 {
		return ""
	}
	return "\n\nThere is more that not everybody here may hear; ask me in a direct message."
}

// answers picks the passages that are good enough, best first, at most three;
// a list of action items may be longer.
func answers(c command, hits []passage) []passage {
	want := keywords(c.text)
	if len(want) == 0 {
		most := 3
		if c.focus != focusAll {
			most = 15
		}
		return hits[:min(len(hits), most)]
	}
	type scored struct {
		passage

		cover float64
	}
	var fit []scored
	best := 0.0
	for _, h := range hits {
		cover := covered(want, keywords(h.Text+" "+h.Quote+" "+h.Title+" "+h.Speaker))
		if cover < enough || !substantial(want, h) {
			continue
		}
		best = max(best, cover)
		fit = append(fit, scored{h, cover})
	}
	var out []passage
	for _, h := range fit {
		against := len(h.Against) > 0 && slices.ContainsFunc(out, func(o passage) bool { return len(o.Against) > 0 })
		if h.cover+0.34 >= best && (against && len(out) < 6 || !saysAgain(h.passage, out) && len(out) < 3) {
			out = append(out, h.passage)
		}
	}
	return out
}

// saysAgain reports whether a passage says what one of the others says.
func saysAgain(h passage, others []passage) bool {
	words := keywords(h.Text)
	return slices.ContainsFunc(others, func(o passage) bool {
		said := keywords(o.Text + " " + o.Speaker)
		return covered(words, said) >= 0.75 || covered(said, words) >= 0.75
	})
}

// substantial reports whether the passage itself, not only who said it and
// where, is about the question, and whether a passage of a transcript has words
// of its own beside the question's: an echo is no answer.
func substantial(want []string, h passage) bool {
	own := keywords(h.Text + " " + h.Quote)
	who := keywords(h.Title + " " + h.Speaker)
	about := slices.DeleteFunc(slices.Clone(want), func(w string) bool {
		_, named := slices.BinarySearch(who, w)
		return named
	})
	if len(about) > 0 && covered(about, own) < 0.3 {
		return false
	}
	switch h.Kind {
	case "fact", "minutes", "decision", "action", "question":
		return true
	}
	return len(own) >= 3 && covered(own, want) < 1
}

// overviewText shows what is remembered of one meeting: the one the question
// names, else the one of the first passage.
func overviewText(c command, o outcome) string {
	if !o.done() {
		return "I could not look it up: " + o.why()
	}
	hits := passagesOf(o)
	want := keywords(c.text)
	var of []passage
	for _, h := range hits {
		named := len(want) == 0 || covered(want, keywords(h.Title)) >= enough
		if named && (len(of) == 0 || h.Title == of[0].Title && h.Source == of[0].Source) {
			of = append(of, h)
		}
	}
	if len(of) == 0 {
		return recallText(command{intent: intentRecall, text: c.text}, o)
	}
	var b strings.Builder
	b.WriteString("## " + inline(of[0].Title))
	for _, part := range [...][2]string{{"minutes", ""}, {"decision", headDecisions}, {"action", headActions}, {"question", headQuestions}} {
		var lines []string
		for _, h := range of {
			if h.Kind == part[0] {
				lines = append(lines, "- "+passageText(c.text, h))
			}
		}
		if len(lines) > 0 {
			b.WriteString(strings.TrimRight("\n\n"+part[1], "\n") + "\n" + strings.Join(lines, "\n"))
		}
	}
	return b.String()
}

func passageText(question string, h passage) string {
	text := "“" + excerpt(question, h.Text) + "”"
	// The citation may name the speaker and the day already.
	var more []string
	for _, s := range []string{h.Speaker, h.Date} {
		if s != "" && !strings.Contains(h.Citation, s) {
			more = append(more, inline(s))
		}
	}
	if len(more) > 0 {
		text += " — " + strings.Join(more, ", ")
	}
	if h.Citation != "" {
		text += " " + cited(h.Citation)
	}
	return text
}

// cited sets a citation in square brackets, unless it comes with them.
func cited(c string) string {
	c = squeezed(c)
	if strings.HasPrefix(c, "[") && strings.HasSuffix(c, "]") {
		return c
	}
	return "[" + c + "]"
}

// maxExcerpt is about how many bytes of a passage are quoted.
const maxExcerpt = 320

// excerpt is the part of a passage that shares most with the question: whole
// sentences that stand together, as they are.
func excerpt(question, text string) string {
	text = inline(text)
	if len(text) <= maxExcerpt {
		return text
	}
	want := keywords(question)
	var ends []int
	for i := range len(text) - 1 {
		if strings.IndexByte(".!?", text[i]) >= 0 && text[i+1] == ' ' {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(text))
	bestFrom, bestTo, best := 0, 0, -1.0
	from := 0
	for i, end := range ends {
		to := end
		for _, next := range ends[i+1:] {
			if next-from > maxExcerpt {
				break
			}
			to = next
		}
		if c := covered(want, keywords(text[from:to])); c > best {
			bestFrom, bestTo, best = from, to, c
		}
		from = min(end+1, len(text))
	}
	out := clipped(text[bestFrom:bestTo], maxExcerpt)
	if bestFrom > 0 {
		out = "… " + out
	}
	if bestTo < len(text) && !strings.HasSuffix(out, "…") {
		out += " …"
	}
	return out
}

// routing is the result of route_request.
type routing struct {
	Decision string `json:"decision"`
	Team     string `json:"team"`
	Person   *struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		Available bool   `json:"available"`
	} `json:"person"`
	Confidence float64  `json:"confidence"`
	Reasons    []string `json:"reasons"`
	RunnerUp   string   `json:"runner_up"`
}

// personText names the person after the team.
func (r routing) personText() string {
	if r.Person == nil || r.Person.Name+r.Person.ID == "" {
		return ""
	}
	name := r.Person.Name
	if name == "" {
		name = r.Person.ID
	}
	if !r.Person.Available {
		return ", " + inline(name) + " (not within working hours now)"
	}
	return ", " + inline(name)
}

// sure reports whether the router decided.
func sure(o outcome) bool {
	var r routing
	o.into(&r)
	return o.done() && r.Team != "" && (r.Decision == "do" || r.Decision == "suggest")
}

// routeText says where a request belongs, as sure as the router is.
func routeText(o outcome) string {
	if !o.done() {
		return "I could not find out who takes care of that: " + o.why()
	}
	var r routing
	o.into(&r)
	team := inline(r.Team)
	var b strings.Builder
	switch {
	case team == "":
		b.WriteString("I do not know who takes care of that")
	case r.Decision == "do":
		b.WriteString("That belongs to **" + team + "**")
	case r.Decision == "suggest":
		b.WriteString("That probably belongs to **" + team + "**")
	default:
		b.WriteString("I am not sure who takes care of that. The best guess is **" + team + "**")
	}
	b.WriteString(r.personText())
	if team != "" {
		fmt.Fprintf(&b, " (confidence %.0f %%)", 100*r.Confidence)
	}
	b.WriteString(".")
	if len(r.Reasons) > 0 {
		b.WriteString(" Because: " + inline(strings.Join(r.Reasons, "; ")) + ".")
	}
	if r.RunnerUp != "" {
		b.WriteString(" Next best: " + inline(r.RunnerUp) + ".")
	}
	switch {
	case r.Decision == "suggest" && team != "":
		b.WriteString(" If that is wrong, say “that belongs to …”.")
	case r.Decision != "do":
		b.WriteString(" Where does it belong? Say “that belongs to …” and I will record it.")
	}
	return b.String()
}
