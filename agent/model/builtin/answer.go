package builtin

import (
	"fmt"
	"slices"
	"strings"
)

// signature ends every answer that has content, so that nobody takes the
// built-in model for one that reasons.
const signature = "_Answered by the built-in model: it extracts, it does not reason._"

// signed adds the signature to an answer that was worked out from something.
func (p *planner) signed(text string) string {
	if text == "" {
		text = social(intentUnknown)
	}
	for _, c := range p.commands {
		switch c.intent {
		case intentGreeting, intentThanks, intentHelp, intentDeclined, intentUnknown, intentConditional:
		default:
			return text + "\n\n" + signature
		}
	}
	return text
}

const helpText = `I am Sous, answered here by the built-in model: it needs no network, finds and extracts, and does not reason. I can

- make minutes: attach a transcript and say “summarise this meeting and open tickets for the action items”
- work tickets: “open a ticket: replace the badge reader, assign it to Ann, due 2026-03-31”, “close T-3”, “assign T-3 to Bob”, “which tickets are open?”
- answer from memory: “what did we decide about the remote control?”, “remember that the demo is on the third floor”, “correction: it is on the second floor”, “remember this file”
- say who takes care of something: “who should handle a broken laptop?”

What changes something may be shown to you before it happens.`

// social answers what needs no tool.
func social(i intent) string {
	switch i {
	case intentGreeting:
		return "Hello! I can make minutes of a transcript, work tickets, answer from what I remember and say who takes care of something. Say “help” for examples."
	case intentThanks:
		return "You are welcome."
	case intentHelp:
		return helpText
	case intentDeclined:
		return "All right, I did nothing. What I did before can be taken back with its Undo."
	case intentConditional:
		return "I cannot wait for a condition or a later time, so I did nothing. Tell me again when it is time."
	default:
		return "I did not understand that, so I did nothing. I am the built-in model and know a limited set of requests, for example:\n\n" +
			"- “summarise this meeting” with a transcript attached\n" +
			"- “open a ticket: replace the badge reader”\n" +
			"- “what did we decide about the budget?”"
	}
}

// notDone tells why something was not done, in the words of the outcome.
func notDone(what string, o outcome) string {
	switch o.status {
	case "denied":
		return what + ": it was denied. " + o.why()
	case "waiting":
		return what + " yet: it waits for a decision."
	case "unknown":
		return what + " for certain: it is not known whether it happened. " + o.why() + " Please look before you try again."
	}
	return what + ": " + o.why()
}

// ticketLink is a ticket's id, as a link when it has a page.
func ticketLink(t ticket, id string) string {
	if t.ID != "" {
		id = t.ID
	}
	id = inline(id)
	if t.URL != "" && !strings.ContainsAny(t.URL, " ()<>[]\n\t") {
		return "[" + id + "](" + t.URL + ")"
	}
	return id
}

func statusText(s string) string { return strings.ReplaceAll(inline(s), "_", " ") }

// text tells what became of the tickets that were to be opened, and nothing
// that the outcomes do not say.
func (f filing) text() string {
	if f.why != "" {
		return f.why
	}
	if len(f.entries) == 0 {
		return headTickets + "\n\nThere was no action item to open a ticket for."
	}
	var done, other, doubles []string
	for _, e := range f.entries {
		title := "“" + inline(e.title) + "”"
		switch {
		case e.outcome != nil && e.outcome.done():
			var t ticket
			e.outcome.into(&t)
			done = append(done, createdLine(t, e))
		case e.outcome != nil:
			other = append(other, strings.TrimSpace(notDone("- Not opened: "+title, *e.outcome)+" "+e.why))
		case len(e.duplicates) > 0:
			doubles = append(doubles, duplicateLine(title, e.duplicates[0]))
		default:
			why := e.why
			if why == "" {
				why = "it was not tried"
			}
			other = append(other, "- Not opened: "+title+": "+why)
		}
	}
	var b strings.Builder
	lines := strings.Join(slices.Concat(done, other, doubles), "\n")
	if len(f.entries) == 1 && f.plain {
		b.WriteString(strings.TrimPrefix(lines, "- "))
	} else {
		b.WriteString(headTickets + "\n\n" + lines)
	}
	if len(doubles) > 0 {
		b.WriteString("\n\nIf one of these is something else, say it with “it is not a duplicate”: “open a ticket: …, it is not a duplicate”. To add to the one there is, say “comment on " +
			inline(firstDuplicate(f)) + ": …”.")
	}
	return b.String()
}

const headTickets = "**Tickets**"

