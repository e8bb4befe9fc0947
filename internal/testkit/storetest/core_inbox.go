package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Inbox checks loop.Inbox.
func Inbox(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"the first event of a conversation starts", firstStarts},
		{"what was accepted reads back whole", acceptedReadsBack},
		{"an order by button is kept with its exact arguments", orderedReadsBack},
		{"an event without an id is invalid", emptyEvent},
		{"a redelivered event is a duplicate and changes nothing", redelivered},
		{"of many deliveries of one event one is not a duplicate", deliveriesRace},
		{"of many events of one conversation one starts and the others queue", eventsRace},
		{"queued turns are claimed in order, one at a time", claimInOrder},
		{"an event behind a queued turn does not overtake it", noOvertaking},
		{"of many claims one gets the turn", claimsRace},
		{"a parked turn does not hold its conversation up", parkedDoesNotBlock},
		{"conversations do not wait for each other", lanesAreApart},
		{"nothing is claimed where nothing is queued", claimNothing},
		{"unfinished lists every workspace, oldest first, without ended turns", unfinished},
		{"another workspace may use the same ids", inboxApart},
		{"without an audit nothing is accepted", acceptNeedsAudit},
	})
	open.keeps(t, replyPromises())
}

func replyPromises() []promise {
	return []promise{
		{"an answer to a question goes to the turn that asked", replyAnswers},
		{"a redelivered answer is a duplicate and not heard twice", replyOnce},
		{"a second message after the answer is a turn of its own", replyThenTurn},
		{"somebody else's message is no answer", replyByAnother},
		{"a message in another conversation is no answer", replyElsewhere},
		{"an order by button is no answer", orderIsNoReply},
		{"a question taken back waits for no answer", questionTakenBack},
		{"a turn that moved on or ended asks no more", movedOnAsksNoMore},
		{"of many answers at once one is heard and the others are turns", repliesRace},
		{"without an audit no answer is taken", replyNeedsAudit},
	}
}

func firstStarts(t *testing.T, s Stores) {
	acc := accept(t, s, "e1", "c", ann())
	if !acc.Start || acc.Answered != "" || acc.Turn.Status != agent.TurnRunning {
		t.Errorf("first event came to %+v; want a running turn to start", acc)
	}
	wantKinds(t, s, audit.TurnAccepted)
	if e := record(t, s, acme)[0]; e.Turn != "e1" || e.Actor != "ann" || !e.At.Equal(s.Clock.Now()) {
		t.Errorf("audit row %+v; want turn e1 by ann, now", e)
	}
}

func acceptedReadsBack(t *testing.T, s Stores) {
	turn, m := event("e1", "c", ann())
	turn.Created = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.FixedZone("", 3600))
	m.Text, m.At = "größer <b>&\u2028 \"x\"", turn.Created
	m.Files = []agent.FileRef{{ID: "f1", Name: "a.vtt", Media: "text/vtt", Bytes: 7}}
	if _, err := s.Accept(t.Context(), turn, m, nil); err != nil {
		t.Fatal(err)
	}
	got, said, ordered, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || ordered != nil {
		t.Fatalf("turn: ordered %v, error %v", ordered, err)
	}
	turn.Request, turn.Status, turn.Created = m.ID, agent.TurnRunning, turn.Created.UTC()
	m.Conversation, m.Turn, m.At = "c", "e1", m.At.UTC()
	wantJSON(t, "turn", got, turn)
	wantJSON(t, "message", said, m)
}

func orderedReadsBack(t *testing.T, s Stores) {
	turn, m := event("e1", "c", ann())
	want := loop.Ordered{Tool: "ticket_close", Args: json.RawMessage(`{"id":"T-1","why":"a<b & c"}`), Why: "undid “create”"}
	if _, err := s.Accept(t.Context(), turn, m, &want); err != nil {
		t.Fatal(err)
	}
	_, _, got, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || got == nil {
		t.Fatalf("ordered %v, error %v", got, err)
	}
	if got.Tool != want.Tool || got.Why != want.Why || string(got.Args) != string(want.Args) {
		t.Errorf("ordered %+v; want %+v", *got, want)
	}
}

func emptyEvent(t *testing.T, s Stores) {
	turn, m := event("", "c", ann())
	_, err := s.Accept(t.Context(), turn, m, nil)
	wantError(t, err, agent.Invalid)
	wantKinds(t, s)
}

