package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/tickets"
)

func trackerHistory(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Paint")
	bob := agent.Write{By: member("w", "bob"), Key: "2", Label: inside()}
	steps := []func() error{
		func() error { _, err := tr.Assign(t.Context(), bob, k.ID, "Bob"); return err },
		func() error { _, err := tr.Label(t.Context(), by("3"), k.ID, []string{"wall"}, nil); return err },
		func() error { _, err := tr.Comment(t.Context(), by("4"), k.ID, "blue"); return err },
		func() error {
			_, err := tr.Transition(t.Context(), by("5"), k.ID, agent.TicketClosed, "no paint")
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	history, err := tr.History(t.Context(), "w", k.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range history {
		if c.At.IsZero() {
			t.Errorf("%s has no time", c.Field)
		}
		got = append(got, strings.TrimRight(fmt.Sprintf("%s %s: %s -> %s %s", c.By, c.Field, c.From, c.To, c.Reason), " "))
	}
	want := []string{
		"ann created:  -> Paint", "bob assignee:  -> Bob", "ann labels:  -> wall",
		"ann comment:  -> 1", "ann status: open -> closed no paint",
	}
	if !slices.Equal(got, want) {
		t.Errorf("history\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func trackerNoChange(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Paint")
	e, err := tr.Transition(t.Context(), by("2"), k.ID, agent.TicketOpen, "")
	if err != nil || fmt.Sprint(e.Before) != fmt.Sprint(e.After) {
		t.Errorf("open to open: %+v, %v", e, err)
	}
	e, err = tr.Label(t.Context(), by("3"), k.ID, nil, []string{"absent"})
	if err != nil || len(e.After.Labels) != 0 {
		t.Errorf("remove what is not there: %+v, %v", e, err)
	}
	history, err := tr.History(t.Context(), "w", k.ID)
	if err != nil || len(history) != 1 {
		t.Errorf("the history has %d rows, %v", len(history), err)
	}
}

func trackerLabelRace(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Paint")
	err := atOnce(func(i int) error {
		_, err := tr.Label(t.Context(), by(fmt.Sprint("l", i)), k.ID, []string{fmt.Sprintf("label-%02d", i)}, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Ticket(t.Context(), "w", k.ID)
	if err != nil || len(got.Labels) != 16 || !slices.IsSorted(got.Labels) {
		t.Errorf("labels %q, %v", got.Labels, err)
	}
}

func trackerComments(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Paint")
	err := atOnce(func(i int) error {
		_, err := tr.Comment(t.Context(), by(fmt.Sprint("c", i)), k.ID, fmt.Sprint("coat ", i))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c, changed, err := tr.Retract(t.Context(), by("r"), k.ID, 3, true)
	if err != nil || !changed || !c.Retracted || c.N != 3 {
		t.Errorf("retract: %+v %v %v", c, changed, err)
	}
	if _, changed, err := tr.Retract(t.Context(), by("r again"), k.ID, 3, true); err != nil || changed {
		t.Errorf("retract what is retracted: changed %v, %v", changed, err)
	}
	all, err := tr.Comments(t.Context(), "w", k.ID)
	if err != nil || len(all) != 16 {
		t.Fatalf("%d comments, %v", len(all), err)
	}
	for i, c := range all {
		if c.N != i+1 || c.Retracted != (c.N == 3) || !strings.HasPrefix(c.Body, "coat ") || c.Author != "ann" {
			t.Errorf("comment %d is %+v", i+1, c)
		}
	}
	c, changed, err = tr.Retract(t.Context(), by("restore"), k.ID, 3, false)
	if err != nil || !changed || c.Retracted {
		t.Errorf("restore: %+v %v %v", c, changed, err)
	}
}

func trackerLabels(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Paint")
	outside := by("2")
	outside.Label = agent.Label{
		Integrity: agent.External, Readers: inside().Readers, Data: []string{"pii"}, Sources: []string{"meeting.vtt"},
	}
	c, err := tr.Comment(t.Context(), outside, k.ID, "from a transcript")
	if err != nil || fmt.Sprint(c.Label) != fmt.Sprint(outside.Label) {
		t.Errorf("the comment's label is %+v, %v", c.Label, err)
	}
	got, err := tr.Ticket(t.Context(), "w", k.ID)
	if err != nil || fmt.Sprint(got.Label) != fmt.Sprint(inside().Join(outside.Label)) {
		t.Errorf("the ticket's label is %+v, %v", got.Label, err)
	}
}

func trackerSearch(t *testing.T, tr tickets.Tracker) {
	door := mustCreate(t, tr, by("1"), "The kitchen door squeaks")
	wall := mustCreate(t, tr, by("2"), "Paint the wall")
	cafe := mustCreate(t, tr, by("3"), "Réserver le café")
	wide := mustCreate(t, tr, by("4"), "会議室を予約する")
	if _, err := tr.Create(t.Context(), by("5"), agent.TicketDraft{Title: "Call the joiner", Body: "about the kitchen"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Transition(t.Context(), by("6"), wall.ID, agent.TicketDone, ""); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		text, first string
		n           int
		statuses    []agent.TicketStatus
	}{
		{"squeaking DOORS in the kitchen", door.ID, 2, nil},
		{"cafe", cafe.ID, 1, nil},
		{"会議", wide.ID, 1, nil},
		{wall.ID, wall.ID, 1, nil},
		{"paint", wall.ID, 1, []agent.TicketStatus{agent.TicketDone, agent.TicketClosed}},
		{"paint", "", 0, []agent.TicketStatus{agent.TicketOpen}},
		{wall.ID, "", 0, []agent.TicketStatus{agent.TicketOpen}},
		{"zeppelin", "", 0, nil},
	} {
		hits, err := tr.Search(t.Context(), "w", agent.TicketQuery{Text: tc.text, Statuses: tc.statuses})
		if err != nil || (tc.first == "" && len(hits) > 0) {
			t.Errorf("%q found %d, %v", tc.text, len(hits), err)
			continue
		}
		if tc.first != "" && (len(hits) < tc.n || hits[0].ID != tc.first) {
			t.Errorf("%q %v found %+v, want %s first of at least %d", tc.text, tc.statuses, hits, tc.first, tc.n)
		}
	}
	if hits, err := tr.Search(t.Context(), "w", agent.TicketQuery{Text: "kitchen", Limit: 1}); err != nil || len(hits) != 1 {
		t.Errorf("limit 1 found %d, %v", len(hits), err)
	}
}

func trackerSearchSyntax(t *testing.T, tr tickets.Tracker) {
	mustCreate(t, tr, by("1"), "NEAR the door AND not far")
	for _, text := range []string{
		`"`, `door"`, `door OR`, `NEAR(door`, `title:door`, `-door`, `door*`, `(`, `'; DROP TABLE tickets; --`, `^door`, "door\x00", "\xff",
		strings.Repeat("door ", 5000),
	} {
		if _, err := tr.Search(t.Context(), "w", agent.TicketQuery{Text: text}); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, text := range []string{`door"`, `title:door`, `NEAR(door`, `-door`} {
		if hits, err := tr.Search(t.Context(), "w", agent.TicketQuery{Text: text}); err != nil || len(hits) != 1 {
			t.Errorf("%q found %d, %v", text, len(hits), err)
		}
	}
}

func trackerNewest(t *testing.T, tr tickets.Tracker) {
	var last agent.Ticket
	for i := range 25 {
		last = mustCreate(t, tr, by(fmt.Sprint(i)), fmt.Sprint("number ", i))
	}
	if _, err := tr.Transition(t.Context(), by("close"), last.ID, agent.TicketClosed, ""); err != nil {
		t.Fatal(err)
	}
	all, err := tr.Search(t.Context(), "w", agent.TicketQuery{})
	if err != nil || len(all) != 20 || all[0].Title != "number 24" {
		t.Errorf("%d tickets, %v", len(all), err)
	}
	open, err := tr.Search(t.Context(), "w", agent.TicketQuery{Statuses: []agent.TicketStatus{agent.TicketOpen}, Limit: 3})
	if err != nil || len(open) != 3 || open[0].Title != "number 23" {
		t.Errorf("open: %+v, %v", open, err)
	}
}
