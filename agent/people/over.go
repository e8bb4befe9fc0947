package people

import (
	"context"
	"maps"
	"slices"

	"github.com/sous-hq/sous/agent"
)

// Over is a directory in which the first says more about accounts of the second:
// what groups its people are in, whose account it is, who is out of office. Of an
// account both know, the stricter word counts on whether it may be used and what
// kind it is, and the older one on how fresh that is; groups are those of both. An
// account one of them knows is as that one says. When one cannot say, nobody can.
func Over(first, second Source) Source { return over{first, second} }

type over struct{ first, second Source }

// Person implements Source.
func (o over) Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (Person, error) {
	p, err := o.first.Person(ctx, ws, id)
	if err != nil && agent.KindOf(err) != agent.NotFound {
		return Person{}, err
	}
	q, also := o.second.Person(ctx, ws, id)
	switch {
	case also == nil && err == nil:
		return both(p, q), nil
	case err != nil:
		return q, also
	case agent.KindOf(also) == agent.NotFound:
		return p, nil
	}
	return Person{}, also
}

// both is what two directories say of one account.
func both(p, q Person) Person {
	if p.Kind == agent.Member {
		p.Kind = q.Kind
	}
	p.Active = p.Active && q.Active
	if q.AwayUntil.After(p.AwayUntil) {
		p.AwayUntil = q.AwayUntil
	}
	if q.AsOf.Before(p.AsOf) {
		p.AsOf = q.AsOf
	}
	if p.Person == "" {
		p.Person = q.Person
	}
	if p.Name == "" {
		p.Name = q.Name
	}
	p.Owner = (p.Owner || q.Owner) && p.Kind == agent.Member
	p.Groups = slices.Concat(p.Groups, q.Groups)
	slices.Sort(p.Groups)
	p.Groups = slices.Compact(p.Groups)
	return p
}

// Members implements Source.
func (o over) Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]Person, error) {
	ids := map[agent.ActorID]bool{}
	for _, s := range []Source{o.first, o.second} {
		some, err := s.Members(ctx, ws, group)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			ids[p.ID] = true
		}
	}
	var in []Person
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		p, err := o.Person(ctx, ws, id)
		switch {
		case agent.KindOf(err) == agent.NotFound && err != nil:
			// Gone since the group was looked up.
		case err != nil:
			return nil, err
		default:
			in = append(in, p)
		}
	}
	return in, nil
}

// List implements Lister with the accounts that either can list, each as both say.
func (o over) List(ctx context.Context, ws agent.WorkspaceID) ([]Person, error) {
	some, err := joined{o.first, o.second}.List(ctx, ws)
	if err != nil {
		return nil, err
	}
	var all []Person
	for _, p := range some {
		p, err := o.Person(ctx, ws, p.ID)
		switch {
		case agent.KindOf(err) == agent.NotFound && err != nil:
			// Gone since the list was made.
		case err != nil:
			return nil, err
		default:
			all = append(all, p)
		}
	}
	return all, nil
}
