package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// crowdPromises are those about approvals that take more than one yes.
func crowdPromises() []promise {
	return []promise{
		{"a question carries whom policy asks, how many and for how long", askedOf},
		{"a yes that is not the last one is recorded, and the turn not told", votes},
		{"of two yeses at once both count, 300 times", quorumRace},
		{"of many clicks by one person one counts", clicksOfOne},
		{"a human counts once, whatever account votes", oneVoteEach},
		{"nobody votes in another's name", forgedVote},
		{"a delivery that comes again records nothing", clickAgain},
		{"a hand-over, a note and a stage are kept and recorded", sideways},
		{"a reminder is counted once", remindRace},
		{"an edit closes the approval and tells the turn the arguments", editTold},
		{"what was superseded is asked as another approval", askedAnew},
	}
}

func sre(n int) agent.Verdict {
	v := asks()
	v.Approvers, v.Quorum, v.TTL = []string{"sre"}, n, 30*time.Minute
	return v
}

// of makes an actor of the group.
func of(id string, groups ...string) agent.Actor {
	a := person(acme, id)
	a.Groups = groups
	return a
}

func askedOf(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	p.Definition, p.Version, p.Editor = "d1", "v1", "cat"
	a := read(t, s, ask(t, s, p, sre(2)))
	if !slices.Equal(a.Approvers, []string{"sre"}) || a.Quorum != 2 || !a.Expires.Equal(a.Created.Add(30*time.Minute)) {
		t.Errorf("approval %+v; want two of sre within half an hour", a)
	}
	if a.Definition != "d1" || a.Version != "v1" || a.Editor != "cat" {
		t.Errorf("approval %+v; want it bound to tool and version", a)
	}
	if a := read(t, s, ask(t, s, proposal(t, ann(), "e1", 2), asks())); !a.Expires.Equal(a.Created.Add(ApprovalTTL)) {
		t.Errorf("expires %v; want the ledger's own time", a.Expires)
	}
}

func votes(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), sre(2))
	if err := approve(t.Context(), s, of("bob", "sre"), id); err != nil {
		t.Fatal(err)
	}
	a := read(t, s, id)
	if a.State != approval.Asked || len(a.Votes) != 1 || a.Votes[0].By != "bob" || !a.Votes[0].At.Equal(s.Clock.Now()) {
		t.Errorf("approval %+v; want bob's vote", a)
	}
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d signals", n)
	}
	rows := record(t, s, acme)
	if e := rows[len(rows)-1]; e.Kind != audit.ApprovalVoted || e.Actor != "bob" || e.Status != "asked" || e.Note != "1 of 2" || e.Approval != id {
		t.Errorf("audit row %+v", e)
	}
	wantError(t, approve(t.Context(), s, of("bob", "sre"), id), agent.Conflict, "1 of 2")
	wantError(t, approve(t.Context(), s, of("cat"), id), agent.Forbidden, "only members of sre")
	if err := approve(t.Context(), s, of("cat", "sre"), id); err != nil {
		t.Fatal(err)
	}
	if a := read(t, s, id); a.State != approval.Approved || len(a.Votes) != 2 || a.Votes[1].By != "cat" || a.DecidedBy != "cat" {
		t.Errorf("approval %+v; want it approved by both", a)
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalVoted, audit.ApprovalDecided)
	want := []loop.Signal{{Type: loop.SignalDecided, Approval: id, State: approval.Approved, By: "cat"}}
	if got := heard(t, s, "e1"); !slices.Equal(got, want) {
		t.Errorf("turn heard %+v; want %+v", got, want)
	}
}

