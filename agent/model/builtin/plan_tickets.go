package builtin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent/model"
)

// ticket is a ticket as the tools show it.
type ticket struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Status   string    `json:"status"`
	Assignee string    `json:"assignee"`
	Labels   []string  `json:"labels"`
	Due      string    `json:"due"`
	URL      string    `json:"url"`
	Updated  time.Time `json:"updated"`
	// Alike is set by a search: how alike its query and the title are, 0 to 1.
	Alike float64 `json:"likely_duplicate"`
	// Changed and Was are set by a change of a ticket.
	Changed *bool  `json:"changed"`
	Was     string `json:"was"`
	// Body, Links and Comments are set by ticket_get.
	Body     string   `json:"body"`
	Links    []string `json:"links"`
	Comments []struct {
		Author    string    `json:"author"`
		At        time.Time `json:"at"`
		Body      string    `json:"body"`
		Retracted bool      `json:"retracted"`
	} `json:"comments"`
}

func (t ticket) ended() bool { return t.Status == "done" || t.Status == "closed" }

func hitsOf(o outcome) []ticket {
	var r struct {
		Hits []ticket `json:"hits"`
	}
	o.into(&r)
	return slices.DeleteFunc(r.Hits, func(t ticket) bool { return t.ID == "" })
}

// duplicateAt is from where on the tracker takes titles for the same work, and
// recently how long an ended ticket still counts.
const (
	duplicateAt = 0.6
	recently    = 30 * 24 * time.Hour
)

// duplicates returns the likely duplicates a search found, or why it failed.
func (p *planner) duplicates(search call) ([]ticket, string) {
	o, _ := p.outcomeOf(search)
	if !o.done() {
		return nil, o.why()
	}
	var out []ticket
	for _, t := range hitsOf(o) {
		old := t.ended() && !p.today.IsZero() && p.today.Sub(t.Updated) > recently
		if t.Alike >= duplicateAt && !old {
			out = append(out, t)
		}
	}
	return out, ""
}

// planCreate files tickets the person worded.
func (p *planner) planCreate(c command) step {
	drafts, s, ready := p.drafts(c)
	if !ready {
		return s
	}
	if !p.tools[toolCreate] || !p.tools[toolSearch] {
		return say("I cannot open tickets here: there is no tracker I can use.")
	}
	var searches []call
	for _, d := range drafts {
		searches = append(searches, searchFor(d.title))
	}
	if s, wait := p.need(searches...); wait {
		return s
	}
	f, creates := filing{plain: true}, []call(nil)
	for i, d := range drafts {
		e := filed{title: d.title}
		found, why := p.duplicates(searches[i])
		made := d.create(p, found)
		switch {
		case why != "":
			e.why = "the search for duplicates failed: " + why
		case len(found) > 0 && !d.anyway:
			e.duplicates = found
		default:
			creates = append(creates, made)
			if o, ok := p.outcomeOf(made); ok {
				e.outcome = &o
			}
		}
		if d.vague != "" {
			e.why = strings.TrimSpace(e.why + " I could not make a day of “" + inline(d.vague) + "”, so it has no due date.")
		}
		f.entries = append(f.entries, e)
	}
	if s, wait := p.need(creates...); wait {
		return s
	}
	return say(f.text())
}

// drafts returns what is to be filed: as the command says it, as said before, or
// as the person answers. There is at least one when it is ready.
func (p *planner) drafts(c command) (drafts []ticketDraft, s step, ready bool) {
	drafts = c.drafts
	switch {
	case c.intent == intentCreateSame:
		if drafts = p.earlierDrafts(); len(drafts) == 0 {
			return nil, say("I do not know which ticket you mean. Say it in one sentence, for example “open a ticket: replace the badge reader, it is not a duplicate”."), false
		}
	case c.target.back != "":
		text, _, _ := strings.Cut(strings.TrimSpace(p.said(model.RoleUser)), "\n")
		if text = strip(text); text != "" {
			drafts = []ticketDraft{{title: headed(squeezed(text), maxOwnTitle)}}
		}
	}
	if len(drafts) == 0 {
		if drafts, s, ready = p.askDrafts(c.many); !ready {
			return nil, s, false
		}
	}
	drafts = slices.DeleteFunc(drafts, func(d ticketDraft) bool { return d.title == "" })
	if len(drafts) == 0 {
		return nil, say("I found no words for a title, so no ticket was opened."), false
	}
	return drafts, step{}, true
}

// askDrafts asks what the tickets should say.
func (p *planner) askDrafts(many bool) ([]ticketDraft, step, bool) {
	question := "What should the ticket say?"
	if many {
		question = "What should the tickets say? Please one ticket a line."
	}
	answer, s, ready := p.ask(question)
	if !ready {
		return nil, s, false
	}
	in := setting{dates: dates{p.today}}
	if !many {
		return []ticketDraft{draftOf(answer, "", in)}, step{}, true
	}
	var out []ticketDraft
	for line := range strings.SplitSeq(strings.ReplaceAll(answer, ";", "\n"), "\n") {
		out = append(out, draftOf(strings.TrimLeft(line, " \t-*•"), "", in))
	}
	return out[:min(len(out), 50)], step{}, true
}

