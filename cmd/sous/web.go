package main

import (
	"context"
	"errors"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/web"
)

// console shows the service to the web pages.
type console struct{ service }

// Ticket implements web.Tickets.
func (c console) Ticket(ctx context.Context, by agent.Actor, id string) (web.Ticket, error) {
	got, err := c.service.Ticket(ctx, by, id)
	return web.Ticket{Ticket: got.Ticket, Comments: got.Comments, History: got.History}, err
}

// Memories implements web.Memory.
func (c console) Memories(ctx context.Context, by agent.Actor, query string, limit int) ([]web.Remembered, error) {
	all, err := c.service.Memories(ctx, by, query, limit)
	out := make([]web.Remembered, 0, len(all))
	for _, m := range all {
		out = append(out, web.Remembered{ID: m.ID, Kind: m.Kind, Title: m.Title, Text: m.Text, Source: m.Source, At: m.At, Label: m.Label})
	}
	return out, err
}

// Item implements web.Memory.
func (c console) Item(ctx context.Context, by agent.Actor, id string) (web.Remembered, error) {
	i, err := c.app.memory.Get(ctx, by, id)
	return web.Remembered{
		ID: i.ID, Kind: string(i.Kind), Title: i.Title, Text: i.Text(), Source: i.Source, At: i.At, Label: i.Label, Forgotten: !i.Live(),
	}, err
}

// Forget implements web.Memory.
func (c console) Forget(ctx context.Context, by agent.Actor, id string) error {
	_, err := c.ForgetItem(ctx, by, id, false)
	return err
}

// Restore implements web.Memory.
func (c console) Restore(ctx context.Context, by agent.Actor, id string) error {
	_, err := c.RestoreItem(ctx, by, id)
	return err
}

// Explain implements web.Stories.
func (c console) Explain(ctx context.Context, by agent.Actor, id string) ([]audit.Story, error) {
	if !by.Owner {
		return nil, agent.Errorf(agent.Forbidden, "only the owner of the workspace may read the record")
	}
	ring, err := c.app.db.Keys()
	if err != nil {
		return nil, err
	}
	r, err := openRecord(ctx, c.app.cfg)
	if err != nil {
		return nil, err
	}
	all, err := r.Explain(ctx, by.Workspace, ring.KEK, id)
	return all, errors.Join(err, r.Close())
}
