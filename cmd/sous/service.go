package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
)

// service is api.Service in the process that holds the store.
type service struct {
	*loop.Assistant
	app *app
}

var _ api.Service = service{}

// Tickets implements api.Records.
func (s service) Tickets(ctx context.Context, by agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error) {
	all, err := s.app.db.tracker.Search(ctx, by.Workspace, q)
	if err != nil {
		return nil, err
	}
	mine := all[:0]
	for _, t := range all {
		if t.Label.Readers.Includes(by) {
			mine = append(mine, t)
		}
	}
	return mine, nil
}

// Ticket implements api.Records.
func (s service) Ticket(ctx context.Context, by agent.Actor, id string) (api.Ticket, error) {
	t, err := s.app.db.tracker.Ticket(ctx, by.Workspace, id)
	if err != nil {
		return api.Ticket{}, err
	}
	if !t.Label.Readers.Includes(by) {
		return api.Ticket{}, agent.Errorf(agent.NotFound, "there is no ticket %s", id)
	}
	full := api.Ticket{Ticket: t}
	if full.Comments, err = s.app.db.tracker.Comments(ctx, by.Workspace, id); err != nil {
		return api.Ticket{}, err
	}
	full.History, err = s.app.db.tracker.History(ctx, by.Workspace, id)
	return full, err
}

// Memories implements api.Records.
func (s service) Memories(ctx context.Context, by agent.Actor, query string, limit int) ([]api.Memory, error) {
	if limit <= 0 {
		limit = 20
	}
	hits, err := s.app.memory.Recall(ctx, memory.Query{Reader: by, Text: query, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]api.Memory, 0, len(hits))
	for _, h := range hits {
		m := api.Memory{
			ID: h.Item.ID, Kind: string(h.Kind()), Title: h.Item.Title, Text: h.Chunk.Text,
			Source: h.Citation(), Link: h.Item.Source, At: h.At(), Label: h.Label(),
		}
		if query != "" {
			m.Score, m.Parts = h.Score, &h.Parts
		}
		out = append(out, m)
	}
	return out, nil
}

// Imported implements ingest.Library.
func (s service) Imported(ctx context.Context, by agent.Actor, collection string) ([]ingest.Known, error) {
	return s.app.shelf.Imported(ctx, by, collection)
}

// Import implements ingest.Library.
func (s service) Import(ctx context.Context, by agent.Actor, d ingest.Document) (ingest.Stored, error) {
	return s.app.shelf.Import(ctx, by, d)
}

// Unimport implements ingest.Library.
func (s service) Unimport(ctx context.Context, by agent.Actor, ids []string) (int, error) {
	return s.app.shelf.Unimport(ctx, by, ids)
}

// Audit implements api.Records.
func (s service) Audit(ctx context.Context, by agent.Actor, f audit.Filter) ([]audit.Entry, error) {
	if !by.Owner {
		return nil, agent.Errorf(agent.Forbidden, "only the owner of the workspace may read the record")
	}
	return s.app.db.Audit(ctx, by.Workspace, f)
}

// Info implements api.Records.
func (s service) Info(context.Context) (api.Info, error) { return s.app.info(), nil }

func (a *app) info() api.Info {
	return api.Info{
		Version: version(), Store: a.db.what, Model: a.models.what, Slack: a.slackState(),
		Address: a.address, Started: a.started, MaxUpload: a.cfg.Limits.UploadBytes, Installs: a.installs(),
	}
}

// ticketURL is where a ticket of the built-in tracker can be seen.
func (a *app) ticketURL(id string) string {
	return "http://" + a.cfg.Listen + "/tickets/" + url.PathEscape(id)
}

func minutesOf(o agent.Outcome) (agent.Minutes, error) {
	var m agent.Minutes
	if err := json.Unmarshal(o.Result, &m); err != nil {
		return m, fmt.Errorf("read minutes: %w", err)
	}
	return m, nil
}
