package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Turns checks loop.Turns.
func Turns(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a turn that is not there is not found, by any method", noSuchTurn},
		{"another workspace's turn is not found, by any method", turnsApart},
		{"recent turns come newest first, of one conversation or of all", recentTurns},
		{"a turn that has not ended can be moved", movesTurn},
		{"a turn that has ended is not moved", endedStays},
		{"a status that ends a turn is in the audit", statusEnds},
		{"steps come back in order and whole", stepsInOrder},
		{"a replayed step adds nothing", stepsReplayed},
		{"steps are added together or not at all", stepsTogether},
		{"a finished turn holds its answer and all that was used", finishKeeps},
		{"the end of a turn is in the audit, after what it read", finishRecords},
		{"finishing twice changes nothing", finishTwice},
		{"a parked turn shows what it has so far, until it ends", parkShows},
		{"of many ends at once one counts", finishRace},
		{"a turn cannot end unfinished", finishRunning},
		{"who ends a turn learns whether another waits for its conversation", finishTellsOfTheNext},
		{"who asked and where cannot be changed by finishing", finishForges},
		{"without an audit no turn ends", finishNeedsAudit},
	})
}

// everyTurnMethod calls each method with a turn that is not there for ws.
func everyTurnMethod(t *testing.T, s Stores, ws agent.WorkspaceID, id string) {
	t.Helper()
	_, _, _, err := s.Turn(t.Context(), ws, id)
	_, stepsErr := s.Steps(t.Context(), ws, id)
	for what, err := range map[string]error{
		"Turn": err, "Steps": stepsErr,
		"SetStatus": s.SetStatus(t.Context(), ws, id, agent.TurnStopped),
		"Park":      s.Park(t.Context(), ws, id, loop.Parked{Question: "What?"}),
		"Finish":    endTurn(t.Context(), s, ending(agent.Turn{ID: id, Workspace: ws}, "stolen")),
		"Send":      s.Send(t.Context(), ws, id, loop.InboxTopic, loop.Signal{Type: loop.SignalStop}),
	} {
		if agent.KindOf(err) != agent.NotFound || agent.PublicText(err) != "there is no turn "+id {
			t.Errorf("%s: %v; want not found", what, err)
		}
	}
}

func noSuchTurn(t *testing.T, s Stores) {
	everyTurnMethod(t, s, acme, "e9")
	wantKinds(t, s)
}

func turnsApart(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	everyTurnMethod(t, s, globex, "e1")
	turn, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || turn.Status != agent.TurnRunning {
		t.Errorf("our turn is %v, %v; want it still running", turn.Status, err)
	}
	for _, conversation := range []string{"", "c"} {
		if all, err := s.Recent(t.Context(), globex, conversation, 10); err != nil || len(all) != 0 {
			t.Errorf("another workspace reads turns %v, %v", all, err)
		}
	}
	if n := len(record(t, s, globex)); n != 0 {
		t.Errorf("another workspace has %d audit rows", n)
	}
}

