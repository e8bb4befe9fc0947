package builtin

import (
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// meeting is the result of meeting_minutes, or why there is none.
type meeting struct {
	agent.Minutes

	Warnings []string `json:"warnings"`
	file     string
	failed   string
}

// item is an action item from which a ticket may be made.
type item struct {
	title  string
	action agent.Action
	from   *meeting
	// recalled is set instead of from for items out of memory.
	recalled *passage
}

// planMinutes makes minutes, then looks for duplicates of each action item,
// then proposes the tickets, then reports. The later steps are planned only
// when the person's own words asked for tickets.
func (p *planner) planMinutes(c command) step {
	files := p.files
	if len(files) == 0 {
		files = p.earlierFiles()
	}
	if len(files) == 0 {
		if c.tickets {
			return p.planRecalledTickets(c)
		}
		return say(noTranscript(p.request))
	}
	var calls []call
	for _, id := range fileIDs(files) {
		calls = append(calls, call{toolMinutes, args{"file": id}})
	}
	if !p.tools[toolMinutes] {
		return say("I cannot read the file here: the tool `" + toolMinutes + "` is not available.")
	}
	if s, wait := p.need(calls...); wait {
		return s
	}
	var all []*meeting
	for i, c := range calls {
		all = append(all, p.meetingOf(c, nameOf(files, i)))
	}
	report := minutesReport{all: all, focus: c.focus, question: c.text, brief: c.intent == intentFileTickets}
	if !c.tickets {
		return say(report.text())
	}
	filing, s := p.file(c.pick.from(itemsOf(all)))
	minutes := report.text()
	switch {
	case s != nil && slices.ContainsFunc(s.calls, func(c call) bool { return c.tool == toolCreate }):
		// People see the minutes before they decide on the tickets.
		return step{calls: s.calls, text: minutes}
	case s != nil:
		return *s
	case slices.ContainsFunc(p.told, func(said string) bool { return strings.Contains(said, minutes) }):
		return say(filing.text())
	}
	return say(minutes + "\n\n" + filing.text())
}

func nameOf(files []agent.FileRef, i int) string {
	if i < len(files) {
		return files[i].Name
	}
	return ""
}

func (p *planner) meetingOf(c call, name string) *meeting {
	m := &meeting{file: name}
	o, _ := p.outcomeOf(c)
	if !o.done() {
		m.failed = o.why()
		return m
	}
	o.into(m)
	return m
}

func itemsOf(all []*meeting) []item {
	var out []item
	for _, m := range all {
		for _, a := range m.Actions {
			out = append(out, item{title: headed(inlineTitle(a.Text), maxOwnTitle), action: a, from: m})
		}
	}
	return out
}

// inlineTitle is one line of a text that is to become an argument: unlike in
// answers nothing is replaced in it.
func inlineTitle(s string) string { return strings.TrimRight(squeezed(s), " .;,") }

// from returns the picked items.
func (p pick) from(items []item) []item {
	var out []item
	for i, it := range items {
		owner := ""
		if it.action.Owner != nil {
			owner = *it.action.Owner
		}
		keep := p.first == 0 || i < p.first
		if len(p.nth) > 0 {
			keep = false
			for _, n := range p.nth {
				keep = keep || n == i+1 || n == -1 && i == len(items)-1
			}
		}
		if p.owner != "" && !strings.Contains(strings.ToLower(owner), strings.ToLower(p.owner)) {
			keep = false
		}
		if keep {
			out = append(out, it)
		}
	}
	return out
}

// filing is what became of the tickets for action items.
type filing struct {
	// plain leaves the heading out for a single ticket that was asked for alone.
	plain   bool
	why     string
	entries []filed
}

// filed is one item with what became of it. Exactly one of duplicates and
// outcome is set, or neither when it could not be tried; why then says it.
type filed struct {
	title      string
	duplicates []ticket
	outcome    *outcome
	why        string
}

// file searches for duplicates of each item and proposes tickets for those that
// have none. It returns the step to take while there is one.
func (p *planner) file(items []item) (filing, *step) {
	f := filing{}
	if !p.tools[toolSearch] || !p.tools[toolCreate] {
		f.why = "No tickets were opened: there is no tracker I can use here."
		return f, nil
	}
	var searches []call
	var unique []item
	seen := map[string]bool{}
	for _, it := range items {
		if it.title == "" || seen[strings.ToLower(it.title)] {
			continue
		}
		seen[strings.ToLower(it.title)] = true
		unique = append(unique, it)
		searches = append(searches, searchFor(it.title))
	}
	if s, wait := p.need(searches...); wait {
		return f, &s
	}
	var creates []call
	for i, it := range unique {
		e := filed{title: it.title}
		found, why := p.duplicates(searches[i])
		c := it.create()
		switch {
		case why != "":
			e.why = "the search for duplicates failed: " + why
		case len(found) > 0:
			e.duplicates = found
		default:
			creates = append(creates, c)
			if o, made := p.outcomeOf(c); made {
				e.outcome = &o
			}
		}
		f.entries = append(f.entries, e)
	}
	if s, wait := p.need(creates...); wait {
		return f, &s
	}
	return f, nil
}

// searchFor is the search without which no ticket may be created: by its title,
// over all statuses.
func searchFor(title string) call { return call{toolSearch, args{"query": title}} }

// create is the call that files the item. Owner and due day are given only when
// the minutes, which code has checked, have them.
func (it item) create() call {
	a := args{"title": it.title}
	if it.recalled != nil {
		a.set("body", it.recalled.body()).set("source", it.recalled.Citation)
		return call{toolCreate, a}
	}
	a.set("body", it.body()).set("source", headed(it.from.Source, 1000))
	if it.action.Owner != nil {
		a.set("assignee", squeezed(*it.action.Owner))
	}
	if it.action.Due != nil {
		a.set("due", *it.action.Due)
	}
	return call{toolCreate, a}
}

func (it item) body() string {
	var b strings.Builder
	if text := inlineTitle(it.action.Text); text != it.title {
		b.WriteString(text + "\n\n")
	}
	for _, e := range it.action.Evidence {
		b.WriteString("“" + squeezed(e.Quote) + "” — " + voice(e.Speaker, e.Time) + "\n\n")
	}
	if it.from.Title != "" {
		b.WriteString("From the minutes of " + squeezed(it.from.Title))
		if it.from.Date != "" {
			b.WriteString(", " + it.from.Date)
		}
		b.WriteString(".")
	}
	return strings.TrimSpace(b.String())
}

// voice names who said something and when.
func voice(speaker, at string) string {
	speaker, at = squeezed(speaker), squeezed(at)
	switch {
	case speaker == "" && at == "":
		return "speaker not known"
	case speaker == "":
		return at
	case at == "":
		return speaker
	}
	return speaker + ", " + at
}

// planRecalledTickets files remembered action items when no transcript is at
// hand: those of the meeting that was spoken of last, if one was.
func (p *planner) planRecalledTickets(c command) step {
	o, s, ready := p.do(call{toolRecall, args{"query": "action items", "kinds": []string{"action"}}})
	if !ready {
		return s
	}
	if !o.done() {
		return say("I could not look up the action items: " + o.why() + "\n\nNo tickets were opened.")
	}
	var items []item
	for _, h := range p.ofLastMeeting(passagesOf(o)) {
		items = append(items, item{title: headed(inlineTitle(h.Text), maxOwnTitle), recalled: &h, action: agent.Action{Text: h.Text}})
	}
	items = c.pick.from(items)
	if len(items) == 0 {
		return say("I found no action items to open tickets for. Attach the transcript, or summarise the meeting first.")
	}
	f, next := p.file(items)
	if next != nil {
		return *next
	}
	return say(f.text())
}

// ofLastMeeting keeps the passages of the meeting the last answer names; all
// when it names none of theirs.
func (p *planner) ofLastMeeting(all []passage) []passage {
	last := ""
	if n := len(p.history); n > 0 {
		last = p.history[n-1].Text
	}
	var out []passage
	for _, h := range all {
		if h.Title != "" && strings.Contains(last, inline(h.Title)) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return all
	}
	return out
}
