package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

// Directory is who is who in a test: everybody is an active member until it is
// told otherwise.
type Directory struct {
	clock *Clock
	mu    sync.Mutex
	told  map[agent.ActorID]people.Person
	asOf  time.Time
}

var _ people.Source = (*Directory)(nil)

// NewDirectory returns a directory that has been told nothing.
func NewDirectory(c *Clock) *Directory {
	return &Directory{clock: c, told: map[agent.ActorID]people.Person{}}
}

// Person implements people.Source.
func (d *Directory) Person(_ context.Context, ws agent.WorkspaceID, id agent.ActorID) (people.Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, told := d.told[id]
	if !told {
		p = people.Person{Actor: person(ws, string(id)), Active: true}
	}
	if p.ID == "" {
		return p, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	p.Workspace, p.AsOf = ws, d.asOf
	if p.AsOf.IsZero() {
		p.AsOf = d.clock.Now()
	}
	return p, nil
}

// Members implements people.Source.
func (d *Directory) Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]people.Person, error) {
	d.mu.Lock()
	var ids []agent.ActorID
	for id, p := range d.told {
		if slices.Contains(p.Groups, group) {
			ids = append(ids, id)
		}
	}
	d.mu.Unlock()
	slices.Sort(ids)
	var all []people.Person
	for _, id := range ids {
		p, err := d.Person(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Tell makes somebody an active member of these groups, changed by with.
func (d *Directory) Tell(id string, groups string, with ...func(*people.Person)) agent.Actor {
	a := person(acme, id)
	a.Groups = strings.Fields(groups)
	p := people.Person{Actor: a, Active: true}
	for _, f := range with {
		f(&p)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told[agent.ActorID(id)] = p
	return p.Actor
}

// Forget makes the account unknown.
func (d *Directory) Forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told[agent.ActorID(id)] = people.Person{}
}

// Freeze leaves everything as it was known at that time; the zero time ends that.
func (d *Directory) Freeze(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asOf = at
}
