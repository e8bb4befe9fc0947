// Package modeltest holds the promises every model keeps, whether it is a
// vendor's, the built-in one or a decorator around either.
package modeltest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// promptly is how long a model may take to notice that nobody waits any more.
const promptly = 2 * time.Second

// New makes the model under test; it cleans up after itself.
type New func(t *testing.T) model.Model

// Run checks the promises. The model must be able to answer the requests given,
// or, when there are none, an ordinary question with and without tools.
func Run(t *testing.T, fresh New, requests ...model.Request) {
	t.Helper()
	if len(requests) == 0 {
		requests = []model.Request{Question(), WithTool()}
	}
	s := suite{fresh, requests}
	t.Run("it has a name that stays", s.name)
	t.Run("an answer is whole", s.whole)
	t.Run("the pieces together are the text", s.pieces)
	t.Run("the request is left as it was", s.untouched)
	t.Run("an empty conversation is refused as invalid", s.empty)
	t.Run("a request that was stopped before it began is cancelled", s.stoppedBefore)
	t.Run("a request that is stopped at its first piece returns promptly", s.stoppedAmid)
	t.Run("a passed deadline is unavailable, not cancelled", s.late)
	t.Run("many may ask at once", s.concurrent)
	t.Run("embeddings are one vector a text", s.embeddings)
}

// Question is an ordinary question.
func Question() model.Request {
	return model.Request{Prompt: "modeltest/v1@0", Messages: []model.Message{
		{Role: model.RoleSystem, Text: "Answer in one sentence."},
		{Role: model.RoleUser, Text: "What can you do for our team?"},
	}}
}

// WithTool is a question with a tool, after one call of it was answered.
func WithTool() model.Request {
	return model.Request{
		Prompt: "modeltest/v1@0",
		Messages: []model.Message{
			{Role: model.RoleUser, Text: "Which tickets are open?", Files: []agent.FileRef{{ID: "f1", Name: "notes.txt", Bytes: 3}}},
			{Role: model.RoleAssistant, Calls: []model.ToolCall{{ID: "c1", Name: "ticket_search", Args: `{"query":"open"}`}}},
			{Role: model.RoleTool, CallID: "c1", Tool: "ticket_search", Text: `{"tickets":[]}`},
			{Role: model.RoleUser, Text: "And which ones of yesterday?"},
		},
		Tools: []model.Tool{{
			Name: "ticket_search", Description: "Searches tickets.",
			Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"}},"required":["query"],"additionalProperties":false}`),
		}},
	}
}

type suite struct {
	fresh    New
	requests []model.Request
}

// each runs f for every request with a model of its own.
func (s suite) each(t *testing.T, f func(t *testing.T, m model.Model, req model.Request)) {
	t.Helper()
	for i, req := range s.requests {
		t.Run(fmt.Sprintf("request %d", i+1), func(t *testing.T) { f(t, s.fresh(t), req) })
	}
}

func (s suite) name(t *testing.T) {
	m := s.fresh(t)
	first := m.Name()
	if _, err := m.Complete(t.Context(), s.requests[0], nil); err != nil {
		t.Fatal(err)
	}
	if first == "" || m.Name() != first {
		t.Errorf("name %q, later %q", first, m.Name())
	}
}

func (s suite) whole(t *testing.T) {
	s.each(t, func(t *testing.T, m model.Model, req model.Request) {
		resp, err := m.Complete(t.Context(), req, nil)
		if err != nil {
			t.Fatal(err)
		}
		check(t, resp)
	})
}

func check(t *testing.T, resp model.Response) {
	t.Helper()
	if resp.Text == "" && len(resp.Calls) == 0 && resp.Finish != model.FinishFilter {
		t.Error("neither text nor calls")
	}
	if resp.Model == "" {
		t.Error("the response does not say which model answered")
	}
	if resp.Usage.InputTokens < 0 || resp.Usage.OutputTokens < 0 || resp.Latency < 0 {
		t.Errorf("usage %+v and latency %s; want none below zero", resp.Usage, resp.Latency)
	}
	switch resp.Finish {
	case model.FinishStop, model.FinishLength, model.FinishFilter:
	case model.FinishCalls:
		if len(resp.Calls) == 0 {
			t.Error("it finished for calls and made none")
		}
	default:
		t.Errorf("finish %q is none of the reasons", resp.Finish)
	}
	if resp.Finish == model.FinishStop && len(resp.Calls) > 0 {
		t.Error("it made calls and says it had finished")
	}
	ids := map[string]bool{}
	for _, c := range resp.Calls {
		if c.ID == "" || ids[c.ID] || c.Name == "" {
			t.Errorf("call %+v; want a name and an id of its own", c)
		}
		ids[c.ID] = true
	}
}

