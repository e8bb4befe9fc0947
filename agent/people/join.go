package people

import (
	"context"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// Join is several directories as one, such as the owner's and Slack's. An account
// is looked for in each, in order; the first that knows it has the word. Of two
// that both know a member of a group, too. When one cannot say who is in a group,
// nobody can.
func Join(all ...Source) Source { return joined(all) }

type joined []Source

// Person implements Source.
func (j joined) Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (Person, error) {
	missing := agent.Errorf(agent.NotFound, "there is no person %s", id)
	for _, s := range j {
		p, err := s.Person(ctx, ws, id)
		if err == nil || agent.KindOf(err) != agent.NotFound {
			return p, err
		}
	}
	return Person{}, missing
}

// Members implements Source.
func (j joined) Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]Person, error) {
	var in []Person
	for _, s := range j {
		some, err := s.Members(ctx, ws, group)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if !slices.ContainsFunc(in, func(o Person) bool { return o.ID == p.ID }) {
				in = append(in, p)
			}
		}
	}
	slices.SortFunc(in, func(a, b Person) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return in, nil
}

// List implements Lister with those of the directories that can.
func (j joined) List(ctx context.Context, ws agent.WorkspaceID) ([]Person, error) {
	var all []Person
	for _, s := range j {
		l, ok := s.(Lister)
		if !ok {
			continue
		}
		some, err := l.List(ctx, ws)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if !slices.ContainsFunc(all, func(o Person) bool { return o.ID == p.ID }) {
				all = append(all, p)
			}
		}
	}
	return all, nil
}
