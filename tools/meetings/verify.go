package meetings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// Verify turns a draft into minutes. Nothing in the draft is believed: an item
// whose quote is not in its cues (or up to three away) is dropped and counted;
// what is kept as the quote is the cue's own text; an owner or a due date that
// the quoted words do not support becomes nil. Title, date, participants and
// source come from the transcript.
func Verify(d Draft, t Transcript) agent.Minutes {
	m := agent.Minutes{
		Title: t.Title, Date: t.Date, Source: t.Name,
		Participants: append([]string{}, t.Participants...),
		Summary:      strings.TrimSpace(strings.ToValidUTF8(d.Summary, "")),
		Decisions:    []agent.Item{}, Actions: []agent.Action{}, Questions: []agent.Item{},
	}
	f := newFinder(t.Cues)
	who := newOwners(t)
	items := func(list []DraftItem) []agent.Item {
		out := []agent.Item{}
		for _, it := range list {
			found := f.find(it.Quote, it.Cues)
			text := itemText(it.Text)
			if found == nil || text == "" {
				m.Dropped++
				continue
			}
			out = append(out, agent.Item{Text: text, Evidence: f.evidence(found)})
		}
		return out
	}
	m.Decisions = items(d.Decisions)
	m.Questions = items(d.Questions)
	for _, it := range d.Actions {
		found := f.find(it.Quote, it.Cues)
		text := itemText(it.Text)
		if found == nil || text == "" {
			m.Dropped++
			continue
		}
		a := agent.Action{Text: text, Evidence: f.evidence(found)}
		if it.Owner != nil {
			a.Owner = who.of(*it.Owner, f, found)
		}
		if it.Due != nil {
			a.Due = dueOf(*it.Due, quotes(a.Evidence), t.Date)
		}
		m.Actions = append(m.Actions, a)
	}
	return m
}

func quotes(list []agent.Evidence) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Quote
	}
	return out
}

// maxItemText bounds an item's text, in bytes.
const maxItemText = 500

func itemText(s string) string {
	s = oneLine(strings.ToValidUTF8(s, ""))
	if len(s) > maxItemText {
		s = strings.ToValidUTF8(s[:maxItemText], "") + "…"
	}
	return s
}

// evidenceTime renders seconds as h:mm:ss, "" when there are none.
func evidenceTime(start float64) string {
	if start < 0 {
		return ""
	}
	s := int(start)
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Unverified returns a sentence for every claim of the minutes that does not
// hold against the transcript: a quote outside its cue, a speaker or owner who
// is no participant. It repeats the check on the result, for evaluations and
// for whoever stores minutes that came from elsewhere.
func Unverified(m agent.Minutes, t Transcript) []string {
	var bad []string
	f := newFinder(t.Cues)
	check := func(text string, list []agent.Evidence) {
		if len(list) == 0 {
			bad = append(bad, fmt.Sprintf("%q has no evidence", text))
		}
		for _, e := range list {
			i := f.index(e.Cue)
			switch {
			case i < 0:
				bad = append(bad, fmt.Sprintf("%q names cue %d, which does not exist", text, e.Cue))
			case e.Quote == "" || !strings.Contains(f.cues[i].Text, e.Quote):
				bad = append(bad, fmt.Sprintf("%q quotes what cue %d does not say", text, e.Cue))
			case e.Speaker != f.cues[i].Speaker || e.Time != evidenceTime(f.cues[i].Start):
				bad = append(bad, fmt.Sprintf("%q names another speaker or time than cue %d", text, e.Cue))
			}
		}
	}
	for _, it := range slices.Concat(m.Decisions, m.Questions) {
		check(it.Text, it.Evidence)
	}
	for _, a := range m.Actions {
		check(a.Text, a.Evidence)
		if a.Owner != nil && !slices.Contains(t.Participants, *a.Owner) {
			bad = append(bad, fmt.Sprintf("%q belongs to %q, who is no participant", a.Text, *a.Owner))
		}
		if a.Due != nil && !validDate(*a.Due) {
			bad = append(bad, fmt.Sprintf("%q is due %q, which is no date", a.Text, *a.Due))
		}
	}
	return bad
}
