package model_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// lengths is an embedder whose vectors hold the length of the text. Its next
// requests fail with the errors of fails, in order.
type lengths struct {
	mu    sync.Mutex
	fails []error
	sent  [][]string
	hang  bool
}

func (e *lengths) Embed(ctx context.Context, texts []string) (model.Embeddings, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent = append(e.sent, slices.Clone(texts))
	if e.hang {
		<-ctx.Done()
		return model.Embeddings{}, model.Ended(ctx)
	}
	if len(e.fails) > 0 {
		err := e.fails[0]
		e.fails = e.fails[1:]
		if err != nil {
			return model.Embeddings{}, err
		}
	}
	out := model.Embeddings{Model: "lengths", Usage: agent.Usage{InputTokens: len(texts)}}
	for _, t := range texts {
		out.Vectors = append(out.Vectors, []float32{float32(len(t)), 1})
	}
	return out, nil
}

func TestTextsAreEmbeddedInOrderInRequestsOfBoundedSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		e := &lengths{}
		c := model.EmbeddingConfig{Texts: rapid.IntRange(1, 5).Draw(t, "most"), Bytes: rapid.IntRange(1, 60).Draw(t, "bytes"), Text: 40}
		out, err := model.NewEmbedding(e, time.Now, c).Embed(context.Background(), texts)
		if err != nil || len(out.Vectors) != len(texts) || out.Usage.InputTokens != len(texts) {
			t.Fatalf("%d vectors for %d texts, %v", len(out.Vectors), len(texts), err)
		}
		var sent []string
		for _, request := range e.sent {
			size := 0
			for _, text := range request {
				size += len(text)
				if len(text) > c.Text || !utf8.ValidString(text) || strings.TrimSpace(text) == "" {
					t.Fatalf("sent %q", text)
				}
			}
			if len(request) > c.Texts || len(request) > 1 && size > c.Bytes {
				t.Fatalf("a request of %d texts and %d bytes; the most is %d and %d", len(request), size, c.Texts, c.Bytes)
			}
			sent = append(sent, request...)
		}
		for n, v := range out.Vectors {
			if int(v[0]) != len(sent[n]) || len(texts[n]) <= c.Text && strings.TrimSpace(texts[n]) != "" && utf8.ValidString(texts[n]) && sent[n] != texts[n] {
				t.Fatalf("text %d is %q and was sent as %q with the vector %v", n, texts[n], sent[n], v)
			}
		}
	})
}

func TestAnEmbeddingServerThatIsAwayIsAskedAgainAndThenLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &lengths{fails: []error{busy(3 * time.Second), nil, busy(0), busy(0), busy(0), busy(0), busy(0), busy(0)}}
		p := model.NewEmbedding(e, time.Now, model.EmbeddingConfig{Breaker: model.BreakerConfig{Failures: 4, Rest: time.Minute}})
		start := time.Now()
		if _, err := p.Embed(t.Context(), []string{"a"}); err != nil || time.Since(start) < 3*time.Second {
			t.Fatalf("after %s: %v; want an answer after the wait that was asked for", time.Since(start), err)
		}
		_, err := p.Embed(t.Context(), []string{"b"})
		wantKind(t, err, agent.Unavailable)
		_, err = p.Embed(t.Context(), []string{"c"})
		wantKind(t, err, agent.Unavailable)
		asked := len(e.sent)
		if p.State() != "open" {
			t.Fatalf("the breaker is %s after %d requests", p.State(), asked)
		}
		start = time.Now()
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err = p.Embed(short, []string{"d"})
		wantKind(t, err, agent.Unavailable)
		if len(e.sent) != asked || time.Since(start) != 0 {
			t.Errorf("asked %d times more and waited %s; an open breaker costs a caller in a hurry nothing", len(e.sent)-asked, time.Since(start))
		}
	})
}

func TestAnEmbeddingRequestThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &lengths{hang: true}
		p := model.NewEmbedding(e, time.Now, model.EmbeddingConfig{Timeout: time.Second, Retry: model.RetryConfig{Tries: 1}})
		start := time.Now()
		_, err := p.Embed(t.Context(), []string{"a"})
		wantKind(t, err, agent.Unavailable)
		if time.Since(start) != time.Second {
			t.Errorf("gave up after %s", time.Since(start))
		}
	})
}

func TestTextsAreMaskedBeforeTheyLeave(t *testing.T) {
	e := &lengths{}
	p := model.NewEmbedding(e, time.Now, model.EmbeddingConfig{Mask: func(s string) string { return strings.ReplaceAll(s, "4711", "[code]") }})
	if _, err := p.Embed(t.Context(), []string{"the code is 4711"}); err != nil {
		t.Fatal(err)
	}
	if e.sent[0][0] != "the code is [code]" {
		t.Errorf("sent %q", e.sent[0][0])
	}
}

// fickle gives vectors that fit each other worse from request to request.
type fickle struct{ vectors [][][]float32 }

func (f *fickle) Embed(context.Context, []string) (model.Embeddings, error) {
	v := f.vectors[0]
	f.vectors = f.vectors[1:]
	return model.Embeddings{Model: "fickle", Vectors: v}, nil
}

func TestVectorsThatDoNotFitTheTextsAreNoAnswer(t *testing.T) {
	for name, vectors := range map[string][][][]float32{
		"too few":                  {{{1}}},
		"of different lengths":     {{{1}, {1, 2}}},
		"another length next time": {{{1}, {1}}, {{1, 2}}},
		"empty":                    {{{}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := model.NewEmbedding(&fickle{vectors}, time.Now, model.EmbeddingConfig{Texts: 2}).Embed(t.Context(), []string{"a", "b", "c"})
			wantKind(t, err, agent.Unavailable)
			if known := new(agent.Error); !errors.As(err, &known) {
				t.Errorf("%v is no error for people", err)
			}
		})
	}
}
