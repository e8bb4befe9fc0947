package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/sqlite"
)

func (l local) signIn() people.SignIn {
	return people.SignIn{Tokens: l.rig.DB.(*sqlite.DB), Workspace: ann.Workspace, Secret: []byte("secret")}
}

func (l local) People(ctx context.Context, by agent.Actor) ([]api.Person, error) {
	tokens, err := l.rig.DB.(*sqlite.DB).AllTokens(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	p := api.Person{Actor: by, Active: true, AwayUntil: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)}
	for _, t := range tokens {
		p.SignIn = t.Issued
	}
	return []api.Person{p}, nil
}

func (l local) IssueToken(ctx context.Context, by agent.Actor, person agent.ActorID) (api.Issued, error) {
	token, err := l.signIn().Issue(ctx, by, person)
	return api.Issued{Person: person, Token: token, Address: "http://127.0.0.1:1/"}, err
}

func (l local) RevokeToken(ctx context.Context, by agent.Actor, person agent.ActorID) error {
	return l.signIn().Revoke(ctx, by, person)
}

func TestTokensAreIssuedListedAndTakenBack(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		got, err := svc.IssueToken(t.Context(), ann, "slack:T1/U 1")
		if err != nil || got.Person != "slack:T1/U 1" || got.Address == "" {
			t.Fatalf("%+v, %v", got, err)
		}
		if who, err := p.signIn().Find(t.Context(), got.Token); err != nil || who != got.Person {
			t.Errorf("the token is %s's, %v", who, err)
		}
		all, err := svc.People(t.Context(), ann)
		if err != nil || len(all) != 1 || all[0].ID != ann.ID || !all[0].Active || all[0].SignIn.IsZero() || all[0].AwayUntil.IsZero() || !all[0].Owner {
			t.Errorf("people are %+v, %v", all, err)
		}
		if err := svc.RevokeToken(t.Context(), ann, got.Person); err != nil {
			t.Fatal(err)
		}
		if err := svc.RevokeToken(t.Context(), ann, got.Person); agent.KindOf(err) != agent.NotFound {
			t.Errorf("again: %v", err)
		}
	})
}

func TestWhoMaySignInIsServedOnThisMachineAlone(t *testing.T) {
	p := newLocal(t)
	h, err := api.New(api.Config{Service: p, Authenticate: func(*http.Request) (agent.Actor, error) { return ann, nil }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := api.NewClient(server.Client(), server.URL)
	if _, err := client.People(t.Context(), ann); agent.KindOf(err) != agent.NotFound {
		t.Errorf("people: %v", err)
	}
	if _, err := client.IssueToken(t.Context(), ann, "bob"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("a token: %v", err)
	}
	if all, err := p.rig.DB.(*sqlite.DB).AllTokens(t.Context(), ann.Workspace); err != nil || len(all) != 0 {
		t.Errorf("tokens are %v, %v", all, err)
	}
}
