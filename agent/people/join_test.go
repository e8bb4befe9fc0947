package people_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

// away is a directory that cannot be reached.
type away struct{}

func (away) Person(context.Context, agent.WorkspaceID, agent.ActorID) (people.Person, error) {
	return people.Person{}, agent.WrapError(agent.Unavailable, errors.New("no route"), "the directory is away")
}

func (away) Members(context.Context, agent.WorkspaceID, string) ([]people.Person, error) {
	return nil, agent.WrapError(agent.Unavailable, errors.New("no route"), "the directory is away")
}

func TestJoinedDirectoriesAnswerAsOneAndNeverGuess(t *testing.T) {
	one := func(id, name string, groups ...string) people.Source {
		return people.Sole{Owner: agent.Actor{Workspace: "w", ID: agent.ActorID(id), Name: name, Groups: groups}, Clock: time.Now}
	}
	all := people.Join(one("owner", "Ann", "owners", "finance"), one("bob", "Bob", "finance"), one("owner", "Another", "finance"))
	if p, err := all.Person(t.Context(), "w", "bob"); err != nil || p.Name != "Bob" {
		t.Errorf("bob: %v, %v", p, err)
	}
	if p, err := all.Person(t.Context(), "w", "owner"); err != nil || p.Name != "Ann" {
		t.Errorf("the first that knows the owner has the word: %v, %v", p, err)
	}
	if _, err := all.Person(t.Context(), "w", "eve"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("somebody unknown: %v", err)
	}
	in, err := all.Members(t.Context(), "w", "finance")
	if err != nil || len(in) != 2 || in[0].ID != "bob" || in[1].Name != "Ann" {
		t.Errorf("finance: %v, %v", in, err)
	}
	half := people.Join(one("owner", "Ann", "owners"), away{})
	if p, err := half.Person(t.Context(), "w", "owner"); err != nil || p.Name != "Ann" {
		t.Errorf("the owner does not depend on the other: %v, %v", p, err)
	}
	if _, err := half.Person(t.Context(), "w", "bob"); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("whether Bob is there is not known: %v", err)
	}
	if _, err := half.Members(t.Context(), "w", "owners"); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("who is in the group is not known: %v", err)
	}
}
