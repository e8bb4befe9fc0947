package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
)

// Statuses shows how Sous stands.
type Statuses interface {
	// Status says how much there is to do, which outside systems are left alone, and
	// what was used of the budgets the actor is bound by.
	Status(ctx context.Context, by agent.Actor) (Status, error)
}

// Status is how a running Sous stands.
type Status struct {
	// Working are the turns worked on of Most at once, and Waiting those that wait for
	// a place; Stuck were set aside.
	Working int `json:"working"`
	Most    int `json:"most"`
	Waiting int `json:"waiting"`
	Stuck   int `json:"stuck"`
	// InLine are requests that wait to be taken.
	InLine int `json:"in_line"`
	// Store says why the store cannot be written; "" when it can.
	Store string `json:"store,omitempty"`
	// Breakers are the circuit breakers of outside systems.
	Breakers []Breaker `json:"breakers"`
	// Budgets are those of the actor and of the workspace.
	Budgets []budget.Line `json:"budgets"`
}

// Breaker is the circuit breaker of an outside system: "closed" (it is asked), "open"
// (it is left alone For so long, in nanoseconds) or "half-open" (it is tried).
type Breaker struct {
	Of    string        `json:"of"`
	State string        `json:"state"`
	For   time.Duration `json:"for,omitempty"`
}

// String says it for people.
func (b Breaker) String() string {
	switch b.State {
	case "open":
		return b.Of + " failed several times in a row and is left alone for " + b.For.Round(time.Second).String()
	case "half-open":
		return b.Of + " failed several times in a row and is being tried again"
	}
	return b.Of + " is asked as usual"
}

func (s *server) status(h huma.API) {
	huma.Register(h, operation(http.MethodGet, "/status", "status", "How much there is to do, what is away, and what was used of the budgets"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) (Status, error) {
			return s.Service.Status(ctx, by)
		}))
}

// Status implements Statuses.
func (c *Client) Status(ctx context.Context, _ agent.Actor) (Status, error) {
	return ask[Status](ctx, c, get("/status", nil))
}
