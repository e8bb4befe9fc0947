package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

type approvalsIn struct {
	Mine  bool     `query:"mine" doc:"Only those on which it is your turn to decide."`
	Asked bool     `query:"asked" doc:"Only those that you asked for."`
	State []string `query:"state" doc:"Only those in these states: asked, approved, denied, expired, spent, superseded, withdrawn; or all. Without it those that wait."`
	Tool  string   `query:"tool" maxLength:"100"`
	Tier  int      `query:"tier" minimum:"0" maximum:"3" doc:"Only those of this risk and above."`
	Limit int      `query:"limit" minimum:"0" maximum:"1000" doc:"The newest are kept."`
}

// query is what the parameters ask for.
func (in approvalsIn) query() (loop.ApprovalQuery, error) {
	q := loop.ApprovalQuery{Waiting: in.Mine, Mine: in.Asked, Tool: in.Tool, Limit: in.Limit, States: []approval.State{approval.Asked}}
	if in.Tier > 0 {
		q.Tier = agent.TierRead + agent.Tier(in.Tier)
	}
	if len(in.State) > 0 {
		var err error
		if q.States, err = approval.ParseStates(in.State...); err != nil {
			return q, err
		}
	}
	return q, nil
}

type toolIn struct {
	Name string `path:"name" maxLength:"100"`
}

type decisionIn struct {
	ID   string `path:"id" maxLength:"300"`
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The id of the click: the same again changes nothing and is no error."`
	Body struct {
		Approve bool   `json:"approve"`
		Comment string `json:"comment,omitempty" maxLength:"4000" doc:"The reason; it goes back to the model on a no."`
	}
}

type editIn struct {
	ID   string `path:"id" maxLength:"300"`
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The id of the click: the same again changes nothing and is no error."`
	Body struct {
		Args object `json:"args" doc:"All arguments of the call, as it is to be asked instead."`
	}
}

type delegateIn struct {
	ID   string `path:"id" maxLength:"300"`
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The id of the click: the same again changes nothing and is no error."`
	Body struct {
		To agent.ActorID `json:"to" minLength:"1" maxLength:"300" doc:"The id of the person who is to decide in your place."`
	}
}

