package approval

import (
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Stage is where an approval goes that nobody has decided.
type Stage struct {
	// After is how long after it was asked, and Groups whose members may decide
	// from then on beside those before them.
	After  time.Duration `json:"after"`
	Groups []string      `json:"groups"`
}

// Expire closes an approval whose time has passed: one nobody decided, or one
// that was approved and not run in time. Before that it is a Conflict.
func (a Approval) Expire(now time.Time) (Approval, error) {
	switch {
	case a.State == Asked && !now.Before(a.Expires),
		a.State == Approved && !now.Before(a.RunBefore()):
		a.State = Expired
		return a, nil
	case a.State == Asked || a.State == Approved:
		return a, agent.Errorf(agent.Conflict, "approval %s has not expired yet", a.ID)
	}
	return a, a.closed()
}

// RunBefore is when an approved call can no longer start.
func (a Approval) RunBefore() time.Time {
	if a.RunFor > 0 {
		return a.DecidedAt.Add(a.RunFor)
	}
	return a.DecidedAt.Add(RunWithin)
}

// Escalate lets the next groups of the chain decide when their time has come, or
// at once when nobody of those before them is at work: away names the groups of
// which that is so. With nothing to do it is a Conflict.
func (a Approval) Escalate(away []string, now time.Time) (Approval, error) {
	if err := a.open(now); err != nil {
		return a, err
	}
	from := a.Stage
	for a.Stage < len(a.Chain) && a.Kind != ByRequester {
		due := !now.Before(a.EscalatesAt())
		groups := a.Groups()
		gone := len(groups) > 0 && len(a.Handed) == 0 && !slices.ContainsFunc(groups, func(g string) bool { return !slices.Contains(away, g) })
		if !due && !gone {
			break
		}
		a.Stage++
	}
	if a.Stage == from {
		return a, agent.Errorf(agent.Conflict, "approval %s goes no further yet", a.ID)
	}
	return a, nil
}

// EscalatesAt is when the next stage of the chain is due; zero when there is none.
func (a Approval) EscalatesAt() time.Time {
	if a.State != Asked || a.Kind == ByRequester || a.Stage >= len(a.Chain) {
		return time.Time{}
	}
	return a.Created.Add(a.Chain[a.Stage].After)
}

// Next is when something happens to an open approval by itself: its next stage
// or its end.
func (a Approval) Next() time.Time {
	if at := a.EscalatesAt(); !at.IsZero() && at.Before(a.Expires) {
		return at
	}
	return a.Expires
}

// RemindersDue is how many reminders should have been sent by now: one at half
// of the time there is to decide and one at seven eighths.
func (a Approval) RemindersDue(now time.Time) int {
	life := a.Expires.Sub(a.Created)
	if a.State != Asked || !now.Before(a.Expires) {
		return a.Reminded
	}
	n := 0
	for _, at := range []time.Duration{life / 2, life / 8 * 7} {
		if !now.Before(a.Created.Add(at)) {
			n++
		}
	}
	return max(n, a.Reminded)
}

// Remind notes that so many reminders have been sent.
func (a Approval) Remind(n int, now time.Time) (Approval, error) {
	if n <= a.Reminded || n > a.RemindersDue(now) {
		return a, agent.Errorf(agent.Conflict, "no such reminder of approval %s is due", a.ID)
	}
	a.Reminded, a.RemindedAt = n, now
	return a, nil
}

// Steady returns a clock that never goes back: it shows the latest time that was
// ever shown, and at least what has really passed since it was made. So what has
// expired once stays so when somebody sets the clock.
func Steady(clock func() time.Time) func() time.Time {
	var mu sync.Mutex
	start := clock()
	last := start
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := clock()
		// Sub takes the monotonic reading where the clock has one.
		passed := start.Round(0).Add(now.Sub(start))
		for _, t := range []time.Time{now.Round(0), passed} {
			if t.After(last) {
				last = t
			}
		}
		return last
	}
}