func recentTurns(t *testing.T, s Stores) {
	for _, e := range [][2]string{{"e1", "c1"}, {"e2", "c2"}, {"e3", "c1"}} {
		accept(t, s, e[0], e[1], ann())
	}
	for _, tt := range []struct {
		conversation string
		limit        int
		want         []string
	}{
		{"", 0, []string{"e3", "e2", "e1"}},
		{"", 2, []string{"e3", "e2"}},
		{"c1", 10, []string{"e3", "e1"}},
		{"c9", 10, nil},
	} {
		all, err := s.Recent(t.Context(), acme, tt.conversation, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range all {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("recent of %q, at most %d: %v; want %v", tt.conversation, tt.limit, got, tt.want)
		}
	}
}

// status reads where a turn of acme stands.
func status(t *testing.T, s Stores, id string) agent.TurnStatus {
	t.Helper()
	turn, _, _, err := s.Turn(t.Context(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	return turn.Status
}

func movesTurn(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	for _, to := range []agent.TurnStatus{agent.TurnWaiting, agent.TurnRunning, agent.TurnRunning, agent.TurnQueued} {
		if err := s.SetStatus(t.Context(), acme, "e1", to); err != nil {
			t.Fatal(err)
		}
		if got := status(t, s, "e1"); got != to {
			t.Errorf("turn is %v; want %v", got, to)
		}
	}
}

func endedStays(t *testing.T, s Stores) {
	finish(t, s, accept(t, s, "e1", "c", ann()).Turn)
	if err := s.SetStatus(t.Context(), acme, "e1", agent.TurnRunning); err != nil {
		t.Errorf("moving an ended turn: %v; want nothing to happen", err)
	}
	if got := status(t, s, "e1"); got != agent.TurnDone {
		t.Errorf("turn is %v; want it done", got)
	}
}

func statusEnds(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	accept(t, s, "e2", "c", ann())
	for range 2 {
		if err := s.SetStatus(t.Context(), acme, "e1", agent.TurnFailed); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, audit.TurnAccepted, audit.TurnAccepted, audit.TurnEnded)
	if e := record(t, s, acme)[2]; e.Status != "failed" || e.Turn != "e1" {
		t.Errorf("audit row %+v; want e1 failed", e)
	}
	if _, ok, err := s.Claim(t.Context(), acme, "c"); !ok || err != nil {
		t.Errorf("the next turn is not free: %v, %v", ok, err)
	}
}

func stepsInOrder(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	at := s.Clock.Now()
	want := []agent.Step{
		{Turn: "e1", N: 1, Kind: "think", Title: "Thinking", At: at},
		{Turn: "e1", N: 2, Kind: "call", Title: "Tickets", Tool: "ticket_create", Status: "done", Detail: "<T-1>", At: at},
		{Turn: "e1", N: 10, Kind: "answer", Title: "Answered", At: at},
	}
	if err := park(t, s, "e1", want[2], want[0], want[1]); err != nil {
		t.Fatal(err)
	}
	got, err := s.Steps(t.Context(), acme, "e1")
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "steps", got, want)
}

func stepsReplayed(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	for _, title := range []string{"first", "second"} {
		if err := park(t, s, "e1", agent.Step{Turn: "e1", N: 1, Title: title}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Steps(t.Context(), acme, "e1")
	if err != nil || len(got) != 1 || got[0].Title != "first" {
		t.Errorf("steps %v, %v; want the first alone", got, err)
	}
}

func stepsTogether(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	err := park(t, s, "e1", agent.Step{Turn: "e1", N: 1}, agent.Step{Turn: "e1", N: 0})
	wantError(t, err, agent.Invalid)
	got, err := s.Steps(t.Context(), acme, "e1")
	if err != nil || len(got) != 0 {
		t.Errorf("steps %v, %v; want none", got, err)
	}
	if turn, _, _, err := s.Turn(t.Context(), acme, "e1"); err != nil || turn.Status == agent.TurnWaiting {
		t.Errorf("turn %s, %v; want it not parked by a Park that failed", turn.Status, err)
	}
}

// park parks a turn of acme with steps alone.
func park(t *testing.T, s Stores, id string, steps ...agent.Step) error {
	return s.Park(t.Context(), acme, id, loop.Parked{Steps: steps})
}

func parkShows(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	parked := loop.Parked{Answer: "Minutes <b>", Artifacts: map[string]json.RawMessage{"minutes": json.RawMessage(`{"title":"a"}`)}}
	for range 2 {
		if err := s.Park(t.Context(), acme, "e1", parked); err != nil {
			t.Fatal(err)
		}
	}
	turn, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || turn.Status != agent.TurnWaiting || turn.Answer != parked.Answer || string(turn.Artifacts["minutes"]) != `{"title":"a"}` {
		t.Errorf("parked turn %+v, %v", turn, err)
	}
	turn.Status = agent.TurnDone
	f := ending(turn, "over")
	f.Steps = []agent.Step{{Turn: "e1", N: 1, Kind: "call", Title: "last"}}
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	if err := s.Park(t.Context(), acme, "e1", loop.Parked{Question: "More?"}); err != nil {
		t.Errorf("parking an ended turn: %v; want nothing to happen", err)
	}
	turn, _, _, err = s.Turn(t.Context(), acme, "e1")
	steps, stepsErr := s.Steps(t.Context(), acme, "e1")
	if err != nil || stepsErr != nil || turn.Status != agent.TurnDone || len(steps) != 1 {
		t.Errorf("ended turn %+v with steps %v: %v, %v", turn, steps, err, stepsErr)
	}
}

func finishKeeps(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	s.Clock.Advance(time.Minute)
	f := ending(turn, "Two tickets <b>&")
	f.Turn.Prompt, f.Turn.Model, f.Turn.Degraded = "turn@1234", "built-in", "no key"
	f.Turn.Usage = agent.Usage{InputTokens: 100, OutputTokens: 20}
	f.Turn.Artifacts = map[string]json.RawMessage{"minutes": json.RawMessage(`{"title":"a<b"}`)}
	f.Turn.Ended = s.Clock.Now()
	f.Answer.Label = agent.Label{Readers: agent.Only("ann"), Sources: []string{"standup.vtt"}}
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	got, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "turn", got, f.Turn)
	said := messages(t, s, "c")
	if len(said) != 2 {
		t.Fatalf("messages %v; want request and answer", said)
	}
	f.Answer.Conversation, f.Answer.Turn, f.Answer.At = "c", "e1", s.Clock.Now()
	wantJSON(t, "answer", said[1], f.Answer)
	if all, err := s.Unfinished(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("unfinished %v, %v; want none", all, err)
	}
}

func finishRecords(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	f := ending(turn, "done")
	tier := agent.TierRead
	f.Reads = []audit.Entry{
		{Kind: audit.CallRead, Call: "e1/1", Tool: "recall", Tier: &tier, Status: "done"},
		// Reads are reads, of this turn, whatever the caller says.
		{Kind: audit.CallIntent, Workspace: globex, Turn: "e9", Call: "e1/2", Tool: "ticket_search"},
	}
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, audit.TurnAccepted, audit.CallRead, audit.CallRead, audit.TurnEnded)
	rows := record(t, s, acme)
	wantJSON(t, "read", rows[1], audit.Entry{
		Seq: 2, At: s.Clock.Now(), Workspace: acme, Kind: audit.CallRead, Actor: "ann", Turn: "e1",
		Call: "e1/1", Tool: "recall", Tier: &tier, Status: "done",
	})
	if rows[2].Turn != "e1" || rows[3].Status != "done" || rows[3].Actor != "ann" {
		t.Errorf("audit rows %+v", rows[2:])
	}
}

func finishTwice(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	finish(t, s, turn)
	again := ending(turn, "changed")
	again.Turn.Status = agent.TurnFailed
	again.Answer.ID = "another"
	if err := endTurn(t.Context(), s, again); err != nil {
		t.Errorf("finishing twice: %v; want nothing to happen", err)
	}
	got, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || got.Answer != "done" || got.Status != agent.TurnDone {
		t.Errorf("turn %+v, %v; want the first end", got, err)
	}
	if said := messages(t, s, "c"); len(said) != 2 {
		t.Errorf("%d messages; want 2", len(said))
	}
	wantKinds(t, s, audit.TurnAccepted, audit.TurnEnded)
}

func finishRace(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	errs := race(racers, func(int) error { return endTurn(t.Context(), s, ending(turn, "done")) })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if said := messages(t, s, "c"); len(said) != 2 {
		t.Errorf("%d messages; want 2", len(said))
	}
	wantKinds(t, s, audit.TurnAccepted, audit.TurnEnded)
}

func finishTellsOfTheNext(t *testing.T, s Stores) {
	first, second := accept(t, s, "e1", "c", ann()), accept(t, s, "e2", "c", ann())
	elsewhere := accept(t, s, "e3", "d", ann())
	if !first.First || second.First || !elsewhere.First {
		t.Errorf("first in its conversation: %v, %v, %v; want true, false, true", first.First, second.First, elsewhere.First)
	}
	for i, want := range []struct {
		turn   agent.Turn
		queued bool
	}{{elsewhere.Turn, false}, {first.Turn, true}, {second.Turn, false}} {
		queued, err := s.Finish(t.Context(), ending(want.turn, "done"))
		if err != nil || queued != want.queued {
			t.Errorf("end %d: queued %v, %v; want %v", i+1, queued, err, want.queued)
		}
		if queued {
			if got, ok, err := s.Claim(t.Context(), acme, "c"); !ok || err != nil || got.ID != second.Turn.ID {
				t.Errorf("claimed %q, %v, %v", got.ID, ok, err)
			}
		}
	}
}

func finishRunning(t *testing.T, s Stores) {
	f := ending(accept(t, s, "e1", "c", ann()).Turn, "done")
	f.Turn.Status = agent.TurnWaiting
	wantError(t, endTurn(t.Context(), s, f), agent.Invalid)
}

func finishForges(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	f := ending(turn, "done")
	f.Turn.Actor, f.Turn.Conversation, f.Turn.Place = bob(), "elsewhere", agent.Place{ID: "open", Kind: agent.Shared}
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	got, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || got.Actor.ID != "ann" || got.Conversation != "c" || got.Place.Kind != agent.Public {
		t.Errorf("turn %+v, %v; want it as accepted", got, err)
	}
	if said := messages(t, s, "elsewhere"); len(said) != 0 {
		t.Error("the answer was said elsewhere")
	}
}

func finishNeedsAudit(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	withoutAudit(t, s, func() {
		if err := endTurn(t.Context(), s, ending(turn, "done")); err == nil {
			t.Error("ended without an audit")
		}
		if err := s.SetStatus(t.Context(), acme, "e1", agent.TurnStopped); err == nil {
			t.Error("stopped without an audit")
		}
	})
	if got := status(t, s, "e1"); got != agent.TurnRunning {
		t.Errorf("turn is %v; want it running", got)
	}
	if said := messages(t, s, "c"); len(said) != 1 {
		t.Errorf("%d messages; want the request alone", len(said))
	}
}
