package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/policy"
)

// settingsTime is how long recording one change of the settings may take.
const settingsTime = 30 * time.Second

// recordPolicy records a policy set before it is in force.
func (a *app) recordPolicy(s *policy.Set) error {
	ctx, cancel := context.WithTimeout(context.Background(), settingsTime)
	defer cancel()
	return audit.RecordSettings(ctx, a.db, workspace, s.Settings(), a.cfg.PolicyPath == "")
}

// recordPeople records who belongs to the workspace and who is in which group.
func (a *app) recordPeople(r *people.Roster) error {
	ctx, cancel := context.WithTimeout(context.Background(), settingsTime)
	defer cancel()
	if r == nil {
		return audit.RecordSettings(ctx, a.db, workspace, people.Settings(a.everybody(), nil), true)
	}
	return audit.RecordSettings(ctx, a.db, workspace, people.Settings(r.People(), r.Escalation()), false)
}

// rosters records versions of the people file one after the other, as they were
// taken over. That happens wherever somebody is looked up, so it waits for nobody;
// an effect cannot come before the row of a version that let it pass when the
// record takes no rows at all.
type rosters struct {
	mu      sync.Mutex
	waiting []*people.Roster
	some    chan struct{}
}

// taken notes a version that has to be recorded; see people.File.Taken.
func (q *rosters) taken(r *people.Roster) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// next returns the oldest version that waits, nil for none.
func (q *rosters) next() *people.Roster {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0]
}

func (q *rosters) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = q.waiting[1:]
}

// watchPeople records who belongs to the workspace, now and, until stop returns,
// whenever the people file says something else.
func (a *app) watchPeople() (stop func(), err error) {
	if a.people.file == nil {
		return func() {}, a.recordPeople(nil)
	}
	if err := a.recordPeople(a.people.file.Roster()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.recordTaken(ctx)
	}()
	return func() { cancel(); <-done }, nil
}

// recordTaken looks at the file now and then, since nobody may be looked up for
// long, and records what was taken over. What it cannot record stays for the next
// time, and for the next process.
func (a *app) recordTaken(ctx context.Context) {
	q := &a.people.taken
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for more := true; more; {
		select {
		case <-ctx.Done():
			more = false
		case <-q.some:
		case <-tick.C:
			a.people.file.Roster()
		}
		for r := q.next(); r != nil; r = q.next() {
			if err := a.recordPeople(r); err != nil {
				a.log.Error("people file changed and that is not recorded yet", slog.Any("err", err))
				break
			}
			q.done()
		}
	}
}
