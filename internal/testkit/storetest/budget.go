package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/agent/loop"
)

// Budgets checks what a store tells of what models were used for.
func Budgets(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"what was used is summed by person and model, of the day and of the month", spentSums},
		{"a turn that waits counts with what it used so far, once", spentParked},
		{"what was used in another workspace does not count", spentApart},
		{"accounts of one human are one person", spentByHuman},
		{"a turn that a budget refused says so in the record", spentRefused},
	})
}

// used ends a turn that used so much of a model.
func used(t *testing.T, s Stores, id string, by agent.Actor, model string, in, out int) {
	t.Helper()
	f := ending(accept(t, s, id, "c-"+id, by).Turn, "done")
	f.Turn.Model, f.Turn.Usage = model, agent.Usage{InputTokens: in, OutputTokens: out}
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
}

func wantSpent(t *testing.T, s Stores, day, month time.Time, want ...budget.Spent) {
	t.Helper()
	got, err := s.Spent(t.Context(), acme, day, month)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("spent %+v, %v; want %+v", got, err, want)
	}
}

func usage(in, out int) agent.Usage { return agent.Usage{InputTokens: in, OutputTokens: out} }

func spentSums(t *testing.T, s Stores) {
	month := s.Clock.Now().Add(time.Minute)
	used(t, s, "before", ann(), "big", 1000, 1000)
	s.Clock.Advance(time.Hour)
	used(t, s, "e1", ann(), "big", 10, 1)
	used(t, s, "e2", bob(), "big", 20, 2)
	s.Clock.Advance(24 * time.Hour)
	day := s.Clock.Now()
	used(t, s, "e3", ann(), "big", 30, 3)
	used(t, s, "e4", ann(), "small", 40, 4)
	used(t, s, "free", bob(), "small", 0, 0)
	wantSpent(t, s, day, month,
		budget.Spent{Person: "ann", Model: "big", Day: usage(30, 3), Month: usage(40, 4)},
		budget.Spent{Person: "ann", Model: "small", Day: usage(40, 4), Month: usage(40, 4)},
		budget.Spent{Person: "bob", Model: "big", Month: usage(20, 2)})
	later := s.Clock.Now().Add(time.Hour)
	wantSpent(t, s, later, later)
}

func spentParked(t *testing.T, s Stores) {
	since := s.Clock.Now()
	turn := accept(t, s, "e1", "c", ann()).Turn
	wantSpent(t, s, since, since)
	if err := s.Park(t.Context(), acme, "e1", loop.Parked{Usage: usage(10, 1), Model: "big"}); err != nil {
		t.Fatal(err)
	}
	wantSpent(t, s, since, since, budget.Spent{Person: "ann", Model: "big", Day: usage(10, 1), Month: usage(10, 1)})
	f := ending(turn, "done")
	f.Turn.Model, f.Turn.Usage = "big", usage(15, 2)
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	wantSpent(t, s, since, since, budget.Spent{Person: "ann", Model: "big", Day: usage(15, 2), Month: usage(15, 2)})
}

func spentApart(t *testing.T, s Stores) {
	since := s.Clock.Now()
	used(t, s, "e1", person(globex, "gus"), "big", 10, 1)
	wantSpent(t, s, since, since)
}

func spentByHuman(t *testing.T, s Stores) {
	since := s.Clock.Now()
	phone := ann()
	phone.ID, phone.Person = "U-ann", "ann"
	used(t, s, "e1", phone, "big", 10, 1)
	used(t, s, "e2", ann(), "big", 10, 1)
	wantSpent(t, s, since, since, budget.Spent{Person: "ann", Model: "big", Day: usage(20, 2), Month: usage(20, 2)})
}

func spentRefused(t *testing.T, s Stores) {
	f := ending(accept(t, s, "e1", "c", ann()).Turn, "You have used 1000 of 1000 tokens a day.")
	f.Turn.Status, f.Refused = agent.TurnFailed, f.Turn.Answer
	for range 2 {
		if err := endTurn(t.Context(), s, f); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, audit.TurnAccepted, audit.BudgetRefused, audit.TurnEnded)
	if e := record(t, s, acme)[1]; e.Actor != "ann" || e.Turn != "e1" || e.Note != f.Refused {
		t.Errorf("recorded %+v", e)
	}
}
