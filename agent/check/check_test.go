package check_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/tools"
)

// store is facts in memory: what the rules make of them is the same for all stores.
type store struct {
	turns []check.Turn
	size  int64
	err   error
}

func (s *store) TurnWorkspaces(context.Context) ([]agent.WorkspaceID, error) {
	return []agent.WorkspaceID{"acme"}, s.err
}

func (s *store) TurnFacts(_ context.Context, _ agent.WorkspaceID, p check.Page) ([]check.Turn, error) {
	var page []check.Turn
	for _, t := range s.turns {
		if t.Seq > p.After && len(page) < p.Limit {
			page = append(page, t)
		}
	}
	return page, nil
}

func (s *store) Strays(context.Context, agent.WorkspaceID, int) ([]check.Stray, error) {
	return nil, nil
}

func (s *store) Size(context.Context, agent.WorkspaceID) (int64, error) { return s.size, nil }

// ended is a turn with all its papers.
func ended(seq int64) check.Turn {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	id := fmt.Sprintf("t%d", seq)
	return check.Turn{
		Seq: seq, ID: id, Status: agent.TurnDone, Created: at, Ended: at.Add(time.Second),
		Requests: 1, Answers: 1,
		Effects:   []check.Effect{{Key: "k", Call: id + "/1", Digest: "d", State: tools.EffectDone, Approval: "A", Attempts: 1}},
		Approvals: []approval.Approval{{ID: "A", State: approval.Spent, Digest: "d", Votes: []approval.Vote{{By: "bob", Person: "bob"}}}},
		Signals:   []check.Signal{{Type: "decided", Approval: "A", State: approval.Approved}},
		Rows: []check.Row{
			{Seq: 1, Kind: audit.TurnAccepted}, {Seq: 2, Kind: audit.CallAsked, Approval: "A"},
			{Seq: 3, Kind: audit.ApprovalDecided, Approval: "A", Status: "approved"},
			{Seq: 4, Kind: audit.CallIntent, Call: id + "/1", Ruling: "ask", Approval: "A"},
			{Seq: 5, Kind: audit.CallOutcome, Call: id + "/1", Status: "done"},
			{Seq: 6, Kind: audit.TurnEnded, Status: "done"},
		},
	}
}

func run(t *testing.T, s *store, live bool) *check.Report {
	t.Helper()
	r, err := check.Run(t.Context(), check.Config{Facts: s, Live: live, Now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryTurnIsLookedAtHoweverManyThereAre(t *testing.T) {
	s := &store{}
	for i := range int64(1001) {
		s.turns = append(s.turns, ended(i+1))
	}
	if r := run(t, s, true); !r.OK() || r.Turns != 1001 || r.Effects != 1001 || r.Rows != 6006 {
		t.Errorf("turns %d, effects %d, rows %d, violations %v", r.Turns, r.Effects, r.Rows, r.Violations)
	}
}

// Whatever row is lost or doubled, some rule notices; only a doubled row about
// nothing in particular could hide, and there is none here.
func TestNoRowOfAStoryCanBeLostOrDoubledUnnoticed(t *testing.T) {
	for i := range ended(1).Rows {
		lost, doubled := ended(1), ended(1)
		lost.Rows = slices.Delete(lost.Rows, i, i+1)
		doubled.Rows = append(doubled.Rows, doubled.Rows[i])
		for what, turn := range map[string]check.Turn{"lost": lost, "doubled": doubled} {
			if r := run(t, &store{turns: []check.Turn{turn}}, false); r.OK() {
				t.Errorf("row %d (%s) was %s, and nothing is wrong", i, ended(1).Rows[i].Kind, what)
			}
		}
	}
}

func TestAStoreThatCannotBeReadIsNoCleanOne(t *testing.T) {
	if _, err := check.Run(t.Context(), check.Config{Facts: &store{err: errors.New("away")}}); err == nil {
		t.Error("no error")
	}
}

func TestMoreViolationsThanFitAreCounted(t *testing.T) {
	s := &store{}
	for i := range int64(600) {
		turn := ended(i + 1)
		turn.Answers = 0
		s.turns = append(s.turns, turn)
	}
	if r := run(t, s, false); len(r.Violations) != 500 || r.More != 100 {
		t.Errorf("%d listed, %d more", len(r.Violations), r.More)
	}
}

// passing is a turn that has just been accepted, and one that is lost for good.
func passing() []check.Turn {
	turn := ended(1)
	turn.Status, turn.Ended, turn.Answers = agent.TurnRunning, time.Time{}, 0
	turn.Rows = turn.Rows[:5]
	return []check.Turn{turn}
}

func TestWhatIsSoForAMomentIsNoViolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, moving := &store{turns: passing(), size: 5}, &store{turns: passing(), size: 5}
		for _, s := range []*store{stuck, moving} {
			w, err := check.NewWatch(check.WatchConfig{Now: time.Now, Open: func(context.Context) (check.Facts, func() error, error) {
				return s, func() error {
					if s == moving {
						s.turns[0].Carried = true
					}
					return nil
				}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := w.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := 0
			if s == stuck {
				want = 1
			}
			if n := w.Broken()[check.TurnEnd]; n != want || !w.Last().After(began) {
				t.Errorf("%d broken, last looked %v; want %d", n, w.Last(), want)
			}
			if err := w.Look(t.Context()); err != nil || w.Broken()[check.TurnEnd] != want {
				t.Errorf("a second look: %v, %v", w.Broken(), err)
			}
		}
	})
}

func TestAWatchSaysWhenItCouldNotLook(t *testing.T) {
	w, err := check.NewWatch(check.WatchConfig{Now: time.Now, Open: func(context.Context) (check.Facts, func() error, error) {
		return nil, nil, errors.New("away")
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Look(t.Context()); err == nil || !w.Last().IsZero() {
		t.Errorf("error %v, last looked %v", err, w.Last())
	}
}
