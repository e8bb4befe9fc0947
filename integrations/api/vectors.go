package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Vectors are those that memory is searched by. Only an owner may change or see
// how they are made; others are Forbidden. Without an embedding model there are
// none: Invalid.
type Vectors interface {
	// Vectors says how far they are.
	Vectors(ctx context.Context, by agent.Actor) (memory.IndexStatus, error)
	// Reembed begins to embed everything anew; see memory.Indexer.
	Reembed(ctx context.Context, by agent.Actor, anyway bool) (memory.Generation, error)
	// CancelReembed drops what is being made; NotFound when nothing is.
	CancelReembed(ctx context.Context, by agent.Actor) error
}

type reembedIn struct {
	Body struct {
		Anyway bool `json:"anyway,omitempty" doc:"Embed anew with the same model too, and use the new vectors even when they find less."`
	}
}

func (s *server) vectors(h huma.API) {
	svc := s.Service
	huma.Register(h, operation(http.MethodGet, "/memory/vectors", "get-vectors", "How far the vectors are that memory is searched by"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) (memory.IndexStatus, error) {
			return svc.Vectors(ctx, by)
		}))
	huma.Register(h, operation(http.MethodPost, "/memory/vectors", "reembed", "Embed what is remembered anew, beside the vectors in use"),
		call(s, func(ctx context.Context, by agent.Actor, in *reembedIn) (memory.Generation, error) {
			return svc.Reembed(ctx, by, in.Body.Anyway)
		}))
	huma.Register(h, operation(http.MethodDelete, "/memory/vectors", "cancel-reembed", "Drop the vectors that are being made"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) (struct{}, error) {
			return struct{}{}, svc.CancelReembed(ctx, by)
		}))
}

// Vectors implements Vectors.
func (c *Client) Vectors(ctx context.Context, _ agent.Actor) (memory.IndexStatus, error) {
	return ask[memory.IndexStatus](ctx, c, get("/memory/vectors", nil))
}

// Reembed implements Vectors.
func (c *Client) Reembed(ctx context.Context, _ agent.Actor, anyway bool) (memory.Generation, error) {
	var in reembedIn
	in.Body.Anyway = anyway
	q, err := post("/memory/vectors", in.Body)
	if err != nil {
		return memory.Generation{}, err
	}
	return ask[memory.Generation](ctx, c, q)
}

// CancelReembed implements Vectors.
func (c *Client) CancelReembed(ctx context.Context, _ agent.Actor) error {
	_, err := ask[struct{}](ctx, c, request{method: http.MethodDelete, path: "/memory/vectors"})
	return err
}
