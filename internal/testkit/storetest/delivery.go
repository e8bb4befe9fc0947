package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// Deliveries checks delivery.Store. open returns an empty store on the clock.
func Deliveries(t *testing.T, open func(t *testing.T) (delivery.Store, *Clock)) {
	for _, p := range []struct {
		name  string
		check func(t *testing.T, s deliveries)
	}{
		{"what was kept waits in order until it is done, and is kept once", deliveriesOnce},
		{"of many who keep the same at once one is told that it is new", deliveriesAtOnce},
		{"what is done is known and its content gone", deliveriesDone},
		{"a batch is kept whole or not at all", deliveriesWhole},
		{"another workspace or source sees nothing", deliveriesApart},
		{"one holder shows a thing until its lease ends", deliveriesLease},
		{"a holder retains all it shows at once, and nothing else", deliveriesRetain},
		{"of many who take a lease at once one gets it", deliveriesLeaseRace},
		{"a turn that ended is found until it was shown to its end, however long ago it was asked", deliveriesUnshown},
		{"posts stand where they were noted last", deliveriesPosts},
		{"what is over and done is forgotten in time, what waits never", deliveriesForget},
	} {
		t.Run(p.name, func(t *testing.T) {
			s, clock := open(t)
			p.check(t, deliveries{s, clock, delivery.Front{Workspace: acme, Source: "slack"}})
		})
	}
}

type deliveries struct {
	delivery.Store
	clock *Clock
	front delivery.Front
}

func (s deliveries) keep(t *testing.T, ids ...string) []bool {
	t.Helper()
	var all []delivery.Delivery
	for _, id := range ids {
		all = append(all, delivery.Delivery{ID: id, Queue: "q", Body: []byte("body of " + id)})
	}
	fresh, err := s.Keep(t.Context(), s.front, all)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

// waiting lists the ids of what waits now.
func (s deliveries) waiting(t *testing.T) []string {
	t.Helper()
	all, err := s.Waiting(t.Context(), s.front, s.clock.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, one := range all {
		if string(one.Body) != "body of "+one.ID || one.Queue != "q" || one.At.IsZero() {
			t.Errorf("%+v", one)
		}
		ids = append(ids, one.ID)
	}
	return ids
}

func (s deliveries) settle(t *testing.T, what delivery.Settled) {
	t.Helper()
	if err := s.Settle(t.Context(), s.front, what); err != nil {
		t.Fatal(err)
	}
}

func wantIDs(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v; want %v", what, got, want)
	}
}

func deliveriesOnce(t *testing.T, s deliveries) {
	if got := s.keep(t, "c", "a", "b", "a"); !slices.Equal(got, []bool{true, true, true, false}) {
		t.Errorf("new: %v", got)
	}
	s.clock.Advance(time.Minute)
	if got := s.keep(t, "a", "d"); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("new the second time: %v", got)
	}
	wantIDs(t, "waiting", s.waiting(t), "c", "a", "b", "d")
	all, err := s.Waiting(t.Context(), s.front, s.clock.Now())
	if err != nil || len(all) != 3 {
		t.Errorf("%d kept before now, %v; want 3", len(all), err)
	}
	s.settle(t, delivery.Settled{Done: []string{"a", "c", "unknown"}})
	wantIDs(t, "waiting", s.waiting(t), "b", "d")
}

