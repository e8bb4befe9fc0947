package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
)

// Access is who belongs to the workspace and signs in. It is served where
// Config.Local says, and nowhere else: a token is worth as much as its person.
type Access interface {
	// People lists the accounts of the people file, in its order.
	People(ctx context.Context, by agent.Actor) ([]Person, error)
	// IssueToken makes the token a person signs in with; one before no longer
	// counts. RevokeToken takes it back. Only an owner may.
	IssueToken(ctx context.Context, by agent.Actor, person agent.ActorID) (Issued, error)
	RevokeToken(ctx context.Context, by agent.Actor, person agent.ActorID) error
}

// Person is one account of the workspace.
type Person struct {
	agent.Actor
	Active bool `json:"active"`
	// AwayUntil is when an absence ends.
	AwayUntil time.Time `json:"away_until,omitzero"`
	// SignIn is when they were given the token they sign in with, zero for none.
	SignIn time.Time `json:"sign_in,omitzero"`
}

// Issued is a token and where it signs in.
type Issued struct {
	Person agent.ActorID `json:"person"`
	Token  string        `json:"token"`
	// Address is where the web chat listens, "" when nobody serves one now.
	Address string `json:"address,omitempty"`
}

func (s *server) access(h huma.API) {
	svc := s.Service
	huma.Register(h, operation(http.MethodGet, "/people", "list-people", "Who belongs to the workspace"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) ([]Person, error) {
			return list(svc.People(ctx, by))
		}))
	huma.Register(h, operation(http.MethodPost, "/people/{id}/token", "issue-token", "Make the token a person signs in with"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (Issued, error) {
			return svc.IssueToken(ctx, by, agent.ActorID(in.ID))
		}))
	take := operation(http.MethodDelete, "/people/{id}/token", "revoke-token", "Take a person's token back")
	take.DefaultStatus = http.StatusOK
	huma.Register(h, take, call(s, func(ctx context.Context, by agent.Actor, in *idIn) (struct{}, error) {
		return struct{}{}, svc.RevokeToken(ctx, by, agent.ActorID(in.ID))
	}))
}

// People implements Access.
func (c *Client) People(ctx context.Context, _ agent.Actor) ([]Person, error) {
	return ask[[]Person](ctx, c, get("/people", nil))
}

// IssueToken implements Access.
func (c *Client) IssueToken(ctx context.Context, _ agent.Actor, person agent.ActorID) (Issued, error) {
	return ask[Issued](ctx, c, request{method: http.MethodPost, path: pathTo("people", string(person), "/token")})
}

// RevokeToken implements Access.
func (c *Client) RevokeToken(ctx context.Context, _ agent.Actor, person agent.ActorID) error {
	_, err := ask[struct{}](ctx, c, request{method: http.MethodDelete, path: pathTo("people", string(person), "/token")})
	return err
}
