package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/config"
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

// ownSettings are settings in which replicas may differ: where each has its files,
// listens and logs, as whom it connects, and secrets, of which only is shown that
// they are there.
var ownSettings = []string{"data", "keys", "listen", "debug_listen", "hosts", "database_url", "policy", "people_file", "routing.file", "operator", "audit.checkpoints", "log.level", "log.format"}

// inForce are digests of what this process works by right now, for other replicas to
// hold theirs against.
func (a *app) inForce() map[string]string {
	all := map[string]string{"policy": a.policy.Set().Hash}
	if a.teamsDigest != "" {
		all["routing"] = a.teamsDigest
	}
	if f := a.people.file; f != nil {
		r := f.Roster()
		all["people"] = people.Settings(r.People(), r.Escalation()).Digest
	}
	sum := sha256.New()
	for _, s := range a.cfg.Describe() {
		if !slices.Contains(ownSettings, s.Key) {
			fmt.Fprintf(sum, "%q %q\n", s.Key, s.Value)
		}
	}
	all["settings"] = hex.EncodeToString(sum.Sum(nil))
	return all
}

// disagreements counts, for the metrics, the replicas whose digest of a setting is
// not that of this process.
func (a *app) disagreements() (map[[2]string]float64, error) {
	all := map[[2]string]float64{}
	if a.db.replicas == nil {
		return all, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	replicas, err := a.db.replicas(ctx)
	if err != nil {
		return nil, err
	}
	for name, digest := range a.inForce() {
		all[[2]string{name}] = 0
		for _, r := range replicas {
			if theirs, ok := r.Settings[name]; ok && theirs != digest {
				all[[2]string{name}]++
			}
		}
	}
	return all, nil
}

// checkReplicas says who works on the database and whether all of them work by the
// same rules, people, teams and settings.
func (c *cli) checkReplicas(ctx context.Context, cfg config.Config) []finding {
	if !cfg.DatabaseURL.IsSet() {
		return nil
	}
	var all []postgres.Replica
	err := c.shared(ctx, func(db *postgres.DB) (err error) {
		all, err = db.Replicas(ctx)
		return err
	})
	differ := postgres.Disagreed(all)
	switch {
	case err != nil:
		return []finding{{"replicas", "bad", agent.PublicText(err)}}
	case len(all) == 0:
		return []finding{{"replicas", "off", "no process works on the database"}}
	case len(differ) == 0:
		return []finding{{"replicas", "ok", fmt.Sprintf("%d on the database, all by the same rules, people, teams and settings", len(all))}}
	}
	var found []finding
	for _, name := range differ {
		var told []string
		for _, r := range all {
			if digest := r.Settings[name]; digest != "" {
				told = append(told, fmt.Sprintf("%s process %d has %.8s", r.Host, r.PID, digest))
			}
		}
		found = append(found, finding{"replicas", "bad", fmt.Sprintf("not all have the same %s: %s; give each the same version (a changed file is taken over within seconds, other settings at the start)", name, strings.Join(told, ", "))})
	}
	return found
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