// create is the call that files the draft; found are tickets that look alike
// and were said to be no duplicates.
func (d ticketDraft) create(p *planner, found []ticket) call {
	a := args{"title": d.title}.set("body", d.body).set("assignee", p.named(d.assignee)).set("due", d.due).set("labels", d.labels)
	var cleared []string
	for _, t := range found {
		cleared = append(cleared, t.ID)
	}
	return call{toolCreate, a.set("not_duplicate_of", cleared)}
}

// named is a person's name; "me" is who asks.
func (p *planner) named(name string) string {
	switch strings.ToLower(name) {
	case "me", "myself":
		if p.person != "" {
			return p.person
		}
	}
	return name
}

// earlierDrafts returns the tickets asked for before, now to be filed anyway.
func (p *planner) earlierDrafts() []ticketDraft {
	for _, m := range slices.Backward(p.history) {
		if m.Role != model.RoleUser {
			continue
		}
		for _, c := range parse(m.Text, setting{dates: dates{p.today}}) {
			if c.intent == intentCreate && len(c.drafts) > 0 {
				for n := range c.drafts {
					c.drafts[n].anyway = true
				}
				return c.drafts
			}
		}
	}
	return nil
}

// planEdit changes tickets.
func (p *planner) planEdit(c command) step {
	ids, s, ready := p.resolve(c.target, "Which ticket do you mean?")
	if !ready {
		return s
	}
	if s, ready = p.complete(&c, ids); !ready {
		return s
	}
	var calls []call
	for _, id := range ids {
		calls = append(calls, edit(c, id, p))
	}
	if !p.tools[calls[0].tool] {
		return say("I cannot do that here: the tool `" + calls[0].tool + "` is not available.")
	}
	if s, wait := p.need(calls...); wait {
		return s
	}
	var lines []string
	for i, made := range calls {
		o, _ := p.outcomeOf(made)
		lines = append(lines, editLine(c, ids[i], p, o))
	}
	return say(strings.Join(lines, "\n"))
}

// complete asks for what the command lacks.
func (p *planner) complete(c *command, ids []string) (s step, ready bool) {
	question := c.lacks(strings.Join(ids, ", "))
	if question == "" {
		return step{}, true
	}
	answer, s, ready := p.ask(question)
	if !ready {
		return s, false
	}
	switch c.intent {
	case intentAssign:
		if c.name = personName(strings.TrimPrefix(strings.TrimPrefix(answer, "to "), "To ")); c.name == "" {
			return say("I could not read a name in that answer, so nothing was assigned."), false
		}
	case intentLabel:
		c.add = listedWords(answer)
	case intentComment:
		c.text = unquoted(answer)
	default:
		if c.status = statusOf(answer); c.status == "" {
			return say("That is none of the statuses open, in progress, done and closed, so nothing was changed."), false
		}
	}
	return step{}, true
}

// lacks is the question for what the command does not say; "" when it says all.
func (c command) lacks(what string) string {
	switch {
	case c.intent == intentAssign && c.name == "" && !c.clear:
		return "To whom should " + what + " be assigned?"
	case c.intent == intentLabel && len(c.add)+len(c.remove) == 0:
		return "Which label should " + what + " get?"
	case c.intent == intentComment && c.text == "":
		return "What should the comment on " + what + " say?"
	case c.intent == intentTransition && c.status == "":
		return "Which status should " + what + " have: open, in progress, done or closed?"
	}
	return ""
}

// edit is the call that carries out the command on one ticket.
func edit(c command, id string, p *planner) call {
	a := args{"id": id}
	switch c.intent {
	case intentComment:
		return call{toolComment, a.set("body", c.text)}
	case intentAssign:
		a["assignee"] = p.named(c.name)
		return call{toolAssign, a}
	case intentLabel:
		return call{toolLabel, a.set("add", lowered(c.add)).set("remove", lowered(c.remove))}
	case intentClose:
		return call{toolClose, a.set("reason", squeezed(c.text))}
	case intentReopen:
		return call{toolReopen, a}
	default:
		return call{toolTransition, a.set("status", c.status)}
	}
}

func lowered(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, strings.ToLower(s))
	}
	return out
}

// resolve finds the tickets a command is about: in the words, in what was said
// before, or by a search. ready is false when s has to be done first.
func (p *planner) resolve(t target, question string) (ids []string, s step, ready bool) {
	switch {
	case len(t.ids) > 0:
		return t.ids, step{}, true
	case t.words != "":
		return p.resolveWords(t.words)
	case t.back != "":
		if ids = p.mentioned(t); len(ids) > 0 {
			return ids, step{}, true
		}
	}
	answer, s, ready := p.ask(question)
	if !ready {
		return nil, s, false
	}
	if ids = answeredIDs(answer); len(ids) == 0 {
		return nil, say("I could not read a ticket's id in that answer, so nothing was done."), false
	}
	return ids, step{}, true
}

