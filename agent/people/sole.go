package people

import (
	"context"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Sole is the directory of a workspace of one.
type Sole struct {
	// Owner is the one person.
	Owner agent.Actor
	// Clock says when; it is required.
	Clock func() time.Time
}

var _ Source = Sole{}

// Person implements Source.
func (s Sole) Person(_ context.Context, ws agent.WorkspaceID, id agent.ActorID) (Person, error) {
	if ws != s.Owner.Workspace || id != s.Owner.ID {
		return Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	return Person{Actor: s.Owner, Active: true, AsOf: s.Clock()}, nil
}

// Members implements Source.
func (s Sole) Members(_ context.Context, ws agent.WorkspaceID, group string) ([]Person, error) {
	if ws != s.Owner.Workspace || !slices.Contains(s.Owner.Groups, group) {
		return nil, nil
	}
	return []Person{{Actor: s.Owner, Active: true, AsOf: s.Clock()}}, nil
}

// List implements Lister.
func (s Sole) List(_ context.Context, ws agent.WorkspaceID) ([]Person, error) {
	if ws != s.Owner.Workspace {
		return nil, nil
	}
	return []Person{{Actor: s.Owner, Active: true, AsOf: s.Clock()}}, nil
}
