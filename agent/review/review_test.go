package review_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/review"
)

func actor(id, name string) agent.Actor {
	return agent.Actor{Workspace: "w", ID: agent.ActorID(id), Kind: agent.Member, Name: name}
}

func now() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// draft is a review of minutes with three actions: Bob's, nobody's and Cat's.
func draft(t require) review.Review {
	bob, cat := "Bob Brown", "Cat"
	raw, err := json.Marshal(agent.Minutes{Title: "Planning", Source: "a.vtt", Actions: []agent.Action{{Text: "a", Owner: &bob}, {Text: "b"}, {Text: "c", Owner: &cat}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := review.New(agent.Turn{ID: "t", Workspace: "w", Actor: actor("ann", "Ann Archer"), Place: agent.Place{Kind: agent.Public}}, raw, now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type require interface{ Fatal(args ...any) }

func kind(t *testing.T, what string, err error, want agent.Kind) {
	t.Helper()
	if err == nil || agent.KindOf(err) != want {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

func TestOnlyWhoAskedDecidesAboutTheDraft(t *testing.T) {
	r, bob := draft(t), actor("bob", "Bob Brown")
	_, err := r.Publish(bob, review.Outlet{Form: review.Message, To: "C1"}, now())
	kind(t, "publish", err, agent.Forbidden)
	_, err = r.Discard(bob, now())
	kind(t, "discard", err, agent.Forbidden)
	_, err = r.Edit(bob, r.Minutes)
	kind(t, "edit", err, agent.Forbidden)
	_, err = r.Discard(agent.Actor{Workspace: "v", ID: "ann"}, now())
	kind(t, "elsewhere", err, agent.NotFound)
	linked := actor("ann-2", "Ann")
	linked.Person = "ann"
	if _, err := r.Discard(linked, now()); err != nil {
		t.Errorf("another account of hers: %v", err)
	}
}

func TestWhatWasPublishedOrDiscardedStays(t *testing.T) {
	r, ann := draft(t), actor("ann", "Ann Archer")
	edited := r.Minutes
	edited.Title, edited.Source = "Plan", "made up"
	r, err := r.Edit(ann, edited)
	if err != nil || r.Minutes.Title != "Plan" || r.Minutes.Source != "a.vtt" || r.Edits != 1 {
		t.Errorf("edited %+v, %v", r, err)
	}
	out := review.Outlet{Form: review.Canvas, To: "C1"}
	r, err = r.Publish(ann, out, now())
	if err != nil || r.State != review.Published || len(r.Outlets) != 1 {
		t.Fatalf("published %+v, %v", r, err)
	}
	if again, err := r.Publish(ann, out, now()); err != nil || len(again.Outlets) != 1 {
		t.Errorf("twice: %+v, %v", again.Outlets, err)
	}
	_, err = r.Edit(ann, edited)
	kind(t, "edit what people read", err, agent.Conflict)
	_, err = r.Discard(ann, now())
	kind(t, "discard what people read", err, agent.Conflict)
	gone, err := draft(t).Discard(ann, now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = gone.Publish(ann, out, now())
	kind(t, "publish what was discarded", err, agent.Conflict)
}

func TestAnOutletIsMadeByOneAndTriedAnewAfterItFailed(t *testing.T) {
	ann := actor("ann", "Ann Archer")
	out := review.Outlet{Form: review.List, To: "C1"}
	r, err := draft(t).Publish(ann, out, now())
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Try(0); err != nil {
		t.Fatal(err)
	}
	_, err = r.Try(0)
	kind(t, "a second process", err, agent.Conflict)
	failed, err := r.Made(0, nil, "", "lists are not available here")
	if err != nil || failed.Outlets[0].Open() {
		t.Errorf("failed: %+v, %v", failed.Outlets, err)
	}
	anew, err := failed.Publish(ann, out, now())
	if err != nil || !anew.Outlets[0].Open() || anew.Outlets[0].Tried {
		t.Errorf("anew: %+v, %v", anew.Outlets, err)
	}
	_, err = anew.Made(0, []string{"F1"}, "", "")
	kind(t, "made without having tried", err, agent.Conflict)
}

func TestWhoseAnActionIsPeopleSayThemselves(t *testing.T) {
	ann, bob, cat := actor("ann", "Ann Archer"), actor("bob", "Bob Brown"), actor("cat", "Cat Cole")
	r := draft(t)
	_, err := r.Say(bob, 0, true, now())
	kind(t, "of a draft", err, agent.Conflict)
	if r, err = r.Publish(ann, review.Outlet{Form: review.Message, To: "C1"}, now()); err != nil {
		t.Fatal(err)
	}
	_, err = r.Say(cat, 0, false, now())
	kind(t, "disowning what is Bob's", err, agent.Conflict)
	_, err = r.Say(cat, 1, false, now())
	kind(t, "disowning what is nobody's", err, agent.Conflict)
	guest := cat
	guest.Kind = agent.Guest
	_, err = r.Say(guest, 1, true, now())
	kind(t, "a guest", err, agent.Forbidden)
	_, err = r.Say(cat, 3, true, now())
	kind(t, "an item that is not there", err, agent.NotFound)
	say := func(by agent.Actor, n int, mine bool) {
		t.Helper()
		if r, err = r.Say(by, n, mine, now()); err != nil {
			t.Fatalf("%s says %v of %d: %v", by.ID, mine, n, err)
		}
	}
	say(bob, 0, false) // named in full
	say(cat, 2, false) // named by the first name
	say(cat, 1, true)
	say(cat, 1, true) // again changes nothing
	_, err = r.Say(bob, 1, true, now())
	kind(t, "what Cat took", err, agent.Conflict)
	say(cat, 1, false)
	say(bob, 1, true)
	if o, ok := r.Owner(1); !ok || o.By != "bob" {
		t.Errorf("the second is %+v", o)
	}
	if _, ok := r.Owner(0); ok {
		t.Error("the first is still somebody's")
	}
	if len(r.Claims) != 5 {
		t.Errorf("%d claims", len(r.Claims))
	}
}

// However people press, a decided review is never decided otherwise, nobody but
// the asker decides, and an item has at most one owner, who said so or was named.
func TestAnyOrderOfPressesKeepsThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := []agent.Actor{actor("ann", "Ann Archer"), actor("bob", "Bob Brown"), actor("cat", "Cat Cole")}
		r := draft(t)
		for range rapid.IntRange(1, 20).Draw(t, "presses") {
			by := rapid.SampledFrom(people).Draw(t, "by")
			was := r
			var next review.Review
			var err error
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				next, err = r.Publish(by, review.Outlet{Form: rapid.SampledFrom([]review.Form{review.Message, review.Canvas}).Draw(t, "form"), To: "C"}, now())
			case 1:
				next, err = r.Discard(by, now())
			case 2:
				next, err = r.Edit(by, agent.Minutes{Title: "x", Actions: r.Minutes.Actions})
			case 3:
				next, err = r.Say(by, rapid.IntRange(0, 2).Draw(t, "item"), rapid.Bool().Draw(t, "mine"), now())
			case 4:
				next, err = r.Try(0)
			}
			if err != nil {
				continue
			}
			r = next
			if was.State != review.Draft && r.State != was.State {
				t.Fatalf("%s became %s", was.State, r.State)
			}
			if was.State == review.Draft && r.State != review.Draft && by.ID != "ann" {
				t.Fatalf("%s decided", by.ID)
			}
			if r.State == review.Published && was.State == review.Published && r.Edits != was.Edits {
				t.Fatal("published minutes were edited")
			}
			if r.State == review.Published && len(r.Outlets) == 0 {
				t.Fatal("published nowhere")
			}
			for i := range r.Minutes.Actions {
				if o, ok := r.Owner(i); ok && o.By != "" && !claimed(r, i, o.By) {
					t.Fatalf("%s owns %d without having said so", o.By, i)
				}
			}
		}
	})
}

func claimed(r review.Review, i int, by agent.ActorID) bool {
	for _, c := range r.Claims {
		if c.Action == i && c.By == by && c.Mine {
			return true
		}
	}
	return false
}
