package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// FallbackConfig adjusts Fallback; the zero value is right for most.
type FallbackConfig struct {
	// Usable says whether an answer can be used at all; nil is Usable.
	Usable func(Request, Response) error
	// OnFallback, when not nil, is told which model failed, which one is asked
	// next and why.
	OnFallback func(ctx context.Context, from, to string, err error)
}

// Fallback asks first and, when it fails or its answer cannot be used, the next
// model. Response.Degraded then says in a sentence for people what happened.
// When all fail the error has the kind and text of the first one's.
//
// A refused request (agent.Invalid, agent.TooLarge) and a stopped one are not
// taken elsewhere. A model whose key or name is wrong (agent.Forbidden,
// agent.NotFound) is replaced: people get an answer, and Degraded says which
// setting to mend.
//
// Text of a failed attempt is never left standing: with Request.Restart it is
// taken back; without it every model but the last gives its text once it has
// succeeded.
func Fallback(c FallbackConfig, first Model, then ...Model) Model {
	if c.Usable == nil {
		c.Usable = Usable
	}
	return &fallback{c, append([]Model{first}, then...)}
}

type fallback struct {
	c      FallbackConfig
	models []Model
}

// Name returns the first model's name.
func (f *fallback) Name() string { return f.models[0].Name() }

func (f *fallback) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	var (
		failed []error
		why    []string
		spent  agent.Usage
	)
	for i, m := range f.models {
		last := i == len(f.models)-1
		resp, err := f.attempt(ctx, m, req, attemptDelta{delta, last})
		spent = spent.Add(resp.Usage)
		resp.Usage = spent
		if err == nil {
			resp.Degraded = degraded(why, m.Name(), resp.Degraded)
			return resp, nil
		}
		if ctx.Err() != nil || !elsewhere(err) {
			return Response{Usage: spent}, err
		}
		failed = append(failed, err)
		why = append(why, fmt.Sprintf("%s could not answer: %s.", m.Name(), strings.TrimRight(agent.PublicText(err), ".")))
		if !last && f.c.OnFallback != nil {
			f.c.OnFallback(ctx, m.Name(), f.models[i+1].Name(), err)
		}
	}
	return Response{Usage: spent}, errors.Join(failed...)
}

// degraded joins why earlier models failed, who answered, and what the answer
// itself said of its making.
func degraded(why []string, name, inner string) string {
	if len(why) == 0 {
		return inner
	}
	return strings.TrimSpace(strings.Join(why, " ") + " " + name + " answered instead. " + inner)
}

// elsewhere reports whether another model may answer what failed with err.
func elsewhere(err error) bool {
	switch agent.KindOf(err) {
	case agent.Invalid, agent.TooLarge, agent.Cancelled:
		return false
	default:
		return true
	}
}

// attemptDelta is where an attempt's text goes, and whether none will follow it.
type attemptDelta struct {
	give func(string)
	last bool
}

// attempt asks one model and checks its answer. On an error nothing it said is
// left with the caller, unless it was the last.
func (f *fallback) attempt(ctx context.Context, m Model, req Request, d attemptDelta) (Response, error) {
	if d.give == nil || d.last && req.Restart == nil {
		return f.checked(ctx, m, req, d.give)
	}
	if req.Restart == nil {
		return f.held(ctx, m, req, d.give)
	}
	spoke := false
	outer := req.Restart
	req.Restart = func() { spoke = false; outer() }
	resp, err := f.checked(ctx, m, req, noting(d.give, &spoke))
	if err != nil && spoke && !d.last && ctx.Err() == nil && elsewhere(err) {
		outer()
	}
	return resp, err
}

// held keeps the text back until the attempt has succeeded; only signs of life
// pass. Since the caller has seen nothing, decorators inside may start again.
func (f *fallback) held(ctx context.Context, m Model, req Request, give func(string)) (Response, error) {
	req.Restart = func() {}
	resp, err := f.checked(ctx, m, req, func(string) { give("") })
	if err == nil && resp.Text != "" {
		give(resp.Text)
	}
	return resp, err
}

func (f *fallback) checked(ctx context.Context, m Model, req Request, delta func(string)) (Response, error) {
	resp, err := m.Complete(ctx, req, delta)
	if err != nil {
		return resp, err
	}
	if err := f.c.Usable(req, resp); err != nil {
		return Response{Usage: resp.Usage}, err
	}
	return resp, nil
}

// Usable returns nil when an answer can be worked with, else an error of kind
// agent.Unavailable: it holds neither text nor calls, or is not JSON though a
// schema was asked for. An answer withheld by a content filter is a decision of
// its provider, not a failure, and stands.
func Usable(req Request, resp Response) error {
	if resp.Finish == FinishFilter || len(resp.Calls) > 0 {
		return nil
	}
	switch {
	case strings.TrimSpace(resp.Text) == "":
		return Unavailable(0, nil, "its answer was empty")
	case len(req.Schema) > 0 && !json.Valid([]byte(resp.Text)):
		return Unavailable(0, nil, "its answer was not the JSON that was asked for")
	}
	return nil
}
