package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// Letters is how people look after turns, those that were set aside above all.
type Letters interface {
	// ListTurns lists the newest turns the actor may see, newest first.
	ListTurns(ctx context.Context, by agent.Actor, f loop.TurnFilter) ([]loop.Listed, error)
	// Replay has a turn that was set aside run again from where it stood.
	Replay(ctx context.Context, by agent.Actor, id string) error
}

type turnsIn struct {
	ID     string   `query:"id" maxLength:"300"`
	Status []string `query:"status" enum:"queued,running,waiting,done,failed,stopped"`
	Stuck  bool     `query:"stuck" doc:"Only those that were set aside and wait for somebody to look."`
	Limit  int      `query:"limit" minimum:"0" maximum:"500"`
}

func (in *turnsIn) filter() (loop.TurnFilter, error) {
	f := loop.TurnFilter{ID: in.ID, Stuck: in.Stuck, Limit: in.Limit}
	for _, name := range in.Status {
		var s agent.TurnStatus
		if err := s.UnmarshalText([]byte(name)); err != nil {
			return f, agent.Errorf(agent.Invalid, "%w", err)
		}
		f.Statuses = append(f.Statuses, s)
	}
	return f, nil
}

func (s *server) letters(h huma.API) {
	huma.Register(h, operation(http.MethodGet, "/turns", "list-turns", "Turns, the newest first"),
		call(s, func(ctx context.Context, by agent.Actor, in *turnsIn) ([]loop.Listed, error) {
			f, err := in.filter()
			if err != nil {
				return nil, err
			}
			return list(s.Service.ListTurns(ctx, by, f))
		}))
	replay := operation(http.MethodPost, "/turns/{id}/replay", "replay-turn", "Have a turn that was set aside run again from where it stood")
	replay.DefaultStatus = http.StatusAccepted
	huma.Register(h, replay, call(s, func(ctx context.Context, by agent.Actor, in *idIn) (struct{}, error) {
		return struct{}{}, s.Service.Replay(ctx, by, in.ID)
	}))
}

// ListTurns implements Letters.
func (c *Client) ListTurns(ctx context.Context, _ agent.Actor, f loop.TurnFilter) ([]loop.Listed, error) {
	query := url.Values{}
	set(query, "id", f.ID)
	statuses := make([]string, len(f.Statuses))
	for i, s := range f.Statuses {
		statuses[i] = s.String()
	}
	set(query, "status", strings.Join(statuses, ","))
	if f.Stuck {
		query.Set("stuck", "true")
	}
	number(query, "limit", int64(f.Limit))
	return ask[[]loop.Listed](ctx, c, get("/turns", query))
}

// Replay implements Letters.
func (c *Client) Replay(ctx context.Context, _ agent.Actor, id string) error {
	_, err := ask[struct{}](ctx, c, request{method: http.MethodPost, path: pathTo("turns", id, "/replay")})
	return err
}
