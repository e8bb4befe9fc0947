package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
)

// Facts are what lasts: facts people asked to have remembered, decisions and
// commitments of minutes.
type Facts interface {
	// Facts lists those the actor may read that fit the query best, or the newest
	// when it is empty, each beside what contradicts it; with history, what a fact
	// was before. At most limit, 0 for 20.
	Facts(ctx context.Context, by agent.Actor, q FactsQuery) ([]Fact, error)
	// ForgetItem makes recall pass an item over, or takes it out for good.
	ForgetItem(ctx context.Context, by agent.Actor, id string, forGood bool) (Memory, error)
	// RestoreItem takes forgetting or a correction back.
	RestoreItem(ctx context.Context, by agent.Actor, id string) (Memory, error)
}

// FactsQuery asks for facts.
type FactsQuery struct {
	Query   string
	History bool
	Limit   int
}

// Fact is something said to hold, decided or promised.
type Fact struct {
	ID string `json:"id"`
	// Kind is "fact", "decision" or "action".
	Kind string `json:"kind"`
	Text string `json:"text"`
	// Quote is the evidence of minutes, word for word.
	Quote string `json:"quote,omitempty"`
	// Who said it or had it remembered, where and when.
	Who   string    `json:"who,omitempty"`
	Where string    `json:"where,omitempty"`
	When  time.Time `json:"when"`
	// Source names where it came from, Citation all of that in one line.
	Source   string      `json:"source,omitempty"`
	Citation string      `json:"citation"`
	Label    agent.Label `json:"label"`
	// Against are facts that contradict it, Before what it took the place of,
	// newest first.
	Against []FactRef `json:"disagrees_with,omitempty"`
	Before  []FactRef `json:"before,omitempty"`
}

// FactRef is a fact beside another.
type FactRef struct {
	ID       string `json:"id"`
	Text     string `json:"text"`
	Citation string `json:"citation"`
}

type factsIn struct {
	Query   string `query:"q"`
	History bool   `query:"history" doc:"Show what facts were before they were corrected."`
	Limit   int    `query:"limit" minimum:"0" maximum:"1000"`
}

type forgetIn struct {
	ID   string `path:"id" maxLength:"300"`
	Body struct {
		ForGood bool `json:"for_good,omitempty" doc:"Take it out for good: it cannot be restored."`
	}
}

func (s *server) facts(h huma.API) {
	svc := s.Service
	huma.Register(h, operation(http.MethodGet, "/memory/facts", "list-facts", "Facts, decisions and commitments, by words or the newest"),
		call(s, func(ctx context.Context, by agent.Actor, in *factsIn) ([]Fact, error) {
			return list(svc.Facts(ctx, by, FactsQuery(*in)))
		}))
	huma.Register(h, operation(http.MethodPost, "/memory/{id}/forget", "forget", "Forget something remembered"),
		call(s, func(ctx context.Context, by agent.Actor, in *forgetIn) (Memory, error) {
			return svc.ForgetItem(ctx, by, in.ID, in.Body.ForGood)
		}))
	huma.Register(h, operation(http.MethodPost, "/memory/{id}/restore", "restore-memory", "Take forgetting or a correction back"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (Memory, error) {
			return svc.RestoreItem(ctx, by, in.ID)
		}))
}

// Facts implements Facts.
func (c *Client) Facts(ctx context.Context, _ agent.Actor, q FactsQuery) ([]Fact, error) {
	query := url.Values{}
	set(query, "q", q.Query)
	number(query, "limit", int64(q.Limit))
	if q.History {
		query.Set("history", "true")
	}
	return ask[[]Fact](ctx, c, get("/memory/facts", query))
}

// ForgetItem implements Facts.
func (c *Client) ForgetItem(ctx context.Context, _ agent.Actor, id string, forGood bool) (Memory, error) {
	var in forgetIn
	in.Body.ForGood = forGood
	q, err := post(pathTo("memory", id, "/forget"), in.Body)
	if err != nil {
		return Memory{}, err
	}
	return ask[Memory](ctx, c, q)
}

// RestoreItem implements Facts.
func (c *Client) RestoreItem(ctx context.Context, _ agent.Actor, id string) (Memory, error) {
	return ask[Memory](ctx, c, request{method: http.MethodPost, path: pathTo("memory", id, "/restore")})
}
