// Package people says who is in a workspace, as its directory knows them now:
// kind, groups, whether they still belong to it, whether they are at work. A
// front end's session says who somebody was when they signed in; whoever decides
// or runs something asks here again.
package people

import (
	"context"
	"time"

	"github.com/sous-hq/sous/agent"
)

// MaxAge is how old what a directory says may be; older counts as not known.
const MaxAge = 15 * time.Minute

// Person is one account of a directory.
type Person struct {
	agent.Actor
	// Active says that the account may still be used.
	Active bool
	// AwayUntil is when an absence ends; zero means that they are at work.
	AwayUntil time.Time
	// Zone is where they are; nil when that is not known.
	Zone *time.Location
	// AsOf is when the directory was last known to say so.
	AsOf time.Time
}

// Away reports whether the person is out of office.
func (p Person) Away(now time.Time) bool { return now.Before(p.AwayUntil) }

// Source is a directory. What it cannot say is an error, so that nobody decides
// on a guess.
type Source interface {
	// Person returns the account with this id; an unknown one is NotFound.
	Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (Person, error)
	// Members returns the accounts in a group, deactivated ones included; an
	// unknown group has none.
	Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]Person, error)
}

// Lister is a directory that can say who all is in it. One that is asked account
// by account is none.
type Lister interface {
	// List returns all accounts of the workspace, deactivated ones included.
	List(ctx context.Context, ws agent.WorkspaceID) ([]Person, error)
}

// Everybody lists the accounts of a workspace; complete says that there are no others,
// which only a directory that is one file, or one person, can say.
func Everybody(ctx context.Context, s Source, ws agent.WorkspaceID) (all []Person, complete bool, err error) {
	switch s := s.(type) {
	case *File:
		all, err = s.List(ctx, ws)
	case Sole:
		all, err = s.List(ctx, ws)
	default:
		return nil, false, nil
	}
	return all, err == nil, err
}

// Known returns the account when it may be used and the directory's word is
// fresh. Somebody unknown or deactivated is Forbidden; a directory that is stale
// or away is Unavailable.
func Known(ctx context.Context, s Source, who agent.Actor, now time.Time) (Person, error) {
	p, err := s.Person(ctx, who.Workspace, who.ID)
	switch {
	case agent.KindOf(err) == agent.NotFound && err != nil:
		return Person{}, agent.Errorf(agent.Forbidden, "%s is not known in this workspace", display(who))
	case err != nil:
		return Person{}, agent.WrapError(agent.Unavailable, err, "who belongs to the workspace cannot be looked up right now; try again later")
	case p.Workspace != who.Workspace || p.ID != who.ID:
		return Person{}, agent.Errorf(agent.Forbidden, "%s is not known in this workspace", display(who))
	case now.Sub(p.AsOf).Abs() > MaxAge:
		// From the future is as little known: the clock was set back since.
		return Person{}, agent.Errorf(agent.Unavailable, "who belongs to which group has not been known since %s; try again later", p.AsOf.UTC().Format(time.RFC3339))
	case !p.Active:
		return Person{}, agent.Errorf(agent.Forbidden, "the account of %s is deactivated", display(p.Actor))
	}
	return p, nil
}

// AllAway reports whether nobody of the group is at work: each is away or
// deactivated, or there is nobody. A directory that cannot say says no.
func AllAway(ctx context.Context, s Source, ws agent.WorkspaceID, group string, now time.Time) bool {
	all, err := s.Members(ctx, ws, group)
	if err != nil {
		return false
	}
	for _, p := range all {
		if p.Active && !p.Away(now) {
			return false
		}
	}
	return true
}

func display(a agent.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return string(a.ID)
}
