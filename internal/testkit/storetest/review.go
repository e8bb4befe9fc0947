package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/review"
)

// Reviews checks review.Store. open returns an empty store.
func Reviews(t *testing.T, open func(t *testing.T) Recorded[review.Store]) {
	for _, p := range []struct {
		name  string
		check func(t *testing.T, s Recorded[review.Store])
	}{
		{"a draft is kept once and read as it was", reviewsOpen},
		{"each change sees the one before it, however many at once", reviewsAtOnce},
		{"an outlet is taken on by one of many", reviewsTry},
		{"a refused change changes nothing", reviewsRefused},
		{"another workspace sees and changes nothing", reviewsApart},
		{"the record says who did what, and nothing of the minutes", reviewsRecorded},
	} {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
}

// drafted opens the review of a turn's minutes with sixteen actions.
func drafted(t *testing.T, s Recorded[review.Store], turn string) review.Review {
	t.Helper()
	m := agent.Minutes{Title: "A <title> & \u0000 more", Summary: "planted summary"}
	for i := range racers {
		m.Actions = append(m.Actions, agent.Action{Text: fmt.Sprint("action ", i)})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r, err := review.New(agent.Turn{ID: turn, Workspace: acme, Place: channel(), Actor: ann()}, raw, NewClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Store.OpenReview(t.Context(), r)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
		t.Fatalf("opened %+v, %v; want %+v", got, err, r)
	}
	return got
}

// change applies a transition that must be allowed.
func change(t *testing.T, s Recorded[review.Store], by agent.Actor, id string, f func(review.Review) (review.Review, error)) review.Review {
	t.Helper()
	r, err := s.Store.ChangeReview(t.Context(), by, id, f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func publish(by agent.Actor) func(review.Review) (review.Review, error) {
	return func(r review.Review) (review.Review, error) {
		return r.Publish(by, review.Outlet{Form: review.Message, To: "C1"}, NewClock().Now())
	}
}

func reviewsOpen(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t1")
	change(t, s, ann(), r.ID, publish(ann()))
	again, err := s.Store.OpenReview(t.Context(), r)
	if err != nil || again.State != review.Published {
		t.Errorf("opened again: %+v, %v", again.State, err)
	}
	drafted(t, s, "t2")
	for turn, want := range map[string]int{"t1": 1, "t2": 1, "t3": 0, "": 2} {
		if all, err := s.Store.Reviews(t.Context(), acme, turn); err != nil || len(all) != want {
			t.Errorf("turn %q: %d, %v; want %d", turn, len(all), err, want)
		}
	}
	got, err := s.Store.Review(t.Context(), acme, r.ID)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(again) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func reviewsAtOnce(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t")
	change(t, s, ann(), r.ID, publish(ann()))
	err := atOnce(func(i int) error {
		by := person(acme, fmt.Sprint("p", i))
		_, err := s.Store.ChangeReview(t.Context(), by, r.ID, func(r review.Review) (review.Review, error) {
			return r.Say(by, i, true, NewClock().Now())
		})
		return err
	})
	got, readErr := s.Store.Review(t.Context(), acme, r.ID)
	if err != nil || readErr != nil || len(got.Claims) != racers {
		t.Errorf("%d claims, %v, %v", len(got.Claims), err, readErr)
	}
}

func reviewsTry(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t")
	change(t, s, ann(), r.ID, publish(ann()))
	var won, lost atomic.Int32
	err := atOnce(func(int) error {
		_, err := s.Store.ChangeReview(t.Context(), ann(), r.ID, func(r review.Review) (review.Review, error) { return r.Try(0) })
		switch {
		case err == nil:
			won.Add(1)
		case agent.KindOf(err) == agent.Conflict:
			lost.Add(1)
		default:
			return err
		}
		return nil
	})
	if err != nil || won.Load() != 1 || lost.Load() != racers-1 {
		t.Errorf("%d won, %d lost, %v", won.Load(), lost.Load(), err)
	}
	got := change(t, s, ann(), r.ID, func(r review.Review) (review.Review, error) { return r.Made(0, []string{"1.1"}, "", "") })
	if got.Outlets[0].Open() {
		t.Errorf("made %+v", got.Outlets)
	}
}

func reviewsRefused(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t")
	before := s.kinds(t, acme)
	_, err := s.Store.ChangeReview(t.Context(), bob(), r.ID, publish(bob()))
	wantKind(t, "somebody else", err, agent.Forbidden)
	_, err = s.Store.ChangeReview(t.Context(), ann(), "R404", publish(ann()))
	wantKind(t, "minutes that are not there", err, agent.NotFound)
	got, err := s.Store.Review(t.Context(), acme, r.ID)
	if err != nil || got.State != review.Draft || !slices.Equal(s.kinds(t, acme), before) {
		t.Errorf("it is %s, %v, and the record says %q", got.State, err, s.kinds(t, acme))
	}
}

func reviewsApart(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t")
	_, err := s.Store.Review(t.Context(), globex, r.ID)
	wantKind(t, "read elsewhere", err, agent.NotFound)
	eve := person(globex, "ann")
	_, err = s.Store.ChangeReview(t.Context(), eve, r.ID, publish(eve))
	wantKind(t, "changed elsewhere", err, agent.NotFound)
	if all, err := s.Store.Reviews(t.Context(), globex, ""); err != nil || len(all) != 0 {
		t.Errorf("listed elsewhere: %d, %v", len(all), err)
	}
}

func reviewsRecorded(t *testing.T, s Recorded[review.Store]) {
	r := drafted(t, s, "t")
	change(t, s, ann(), r.ID, func(r review.Review) (review.Review, error) {
		m := r.Minutes
		m.Title = "Plan"
		return r.Edit(ann(), m)
	})
	change(t, s, ann(), r.ID, publish(ann()))
	change(t, s, ann(), r.ID, func(r review.Review) (review.Review, error) { return r.Try(0) })
	change(t, s, ann(), r.ID, func(r review.Review) (review.Review, error) { return r.Made(0, nil, "", "not there") })
	change(t, s, ann(), r.ID, publish(ann()))
	change(t, s, bob(), r.ID, func(r review.Review) (review.Review, error) { return r.Say(bob(), 1, true, NewClock().Now()) })
	change(t, s, bob(), r.ID, func(r review.Review) (review.Review, error) { return r.Say(bob(), 1, false, NewClock().Now()) })
	want := []string{"draft", "edited", "published", "failed", "published", "taken", "disowned"}
	rows, err := s.Audit(t.Context(), acme, audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range rows {
		if e.Kind != audit.MinutesReviewed || e.Turn != "t" || e.Note != "" && e.Note != "message in C1" && e.Note != "message in C1: not there" && e.Note != "action 2" {
			t.Errorf("recorded %+v", e)
		}
		got = append(got, e.Status)
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %q; want %q", got, want)
	}
}
