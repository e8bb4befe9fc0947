package model_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a model that plays one act a request; the last act repeats.
type scripted struct {
	name  string
	acts  []act
	asked atomic.Int32
}

type act func(ctx context.Context, req model.Request, delta func(string)) (model.Response, error)

func (s *scripted) Name() string { return s.name }

func (s *scripted) Complete(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	n := int(s.asked.Add(1)) - 1
	resp, err := s.acts[min(n, len(s.acts)-1)](ctx, req, delta)
	if err == nil {
		resp.Model = s.name
	}
	return resp, err
}

func says(text string) act {
	return func(_ context.Context, _ model.Request, delta func(string)) (model.Response, error) {
		if delta != nil {
			for word := range strings.SplitAfterSeq(text, " ") {
				delta(word)
			}
		}
		return model.Response{Text: text, Finish: model.FinishStop, Usage: agent.Usage{InputTokens: 3, OutputTokens: 2}}, nil
	}
}

func fails(err error) act {
	return func(context.Context, model.Request, func(string)) (model.Response, error) {
		return model.Response{}, err
	}
}

// breaksOff says part of an answer and then fails.
func breaksOff(part string) act {
	return func(_ context.Context, _ model.Request, delta func(string)) (model.Response, error) {
		if delta != nil {
			delta(part)
		}
		return model.Response{}, model.Unavailable(0, nil, "the answer was cut off")
	}
}

func hangs(ctx context.Context, _ model.Request, _ func(string)) (model.Response, error) {
	<-ctx.Done()
	return model.Response{}, ctx.Err()
}

func takes(d time.Duration, then act) act {
	return func(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
		select {
		case <-time.After(d):
			return then(ctx, req, delta)
		case <-ctx.Done():
			return model.Response{}, ctx.Err()
		}
	}
}

func playing(name string, acts ...act) *scripted { return &scripted{name: name, acts: acts} }

func hello() model.Request {
	return model.Request{Prompt: "test/v1@0", Messages: []model.Message{{Role: model.RoleUser, Text: "Hello?"}}}
}

// screen shows pieces as a front end would: a restart clears it.
type screen struct {
	text     string
	restarts int
}

func (s *screen) show(text string) { s.text += text }

func (s *screen) restart() { s.text = ""; s.restarts++ }

func wantKind(t *testing.T, err error, want agent.Kind) {
	t.Helper()
	if err == nil || agent.KindOf(err) != want {
		t.Fatalf("error %v is of kind %s, want %s", err, agent.KindOf(err), want)
	}
}

func busy(after time.Duration) error { return model.Unavailable(after, nil, "the server is busy") }
