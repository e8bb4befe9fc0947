package builtin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/agent/model"
)

// passage is a hit of recall.
type passage struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Title    string  `json:"title"`
	Text     string  `json:"text"`
	Quote    string  `json:"quote"`
	Speaker  string  `json:"speaker"`
	Time     string  `json:"time"`
	Date     string  `json:"date"`
	Source   string  `json:"source"`
	Score    float64 `json:"score"`
	Citation string  `json:"citation"`
	// Mine says that the person who asks had it remembered.
	Mine bool `json:"mine"`
	// Against and Before are what contradicts it and what it took the place of,
	// quoted with their citations.
	Against []string `json:"disagrees_with"`
	Before  []string `json:"before"`
}

func (h passage) body() string {
	var b strings.Builder
	if h.Quote != "" {
		b.WriteString("“" + squeezed(h.Quote) + "” — " + voice(h.Speaker, h.Time) + "\n\n")
	}
	if h.Citation != "" {
		b.WriteString("From " + squeezed(h.Citation) + ".")
	}
	return strings.TrimSpace(b.String())
}

func passagesOf(o outcome) []passage {
	var r struct {
		Hits []passage `json:"hits"`
	}
	o.into(&r)
	return slices.DeleteFunc(r.Hits, func(h passage) bool { return strings.TrimSpace(h.Text) == "" })
}

// maxQuery is how much of a question is searched for, in runes.
const maxQuery = 400

// recallFor is the search of memory for a question.
func recallFor(c command) call {
	a := args{"query": headed(squeezed(c.text), maxQuery)}.set("since", c.since)
	if c.history {
		a["history"] = true
	}
	if c.overview {
		a["kinds"], a["limit"] = []string{"minutes", "decision", "action", "question"}, 50
		if len(keywords(c.text)) == 0 {
			a["query"] = "" // the newest
		}
		return call{toolRecall, a}
	}
	if len(keywords(c.text)) > 0 {
		return call{toolRecall, a}
	}
	// "What are the action items" names nothing but a kind.
	switch c.focus {
	case focusActions:
		a["kinds"] = []string{"action"}
	case focusDecisions:
		a["kinds"] = []string{"decision"}
	case focusQuestions:
		a["kinds"] = []string{"question"}
	case focusAll:
	}
	return call{toolRecall, a}
}

// planRecall answers a question from memory.
func (p *planner) planRecall(c command) step {
	o, s, ready := p.do(recallFor(c))
	if !ready {
		return s
	}
	if c.overview {
		return say(overviewText(c, o))
	}
	if c.mine && c.focus == focusActions {
		return say(p.ownActions(c, o))
	}
	if c.history {
		// "Originally" says what is asked for and not what it is about.
		c.text = reHistory.ReplaceAllString(c.text, " ")
	}
	return say(recallText(c, o))
}

// ownActions lists the action items of who asks. A remembered action begins
// with its owner's name.
func (p *planner) ownActions(c command, o outcome) string {
	if p.person == "" {
		return "I do not know your name here, so I cannot tell which action items are yours."
	}
	first, _, _ := strings.Cut(p.person, " ")
	var mine []passage
	for _, h := range passagesOf(o) {
		owner, _, named := strings.Cut(h.Text, ":")
		if named && (strings.EqualFold(owner, p.person) || strings.EqualFold(owner, first)) {
			mine = append(mine, h)
		}
	}
	if o.done() && len(mine) == 0 {
		return "I found no action items of " + inline(p.person) + " in what I remember."
	}
	return recallFrom(c, o, mine)
}

func (p *planner) planRemember(c command) step {
	text := c.text
	if reThatOnly.MatchString(text) {
		answer, s, ready := p.ask("What should I remember?")
		if !ready {
			return s
		}
		text = answer
	}
	o, s, ready := p.do(call{toolRemember, args{"text": text}})
	if !ready {
		return s
	}
	var k keeping
	if o.into(&k); o.done() && k.Already {
		return say("I remember that already: “" + inline(text) + "”." + disagreeing(o))
	}
	if o.done() {
		return say("I will remember: “" + inline(text) + "”." + disagreeing(o))
	}
	return say(notDone("I did not remember that", o))
}

// planForget finds what is meant and forgets it when exactly one thing is.
func (p *planner) planForget(c command) step {
	query := c.text
	if reThatOnly.MatchString(query) {
		query = p.lastRemembered()
	}
	if query == "" {
		answer, s, ready := p.ask("What should I forget?")
		if !ready {
			return s
		}
		query = answer
	}
	o, s, ready := p.do(call{toolRecall, args{"query": headed(squeezed(query), maxQuery), "limit": 10}})
	if !ready {
		return s
	}
	if !o.done() {
		return say("I could not look for it: " + o.why())
	}
	fit := forgettable(query, passagesOf(o))
	var h passage
	switch len(fit) {
	case 0:
		return say("I found nothing about “" + inline(query) + "” in what I remember, so nothing was forgotten.")
	case 1:
		h = fit[0]
	default:
		if h, s, ready = p.which("Which one should I forget", fit); !ready {
			return s
		}
	}
	done, s, ready := p.do(call{toolForget, args{"id": h.ID}})
	if !ready {
		return s
	}
	what := "“" + clipped(inline(h.Text), 200) + "”"
	if done.done() {
		return say("Forgotten: " + what + ".")
	}
	return say(notDone("I did not forget "+what, done))
}

