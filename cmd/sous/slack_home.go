package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/memory"
)

// personal is what people may ask of Sous about themselves, from Slack.
type personal struct{ service }

var _ slack.Personal = personal{}

// mostRemembered bounds how many memories of one person are counted.
const mostRemembered = 1000

// Remembered implements slack.Personal.
func (p personal) Remembered(ctx context.Context, by agent.Actor, limit int) ([]slack.Remembered, int, error) {
	all, err := p.app.memory.List(ctx, memory.Filter{Reader: by, Author: by.ID, Limit: mostRemembered})
	if err != nil {
		return nil, 0, err
	}
	var some []slack.Remembered
	for _, i := range all[:min(len(all), limit)] {
		title := i.Title
		if title == "" {
			// Lists come without what is in them.
			if whole, err := p.app.memory.Get(ctx, by, i.ID); err == nil {
				title = whole.Text()
			}
		}
		some = append(some, slack.Remembered{ID: i.ID, Title: title, Kind: string(i.Kind), At: i.At})
	}
	return some, len(all), nil
}

// ForgetItem implements slack.Personal.
func (p personal) ForgetItem(ctx context.Context, by agent.Actor, id string) error {
	_, err := p.app.memory.Forget(ctx, by, id)
	return err
}

// Export implements slack.Personal.
func (p personal) Export(ctx context.Context, by agent.Actor) ([]byte, error) {
	all, err := p.PersonalData(ctx, by, by.ID)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = []privacy.Record{}
	}
	raw, err := json.MarshalIndent(map[string]any{"subject": by.ID, "records": all}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return raw, nil
}

// Erase implements slack.Personal.
func (p personal) Erase(ctx context.Context, by agent.Actor, dry bool) (map[string]int64, []string, error) {
	done, err := p.ErasePerson(ctx, by, by.ID, dry, false)
	return done.Counts, done.Elsewhere, err
}

// cited says where it was said what an answer cites: of the passages that the person
// may read and that the answer's words find, those with that citation. Of several with
// the same one it is the nearest.
func (a *app) cited(ctx context.Context, by agent.Actor, answer string, citations []string) map[string]string {
	hits, err := a.memory.Recall(ctx, memory.Query{Reader: by, Text: answer, Limit: 50})
	if err != nil {
		return nil
	}
	said := map[string]string{}
	for _, h := range hits {
		c := h.Citation()
		if _, had := said[c]; !had && slices.Contains(citations, c) {
			said[c] = h.Item.Source
		}
	}
	return said
}

// systems lists for people what Sous works with and how it is.
func (a *app) systems(context.Context) []slack.System {
	model := slack.System{Name: "Model", State: "ok", Text: a.models.what}
	if c := a.models.circuit; c != nil && c.State() != "closed" {
		model.State, model.Text = "bad", a.models.what+" does not answer; the built-in model does"
	}
	route := slack.System{Name: "Routing", State: "off", Text: "no teams are configured"}
	if a.cfg.RoutingFile != "" {
		route.State, route.Text = "ok", "teams, people and hours from a file"
	}
	return []slack.System{
		model,
		{Name: "Tickets", State: "ok", Text: "the built-in tracker"},
		route,
		{Name: "Slack", State: "ok", Text: a.slackState()},
	}
}