// quorumRace is the trap of counting votes without holding the approval: both
// voters see one vote, theirs, and nobody ever sees two.
func quorumRace(t *testing.T, s Stores) {
	const rounds = 300
	ids := make([]string, rounds)
	for n := range rounds {
		ids[n] = ask(t, s, proposal(t, ann(), "e1", n+1), sre(2))
	}
	var fired, stuck, double atomic.Int64
	work := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for id := range work {
				last := atomic.Int64{}
				for _, err := range race(2, func(i int) error {
					by := of([]string{"bob", "cat"}[i], "sre")
					a, err := s.Change(t.Context(), by, id, func(a approval.Approval) (approval.Approval, error) { return a.Approve(by, s.Clock.Now()) })
					if err == nil && a.State == approval.Approved {
						last.Add(1)
					}
					return err
				}) {
					if err != nil {
						t.Errorf("vote: %v", err)
					}
				}
				fired.Add(min(last.Load(), 1))
				double.Add(max(last.Load()-1, 0))
				if a, err := s.Approval(t.Context(), acme, id); err != nil || a.State != approval.Approved || len(a.Votes) != 2 {
					stuck.Add(1)
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	wg.Wait()
	if fired.Load() != rounds || stuck.Load() != 0 || double.Load() != 0 {
		t.Errorf("%d fired, %d stuck, %d double; want %d, 0, 0", fired.Load(), stuck.Load(), double.Load(), rounds)
	}
	if n := len(heard(t, s, "e1")); n != rounds {
		t.Errorf("turn heard %d decisions; want %d", n, rounds)
	}
}

func clicksOfOne(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), sre(2))
	bob := of("bob", "sre")
	errs := race(racers, func(int) error { return approve(t.Context(), s, bob, id) })
	oneWinner(t, errs, agent.Conflict, "1 of 2")
	if a := read(t, s, id); a.State != approval.Asked || len(a.Votes) != 1 {
		t.Errorf("approval %+v; want one vote of two", a)
	}
}

func oneVoteEach(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), sre(2))
	phone := of("bob-phone", "sre")
	phone.Person = "bob"
	errs := race(racers, func(i int) error {
		if i%2 == 0 {
			return approve(t.Context(), s, phone, id)
		}
		return approve(t.Context(), s, of("bob", "sre"), id)
	})
	oneWinner(t, errs, agent.Conflict, "1 of 2")
	// A transition that forgets it is held up by the store itself.
	_, err := s.Change(t.Context(), phone, id, func(a approval.Approval) (approval.Approval, error) {
		a.Votes = append(a.Votes, approval.Vote{By: phone.ID, Person: "bob", At: s.Clock.Now()})
		a.State = approval.Approved
		return a, nil
	})
	wantError(t, err, agent.Internal)
	if a := read(t, s, id); a.State != approval.Asked || len(a.Votes) != 1 {
		t.Errorf("approval %+v; want one vote of two", a)
	}
}

func forgedVote(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), sre(2))
	bob := of("bob", "sre")
	_, err := s.Change(t.Context(), bob, id, func(a approval.Approval) (approval.Approval, error) {
		return a.Approve(of("cat", "sre"), s.Clock.Now())
	})
	wantError(t, err, agent.Internal)
	if a := read(t, s, id); len(a.Votes) != 0 {
		t.Errorf("votes %+v", a.Votes)
	}
}

func clickAgain(t *testing.T, s Stores) {
	for _, yes := range []bool{true, false} {
		id := ask(t, s, proposal(t, ann(), fmt.Sprint("e", yes), 1), sre(1))
		d := approval.Decision{By: of("bob", "sre"), Yes: yes, Event: "click-1", At: s.Clock.Now()}
		click := func() error {
			_, err := s.Change(t.Context(), d.By, id, func(a approval.Approval) (approval.Approval, error) { return a.Decide(d) })
			return err
		}
		for _, err := range race(racers, func(int) error { return click() }) {
			if err != nil {
				t.Errorf("the same click again: %v", err)
			}
		}
		s.Clock.Advance(time.Hour)
		if err := click(); err != nil {
			t.Errorf("the same click long after: %v", err)
		}
		d.Event = "click-2"
		wantError(t, click(), agent.Conflict, "Bob already")
		if n := len(heard(t, s, fmt.Sprint("e", yes))); n != 1 {
			t.Errorf("turn heard %d decisions; want 1", n)
		}
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided, audit.CallAsked, audit.ApprovalDecided)
}

