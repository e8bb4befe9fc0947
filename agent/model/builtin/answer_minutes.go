package builtin

import (
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// The headings of the minutes.
const (
	headDecisions = "**Decisions**"
	headActions   = "**Action items**"
	headQuestions = "**Open questions**"
)

// minutesReport is the part of an answer that shows minutes.
type minutesReport struct {
	all   []*meeting
	focus focus
	// question is what was asked with the file, if anything.
	question string
	// brief leaves out what was shown before, when only tickets were asked for.
	brief bool
}

func (r minutesReport) text() string {
	var parts []string
	for _, m := range r.all {
		switch {
		case m.failed != "":
			parts = append(parts, failedMinutes(m))
		case r.brief:
			parts = append(parts, "From the minutes of "+titleOf(m)+":")
		default:
			parts = append(parts, r.meeting(m))
		}
	}
	return strings.Join(parts, "\n\n")
}

func failedMinutes(m *meeting) string {
	name := "the file"
	if m.file != "" {
		name = "“" + inline(m.file) + "”"
	}
	return "I could not make minutes of " + name + ": " + m.failed
}

func titleOf(m *meeting) string {
	switch {
	case m.Title != "":
		return inline(m.Title)
	case m.file != "":
		return inline(m.file)
	}
	return "the meeting"
}

func (r minutesReport) meeting(m *meeting) string {
	var b strings.Builder
	b.WriteString("## " + titleOf(m))
	if about := aboutMeeting(m); about != "" {
		b.WriteString("\n" + about)
	}
	if hits := r.direct(m); hits != "" {
		b.WriteString("\n\n" + hits)
	}
	if r.focus == focusAll && m.Summary != "" {
		b.WriteString("\n\n" + inline(m.Summary))
	}
	if r.focus == focusAll || r.focus == focusDecisions {
		b.WriteString("\n\n" + section(headDecisions, plainItems(m.Decisions)))
	}
	if r.focus == focusAll || r.focus == focusActions {
		b.WriteString("\n\n" + section(headActions, actionItems(m.Actions)))
	}
	if r.focus == focusAll || r.focus == focusQuestions {
		b.WriteString("\n\n" + section(headQuestions, plainItems(m.Questions)))
	}
	for _, w := range m.Warnings {
		b.WriteString("\n\nNote: " + inline(w))
	}
	if m.Dropped > 0 {
		fmt.Fprintf(&b, "\n\nLeft out of the draft, because the transcript does not bear it out: %d.", m.Dropped)
	}
	return b.String()
}

// aboutMeeting is the line with the day and who took part.
func aboutMeeting(m *meeting) string {
	var facts []string
	if m.Date != "" {
		facts = append(facts, inline(m.Date))
	}
	if len(m.Participants) > 0 {
		facts = append(facts, participants(m.Participants))
	}
	return strings.Join(facts, " · ")
}

// direct shows what in the minutes shares the words of a question that came
// with the file.
func (r minutesReport) direct(m *meeting) string {
	want := keywords(r.question)
	if len(want) == 0 || !asking(r.question) {
		return ""
	}
	var lines []string
	for _, list := range [][]agent.Item{m.Decisions, m.Questions} {
		for _, it := range list {
			if covered(want, keywords(it.Text)) >= enough {
				lines = append(lines, "- "+inline(it.Text)+evidenceText(it.Evidence))
			}
		}
	}
	for _, a := range m.Actions {
		if covered(want, keywords(a.Text)) >= enough {
			lines = append(lines, "- "+actionText(a))
		}
	}
	if len(lines) == 0 {
		return "The minutes say nothing that answers the question directly; here they are."
	}
	return "On the question:\n" + strings.Join(lines[:min(len(lines), 5)], "\n")
}

func participants(names []string) string {
	const most = 12
	shown := names[:min(len(names), most)]
	text := inline(strings.Join(shown, ", "))
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func section(head string, lines []string) string {
	if len(lines) == 0 {
		return head + ": none found"
	}
	return head + "\n" + strings.Join(lines, "\n")
}

// mostItems is how many items of a kind an answer shows.
const mostItems = 40

func plainItems(items []agent.Item) []string {
	var out []string
	for i, it := range items {
		if i == mostItems {
			return append(out, fmt.Sprintf("- and %d more", len(items)-mostItems))
		}
		out = append(out, fmt.Sprintf("%d. %s%s", i+1, inline(it.Text), evidenceText(it.Evidence)))
	}
	return out
}

func actionItems(items []agent.Action) []string {
	var out []string
	for i, a := range items {
		if i == mostItems {
			return append(out, fmt.Sprintf("- and %d more", len(items)-mostItems))
		}
		out = append(out, fmt.Sprintf("%d. %s", i+1, actionText(a)))
	}
	return out
}

func actionText(a agent.Action) string {
	text := inline(a.Text) + " — "
	if a.Owner != nil && *a.Owner != "" {
		text += inline(*a.Owner)
	} else {
		text += "unassigned"
	}
	if a.Due != nil && *a.Due != "" {
		text += ", due " + inline(*a.Due)
	}
	return text + evidenceText(a.Evidence)
}

// evidenceText says who said it and when, for the first two places.
func evidenceText(evidence []agent.Evidence) string {
	var places []string
	for _, e := range evidence[:min(len(evidence), 2)] {
		if e.Speaker == "" && e.Time == "" {
			places = append(places, fmt.Sprintf("line %d", e.Cue))
			continue
		}
		places = append(places, inline(voice(e.Speaker, e.Time)))
	}
	if len(places) == 0 {
		return ""
	}
	return " (" + strings.Join(places, "; ") + ")"
}

// noTranscript answers a request for minutes when there is no file.
func noTranscript(request string) string {
	if len(rePaste.FindAllStringIndex(request, 3)) > 1 {
		return "I read transcripts from files. Save this text as a .txt file with lines like “Name: text”, attach it, and I will make minutes of it."
	}
	return "There is no transcript here. Attach one (WebVTT, SRT, or text with lines like “Name: text”) and I will make minutes of it. To ask about an earlier meeting, say what you want to know, for example “what did we decide about the budget?”."
}
