package tickets_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/tickets"
	"github.com/sous-hq/sous/tools/toolstest"
)

// clock is the tests' own: it moves when a test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// desk is an executor over the ticket tools and a real tracker.
type desk struct {
	*toolstest.Executor
	tracker *sqlite.Tracker
	clock   *clock
}

func open(t *testing.T) desk {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db", Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tracker := sqlite.NewTracker(db, func(id string) string { return "/tickets/" + id })
	return desk{toolstest.NewExecutor(t, registry(t, tracker, c.Now)), tracker, c}
}

func registry(t *testing.T, tracker tickets.Tracker, now func() time.Time) *tools.Registry {
	t.Helper()
	all, err := tickets.New(tickets.Config{Tracker: tracker, Now: now})
	return toolstest.NewRegistry(t, all, err)
}

// file searches and creates.
func (d desk) file(t *testing.T, title string) agent.Outcome {
	t.Helper()
	d.Done("ticket_search", map[string]any{"query": title}, nil)
	return d.Done("ticket_create", map[string]any{"title": title}, nil)
}

// ticket reads one as it is stored.
func (d desk) ticket(t *testing.T, id string) agent.Ticket {
	t.Helper()
	k, err := d.tracker.Ticket(t.Context(), "w", id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func refused(t *testing.T, o agent.Outcome, kind agent.Kind, words ...string) {
	t.Helper()
	if o.Status != agent.Failed || o.Kind != kind.String() {
		t.Fatalf("want failed (%s), got %s (%s) %s %s", kind, o.Status, o.Kind, o.Error, o.Result)
	}
	for _, w := range words {
		if !strings.Contains(o.Error, w) {
			t.Errorf("want %q in %q", w, o.Error)
		}
	}
}

func TestEveryTicketToolKeepsTheRegistrysPromises(t *testing.T) {
	d := open(t)
	d.file(t, "Mend the door")
	toolstest.Registry(t, d.Tools(),
		toolstest.Example{Tool: "ticket_search", Args: map[string]any{"query": "door"}},
		toolstest.Example{Tool: "ticket_search", Args: map[string]any{"query": "nothing like it"}},
		toolstest.Example{Tool: "ticket_get", Args: map[string]any{"id": "T-1"}},
	)
	want := "ticket_assign ticket_close ticket_comment ticket_comment_retract ticket_create ticket_get ticket_label ticket_reopen ticket_search ticket_transition"
	var got []string
	for _, tool := range d.Tools().All() {
		got = append(got, tool.Spec().Name)
	}
	if strings.Join(got, " ") != want {
		t.Errorf("tools %q", got)
	}
}

func TestNoTicketIsMadeWithoutASearchForItInTheSameTurn(t *testing.T) {
	d := open(t)
	create := map[string]any{"title": "Mend the squeaking door"}
	refused(t, d.Do("ticket_create", create), agent.Invalid, "search for duplicates first", "ticket_search", "Mend the squeaking door")

	d.Done("ticket_search", map[string]any{"query": "paint for the wall"}, nil)
	refused(t, d.Do("ticket_create", create), agent.Invalid, "search for duplicates first")

	d.Done("ticket_search", map[string]any{"query": "squeaking door", "status": "done"}, nil)
	refused(t, d.Do("ticket_create", create), agent.Invalid, "search for duplicates first")

	d.Done("ticket_search", map[string]any{"query": ""}, nil)
	refused(t, d.Do("ticket_create", create), agent.Invalid, "search for duplicates first")

	d.Done("ticket_search", map[string]any{"query": "door squeaks"}, nil)
	var made struct{ ID, URL string }
	d.Done("ticket_create", create, &made)
	if made.ID != "T-1" || made.URL != "/tickets/T-1" {
		t.Errorf("made %+v", made)
	}

	d.NewTurn()
	refused(t, d.Do("ticket_create", map[string]any{"title": "Mend the squeaking gate"}), agent.Invalid, "search for duplicates first")
	for _, line := range d.Ledger.Log()[2:] {
		t.Errorf("recorded %q: a refused create must leave no intent", line)
	}
}

func TestALikelyDuplicateIsOfferedInsteadOfMade(t *testing.T) {
	d := open(t)
	d.file(t, "Checkout page crashes on Safari")
	d.file(t, "Order new laptops")
	d.NewTurn()
	var found struct {
		Hits []struct {
			ID              string
			LikelyDuplicate float64 `json:"likely_duplicate"`
		}
	}
	d.Done("ticket_search", map[string]any{"query": "Safari: the chekout page is crashing"}, &found)
	if len(found.Hits) != 1 || found.Hits[0].ID != "T-1" || found.Hits[0].LikelyDuplicate < 0.6 {
		t.Fatalf("found %+v", found.Hits)
	}
	again := map[string]any{"title": "Safari: the chekout page is crashing"}
	refused(t, d.Do("ticket_create", again), agent.Conflict, "T-1", "Checkout page crashes on Safari", "comment there", "not_duplicate_of")
	again["not_duplicate_of"] = []string{"t-1"}
	d.Done("ticket_create", again, nil)
}

func TestAnEndedTicketIsOfferedForReopeningWhileItEndedRecently(t *testing.T) {
	d := open(t)
	d.file(t, "Checkout page crashes on Safari")
	d.Done("ticket_transition", map[string]any{"id": "T-1", "status": "done"}, nil)
	d.Done("ticket_search", map[string]any{"query": "checkout crashes safari"}, nil)
	create := map[string]any{"title": "Checkout page crashes on Safari"}
	refused(t, d.Do("ticket_create", create), agent.Conflict, "T-1", "reopen")
	d.clock.Pass(31 * 24 * time.Hour)
	d.Done("ticket_create", create, nil)
}

func TestADuplicateFiledWhileADecisionWasAwaitedIsNotFiledAgain(t *testing.T) {
	d := open(t)
	d.Done("ticket_search", map[string]any{"query": "Mend the door"}, nil)
	waiting := d.Plan("ticket_create", map[string]any{"title": "Mend the door"})
	if _, err := d.tracker.Create(t.Context(), agent.Write{By: d.Actor, Key: "elsewhere"}, agent.TicketDraft{Title: "Mend the door"}); err != nil {
		t.Fatal(err)
	}
	refused(t, d.Run(waiting), agent.Conflict, "T-1")
}

func TestNeighboursOfOneMeetingAreFiledThoughTheyAreAlike(t *testing.T) {
	d := open(t)
	titles := []string{"Prepare the remote control prototype", "Prepare the remote control prototype demo"}
	for _, title := range titles {
		d.Done("ticket_search", map[string]any{"query": title}, nil)
	}
	for _, title := range titles {
		d.clock.Pass(time.Minute)
		d.Done("ticket_create", map[string]any{"title": title}, nil)
	}
	refused(t, d.Do("ticket_create", map[string]any{"title": titles[0] + "!"}), agent.Conflict, "T-1")
	d.NewTurn()
	d.Done("ticket_search", map[string]any{"query": "remote control prototype show"}, nil)
	refused(t, d.Do("ticket_create", map[string]any{"title": "remote control prototype show"}), agent.Conflict, "not_duplicate_of")
}

func TestARepeatedCreateReturnsTheTicketItMade(t *testing.T) {
	d := open(t)
	d.Done("ticket_search", map[string]any{"query": "Mend the door"}, nil)
	plan := d.Plan("ticket_create", map[string]any{"title": "Mend the door"})
	crash := true
	d.Ledger.Fail = lostOnce(&crash)
	if _, err := d.Execute(t.Context(), plan); err == nil {
		t.Fatal("the outcome was recorded although it could not be")
	}
	o := d.Run(plan)
	var made struct{ ID string }
	if err := json.Unmarshal(o.Result, &made); err != nil || o.Status != agent.Done || made.ID != "T-1" {
		t.Fatalf("%+v, %v", o, err)
	}
	all, err := d.tracker.Search(t.Context(), "w", agent.TicketQuery{})
	if err != nil || len(all) != 1 {
		t.Errorf("the tracker holds %d tickets, %v", len(all), err)
	}
}

func TestEveryChangeCanBeUndone(t *testing.T) {
	d := open(t)
	if o := d.file(t, "Mend the door"); o.Undo == "" {
		t.Error("nobody is told how to take a create back")
	} else {
		d.Undo(o)
	}
	if k := d.ticket(t, "T-1"); k.Status != agent.TicketClosed {
		t.Errorf("an undone create is %s", k.Status)
	}
	d.Done("ticket_reopen", map[string]any{"id": "T-1"}, nil)
	d.Done("ticket_assign", map[string]any{"id": "T-1", "assignee": "Bob"}, nil)
	d.Done("ticket_label", map[string]any{"id": "T-1", "add": []string{"House", "old"}}, nil)
	for _, tc := range []struct {
		tool string
		args map[string]any
	}{
		{"ticket_assign", map[string]any{"id": "T-1", "assignee": "Cem"}},
		{"ticket_assign", map[string]any{"id": "T-1", "assignee": ""}},
		{"ticket_label", map[string]any{"id": "T-1", "add": []string{"new", "house"}, "remove": []string{"old", "absent"}}},
		{"ticket_transition", map[string]any{"id": "T-1", "status": "in_progress"}},
		{"ticket_close", map[string]any{"id": "T-1", "reason": "sold the house"}},
	} {
		before := shown(d.ticket(t, "T-1"))
		o := d.Done(tc.tool, tc.args, nil)
		if after := shown(d.ticket(t, "T-1")); after == before {
			t.Errorf("%s %v changed nothing: %s", tc.tool, tc.args, after)
		}
		undone := d.Undo(o)
		if after := shown(d.ticket(t, "T-1")); after != before {
			t.Errorf("%s %v undone is\n%s, want\n%s", tc.tool, tc.args, after, before)
		}
		if !d.CanUndo(undone) {
			t.Errorf("undoing %s cannot be undone", tc.tool)
		}
	}
}

func shown(k agent.Ticket) string { return fmt.Sprint(k.Status, " ", k.Assignee, " ", k.Labels) }

func TestNothingIsUndoneThatChangedNothing(t *testing.T) {
	d := open(t)
	d.file(t, "Mend the door")
	for tool, args := range map[string]map[string]any{
		"ticket_reopen": {"id": "T-1"},
		"ticket_assign": {"id": "T-1", "assignee": ""},
		"ticket_label":  {"id": "T-1", "remove": []string{"absent"}},
	} {
		var out struct{ Changed bool }
		if o := d.Done(tool, args, &out); out.Changed || o.Undo != "" || d.CanUndo(o) {
			t.Errorf("%s: changed %v, undo %q", tool, out.Changed, o.Undo)
		}
	}
}

func TestARetractedCommentStaysReadableAndMarked(t *testing.T) {
	d := open(t)
	d.file(t, "Mend the door")
	o := d.Done("ticket_comment", map[string]any{"id": "1", "body": "Use oil."}, nil)
	undone := d.Undo(o)
	var got struct {
		Comments []struct {
			Body      string
			Retracted bool
		}
	}
	d.Done("ticket_get", map[string]any{"id": "T-1"}, &got)
	if len(got.Comments) != 1 || got.Comments[0].Body != "Use oil." || !got.Comments[0].Retracted {
		t.Errorf("%+v", got)
	}
	d.Undo(undone)
	got.Comments = nil
	d.Done("ticket_get", map[string]any{"id": "T-1"}, &got)
	if got.Comments[0].Retracted {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsWrittenFromUntrustedTextStaysUntrusted(t *testing.T) {
	d := open(t)
	d.file(t, "In her own words")
	if o := d.Done("ticket_get", map[string]any{"id": "T-1"}, nil); o.Label.Integrity != agent.Organisation {
		t.Errorf("one person's words are the organisation's to the next reader, not %s", o.Label.Integrity)
	}
	d.Context = agent.Label{Integrity: agent.External, Readers: agent.Only("ann"), Sources: []string{"meeting.vtt"}}
	d.file(t, "Quoted from a transcript")
	o := d.Done("ticket_search", map[string]any{"query": "transcript"}, nil)
	l := o.Label
	if l.Integrity != agent.External || l.Readers.Scope != agent.WholeWorkspace || !slices.Equal(l.Sources, []string{"T-2"}) {
		t.Errorf("the label of what was found: %+v", l)
	}
	if stored := d.ticket(t, "T-2").Label; !slices.Equal(stored.Sources, []string{"meeting.vtt"}) {
		t.Errorf("the ticket forgot where it came from: %+v", stored)
	}
	o = d.Done("ticket_search", map[string]any{"query": "zeppelin"}, nil)
	if o.Label.Integrity != agent.Organisation {
		t.Errorf("the label of nothing found: %+v", o.Label)
	}
	d.Done("ticket_comment", map[string]any{"id": "T-1", "body": "from the transcript"}, nil)
	if o := d.Done("ticket_get", map[string]any{"id": "T-1"}, nil); o.Label.Integrity != agent.External {
		t.Errorf("a ticket with an outside comment is %s", o.Label.Integrity)
	}
}

func TestOnlyMembersUseTheTracker(t *testing.T) {
	d := open(t)
	d.file(t, "Mend the door")
	for _, kind := range []agent.ActorKind{agent.Stranger, agent.Guest, agent.Program} {
		d.Actor.Kind = kind
		for tool, args := range map[string]map[string]any{
			"ticket_search": {"query": "door"}, "ticket_get": {"id": "T-1"}, "ticket_create": {"title": "x"},
			"ticket_close": {"id": "T-1"}, "ticket_comment": {"id": "T-1", "body": "hi"},
		} {
			refused(t, d.Do(tool, args), agent.Forbidden)
		}
	}
}

func TestCallsThatCannotRunAreRefusedBeforeAnybodyIsAsked(t *testing.T) {
	d := open(t)
	d.file(t, "Mend the door")
	recorded := len(d.Ledger.Log())
	for _, tc := range []struct {
		tool string
		args map[string]any
		kind agent.Kind
		says string
	}{
		{"ticket_close", map[string]any{"id": "T-9"}, agent.NotFound, "T-9"},
		{"ticket_assign", map[string]any{"id": "soon", "assignee": "Bob"}, agent.NotFound, "T-12"},
		{"ticket_transition", map[string]any{"id": "T-1", "status": "asleep"}, agent.Invalid, "in_progress"},
		{"ticket_comment", map[string]any{"id": "T-1", "body": " "}, agent.Invalid, "empty"},
		{"ticket_comment", map[string]any{"id": "T-1", "body": strings.Repeat("x", 70_000)}, agent.Invalid, "64 KiB"},
		{"ticket_label", map[string]any{"id": "T-1"}, agent.Invalid, "at least one"},
		{"ticket_label", map[string]any{"id": "T-1", "add": []string{"a"}, "remove": []string{"A"}}, agent.Invalid, "added and removed"},
		{"ticket_label", map[string]any{"id": "T-1", "add": []string{" "}}, agent.Invalid, "empty"},
		{"ticket_create", map[string]any{"title": "  "}, agent.Invalid, "title"},
		{"ticket_create", map[string]any{"title": "two\nlines"}, agent.Invalid, "one line"},
		{"ticket_create", map[string]any{"title": strings.Repeat("x", 201)}, agent.Invalid, "200"},
		{"ticket_create", map[string]any{"title": "x", "due": "next Friday"}, agent.Invalid, "2026-03-31"},
		{"ticket_create", map[string]any{"title": "x", "due": "2026-02-30"}, agent.Invalid, "2026-03-31"},
		{"ticket_search", map[string]any{"query": "x", "status": "asleep"}, agent.Invalid, "in_progress"},
		{"ticket_search", map[string]any{"query": "x", "limit": 51}, agent.Invalid, "50"},
	} {
		refused(t, d.Do(tc.tool, tc.args), tc.kind, tc.says)
	}
	if log := d.Ledger.Log(); len(log) != recorded {
		t.Errorf("recorded %q", log[recorded:])
	}
}

func TestACallAboutATicketShowsWhichItIs(t *testing.T) {
	d := open(t)
	d.Done("ticket_search", map[string]any{"query": "oven"}, nil)
	d.Done("ticket_create", map[string]any{"title": "Mend the oven", "assignee": "Bob"}, nil)
	want := []agent.Note{{Title: "Ticket T-1", Text: "Mend the oven\nopen, with Bob"}}
	for tool, args := range map[string]string{
		"ticket_comment": `{"id":"T-1","body":"x"}`, "ticket_assign": `{"id":"T-1","assignee":"Ann"}`, "ticket_label": `{"id":"T-1"}`,
		"ticket_comment_retract": `{"id":"T-1","comment":1}`, "ticket_close": `{"id":"T-1","reason":"x"}`, "ticket_reopen": `{"id":"T-1"}`,
		"ticket_transition": `{"id":"T-1","status":"done"}`,
	} {
		call := agent.Call{Tool: tool, Args: json.RawMessage(args)}
		if got, err := d.About(t.Context(), d.Actor, call); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is about %q, %v; want %q", tool, got, err, want)
		}
		guest := d.Actor
		guest.Kind = agent.Guest
		if got, err := d.About(t.Context(), guest, call); err != nil || len(got) != 0 {
			t.Errorf("%s shows a guest %q, %v", tool, got, err)
		}
	}
	gone := agent.Call{Tool: "ticket_close", Args: json.RawMessage(`{"id":"T-9"}`)}
	if got, err := d.About(t.Context(), d.Actor, gone); err != nil || len(got) != 0 {
		t.Errorf("a ticket that is not there: %q, %v", got, err)
	}
}

func TestATicketThatAPersonWroteNeedsNoSearchBefore(t *testing.T) {
	d := open(t)
	d.Done("ticket_search", map[string]any{"query": "Mend the oven"}, nil)
	d.Done("ticket_create", map[string]any{"title": "Mend the oven"}, nil)
	check := func(args string) error {
		_, err := d.Check(t.Context(), agent.Call{ID: "t/9", Turn: "t", Actor: d.Actor, Tool: "ticket_create", Args: json.RawMessage(args)}, d.Place)
		return err
	}
	if err := check(`{"title":"Paint the door"}`); err != nil {
		t.Errorf("a ticket nobody looked for: %v", err)
	}
	for args, says := range map[string]string{
		`{"title":"Mend the oven!"}`:            "T-1",
		`{"title":"Paint the door","due":"so"}`: "due must be a day",
		`{"title":""}`:                          "needs a title",
		`{"titel":"x"}`:                         "titel",
	} {
		if err := check(args); err == nil || !strings.Contains(agent.PublicText(err), says) {
			t.Errorf("%s: %v; want %q", args, err, says)
		}
	}
	if all, err := d.tracker.Search(t.Context(), "w", agent.TicketQuery{}); err != nil || len(all) != 1 {
		t.Errorf("a check made tickets: %v, %v", all, err)
	}
}
