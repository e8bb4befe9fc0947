// Package embedtest is a deterministic embedder for tests and evaluations. It is
// no language model: words, word pairs and letter triples are hashed into the
// dimensions of a vector, so texts are similar when they look alike, and words
// that a table calls the same are the same. It shows that the way by vectors
// works, never how well a real model would do.
package embedtest

import (
	"context"
	"hash/fnv"
	"math"
	"sync"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Name is what the embedder calls its model.
const Name = "test-embedder (hashed words, no language model)"

// Embedder is a memory.Embedder; the zero value has 384 dimensions. It is safe for
// concurrent use.
type Embedder struct {
	// Dimension is the length of the vectors.
	Dimension int
	// Named is the model's name when it is not Name.
	Named string
	// Same maps stems to the stem that stands for them: a thesaurus.
	Same map[string]string
	// Others are models that are to be had beside, by name.
	Others map[string]*Embedder

	mu   sync.Mutex
	fail error
	mute bool
	// texts counts what was embedded.
	texts int
}

// Model implements memory.Embedder.
func (e *Embedder) Model() string {
	if e.Named != "" {
		return e.Named
	}
	return Name
}

// Fail makes every request fail with err until it is nil again.
func (e *Embedder) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

// Mute makes all vectors nothing but zeroes until it is taken back.
func (e *Embedder) Mute(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mute = on
}

// Texts returns how many texts were embedded.
func (e *Embedder) Texts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.texts
}

// Embed implements memory.Embedder.
func (e *Embedder) Embed(ctx context.Context, model string, texts []string) ([][]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e.fail != nil {
		return nil, e.fail
	}
	if other, ok := e.Others[model]; ok {
		return other.Embed(ctx, model, texts)
	}
	if model != e.Model() {
		return nil, agent.Errorf(agent.NotFound, "there is no model %q", model)
	}
	e.texts += len(texts)
	out := make([][]float32, len(texts))
	for n, text := range texts {
		out[n] = e.Vector(model, text)
		if e.mute {
			clear(out[n])
		}
	}
	return out, nil
}

// Vector returns the vector of a text by a model.
func (e *Embedder) Vector(model, text string) []float32 {
	d := e.Dimension
	if d == 0 {
		d = 384
	}
	v := make([]float32, d)
	add := func(feature string, weight float64) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(model + "\x00" + feature))
		// Two places each, so that chance meetings of features even out.
		for sum, n := h.Sum64(), 0; n < 2; n++ {
			sign := float64(1)
			if sum&1 == 1 {
				sign = -1
			}
			v[(sum>>1)%uint64(d)] += float32(sign * weight)
			sum = sum>>29 | sum<<35
		}
	}
	counts := map[string]int{}
	before := ""
	for _, w := range memory.Terms(text) {
		if same, ok := e.Same[w]; ok {
			w = same
		}
		counts["w"+w]++
		if before != "" {
			counts["p"+before+" "+w]++
		}
		before = w
		letters := []rune("^" + w + "$")
		for n := 0; n+3 <= len(letters); n++ {
			counts["t"+string(letters[n:n+3])]++
		}
	}
	for feature, n := range counts {
		weight := map[byte]float64{'w': 1, 'p': 0.5, 't': 0.25}[feature[0]]
		add(feature, weight*math.Sqrt(float64(n)))
	}
	if len(counts) == 0 {
		v[0] = 1
	}
	return v
}