type noteIn struct {
	ID   string `path:"id" maxLength:"300"`
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The id of the click: the same again changes nothing and is no error."`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4000"`
	}
}

// object is a JSON object that is passed on as it was written.
type object struct{ json.RawMessage }

// Schema implements huma.SchemaProvider.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// approvals lists the operations on approvals.
func (s *server) approvals(h huma.API) {
	const get, post = http.MethodGet, http.MethodPost
	svc := s.Service
	huma.Register(h, operation(get, "/approvals", "list-approvals", "Approvals: those that wait, or those of other states, oldest first"),
		call(s, func(ctx context.Context, by agent.Actor, in *approvalsIn) ([]approval.Approval, error) {
			q, err := in.query()
			if err != nil {
				return nil, err
			}
			return list(svc.ListApprovals(ctx, by, q))
		}))
	huma.Register(h, operation(get, "/approvals/{id}", "get-approval", "One approval"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (approval.Approval, error) {
			return svc.ShowApproval(ctx, by, in.ID)
		}))
	huma.Register(h, operation(get, "/approvals/{id}/about", "about-approval", "What its call touches, as far as you may see it"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) ([]agent.Note, error) {
			return list(svc.About(ctx, by, in.ID))
		}))
	huma.Register(h, operation(get, "/approvals/{id}/colleagues", "list-colleagues", "To whom you could hand it"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) ([]agent.Actor, error) {
			return list(svc.Colleagues(ctx, by, in.ID))
		}))
	huma.Register(h, operation(get, "/tools/{name}/schema", "tool-schema", "The JSON Schema of a tool's arguments, for forms"),
		call(s, func(ctx context.Context, _ agent.Actor, in *toolIn) (object, error) {
			schema, err := svc.Schema(ctx, in.Name)
			return object{schema}, err
		}))
	huma.Register(h, operation(post, "/approvals/{id}/decision", "decide", "Say yes or no; the first decision counts"),
		call(s, func(ctx context.Context, by agent.Actor, in *decisionIn) (approval.Approval, error) {
			return svc.Answer(ctx, by, loop.Answer{Approval: in.ID, Yes: in.Body.Approve, Comment: in.Body.Comment, Event: in.Key})
		}))
	huma.Register(h, operation(post, "/approvals/{id}/edit", "edit-approval", "Ask for the call with other arguments instead"),
		call(s, func(ctx context.Context, by agent.Actor, in *editIn) (approval.Approval, error) {
			return svc.Edit(ctx, by, in.ID, in.Body.Args.RawMessage, in.Key)
		}))
	huma.Register(h, operation(post, "/approvals/{id}/delegate", "delegate-approval", "Hand your say to somebody else"),
		call(s, func(ctx context.Context, by agent.Actor, in *delegateIn) (approval.Approval, error) {
			return svc.Delegate(ctx, by, in.ID, in.Body.To, in.Key)
		}))
	huma.Register(h, operation(post, "/approvals/{id}/notes", "note-approval", "Ask or answer something about it"),
		call(s, func(ctx context.Context, by agent.Actor, in *noteIn) (approval.Approval, error) {
			return svc.Note(ctx, by, in.ID, in.Body.Text, in.Key)
		}))
}

// ListApprovals implements Approvals.
func (c *Client) ListApprovals(ctx context.Context, _ agent.Actor, q loop.ApprovalQuery) ([]approval.Approval, error) {
	query := url.Values{}
	if q.Waiting {
		query.Set("mine", "true")
	}
	if q.Mine {
		query.Set("asked", "true")
	}
	states := "all"
	if len(q.States) > 0 {
		names := make([]string, len(q.States))
		for i, s := range q.States {
			names[i] = string(s)
		}
		states = strings.Join(names, ",")
	}
	query.Set("state", states)
	set(query, "tool", q.Tool)
	if q.Tier != agent.TierUnset {
		number(query, "tier", int64(q.Tier.Number()))
	}
	number(query, "limit", int64(q.Limit))
	return ask[[]approval.Approval](ctx, c, get("/approvals", query))
}

// ShowApproval implements Approvals.
func (c *Client) ShowApproval(ctx context.Context, _ agent.Actor, id string) (approval.Approval, error) {
	return ask[approval.Approval](ctx, c, get(pathTo("approvals", id, ""), nil))
}

// About implements Approvals.
func (c *Client) About(ctx context.Context, _ agent.Actor, id string) ([]agent.Note, error) {
	return ask[[]agent.Note](ctx, c, get(pathTo("approvals", id, "/about"), nil))
}

// Colleagues implements Approvals.
func (c *Client) Colleagues(ctx context.Context, _ agent.Actor, id string) ([]agent.Actor, error) {
	return ask[[]agent.Actor](ctx, c, get(pathTo("approvals", id, "/colleagues"), nil))
}

// Schema implements Approvals.
func (c *Client) Schema(ctx context.Context, tool string) (json.RawMessage, error) {
	return ask[json.RawMessage](ctx, c, get(pathTo("tools", tool, "/schema"), nil))
}

// Answer implements Decisions.
func (c *Client) Answer(ctx context.Context, _ agent.Actor, in loop.Answer) (approval.Approval, error) {
	var d decisionIn
	d.Body.Approve, d.Body.Comment = in.Yes, in.Comment
	return c.onApproval(ctx, pathTo("approvals", in.Approval, "/decision"), d.Body, in.Event)
}

// Edit implements Decisions.
func (c *Client) Edit(ctx context.Context, _ agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error) {
	return c.onApproval(ctx, pathTo("approvals", id, "/edit"), map[string]any{"args": args}, event)
}

// Delegate implements Decisions.
func (c *Client) Delegate(ctx context.Context, _ agent.Actor, id string, to agent.ActorID, event string) (approval.Approval, error) {
	return c.onApproval(ctx, pathTo("approvals", id, "/delegate"), map[string]any{"to": to}, event)
}

// Note implements Decisions.
func (c *Client) Note(ctx context.Context, _ agent.Actor, id, text, event string) (approval.Approval, error) {
	return c.onApproval(ctx, pathTo("approvals", id, "/notes"), map[string]any{"text": text}, event)
}

// onApproval posts something that is done to an approval; event is the id of the
// delivery, "" for none.
func (c *Client) onApproval(ctx context.Context, path string, body any, event string) (approval.Approval, error) {
	q, err := post(path, body)
	if err != nil {
		return approval.Approval{}, err
	}
	if event != "" {
		q.header.Set("Idempotency-Key", event)
	}
	return ask[approval.Approval](ctx, c, q)
}