func deliveriesAtOnce(t *testing.T, s deliveries) {
	var told atomic.Int32
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			all := []delivery.Delivery{{ID: "x", Queue: "q", Body: []byte("body of x")}, {ID: "y", Queue: "q", Body: []byte("body of y")}}
			if i%2 == 0 {
				slices.Reverse(all)
			}
			fresh, err := s.Keep(t.Context(), s.front, all)
			if err != nil {
				t.Error(err)
			}
			for _, f := range fresh {
				if f {
					told.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if told.Load() != 2 || len(s.waiting(t)) != 2 {
		t.Errorf("%d were told that theirs is new; want 2", told.Load())
	}
}

func deliveriesDone(t *testing.T, s deliveries) {
	s.keep(t, "a")
	s.settle(t, delivery.Settled{Done: []string{"a"}})
	if got := s.keep(t, "a"); got[0] {
		t.Error("what was done counts as new")
	}
	wantIDs(t, "waiting", s.waiting(t))
}

func deliveriesWhole(t *testing.T, s deliveries) {
	if _, err := s.Keep(t.Context(), s.front, []delivery.Delivery{{ID: "a"}, {ID: ""}}); err == nil {
		t.Error("a delivery without an id was kept")
	}
	wantIDs(t, "waiting", s.waiting(t))
	if _, err := s.Keep(t.Context(), delivery.Front{Source: "slack"}, []delivery.Delivery{{ID: "a"}}); err == nil {
		t.Error("a delivery of no workspace was kept")
	}
}

func deliveriesApart(t *testing.T, s deliveries) {
	s.keep(t, "a")
	s.settle(t, delivery.Settled{Posts: []delivery.Post{{About: "t", Key: "k", Place: "C", Ref: "1"}}, Over: []string{"t"}})
	for _, f := range []delivery.Front{{Workspace: globex, Source: "slack"}, {Workspace: acme, Source: "mail"}} {
		all, err := s.Waiting(t.Context(), f, s.clock.Now().Add(time.Hour))
		if err != nil || len(all) != 0 {
			t.Errorf("%v waits for %v, %v", all, f, err)
		}
		posts, err := s.Posts(t.Context(), f, "t")
		if err != nil || len(posts) != 0 {
			t.Errorf("%v is posted for %v, %v", posts, f, err)
		}
		if got, err := s.Take(t.Context(), f, delivery.Lease{About: "t", Holder: "h", For: time.Minute}); got != delivery.Mine || err != nil {
			t.Errorf("%v: %v, %v", f, got, err)
		}
		if err := s.Settle(t.Context(), f, delivery.Settled{Done: []string{"a"}}); err != nil {
			t.Error(err)
		}
	}
	wantIDs(t, "waiting", s.waiting(t), "a")
}

func (s deliveries) take(t *testing.T, holder string, want delivery.Standing) {
	t.Helper()
	got, err := s.Take(t.Context(), s.front, delivery.Lease{About: "turn", Holder: holder, For: time.Minute})
	if err != nil || got != want {
		t.Errorf("%s: %v, %v; want %v", holder, got, err, want)
	}
}

func (s deliveries) untaken(t *testing.T, holder string, want ...string) {
	t.Helper()
	got, err := s.Untaken(t.Context(), s.front, holder, []string{"turn", "new", "other"})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "may be taken by "+holder, got, want...)
}

func deliveriesLease(t *testing.T, s deliveries) {
	s.take(t, "one", delivery.Mine)
	s.take(t, "two", delivery.Elsewhere)
	s.clock.Advance(40 * time.Second)
	s.take(t, "one", delivery.Mine)
	s.clock.Advance(40 * time.Second)
	s.take(t, "two", delivery.Elsewhere)
	s.clock.Advance(20 * time.Second)
	s.take(t, "two", delivery.Mine)
	s.take(t, "one", delivery.Elsewhere)
	s.untaken(t, "one", "new", "other")
	s.untaken(t, "two", "turn", "new", "other")
	s.settle(t, delivery.Settled{Over: []string{"turn"}})
	s.untaken(t, "two", "new", "other")
	if got, err := s.Untaken(t.Context(), s.front, "two", nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	s.take(t, "one", delivery.Over)
	s.take(t, "two", delivery.Over)
}

func deliveriesRetain(t *testing.T, s deliveries) {
	retain := func(holder string, want ...string) {
		t.Helper()
		got, err := s.Retain(t.Context(), s.front, holder, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		wantIDs(t, "retained by "+holder, got, want...)
	}
	s.take(t, "one", delivery.Mine)
	for _, about := range []string{"other", "shown"} {
		if got, err := s.Take(t.Context(), s.front, delivery.Lease{About: about, Holder: "one", For: time.Minute}); got != delivery.Mine || err != nil {
			t.Fatal(got, err)
		}
	}
	s.settle(t, delivery.Settled{Over: []string{"shown"}})
	retain("two")
	s.clock.Advance(40 * time.Second)
	retain("one", "other", "turn")
	s.clock.Advance(40 * time.Second)
	// The first minute is over, the second is not.
	s.take(t, "two", delivery.Elsewhere)
	for _, f := range []delivery.Front{{Workspace: globex, Source: "slack"}, {Workspace: acme, Source: "mail"}} {
		if got, err := s.Retain(t.Context(), f, "one", time.Hour); err != nil || len(got) != 0 {
			t.Errorf("%v retained %v, %v", f, got, err)
		}
	}
	s.clock.Advance(20 * time.Second)
	// What was let slip is anybody's, and stays so.
	retain("one")
	s.take(t, "two", delivery.Mine)
	retain("one")
	retain("two", "turn")
}

// Turns are asked one after the other and end in another order.
func deliveriesUnshown(t *testing.T, s deliveries) {
	whole, ok := s.Store.(loop.Store)
	if !ok {
		t.Fatal("the store has no turns")
	}
	turns := Stores{Store: whole}
	const asked = 5
	var all []agent.Turn
	for i := range asked {
		conversation := fmt.Sprint("slack-", i)
		if i == asked-1 {
			conversation = "web"
		}
		all = append(all, accept(t, turns, fmt.Sprint("u", i), conversation, ann()).Turn)
		s.clock.Advance(time.Second)
	}
	unshown := func(since time.Time, limit int) (ids []string) {
		t.Helper()
		got, err := s.Unshown(t.Context(), s.front, "slack-", since, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, turn := range got {
			ids = append(ids, turn.ID)
		}
		return ids
	}
	began := s.clock.Now()
	wantIDs(t, "unshown before any has ended", unshown(time.Time{}, 10))
	for _, i := range []int{2, 4, 0, 1} {
		s.clock.Advance(time.Hour)
		finish(t, turns, all[i])
	}
	wantIDs(t, "unshown", unshown(began, 10), "u2", "u0", "u1")
	wantIDs(t, "the first unshown", unshown(began, 2), "u2", "u0")
	wantIDs(t, "unshown of the last hour", unshown(s.clock.Now().Add(-30*time.Minute), 10), "u1")
	if got, err := s.Take(t.Context(), s.front, delivery.Lease{About: "u0", Holder: "h", For: time.Minute}); got != delivery.Mine || err != nil {
		t.Fatal(got, err)
	}
	s.settle(t, delivery.Settled{Over: []string{"u2"}})
	wantIDs(t, "unshown when one is being shown and one was", unshown(began, 10), "u0", "u1")
	if got, err := s.Unshown(t.Context(), delivery.Front{Workspace: globex, Source: "slack"}, "slack-", began, 10); err != nil || len(got) != 0 {
		t.Errorf("another workspace is shown %v, %v", got, err)
	}
}

func deliveriesLeaseRace(t *testing.T, s deliveries) {
	var mine atomic.Int32
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			got, err := s.Take(t.Context(), s.front, delivery.Lease{About: "turn", Holder: fmt.Sprint(i), For: time.Minute})
			if err != nil {
				t.Error(err)
			}
			if got == delivery.Mine {
				mine.Add(1)
			}
		})
	}
	wg.Wait()
	if mine.Load() != 1 {
		t.Errorf("%d hold it; want 1", mine.Load())
	}
}

func deliveriesPosts(t *testing.T, s deliveries) {
	s.settle(t, delivery.Settled{Posts: []delivery.Post{
		{About: "t", Key: "b", Place: "C1", Ref: "1"}, {About: "t", Key: "a", Place: "C1", Ref: "2"}, {About: "other", Key: "a", Place: "C1", Ref: "3"},
	}})
	s.settle(t, delivery.Settled{Posts: []delivery.Post{{About: "t", Key: "b", Place: "C2", Ref: "4"}}})
	got, err := s.Posts(t.Context(), s.front, "t")
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "posts", got, []delivery.Post{{About: "t", Key: "a", Place: "C1", Ref: "2"}, {About: "t", Key: "b", Place: "C2", Ref: "4"}})
}

func deliveriesForget(t *testing.T, s deliveries) {
	s.keep(t, "done", "waits")
	s.settle(t, delivery.Settled{Done: []string{"done"}, Over: []string{"over"}, Posts: []delivery.Post{
		{About: "over", Key: "k", Place: "C", Ref: "1"}, {About: "open", Key: "k", Place: "C", Ref: "2"},
	}})
	for _, day := range []int{1, 2} {
		s.clock.Advance(24 * time.Hour)
		if err := s.Forget(t.Context(), s.front, s.clock.Now().Add(-36*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := s.keep(t, "done"); got[0] != (day == 2) {
			t.Errorf("after %d days what was done is new: %v", day, got[0])
		}
	}
	wantIDs(t, "waiting", s.waiting(t), "waits", "done")
	for about, want := range map[string]int{"over": 0, "open": 1} {
		if got, err := s.Posts(t.Context(), s.front, about); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", about, got, err)
		}
	}
	s.front.Workspace = agent.WorkspaceID("nobody")
	if err := s.Forget(t.Context(), s.front, s.clock.Now()); err != nil {
		t.Error(err)
	}
}