func sideways(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), sre(1))
	bob, cat := of("bob", "sre"), of("cat")
	now := s.Clock.Now()
	for _, f := range []func(a approval.Approval) (approval.Approval, error){
		func(a approval.Approval) (approval.Approval, error) {
			return a.Say(approval.Change{By: bob, At: now}, "Why now?")
		},
		func(a approval.Approval) (approval.Approval, error) {
			return a.Delegate(approval.Change{By: bob, At: now}, cat)
		},
		func(a approval.Approval) (approval.Approval, error) { a.Stage++; return a, nil },
	} {
		if _, err := s.Change(t.Context(), bob, id, f); err != nil {
			t.Fatal(err)
		}
	}
	a := read(t, s, id)
	if len(a.Notes) != 1 || a.Notes[0].Text != "Why now?" || len(a.Handed) != 1 || a.Handed[0].To != "cat" || a.Stage != 1 || a.State != approval.Asked {
		t.Errorf("approval %+v", a)
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalNoted, audit.ApprovalHanded, audit.ApprovalEscalated)
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d signals", n)
	}
	if err := approve(t.Context(), s, cat, id); err != nil {
		t.Errorf("the one it was handed to: %v", err)
	}
}

func remindRace(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	s.Clock.Advance(ApprovalTTL / 2)
	errs := race(racers, func(int) error {
		_, err := s.Change(t.Context(), person(acme, "sous"), id, func(a approval.Approval) (approval.Approval, error) {
			return a.Remind(1, s.Clock.Now())
		})
		return err
	})
	oneWinner(t, errs, agent.Conflict, "no such reminder")
	if a := read(t, s, id); a.Reminded != 1 || !a.RemindedAt.Equal(s.Clock.Now()) {
		t.Errorf("reminded %d times, last at %s", a.Reminded, a.RemindedAt)
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalReminded)
}

func editTold(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := ask(t, s, p, asks())
	args := `{"title":"Fix <the> tests"}`
	errs := race(racers, func(int) error {
		_, err := s.Change(t.Context(), ann(), id, func(a approval.Approval) (approval.Approval, error) {
			return a.Edit(approval.Change{By: ann(), At: s.Clock.Now()}, []byte(args))
		})
		return err
	})
	oneWinner(t, errs, agent.Conflict, "Ann already changed this")
	want := []loop.Signal{{Type: loop.SignalDecided, Approval: id, State: approval.Superseded, By: "ann", Args: args}}
	if got := heard(t, s, "e1"); !slices.Equal(got, want) {
		t.Errorf("turn heard %+v; want %+v", got, want)
	}
	rows := record(t, s, acme)
	if e := rows[len(rows)-1]; e.Kind != audit.ApprovalClosed || e.Actor != "ann" || e.Status != "superseded" || e.Note != "edited" || string(e.Args) != args {
		t.Errorf("audit row %+v", e)
	}
	if a := read(t, s, id); string(a.Edited) != args || string(a.Call.Args) != string(p.Call.Args) {
		t.Errorf("approval %+v", a)
	}
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Conflict, "already changed this")

	// By whatever account somebody edits, the turn hears of the human.
	id = ask(t, s, proposal(t, ann(), "e2", 1), asks())
	phone := person(acme, "ann-phone")
	phone.Person = "ann"
	for range 2 { // a click that is delivered twice
		got, err := s.Change(t.Context(), phone, id, func(a approval.Approval) (approval.Approval, error) {
			return a.Edit(approval.Change{By: phone, Event: "click-1", At: s.Clock.Now()}, []byte(args))
		})
		if err != nil || got.EditedBy != "ann" || read(t, s, id).EditedBy != "ann" {
			t.Fatalf("edited %+v, %v", got, err)
		}
	}
	if got := heard(t, s, "e2"); len(got) != 1 || got[0].By != "ann" {
		t.Errorf("turn heard %+v; want one signal by ann", got)
	}
}

func askedAnew(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	seen := map[string]bool{}
	for range 20 {
		id := ask(t, s, p, asks())
		if again := ask(t, s, p, asks()); seen[id] || again != id {
			t.Fatalf("asked as %s, then %s; want one new approval", id, again)
		}
		seen[id] = true
		_, err := s.Change(t.Context(), ann(), id, func(a approval.Approval) (approval.Approval, error) {
			return a.Edit(approval.Change{By: ann(), At: s.Clock.Now()}, []byte(`{"title":"x"}`))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