func (s suite) pieces(t *testing.T) {
	s.each(t, func(t *testing.T, m model.Model, req model.Request) {
		var (
			mu       sync.Mutex
			got      strings.Builder
			returned bool
		)
		resp, err := m.Complete(t.Context(), req, func(piece string) {
			if !mu.TryLock() {
				t.Error("pieces came from two goroutines at once")
				return
			}
			defer mu.Unlock()
			if returned {
				t.Error("a piece came after Complete had returned")
			}
			got.WriteString(piece)
		})
		mu.Lock()
		defer mu.Unlock()
		returned = true
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != resp.Text {
			t.Errorf("pieces %q, text %q", got.String(), resp.Text)
		}
		check(t, resp)
	})
}

func (s suite) untouched(t *testing.T) {
	s.each(t, func(t *testing.T, m model.Model, req model.Request) {
		before := encode(t, req)
		if _, err := m.Complete(t.Context(), req, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if after := encode(t, req); after != before {
			t.Errorf("the request was changed:\n%s\n%s", before, after)
		}
	})
}

func encode(t *testing.T, req model.Request) string {
	t.Helper()
	b, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s suite) empty(t *testing.T) {
	req := s.requests[0]
	req.Messages = nil
	_, err := s.fresh(t).Complete(t.Context(), req, nil)
	wantKind(t, err, agent.Invalid)
}

func (s suite) stoppedBefore(t *testing.T) {
	s.each(t, func(t *testing.T, m model.Model, req model.Request) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.Complete(ctx, req, nil)
		wantKind(t, err, agent.Cancelled)
	})
}

func (s suite) stoppedAmid(t *testing.T) {
	s.each(t, func(t *testing.T, m model.Model, req model.Request) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		stopped := make(chan struct{})
		var once sync.Once
		go func() {
			_, err := m.Complete(ctx, req, func(string) { once.Do(func() { cancel(); close(stopped) }) })
			done <- err
		}()
		select {
		case <-stopped:
		case err := <-done: // it gave no piece at all, so nothing could be stopped
			done <- err
		case <-t.Context().Done():
			t.Fatal("no answer")
		}
		select {
		case err := <-done:
			// It may have been faster than the stop.
			if err != nil && agent.KindOf(err) != agent.Cancelled {
				t.Errorf("%v is of kind %s, want cancelled", err, agent.KindOf(err))
			}
		case <-time.After(promptly):
			t.Errorf("still busy %s after it was stopped", promptly)
		}
	})
}

func (s suite) late(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	_, err := s.fresh(t).Complete(ctx, s.requests[0], nil)
	wantKind(t, err, agent.Unavailable)
}

func (s suite) concurrent(t *testing.T) {
	m := s.fresh(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var got strings.Builder
			resp, err := m.Complete(t.Context(), s.requests[i%len(s.requests)], func(p string) { got.WriteString(p) })
			if err != nil {
				t.Error(err)
				return
			}
			if got.String() != resp.Text {
				t.Errorf("pieces %q, text %q", got.String(), resp.Text)
			}
			check(t, resp)
		})
	}
	wg.Wait()
}

func (s suite) embeddings(t *testing.T) {
	e, ok := s.fresh(t).(model.Embedder)
	if !ok {
		t.Skip("the model does not embed")
	}
	texts := []string{"the budget", "the remote control", "the budget"}
	got, err := e.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Vectors) != len(texts) || got.Model == "" || got.Usage.InputTokens < 0 {
		t.Fatalf("%d vectors for %d texts, model %q, usage %+v", len(got.Vectors), len(texts), got.Model, got.Usage)
	}
	for i, v := range got.Vectors {
		if len(v) == 0 || len(v) != len(got.Vectors[0]) {
			t.Errorf("vector %d has dimension %d, the first %d", i, len(v), len(got.Vectors[0]))
		}
	}
	if fmt.Sprint(got.Vectors[0]) != fmt.Sprint(got.Vectors[2]) || fmt.Sprint(got.Vectors[0]) == fmt.Sprint(got.Vectors[1]) {
		t.Error("vectors do not come in the order of their texts")
	}
	if none, err := e.Embed(t.Context(), nil); err != nil || len(none.Vectors) != 0 {
		t.Errorf("no texts: %d vectors, %v", len(none.Vectors), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Embed(ctx, texts)
	wantKind(t, err, agent.Cancelled)
}

func wantKind(t *testing.T, err error, want agent.Kind) {
	t.Helper()
	if err == nil || agent.KindOf(err) != want {
		t.Errorf("error %v is of kind %s, want %s", err, agent.KindOf(err), want)
	}
}