// answeredIDs reads ids where only ids are expected: "3" is one here.
func answeredIDs(s string) []string {
	if ids := ticketIDs(s); len(ids) > 0 {
		return ids
	}
	return ticketIDs("ticket " + strings.TrimSpace(s))
}

// mentioned returns the tickets meant by "it", "them" or "the second one",
// nothing when that is not clear. The last answer counts, then the last request.
func (p *planner) mentioned(t target) []string {
	said := ticketIDs(p.said(model.RoleAssistant))
	asked := ticketIDs(p.said(model.RoleUser))
	if len(said) == 0 {
		said = asked
	}
	switch {
	case t.nth == -1 && len(said) > 0:
		return said[len(said)-1:]
	case t.nth > 0 && t.nth <= len(said):
		return said[t.nth-1 : t.nth]
	case t.nth != 0:
		return nil
	case t.back == "them" || len(said) == 1:
		return said
	case len(asked) == 1 && slices.ContainsFunc(said, func(id string) bool { return sameTicket(id, asked[0]) }):
		return asked
	}
	return nil
}

// resolveWords searches for the ticket that is described.
func (p *planner) resolveWords(words string) (ids []string, s step, ready bool) {
	o, s, ready := p.do(call{toolSearch, args{"query": words}})
	if !ready {
		return nil, s, false
	}
	if !o.done() {
		return nil, say("I could not look for the ticket: " + o.why()), false
	}
	var fit []ticket
	for _, t := range hitsOf(o) {
		if covered(keywords(words), keywords(t.Title)) == 1 {
			fit = append(fit, t)
		}
	}
	switch len(fit) {
	case 0:
		return nil, say("I found no ticket with the words “" + inline(words) + "”, so nothing was done."), false
	case 1:
		return []string{fit[0].ID}, step{}, true
	}
	fit = fit[:min(len(fit), 5)]
	var listed []string
	for _, t := range fit {
		listed = append(listed, fmt.Sprintf("%s (%s)", t.ID, clipped(inline(t.Title), 60)))
	}
	answer, s, ready := p.ask("Which ticket do you mean: " + strings.Join(listed, ", ") + "?")
	if !ready {
		return nil, s, false
	}
	for _, id := range answeredIDs(answer) {
		if slices.ContainsFunc(fit, func(t ticket) bool { return sameTicket(t.ID, id) }) {
			return []string{id}, step{}, true
		}
	}
	if n := ordinal(ordinals.FindString(answer)); n > 0 && n <= len(fit) {
		return []string{fit[n-1].ID}, step{}, true
	}
	return nil, say("That is none of them, so nothing was done."), false
}

// planTicketList answers questions about tickets.
func (p *planner) planTicketList(c command) step {
	a := args{"query": squeezed(c.text)}
	if c.status != "" && c.status != "open" {
		a["status"] = c.status
	}
	if c.text == "" {
		a["limit"] = 50
	}
	o, s, ready := p.do(call{toolSearch, a})
	if !ready {
		return s
	}
	if !o.done() {
		return say("I could not look for tickets: " + o.why())
	}
	owner := c.name
	if c.mine {
		owner = p.person
	}
	var found []ticket
	for _, t := range hitsOf(o) {
		theirs := owner == "" || strings.Contains(strings.ToLower(t.Assignee), strings.ToLower(owner))
		if theirs && (c.status != "open" || !t.ended()) && (!c.dated || t.Due != "") {
			found = append(found, t)
		}
	}
	if c.dated {
		slices.SortStableFunc(found, func(a, b ticket) int { return strings.Compare(a.Due, b.Due) })
	}
	return say(ticketListText(c, owner, found))
}

// planTicketGet answers questions about named tickets.
func (p *planner) planTicketGet(c command) step {
	ids, s, ready := p.resolve(c.target, "Which ticket do you mean?")
	if !ready {
		return s
	}
	var calls []call
	for _, id := range ids {
		calls = append(calls, call{toolGet, args{"id": id}})
	}
	if !p.tools[toolGet] {
		return say("I cannot look at tickets here: there is no tracker I can use.")
	}
	if s, wait := p.need(calls...); wait {
		return s
	}
	var parts []string
	for i, made := range calls {
		o, _ := p.outcomeOf(made)
		if !o.done() {
			parts = append(parts, "I could not look at "+ids[i]+": "+o.why())
			continue
		}
		var t ticket
		o.into(&t)
		parts = append(parts, ticketText(t, ids[i]))
	}
	return say(strings.Join(parts, "\n\n"))
}
