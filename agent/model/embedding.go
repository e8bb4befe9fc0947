package model

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/sous-hq/sous/agent"
)

// EmbeddingConfig bounds Embedding; zero fields take the value in brackets.
type EmbeddingConfig struct {
	// Texts and Bytes are the most of one request [64 and 128 KiB]: servers of
	// one's own refuse far less than the vendors take.
	Texts, Bytes int
	// Text is the most bytes of one text [8 KiB, some 2,000 tokens]; what is
	// longer is cut at a rune: a vector says what a text is about, and its
	// beginning tells.
	Text int
	// Timeout bounds one request [30 s].
	Timeout time.Duration
	// Mask, when not nil, rewrites each text before it leaves the process. It
	// must give the same for the same text.
	Mask func(string) string
	// Retry and Breaker say how failures are met; see there.
	Retry   RetryConfig
	Breaker BreakerConfig
}

// Embedding is an embedder as it should be used: texts clipped and masked, sent
// in requests of bounded size, each with a time limit, retried when the server
// is away and left alone when it stays so. The context's deadline holds over
// all of it: a retry that would not fit is not begun.
type Embedding struct {
	e   Embedder
	now func() time.Time
	c   EmbeddingConfig
	cb  circuitbreaker.CircuitBreaker[Embeddings]
}

var _ Embedder = (*Embedding)(nil)

// NewEmbedding returns e behind the bounds of c. now tells the time.
func NewEmbedding(e Embedder, now func() time.Time, c EmbeddingConfig) *Embedding {
	c.Texts, c.Bytes, c.Text = orElse(c.Texts, 64), orElse(c.Bytes, 128<<10), orElse(c.Text, 8<<10)
	c.Timeout = orElse(c.Timeout, 30*time.Second)
	c.Retry = c.Retry.withDefaults()
	if c.Mask == nil {
		c.Mask = func(s string) string { return s }
	}
	return &Embedding{e: e, now: now, c: c, cb: newBreaker[Embeddings](c.Breaker)}
}

// State is that of the breaker; see Circuit.State.
func (p *Embedding) State() string { return p.cb.State().String() }

// Embed implements Embedder. It is all or nothing: an error means no vectors.
func (p *Embedding) Embed(ctx context.Context, texts []string) (Embeddings, error) {
	ready := make([]string, len(texts))
	for i, text := range texts {
		ready[i] = p.ready(text)
	}
	var all Embeddings
	for len(ready) > 0 {
		n := p.next(ready)
		one, err := p.patiently(ctx, ready[:n])
		if err != nil {
			return Embeddings{}, err
		}
		if err := matches(all, one, n); err != nil {
			return Embeddings{}, err
		}
		all.Model = one.Model
		all.Vectors = append(all.Vectors, one.Vectors...)
		all.Usage = all.Usage.Add(one.Usage)
		ready = ready[n:]
	}
	return all, nil
}

// OpenFor returns how long requests will still be turned away, 0 when they are not.
func (p *Embedding) OpenFor() time.Duration { return p.cb.RemainingDelay() }

// ready is the text as it leaves the process. Servers refuse an empty one.
func (p *Embedding) ready(text string) string {
	text = p.c.Mask(strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > p.c.Text {
		end := p.c.Text
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	if strings.TrimSpace(text) == "" {
		return "(empty)"
	}
	return text
}

// next returns how many of the texts go into one request: at least one.
func (p *Embedding) next(texts []string) int {
	n, size := 1, len(texts[0])
	for n < len(texts) && n < p.c.Texts && size+len(texts[n]) <= p.c.Bytes {
		size += len(texts[n])
		n++
	}
	return n
}

func (p *Embedding) patiently(ctx context.Context, texts []string) (out Embeddings, err error) {
	err = p.c.Retry.repeat(ctx, p.now, func() bool { return true }, func() error {
		out, err = p.once(ctx, texts)
		return err
	})
	return out, err
}

func (p *Embedding) once(ctx context.Context, texts []string) (Embeddings, error) {
	if !p.cb.TryAcquirePermit() {
		return Embeddings{}, Unavailable(max(p.cb.RemainingDelay(), time.Second), circuitbreaker.ErrOpen,
			"the model for embeddings failed several times in a row and is left alone for a while")
	}
	limited, cancel := context.WithTimeout(ctx, p.c.Timeout)
	defer cancel()
	out, err := p.e.Embed(limited, texts)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = Unavailable(0, err, "the model for embeddings did not answer within %s", p.c.Timeout)
	}
	settlePermit(ctx, p.cb, err)
	return out, err
}

// matches checks what a server may get wrong between one request and the next.
func matches(all, one Embeddings, n int) error {
	if len(one.Vectors) != n {
		return agent.Errorf(agent.Unavailable, "the model for embeddings sent %d vectors for %d texts", len(one.Vectors), n)
	}
	for _, v := range one.Vectors {
		if len(v) == 0 || len(all.Vectors) > 0 && len(v) != len(all.Vectors[0]) || len(v) != len(one.Vectors[0]) {
			return agent.Errorf(agent.Unavailable, "the model for embeddings sent vectors of different lengths")
		}
	}
	return nil
}
