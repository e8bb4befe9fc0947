package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

type approvalsIn struct {
	Mine bool `query:"mine" doc:"Only those on which it is your turn to decide."`
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
	huma.Register(h, operation(get, "/approvals", "list-approvals", "The approvals that wait, oldest first"),
		call(s, func(ctx context.Context, by agent.Actor, in *approvalsIn) ([]approval.Approval, error) {
			if in.Mine {
				return list(svc.Queue(ctx, by))
			}
			return list(svc.Pending(ctx, by))
		}))
	huma.Register(h, operation(get, "/approvals/{id}", "get-approval", "One approval"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (approval.Approval, error) {
			return svc.Approval(ctx, by, in.ID)
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

// Pending implements Decisions.
func (c *Client) Pending(ctx context.Context, _ agent.Actor) ([]approval.Approval, error) {
	return ask[[]approval.Approval](ctx, c, get("/approvals", nil))
}

// Queue implements Decisions.
func (c *Client) Queue(ctx context.Context, _ agent.Actor) ([]approval.Approval, error) {
	return ask[[]approval.Approval](ctx, c, get("/approvals", url.Values{"mine": {"true"}}))
}

// Approval implements Decisions.
func (c *Client) Approval(ctx context.Context, _ agent.Actor, id string) (approval.Approval, error) {
	return ask[approval.Approval](ctx, c, get(pathTo("approvals", id, ""), nil))
}

// Decide implements Decisions.
func (c *Client) Decide(ctx context.Context, by agent.Actor, id string, yes bool, comment string) (approval.Approval, error) {
	return c.Answer(ctx, by, loop.Answer{Approval: id, Yes: yes, Comment: comment})
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
