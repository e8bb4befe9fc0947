package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory/ingest"
)

// maxDocument is the largest JSON body of a document: 12 MiB of text whose every
// byte is escaped, and the places of its paragraphs.
const maxDocument = 96 << 20

type importedIn struct {
	Collection string `query:"collection" doc:"Only what was imported with it."`
}

type documentIn struct{ Body ingest.Document }

type unimportIn struct {
	Body struct {
		IDs []string `json:"ids" maxItems:"1000" doc:"Ids of imported documents."`
	}
}

// unimported says how many documents were removed.
type unimported struct {
	Removed int `json:"removed"`
}

func (s *server) library(h huma.API) {
	svc := s.Service
	huma.Register(h, operation(http.MethodGet, "/memory/imports", "list-imports", "Documents you had imported"),
		call(s, func(ctx context.Context, by agent.Actor, in *importedIn) ([]ingest.Known, error) {
			return list(svc.Imported(ctx, by, in.Collection))
		}))
	put := operation(http.MethodPost, "/memory/imports", "import-document", "Have a document remembered, in place of its version before")
	put.MaxBodyBytes = maxDocument
	huma.Register(h, put, call(s, func(ctx context.Context, by agent.Actor, in *documentIn) (ingest.Stored, error) {
		return svc.Import(ctx, by, in.Body)
	}))
	huma.Register(h, operation(http.MethodPost, "/memory/imports/remove", "remove-imports", "Remove imported documents for good"),
		call(s, func(ctx context.Context, by agent.Actor, in *unimportIn) (unimported, error) {
			n, err := svc.Unimport(ctx, by, in.Body.IDs)
			return unimported{n}, err
		}))
}

// Imported implements ingest.Library.
func (c *Client) Imported(ctx context.Context, _ agent.Actor, collection string) ([]ingest.Known, error) {
	query := url.Values{}
	set(query, "collection", collection)
	return ask[[]ingest.Known](ctx, c, get("/memory/imports", query))
}

// Import implements ingest.Library.
func (c *Client) Import(ctx context.Context, _ agent.Actor, d ingest.Document) (ingest.Stored, error) {
	q, err := post("/memory/imports", d)
	if err != nil {
		return ingest.Stored{}, err
	}
	return ask[ingest.Stored](ctx, c, q)
}

// Unimport implements ingest.Library.
func (c *Client) Unimport(ctx context.Context, _ agent.Actor, ids []string) (int, error) {
	var in unimportIn
	in.Body.IDs = ids
	q, err := post("/memory/imports/remove", in.Body)
	if err != nil {
		return 0, err
	}
	out, err := ask[unimported](ctx, c, q)
	return out.Removed, err
}
