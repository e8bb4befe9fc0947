package approval_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

func TestAMillisecondAroundExpiryDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := asked()
		a.Created, a.Expires = time.Now(), time.Now().Add(24*time.Hour)
		a.RunFor = 30 * time.Minute
		time.Sleep(24*time.Hour - time.Millisecond)
		yes := must(t)(a.Approve(member("bob"), time.Now()))
		time.Sleep(time.Millisecond)
		if _, err := a.Approve(member("cat"), time.Now()); agent.KindOf(err) != agent.Expired {
			t.Errorf("a yes at the very end: %v", err)
		}
		time.Sleep(time.Millisecond)
		if _, err := a.Deny(member("cat"), "", time.Now()); agent.KindOf(err) != agent.Expired {
			t.Errorf("a no after the end: %v", err)
		}
		time.Sleep(30*time.Minute - 3*time.Millisecond)
		if _, err := yes.Spend("d1", time.Now()); err != nil {
			t.Errorf("a millisecond before the end: %v", err)
		}
		for range 2 {
			time.Sleep(time.Millisecond)
			if _, err := yes.Spend("d1", time.Now()); agent.KindOf(err) != agent.Expired {
				t.Errorf("at the end of its time to run or after: %v", err)
			}
		}
	})
}

func TestAClockThatIsSetBackBringsNothingBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		wall, highest := start(), start()
		now := approval.Steady(func() time.Time { return wall })
		a := must(t)(asked().Approve(member("bob"), now()))
		for range 50 {
			wall = wall.Add(time.Duration(r.Int64N(int64(20*time.Minute))) - 10*time.Minute + time.Millisecond)
			at := now()
			if wall.After(highest) {
				highest = wall
			}
			if !at.Equal(highest) {
				t.Fatalf("the clock shows %v; the latest was %v", at, highest)
			}
			_, err := a.Spend("d1", at)
			if late := !highest.Before(a.RunBefore()); late != (agent.KindOf(err) == agent.Expired) || late != (err != nil) {
				t.Fatalf("at %v, at most %v, before %v: %v", wall, highest, a.RunBefore(), err)
			}
		}
	}
}

func TestWhatNobodyDecidesGoesFurther(t *testing.T) {
	a := askedOf(1, "sre")
	a.Chain = []approval.Stage{{After: time.Hour, Groups: []string{"leads"}}, {After: 2 * time.Hour, Groups: []string{"board"}}}
	at := func(d time.Duration) time.Time { return start().Add(d) }
	if !a.Next().Equal(at(time.Hour)) {
		t.Errorf("next at %v", a.Next())
	}
	_, err := a.Escalate(nil, at(time.Hour-time.Millisecond))
	wantError(t, err, true, agent.Conflict, "no further yet")
	lead, chair := in("lee", "leads"), in("kim", "board")
	wantError(t, a.MayDecide(lead), true, agent.Forbidden, "only members of sre")
	b := must(t)(a.Escalate(nil, at(time.Hour)))
	wantError(t, b.MayDecide(lead), false, 0, "")
	wantError(t, b.MayDecide(in("bob", "sre")), false, 0, "")
	wantError(t, b.MayDecide(chair), true, agent.Forbidden, "only members of leads, sre")
	if !b.Next().Equal(at(2 * time.Hour)) {
		t.Errorf("next at %v", b.Next())
	}
	for _, tt := range []struct {
		name  string
		away  []string
		after time.Duration
		want  int
	}{
		{"the first group out of office", []string{"sre"}, 0, 1},
		{"the next one too", []string{"leads", "sre"}, 0, 2},
		{"all of them: it goes to the end", []string{"board", "leads", "sre"}, 0, 2},
		{"the second group out of office when it is due", []string{"leads"}, time.Hour, 1},
		{"both times over", nil, 3 * time.Hour, 2},
	} {
		got := must(t)(a.Escalate(tt.away, at(tt.after)))
		if got.Stage != tt.want {
			t.Errorf("%s: stage %d; want %d", tt.name, got.Stage, tt.want)
		}
	}
	_, err = b.Escalate(nil, b.Expires)
	wantError(t, err, true, agent.Expired, "expired")
	confirmation := a
	confirmation.Kind = approval.ByRequester
	_, err = confirmation.Escalate([]string{"sre"}, at(3*time.Hour))
	wantError(t, err, true, agent.Conflict, "no further")
	if !confirmation.Next().Equal(a.Expires) {
		t.Error("a confirmation goes to nobody else")
	}
	// A say that was handed to somebody does not go round them.
	handed := must(t)(a.Delegate(does(in("bob", "sre"), start()), in("cat")))
	_, err = handed.Escalate([]string{"sre"}, start())
	wantError(t, err, true, agent.Conflict, "no further")
}

func TestRemindersAreDueOnceEach(t *testing.T) {
	a := asked()
	var due []int
	for h := range 26 {
		now := start().Add(time.Duration(h) * time.Hour)
		if n := a.RemindersDue(now); n > a.Reminded {
			due = append(due, h)
			a = must(t)(a.Remind(n, now))
			_, err := a.Remind(n, now)
			wantError(t, err, true, agent.Conflict, "no such reminder")
		}
	}
	if !slices.Equal(due, []int{12, 21}) {
		t.Errorf("reminders due after %v hours; want 12 and 21", due)
	}
	_, err := asked().Remind(1, start())
	wantError(t, err, true, agent.Conflict, "no such reminder")
}
