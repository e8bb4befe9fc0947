package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/tools"
)

// Control is how people look at effects and step in.
type Control interface {
	// ListEffects lists the newest effects the actor may see, oldest first; see
	// loop.Effect. Calls that wait for a yes or have it and have not begun are
	// listed as planned and approved: they have no key yet.
	ListEffects(ctx context.Context, by agent.Actor, f loop.EffectFilter) ([]loop.Effect, error)
	// ResolveEffect settles an unknown effect by what a person found out.
	ResolveEffect(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error)
	// Pauses lists what is stopped now.
	Pauses(ctx context.Context, by agent.Actor) ([]pause.Pause, error)
	// Pause stops what the scope names, and Resume lets it go on; see agent/pause
	// for who may.
	Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
	Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
}

type effectsIn struct {
	Turn  string              `query:"turn"`
	State []tools.EffectState `query:"state"`
	Limit int                 `query:"limit" minimum:"0" maximum:"1000" doc:"The newest are kept."`
}

type resolutionIn struct {
	ID   string `path:"id" maxLength:"300"`
	Body struct {
		Happened bool   `json:"happened" doc:"What you found when you looked."`
		Note     string `json:"note" maxLength:"2000" doc:"Where you looked and what you saw."`
	}
}

type pauseIn struct {
	Body struct {
		Scope  pause.Scope `json:"scope" enum:"everything,workspace,tool,turn"`
		Target string      `json:"target,omitempty" maxLength:"300" doc:"The tool's name or the turn's id."`
		Reason string      `json:"reason" maxLength:"500" doc:"Shown to everybody whose work stops."`
	}
}

type resumeIn struct {
	Scope  pause.Scope `query:"scope" required:"true" enum:"everything,workspace,tool,turn"`
	Target string      `query:"target" maxLength:"300"`
}

func (s *server) control(h huma.API) {
	const get, post = http.MethodGet, http.MethodPost
	svc := s.Service
	huma.Register(h, operation(get, "/effects", "list-effects", "What was changed or is about to be"),
		call(s, func(ctx context.Context, by agent.Actor, in *effectsIn) ([]loop.Effect, error) {
			return list(svc.ListEffects(ctx, by, loop.EffectFilter{Turn: in.Turn, States: in.State, Limit: in.Limit}))
		}))
	huma.Register(h, operation(post, "/effects/{id}/resolution", "resolve-effect", "Say what became of an unknown effect"),
		call(s, func(ctx context.Context, by agent.Actor, in *resolutionIn) (loop.Effect, error) {
			return svc.ResolveEffect(ctx, by, in.ID, in.Body.Happened, in.Body.Note)
		}))
	huma.Register(h, operation(get, "/pauses", "list-pauses", "What is stopped now"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) ([]pause.Pause, error) {
			return list(svc.Pauses(ctx, by))
		}))
	huma.Register(h, operation(post, "/pauses", "pause", "Stop a turn, a tool, the workspace or everything"),
		call(s, func(ctx context.Context, by agent.Actor, in *pauseIn) (pause.Pause, error) {
			return svc.Pause(ctx, by, in.Body.Scope, in.Body.Target, in.Body.Reason)
		}))
	lift := operation(http.MethodDelete, "/pauses", "resume", "Let what was stopped go on")
	lift.DefaultStatus = http.StatusOK
	huma.Register(h, lift, call(s, func(ctx context.Context, by agent.Actor, in *resumeIn) (pause.Pause, error) {
		return svc.Resume(ctx, by, in.Scope, in.Target)
	}))
}

// ListEffects implements Control.
func (c *Client) ListEffects(ctx context.Context, _ agent.Actor, f loop.EffectFilter) ([]loop.Effect, error) {
	query := url.Values{}
	set(query, "turn", f.Turn)
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = string(s)
	}
	set(query, "state", strings.Join(states, ","))
	number(query, "limit", int64(f.Limit))
	return ask[[]loop.Effect](ctx, c, get("/effects", query))
}

// ResolveEffect implements Control.
func (c *Client) ResolveEffect(ctx context.Context, _ agent.Actor, key string, happened bool, note string) (loop.Effect, error) {
	var in resolutionIn
	in.Body.Happened, in.Body.Note = happened, note
	q, err := post(pathTo("effects", key, "/resolution"), in.Body)
	if err != nil {
		return loop.Effect{}, err
	}
	return ask[loop.Effect](ctx, c, q)
}

// Pauses implements Control.
func (c *Client) Pauses(ctx context.Context, _ agent.Actor) ([]pause.Pause, error) {
	return ask[[]pause.Pause](ctx, c, get("/pauses", nil))
}

// Pause implements Control.
func (c *Client) Pause(ctx context.Context, _ agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error) {
	var in pauseIn
	in.Body.Scope, in.Body.Target, in.Body.Reason = s, target, reason
	q, err := post("/pauses", in.Body)
	if err != nil {
		return pause.Pause{}, err
	}
	return ask[pause.Pause](ctx, c, q)
}

// Resume implements Control.
func (c *Client) Resume(ctx context.Context, _ agent.Actor, s pause.Scope, target string) (pause.Pause, error) {
	query := url.Values{"scope": {string(s)}}
	set(query, "target", target)
	return ask[pause.Pause](ctx, c, request{method: http.MethodDelete, path: "/pauses", query: query})
}
