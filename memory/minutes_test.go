package memory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

func lines(chunks []memory.Chunk) []string {
	var out []string
	for _, c := range chunks {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s | %s | %s", c.Kind, c.Position, c.Speaker, c.Text, c.Quote)))
	}
	return out
}

func TestMinutesBecomePassagesThatCanBeCited(t *testing.T) {
	t.Parallel()
	ann, due := "Ann", "2026-03-09"
	i := memory.FromMinutes(agent.Minutes{
		Title: "Design", Date: "2026-03-02", Source: "design.vtt",
		Summary:   "The team looked at the case. It was told by Dr. Who that v1.2 is late.\nThey parted early.",
		Decisions: []agent.Item{{Text: "Use rubber.", Evidence: []agent.Evidence{{Cue: 2, Time: "0:00:05", Speaker: "Ann", Quote: "rubber it is"}, {Cue: 3, Time: "0:00:09", Speaker: "Bob", Quote: "fine"}}}},
		Actions:   []agent.Action{{Text: "call the supplier", Owner: &ann, Due: &due}, {Text: "clean up"}},
		Questions: []agent.Item{{Text: "Who pays?", Evidence: []agent.Evidence{{Cue: 4, Speaker: "Bob", Quote: "who pays"}}}},
	}, memory.Meeting{Workspace: "w", Author: "ann", Cues: []agent.Cue{
		{ID: 1, Start: 0, Speaker: "Ann", Text: "Hello."},
		{ID: 2, Start: 5, Speaker: "Ann", Text: "So rubber it is."},
		{ID: 3, Start: 9, Speaker: "Bob", Text: "Fine."},
		{ID: 4, Start: -1, Speaker: "Bob", Text: ""},
		{ID: 5, Start: -1, Speaker: "", Text: "Who pays?"},
	}})
	want := []string{
		"minutes   | The team looked at the case. |",
		"minutes   | It was told by Dr. Who that v1.2 is late. |",
		"minutes   | They parted early. |",
		"decision 0:00:05 Ann | Use rubber. | rubber it is … fine",
		"action   | Ann: call the supplier (due 2026-03-09) |",
		"action   | clean up |",
		"question cue 4 Bob | Who pays? | who pays",
		"transcript 0:00:00 Ann | Hello. So rubber it is. |",
		"transcript 0:00:09 Bob | Fine. |",
		"transcript cue 5  | Who pays? |",
	}
	if got := lines(i.Chunks); !slices.Equal(got, want) {
		t.Errorf("passages:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n, c := range i.Chunks {
		if c.N != n {
			t.Errorf("passage %d is numbered %d", n, c.N)
		}
	}
	if day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC); i.Kind != memory.Minutes || !i.At.Equal(day) || i.Source != "design.vtt" || !i.Chunks[8].At.Equal(day.Add(9*time.Second)) {
		t.Errorf("item %+v", i)
	}
}

func TestMinutesWithoutADateAreOfTheDayGiven(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for _, date := range []string{"", "next Tuesday", "2026-13-40"} {
		if i := memory.FromMinutes(agent.Minutes{Date: date, Summary: "We met."}, memory.Meeting{At: at}); !i.At.Equal(at) {
			t.Errorf("dated %q: %v; want %v", date, i.At, at)
		}
	}
}

func TestALongTranscriptFitsAnItemWithoutLosingItsEnd(t *testing.T) {
	t.Parallel()
	cues := make([]agent.Cue, 5000)
	for n := range cues {
		cues[n] = agent.Cue{ID: n + 1, Start: float64(n), Speaker: []string{"Ann", "Bob"}[n/10%2], Text: fmt.Sprintf("word%d %s", n, strings.Repeat("blah ", 30))}
	}
	chunks := memory.FromCues(cues, time.Time{}, 600)
	if len(chunks) > 600 {
		t.Errorf("%d passages; want at most 600", len(chunks))
	}
	if last := chunks[len(chunks)-1]; !strings.Contains(last.Text, "word4999") {
		t.Errorf("the last passage is %.80q", last.Text)
	}
	if got := memory.FromCues(cues, time.Time{}, 3); len(got) != 3 {
		t.Errorf("%d passages; want the bound of 3 kept", len(got))
	}
	if got := memory.FromCues(cues, time.Time{}, 0); len(got) != 0 {
		t.Errorf("%d passages; want none", len(got))
	}
}

func TestATicketIsRememberedAsItStands(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	k := agent.Ticket{
		ID: "T-3", Title: "Replace the badge reader", Body: "It beeps twice.\n\n" + strings.Repeat("It beeps. ", 100), Status: agent.TicketOpen, Assignee: "Bob", Due: "2026-03-09",
		Labels: []string{"door"}, CreatedBy: "ann", Created: at, Updated: at.Add(time.Hour),
		Label: agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Scanned: true},
	}
	comments := []agent.TicketComment{
		{N: 1, Author: "bob", Body: "Ordered a new one.", At: at, Label: agent.Label{Integrity: agent.External, Readers: agent.Only("ann", "bob"), Scanned: true}},
		{N: 2, Author: "ann", Body: "Never mind.", At: at, Retracted: true},
	}
	i := memory.FromTicket(k, comments, "w")
	got := lines(i.Chunks)
	if len(got) < 4 || !strings.Contains(got[0], "Replace the badge reader. Status: open. Assignee: Bob. Due: 2026-03-09. Labels: door.") ||
		!strings.Contains(got[len(got)-1], "comment 1  | Ordered a new one.") {
		t.Errorf("passages %q", got)
	}
	if i.Kind != memory.Ticket || i.Title != "T-3: Replace the badge reader" || !slices.Equal(i.People, []agent.ActorID{"bob"}) ||
		i.Label.Integrity != agent.External || len(i.Label.Readers.Named) != 2 || i.Slot == "" {
		t.Errorf("the item is %+v", i)
	}
	if again := memory.FromTicket(k, comments, "w"); again.Key != i.Key {
		t.Error("the same state is another item")
	}
	k.Status = agent.TicketDone
	if next := memory.FromTicket(k, comments, "w"); next.Key == i.Key || next.Slot != i.Slot {
		t.Error("another state is the same item, or another ticket's")
	}
}
