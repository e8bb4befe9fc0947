// Package looptest holds what every durable engine behind the loop must keep,
// and a model that follows a script.
package looptest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// Script is a model that answers from a function; it records what it was asked.
type Script struct {
	mu       sync.Mutex
	answer   func(req model.Request) (model.Response, error)
	requests []model.Request
}

// Answer returns a model that answers with f. It may be called at once.
func Answer(f func(req model.Request) (model.Response, error)) *Script { return &Script{answer: f} }

// Name implements model.Model.
func (*Script) Name() string { return "script" }

// Complete implements model.Model.
func (s *Script) Complete(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return model.Response{}, err
	}
	resp, err := s.answer(req)
	if err != nil {
		return resp, err
	}
	resp.Model = s.Name()
	if delta != nil && resp.Text != "" {
		delta(resp.Text)
	}
	resp.Usage = resp.Usage.Add(agent.Usage{InputTokens: 1, OutputTokens: 1})
	return resp, nil
}

// Requests returns what the model was asked so far.
func (s *Script) Requests() []model.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]model.Request(nil), s.requests...)
}

// Say answers with text.
func Say(text string) (model.Response, error) {
	return model.Response{Text: text, Finish: model.FinishStop}, nil
}

// Call answers with tool calls, each written "tool {json}".
func Call(calls ...string) (model.Response, error) {
	r := model.Response{Finish: model.FinishCalls}
	for i, c := range calls {
		name, args, _ := strings.Cut(c, " ")
		r.Calls = append(r.Calls, model.ToolCall{ID: fmt.Sprint(i), Name: name, Args: args})
	}
	return r, nil
}

// Results returns the texts of the tool messages since the last user message,
// in order.
func Results(req model.Request) []string {
	var out []string
	for _, m := range req.Messages {
		switch m.Role {
		case model.RoleUser:
			out = nil
		case model.RoleTool:
			out = append(out, m.Text)
		case model.RoleSystem, model.RoleAssistant:
		}
	}
	return out
}

// Asked returns the last user message's text.
func Asked(req model.Request) string {
	asked := ""
	for _, m := range req.Messages {
		if m.Role == model.RoleUser {
			asked = m.Text
		}
	}
	return asked
}