func firstDuplicate(f filing) string {
	for _, e := range f.entries {
		if len(e.duplicates) > 0 {
			return e.duplicates[0].ID
		}
	}
	return ""
}

func createdLine(t ticket, e filed) string {
	line := "- Opened " + ticketLink(t, "a ticket") + ": "
	if t.Title != "" {
		line += inline(t.Title)
	} else {
		line += inline(e.title)
	}
	if t.Assignee != "" {
		line += " — " + inline(t.Assignee)
	}
	if t.Due != "" {
		line += ", due " + inline(t.Due)
	}
	if e.why != "" {
		line += ". " + e.why
	}
	return line
}

func duplicateLine(title string, t ticket) string {
	return fmt.Sprintf("- Not opened: %s looks like %s, “%s” (%s).", title, ticketLink(t, "another ticket"), inline(t.Title), statusText(t.Status))
}

// editLine tells what became of one change of a ticket.
func editLine(c command, id string, p *planner, o outcome) string {
	if !o.done() {
		return notDone("I did not "+changeText(c, inline(id), p), o)
	}
	var t ticket
	o.into(&t)
	name := ticketLink(t, id)
	title := ""
	if t.Title != "" {
		title = " (" + clipped(inline(t.Title), 80) + ")"
	}
	if t.Changed != nil && !*t.Changed && c.intent != intentComment {
		return "Nothing to change: " + name + title + " was so already."
	}
	switch c.intent {
	case intentComment:
		return "Commented on " + name + title + "."
	case intentAssign:
		if t.Assignee == "" {
			return name + title + " is assigned to nobody now."
		}
		return name + title + " is assigned to " + inline(t.Assignee) + " now."
	case intentLabel:
		if len(t.Labels) == 0 {
			return name + title + " has no labels now."
		}
		return name + title + " has the labels " + inline(strings.Join(t.Labels, ", ")) + " now."
	default:
		line := name + title + " is " + statusText(t.Status) + " now"
		if t.Was != "" {
			line += ", it was " + statusText(t.Was)
		}
		return line + "."
	}
}

// changeText is what was to be done, after "I did not".
func changeText(c command, id string, p *planner) string {
	switch c.intent {
	case intentComment:
		return "comment on " + id
	case intentAssign:
		if c.clear {
			return "take " + id + " from its assignee"
		}
		return "assign " + id + " to " + inline(p.named(c.name))
	case intentLabel:
		return "change the labels of " + id
	case intentClose:
		return "close " + id
	case intentReopen:
		return "reopen " + id
	default:
		return "move " + id + " to " + statusText(c.status)
	}
}

// ticketListText lists tickets.
func ticketListText(c command, owner string, found []ticket) string {
	what := "tickets"
	if c.status != "" {
		what = statusText(c.status) + " tickets"
	}
	if owner != "" {
		what += " of " + inline(owner)
	}
	if c.dated {
		what += " with a due day"
	}
	if c.text != "" {
		what += " about “" + inline(c.text) + "”"
	}
	if c.mine && owner == "" {
		return "I do not know your name here, so I cannot tell which tickets are yours."
	}
	if len(found) == 0 {
		return "I found no " + what + "."
	}
	const most = 20
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", capital(what))
	for i, t := range found {
		if i == most {
			fmt.Fprintf(&b, "\n- and %d more", len(found)-most)
			break
		}
		fmt.Fprintf(&b, "\n- %s %s — %s", ticketLink(t, ""), inline(t.Title), statusText(t.Status))
		b.WriteString(detail(t))
	}
	return b.String()
}

func detail(t ticket) string {
	s := ", unassigned"
	if t.Assignee != "" {
		s = ", " + inline(t.Assignee)
	}
	if t.Due != "" {
		s += ", due " + inline(t.Due)
	}
	if len(t.Labels) > 0 {
		s += ", labels " + inline(strings.Join(t.Labels, ", "))
	}
	return s
}

// ticketText shows one ticket.
func ticketText(t ticket, id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s — %s%s", ticketLink(t, id), inline(t.Title), statusText(t.Status), detail(t))
	if t.Body != "" {
		b.WriteString("\n\n> " + clipped(inline(t.Body), 600))
	}
	shown := t.Comments[max(0, len(t.Comments)-3):]
	for _, c := range shown {
		if c.Retracted {
			continue
		}
		fmt.Fprintf(&b, "\n- %s, %s: %s", inline(c.Author), c.At.Format("2006-01-02"), clipped(inline(c.Body), 300))
	}
	return b.String()
}
