package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/tickets"
)

// Tracker checks the promises of tickets.Tracker. open returns an empty tracker.
func Tracker(t *testing.T, open func(t *testing.T) tickets.Tracker) {
	t.Helper()
	for name, promise := range map[string]func(*testing.T, tickets.Tracker){
		"a created ticket is returned as it was made":                   trackerCreate,
		"ids count per workspace and are typed in many ways":            trackerIDs,
		"sixteen at once with one key make one ticket":                  trackerOneKey,
		"sixteen at once with sixteen keys make sixteen ids":            trackerManyKeys,
		"the same key returns the first result and changes nothing":     trackerReplay,
		"a key used for another operation is a conflict":                trackerKeyConflict,
		"another workspace sees nothing":                                trackerIsolation,
		"an unknown ticket is not found by any method":                  trackerNotFound,
		"every change is in the history with who and what":              trackerHistory,
		"a change to what is so already changes nothing":                trackerNoChange,
		"sixteen labels at once are all kept":                           trackerLabelRace,
		"comments are numbered and a retracted one stays":               trackerComments,
		"a write's label is joined into the ticket's":                   trackerLabels,
		"search finds words in any form, in title and body, and in ids": trackerSearch,
		"search takes any text as words":                                trackerSearchSyntax,
		"an empty search lists the newest, by status":                   trackerNewest,
	} {
		t.Run(name, func(t *testing.T) { promise(t, open(t)) })
	}
}

// by is a write of Ann's in workspace "w".
func by(key string) agent.Write {
	return agent.Write{By: member("w", "ann"), Key: key, Label: inside()}
}

func member(ws agent.WorkspaceID, id agent.ActorID) agent.Actor {
	return agent.Actor{Workspace: ws, ID: id, Kind: agent.Member}
}

func inside() agent.Label {
	return agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Scanned: true}
}