// lastRemembered is the text of the last request to remember something.
func (p *planner) lastRemembered() string {
	for _, m := range slices.Backward(p.history) {
		if m.Role != model.RoleUser {
			continue
		}
		if c := parse(m.Text, setting{})[0]; c.intent == intentRemember {
			return c.text
		}
	}
	return ""
}

// forgettable returns the items, each once, that hold the words meant.
func forgettable(query string, hits []passage) []passage {
	want := keywords(query)
	var out []passage
	for _, h := range hits {
		known := slices.ContainsFunc(out, func(o passage) bool { return o.ID == h.ID })
		if h.ID == "" || known || covered(want, keywords(h.Text+" "+h.Title)) < 0.75 {
			continue
		}
		if squeezed(h.Text) == squeezed(query) {
			return []passage{h}
		}
		out = append(out, h)
	}
	return out
}

// which asks which of several items is meant.
func (p *planner) which(question string, fit []passage) (h passage, s step, ready bool) {
	fit = fit[:min(len(fit), 5)]
	var listed []string
	for i, f := range fit {
		listed = append(listed, "("+strconv.Itoa(i+1)+") "+clipped(inline(f.Text), 80))
	}
	answer, s, ready := p.ask(question + ": " + strings.Join(listed, "; ") + "?")
	if !ready {
		return h, s, false
	}
	n := ordinal(ordinals.FindString(answer))
	if n == 0 {
		n = ordinal(strings.Trim(answer, " ().#"))
	}
	if n == -1 {
		n = len(fit)
	}
	if n >= 1 && n <= len(fit) {
		return fit[n-1], step{}, true
	}
	if named := forgettable(answer, fit); len(named) == 1 {
		return named[0], step{}, true
	}
	return h, say("That is none of them, so nothing was done."), false
}

// planRoute asks the router, and memory too when the question may mean either.
func (p *planner) planRoute(c command) step {
	text, s, ready := p.routedText(c)
	if !ready {
		return s
	}
	route := call{toolRoute, args{"text": text}}
	ask := call{toolRecall, args{"query": headed(squeezed(p.request), maxQuery)}}
	calls := []call{route}
	if c.also {
		calls = append(calls, ask)
	}
	if s, wait := p.need(calls...); wait {
		return s
	}
	o, asked := p.outcomeOf(route)
	remembered, recalled := p.outcomeOf(ask)
	recalled = recalled && c.also
	found := ""
	if recalled {
		found = recallText(command{intent: intentRecall, text: p.request}, remembered)
	}
	switch {
	case !asked && !recalled:
		return say("I cannot say who takes care of that: there is no router and no memory I can use here.")
	case !asked:
		return say(found)
	case !recalled || sure(o) || !remembered.done() || strings.HasPrefix(found, nothingFound):
		return say(routeText(o))
	}
	return say("From what I remember:\n" + found + "\n\n" + routeText(o))
}

// routedText is the request to be routed: in the words of the command, in what
// was said before, in the ticket it names, or as the person answers.
func (p *planner) routedText(c command) (text string, s step, ready bool) {
	text = c.text
	if reThatOnly.MatchString(text) || len(keywords(text)) == 0 {
		text = strings.TrimSpace(p.said(model.RoleUser))
	}
	if text == "" {
		return p.ask("What is the request about that should be routed?")
	}
	ids := ticketIDs(text)
	if len(ids) != 1 || !p.tools[toolGet] || len(keywords(text)) > 3 {
		return text, step{}, true
	}
	// "Route T-3": what the ticket says is what is to be routed.
	o, s, ready := p.do(call{toolGet, args{"id": ids[0]}})
	if !ready {
		return "", s, false
	}
	var t ticket
	o.into(&t)
	if !o.done() || t.Title == "" {
		return "", say("I could not look at " + ids[0] + ": " + o.why()), false
	}
	return squeezed(t.Title + ". " + clipped(t.Body, 1000)), step{}, true
}

// planRouteRecord keeps where a request belongs, in the request's own words.
func (p *planner) planRouteRecord(c command) step {
	text := c.text
	if text == "" {
		text = p.lastRouted()
	}
	if text == "" {
		return say("I do not know which request you mean. Say it like this: record: “the printer on floor 2 is jammed” belongs to facilities.")
	}
	o, s, ready := p.do(call{toolRecord, args{"text": text, "team": c.name}})
	if !ready {
		return s
	}
	if !o.done() {
		return say(notDone("I did not record that", o))
	}
	var r struct {
		Team string `json:"team"`
	}
	o.into(&r)
	if r.Team == "" {
		r.Team = c.name
	}
	return say("Recorded: “" + clipped(inline(text), 200) + "” belongs to " + inline(r.Team) + ". Similar requests will go there.")
}

// lastRouted is the text of the last request for a routing.
func (p *planner) lastRouted() string {
	text, before := "", ""
	for _, m := range p.history {
		if m.Role != model.RoleUser {
			continue
		}
		if c := parse(m.Text, setting{})[0]; c.intent == intentRoute {
			if text = c.text; reThatOnly.MatchString(text) || len(keywords(text)) == 0 {
				text = before
			}
		}
		before = strings.TrimSpace(m.Text)
	}
	return text
}