func redelivered(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	turn, m := event("e1", "c", ann())
	m.ID, m.Text = "m-other", "changed"
	acc, err := s.Accept(t.Context(), turn, m, nil)
	if err != nil || !acc.Duplicate || acc.Start || acc.Turn.ID != "e1" {
		t.Errorf("redelivery came to %+v, %v; want a duplicate of e1", acc, err)
	}
	if said := messages(t, s, "c"); len(said) != 1 || said[0].Text != "please do e1" {
		t.Errorf("messages %v; want the first alone", said)
	}
	wantKinds(t, s, audit.TurnAccepted)
}

func deliveriesRace(t *testing.T, s Stores) {
	fresh := make([]bool, racers)
	errs := race(racers, func(i int) error {
		turn, m := event("e1", "c", ann())
		acc, err := s.Accept(t.Context(), turn, m, nil)
		fresh[i] = !acc.Duplicate && acc.Start
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(fresh); n != 1 {
		t.Errorf("%d deliveries were new; want 1", n)
	}
	wantKinds(t, s, audit.TurnAccepted)
}

func eventsRace(t *testing.T, s Stores) {
	started := make([]bool, racers)
	errs := race(racers, func(i int) error {
		turn, m := event(fmt.Sprintf("e%d", i), "c", ann())
		acc, err := s.Accept(t.Context(), turn, m, nil)
		started[i] = acc.Start
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(started); n != 1 {
		t.Errorf("%d turns of one conversation started; want 1", n)
	}
	for i, e := range record(t, s, acme) {
		if e.Seq != int64(i+1) {
			t.Fatalf("row %d has number %d; want no gap", i, e.Seq)
		}
	}
}

func claimInOrder(t *testing.T, s Stores) {
	running := accept(t, s, "e1", "c", ann()).Turn
	for _, id := range []string{"e2", "e3"} {
		if acc := accept(t, s, id, "c", bob()); acc.Start || acc.Turn.Status != agent.TurnQueued {
			t.Fatalf("%s came to %+v; want it queued", id, acc)
		}
	}
	for _, id := range []string{"e2", "e3"} {
		if _, ok, err := s.Claim(t.Context(), acme, "c"); ok || err != nil {
			t.Fatalf("claimed %v, %v while %s runs", ok, err, running.ID)
		}
		finish(t, s, running)
		got, ok, err := s.Claim(t.Context(), acme, "c")
		if err != nil || !ok || got.ID != id || got.Status != agent.TurnRunning {
			t.Fatalf("claimed %+v, %v, %v; want %s running", got, ok, err, id)
		}
		running = got
	}
}

func noOvertaking(t *testing.T, s Stores) {
	first := accept(t, s, "e1", "c", ann()).Turn
	accept(t, s, "e2", "c", ann())
	finish(t, s, first)
	if acc := accept(t, s, "e3", "c", ann()); acc.Start {
		t.Error("e3 started before e2")
	}
}

func claimsRace(t *testing.T, s Stores) {
	first := accept(t, s, "e1", "c", ann()).Turn
	accept(t, s, "e2", "c", ann())
	accept(t, s, "e3", "c", ann())
	finish(t, s, first)
	got := make([]bool, racers)
	errs := race(racers, func(i int) error {
		turn, ok, err := s.Claim(t.Context(), acme, "c")
		got[i] = ok
		if ok && turn.ID != "e2" {
			return fmt.Errorf("claimed %s before e2", turn.ID)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(got); n != 1 {
		t.Errorf("%d claims got a turn; want 1", n)
	}
}

func parkedDoesNotBlock(t *testing.T, s Stores) {
	first := accept(t, s, "e1", "c", ann()).Turn
	accept(t, s, "e2", "c", ann())
	if err := s.SetStatus(t.Context(), acme, first.ID, agent.TurnWaiting); err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.Claim(t.Context(), acme, "c")
	if err != nil || !ok || got.ID != "e2" {
		t.Fatalf("claimed %v, %v, %v; want e2 behind the parked turn", got.ID, ok, err)
	}
	finish(t, s, got)
	if acc := accept(t, s, "e3", "c", ann()); !acc.Start {
		t.Error("e3 waits although only a parked turn is left")
	}
}

func lanesAreApart(t *testing.T, s Stores) {
	accept(t, s, "e1", "c1", ann())
	if acc := accept(t, s, "e2", "c2", ann()); !acc.Start {
		t.Error("the turn of another conversation waits")
	}
}

func claimNothing(t *testing.T, s Stores) {
	if _, ok, err := s.Claim(t.Context(), acme, "nowhere"); ok || err != nil {
		t.Errorf("claimed %v, %v of nothing", ok, err)
	}
}

func unfinished(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	s.Clock.Advance(time.Second)
	accept(t, s, "e1", "c", person(globex, "eve"))
	s.Clock.Advance(time.Second)
	over := accept(t, s, "e2", "c2", ann()).Turn
	parked := accept(t, s, "e3", "c3", ann()).Turn
	accept(t, s, "e4", "c3", ann())
	finish(t, s, over)
	if err := s.SetStatus(t.Context(), acme, parked.ID, agent.TurnWaiting); err != nil {
		t.Fatal(err)
	}
	all, err := s.Unfinished(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range all {
		got = append(got, string(u.Workspace)+" "+u.ID+" "+u.Status.String())
	}
	want := []string{"acme e1 running", "globex e1 running", "acme e3 waiting", "acme e4 queued"}
	if !slices.Equal(got, want) {
		t.Errorf("unfinished %q; want %q", got, want)
	}
}

func inboxApart(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	eve := person(globex, "eve")
	if acc := accept(t, s, "e1", "c", eve); !acc.Start {
		t.Error("another workspace's turn waits for ours")
	}
	if _, ok, err := s.Claim(t.Context(), "third", "c"); ok || err != nil {
		t.Errorf("a stranger workspace claimed %v, %v", ok, err)
	}
	turn, _, _, err := s.Turn(t.Context(), globex, "e1")
	if err != nil || turn.Actor.ID != "eve" {
		t.Errorf("globex reads the turn of %s, %v; want its own", turn.Actor.ID, err)
	}
}

func acceptNeedsAudit(t *testing.T, s Stores) {
	withoutAudit(t, s, func() {
		turn, m := event("e1", "c", ann())
		if _, err := s.Accept(t.Context(), turn, m, nil); err == nil {
			t.Error("accepted without an audit")
		}
	})
	_, _, _, err := s.Turn(t.Context(), acme, "e1")
	wantError(t, err, agent.NotFound)
	if said := messages(t, s, "c"); len(said) != 0 {
		t.Errorf("messages %v were kept", said)
	}
	if acc := accept(t, s, "e1", "c", ann()); !acc.Start {
		t.Error("the event does not start once the audit is back")
	}
}

// question parks a fresh turn of ann's on a question.
func question(t *testing.T, s Stores) agent.Turn {
	t.Helper()
	turn := accept(t, s, "e1", "c", ann()).Turn
	parkOn(t, s, "Which project?")
	return turn
}

// parkOn parks turn e1 on a question.
func parkOn(t *testing.T, s Stores, question string) {
	t.Helper()
	if err := s.Park(t.Context(), acme, "e1", loop.Parked{Question: question}); err != nil {
		t.Fatal(err)
	}
}

// heard counts what a turn has in its inbox.
func heard(t *testing.T, s Stores, turn string) []loop.Signal {
	t.Helper()
	var all []loop.Signal
	for n := 1; ; n++ {
		sig, ok, err := s.Received(t.Context(), acme, turn, loop.InboxTopic, n)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, sig)
	}
}

func replyAnswers(t *testing.T, s Stores) {
	question(t, s)
	acc := accept(t, s, "e2", "c", ann())
	if acc.Answered != "e1" || acc.Turn.ID != "e1" || acc.Start {
		t.Errorf("answer came to %+v; want turn e1 answered", acc)
	}
	want := []loop.Signal{{Type: loop.SignalReply, By: "ann", Text: "please do e2"}}
	if got := heard(t, s, "e1"); !slices.Equal(got, want) {
		t.Errorf("turn heard %+v; want %+v", got, want)
	}
	_, _, _, err := s.Turn(t.Context(), acme, "e2")
	wantError(t, err, agent.NotFound)
	said := messages(t, s, "c")
	if len(said) != 2 || said[1].Text != "please do e2" || said[1].Turn != "e1" {
		t.Errorf("messages %v; want the answer kept with turn e1", said)
	}
	wantKinds(t, s, audit.TurnAccepted, audit.TurnAccepted)
	if e := record(t, s, acme)[1]; e.Turn != "e1" || e.Note != "reply to a question" {
		t.Errorf("audit row %+v; want a reply to turn e1", e)
	}
}

func replyOnce(t *testing.T, s Stores) {
	question(t, s)
	accept(t, s, "e2", "c", ann())
	// Asked again meanwhile: the old event must not answer the new question.
	parkOn(t, s, "And when?")
	turn, m := event("e2", "c", ann())
	acc, err := s.Accept(t.Context(), turn, m, nil)
	if err != nil || !acc.Duplicate || acc.Answered != "e1" || acc.Turn.ID != "e1" {
		t.Errorf("redelivered answer came to %+v, %v; want a duplicate of the answer to e1", acc, err)
	}
	if n := len(heard(t, s, "e1")); n != 1 {
		t.Errorf("turn heard %d answers; want 1", n)
	}
	// Another workspace's events have ids of their own.
	if acc := accept(t, s, "e2", "c", person(globex, "ann")); !acc.Start {
		t.Errorf("another workspace's event came to %+v", acc)
	}
}

func replyThenTurn(t *testing.T, s Stores) {
	question(t, s)
	accept(t, s, "e2", "c", ann())
	if acc := accept(t, s, "e3", "c", ann()); acc.Answered != "" || acc.Turn.ID != "e3" {
		t.Errorf("second message came to %+v; want a turn of its own", acc)
	}
}

func replyByAnother(t *testing.T, s Stores) {
	question(t, s)
	if acc := accept(t, s, "e2", "c", bob()); acc.Answered != "" || !acc.Start {
		t.Errorf("bob's message came to %+v; want a turn of his own", acc)
	}
	if acc := accept(t, s, "e2", "c", person(globex, "ann")); acc.Answered != "" {
		t.Errorf("another workspace's ann answered our question: %+v", acc)
	}
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d answers; want none", n)
	}
}

func replyElsewhere(t *testing.T, s Stores) {
	question(t, s)
	if acc := accept(t, s, "e2", "c2", ann()); acc.Answered != "" {
		t.Errorf("message elsewhere came to %+v", acc)
	}
}

func orderIsNoReply(t *testing.T, s Stores) {
	question(t, s)
	turn, m := event("e2", "c", ann())
	acc, err := s.Accept(t.Context(), turn, m, &loop.Ordered{Tool: "ticket_close", Args: json.RawMessage(`{}`)})
	if err != nil || acc.Answered != "" || acc.Turn.ID != "e2" {
		t.Errorf("order came to %+v, %v; want a turn", acc, err)
	}
}

func questionTakenBack(t *testing.T, s Stores) {
	question(t, s)
	parkOn(t, s, "")
	if acc := accept(t, s, "e2", "c", ann()); acc.Answered != "" {
		t.Errorf("message came to %+v; want a turn", acc)
	}
}

func movedOnAsksNoMore(t *testing.T, s Stores) {
	turn := question(t, s)
	if err := s.SetStatus(t.Context(), acme, "e1", agent.TurnRunning); err != nil {
		t.Fatal(err)
	}
	if acc := accept(t, s, "e2", "c", ann()); acc.Answered != "" {
		t.Errorf("message to a running turn came to %+v", acc)
	}
	parkOn(t, s, "Still there?")
	finish(t, s, turn)
	parkOn(t, s, "Hello?")
	if acc := accept(t, s, "e3", "c", ann()); acc.Answered != "" {
		t.Errorf("message to an ended turn came to %+v", acc)
	}
}

func repliesRace(t *testing.T, s Stores) {
	question(t, s)
	answered := make([]bool, racers)
	errs := race(racers, func(i int) error {
		turn, m := event(fmt.Sprintf("r%d", i), "c", ann())
		acc, err := s.Accept(t.Context(), turn, m, nil)
		answered[i] = acc.Answered == "e1"
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n, m := count(answered), len(heard(t, s, "e1")); n != 1 || m != 1 {
		t.Errorf("%d messages answered and %d were heard; want 1 and 1", n, m)
	}
}

func replyNeedsAudit(t *testing.T, s Stores) {
	question(t, s)
	withoutAudit(t, s, func() {
		turn, m := event("e2", "c", ann())
		if _, err := s.Accept(t.Context(), turn, m, nil); err == nil {
			t.Error("an answer was taken without an audit")
		}
	})
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d answers; want none", n)
	}
	if acc := accept(t, s, "e2", "c", ann()); acc.Answered != "e1" {
		t.Errorf("the question is gone: %+v", acc)
	}
}

func count(all []bool) int {
	n := 0
	for _, yes := range all {
		if yes {
			n++
		}
	}
	return n
}