func mustCreate(t *testing.T, tr tickets.Tracker, w agent.Write, title string) agent.Ticket {
	t.Helper()
	k, err := tr.Create(t.Context(), w, agent.TicketDraft{Title: title})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantKind(t *testing.T, what string, err error, want agent.Kind) {
	t.Helper()
	if err == nil || agent.KindOf(err) != want {
		t.Errorf("%s: want an error of kind %s, got %v", what, want, err)
	}
}

func trackerCreate(t *testing.T, tr tickets.Tracker) {
	d := agent.TicketDraft{
		Title: "Mend the door", Body: "It squeaks.", Assignee: "Bob", Due: "2026-03-31",
		Labels: []string{"house", "door", "door"}, Links: []string{"meeting, 0:12:03"},
	}
	made, err := tr.Create(t.Context(), by("k"), d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Ticket(t.Context(), "w", made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(made) {
		t.Errorf("returned %+v\n  stored %+v", made, got)
	}
	want := agent.Ticket{
		ID: made.ID, Title: d.Title, Body: d.Body, Status: agent.TicketOpen, Assignee: "Bob", Due: d.Due,
		Labels: []string{"door", "house"}, Links: d.Links, CreatedBy: "ann",
		Created: made.Created, Updated: made.Created, URL: made.URL, Label: inside(),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || got.Created.IsZero() {
		t.Errorf("want %+v\n got %+v", want, got)
	}
	found, ok, err := tr.CreatedWith(t.Context(), "w", "k")
	if err != nil || !ok || found.ID != made.ID {
		t.Errorf("by its key: %v %v %v", found.ID, ok, err)
	}
	if _, ok, err := tr.CreatedWith(t.Context(), "w", "other"); ok || err != nil {
		t.Errorf("by another key: %v %v", ok, err)
	}
}

func trackerIDs(t *testing.T, tr tickets.Tracker) {
	first := mustCreate(t, tr, by("1"), "one")
	second := mustCreate(t, tr, by("2"), "two")
	elsewhere := mustCreate(t, tr, agent.Write{By: member("v", "eve"), Key: "1", Label: inside()}, "one")
	if first.ID == second.ID || first.ID != elsewhere.ID {
		t.Errorf("ids %s, %s and elsewhere %s", first.ID, second.ID, elsewhere.ID)
	}
	if first.ID != "T-1" {
		t.Skip("ids of this tracker are not of the form T-1")
	}
	for _, id := range []string{"T-2", "t-2", "#2", "2", " T-2 "} {
		if k, err := tr.Ticket(t.Context(), "w", id); err != nil || k.Title != "two" {
			t.Errorf("%q is %q, %v", id, k.Title, err)
		}
	}
}

// atOnce runs f sixteen times at the same moment and returns its errors.
func atOnce(f func(i int) error) error {
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errors.Join(errs...)
}

func trackerOneKey(t *testing.T, tr tickets.Tracker) {
	ids := make([]string, 16)
	err := atOnce(func(i int) error {
		k, err := tr.Create(t.Context(), by("same"), agent.TicketDraft{Title: "once"})
		ids[i] = k.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 {
		t.Errorf("made %q", ids)
	}
	all, err := tr.Search(t.Context(), "w", agent.TicketQuery{})
	if err != nil || len(all) != 1 {
		t.Errorf("the tracker holds %d tickets, %v", len(all), err)
	}
}

func trackerManyKeys(t *testing.T, tr tickets.Tracker) {
	ids := make([]string, 16)
	err := atOnce(func(i int) error {
		k, err := tr.Create(t.Context(), by(fmt.Sprint("key ", i)), agent.TicketDraft{Title: "many"})
		ids[i] = k.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 16 {
		t.Errorf("made %q", ids)
	}
}

func trackerReplay(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("create"), "Paint")
	for range 2 {
		again := mustCreate(t, tr, by("create"), "Paint")
		if again.ID != k.ID || again.Status != agent.TicketOpen {
			t.Errorf("created again: %s %s", again.ID, again.Status)
		}
		e, err := tr.Transition(t.Context(), by("close"), k.ID, agent.TicketClosed, "done")
		if err != nil || e.Before.Status != agent.TicketOpen || e.After.Status != agent.TicketClosed {
			t.Errorf("closed: %s to %s, %v", e.Before.Status, e.After.Status, err)
		}
		c, err := tr.Comment(t.Context(), by("comment"), k.ID, "blue")
		if err != nil || c.N != 1 {
			t.Errorf("comment %d, %v", c.N, err)
		}
		_, changed, err := tr.Retract(t.Context(), by("retract"), k.ID, 1, true)
		if err != nil || !changed {
			t.Errorf("retracted: %v, %v", changed, err)
		}
	}
	history, err := tr.History(t.Context(), "w", k.ID)
	if err != nil || len(history) != 4 {
		t.Errorf("the history has %d rows, %v: %+v", len(history), err, history)
	}
}

func trackerKeyConflict(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("key"), "Paint")
	_, err := tr.Assign(t.Context(), by("key"), k.ID, "Bob")
	wantKind(t, "assign under the key of create", err, agent.Conflict)
	_, err = tr.Assign(t.Context(), by(""), k.ID, "Bob")
	if err == nil {
		t.Error("a write without a key was taken")
	}
}

func trackerIsolation(t *testing.T, tr tickets.Tracker) {
	k := mustCreate(t, tr, by("1"), "Secret plan")
	eve := agent.Write{By: member("v", "eve"), Key: "1", Label: inside()}
	_, err := tr.Ticket(t.Context(), "v", k.ID)
	wantKind(t, "get", err, agent.NotFound)
	_, err = tr.Assign(t.Context(), eve, k.ID, "eve")
	wantKind(t, "assign", err, agent.NotFound)
	_, err = tr.Comment(t.Context(), eve, k.ID, "hello")
	wantKind(t, "comment", err, agent.NotFound)
	for _, text := range []string{"secret plan", "", k.ID} {
		hits, err := tr.Search(t.Context(), "v", agent.TicketQuery{Text: text})
		if err != nil || len(hits) != 0 {
			t.Errorf("search %q found %d, %v", text, len(hits), err)
		}
	}
	if _, found, err := tr.CreatedWith(t.Context(), "v", "1"); found || err != nil {
		t.Errorf("by key: %v %v", found, err)
	}
}

func trackerNotFound(t *testing.T, tr tickets.Tracker) {
	for _, id := range []string{"T-99", "T-", "", "x", "0", "-1", "T-1.5", "99999999999999999999"} {
		_, err := tr.Ticket(t.Context(), "w", id)
		wantKind(t, "get "+id, err, agent.NotFound)
		_, err = tr.Comments(t.Context(), "w", id)
		wantKind(t, "comments "+id, err, agent.NotFound)
		_, err = tr.History(t.Context(), "w", id)
		wantKind(t, "history "+id, err, agent.NotFound)
		_, err = tr.Comment(t.Context(), by("c"+id), id, "x")
		wantKind(t, "comment "+id, err, agent.NotFound)
		_, _, err = tr.Retract(t.Context(), by("r"+id), id, 1, true)
		wantKind(t, "retract "+id, err, agent.NotFound)
		_, err = tr.Assign(t.Context(), by("a"+id), id, "x")
		wantKind(t, "assign "+id, err, agent.NotFound)
		_, err = tr.Label(t.Context(), by("l"+id), id, []string{"x"}, nil)
		wantKind(t, "label "+id, err, agent.NotFound)
		_, err = tr.Transition(t.Context(), by("t"+id), id, agent.TicketDone, "")
		wantKind(t, "transition "+id, err, agent.NotFound)
	}
	k := mustCreate(t, tr, by("k"), "real")
	_, _, err := tr.Retract(t.Context(), by("none"), k.ID, 1, true)
	wantKind(t, "retract a comment that is not there", err, agent.NotFound)
	_, err = tr.Transition(t.Context(), by("status"), k.ID, "asleep", "")
	wantKind(t, "an unknown status", err, agent.Invalid)
	_, err = tr.Create(t.Context(), by("blank"), agent.TicketDraft{Title: " "})
	wantKind(t, "no title", err, agent.Invalid)
}
