package memory

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Embedder turns texts into vectors.
type Embedder interface {
	// Model names the model that is configured.
	Model() string
	// Embed returns a vector for each text by the named model, all of one dimension.
	// A model that cannot be had is an error of any kind.
	Embed(ctx context.Context, model string, texts []string) ([][]float32, error)
}

// Reranker reads passages beside the query and scores how well each answers it,
// higher is better. Implementations are safe for concurrent use.
type Reranker interface {
	Rerank(ctx context.Context, query string, passages []string) ([]float64, error)
}

// The times a query waits for a model; then words alone, or the order that there
// is, have to do.
const (
	embedWithin  = 2 * time.Second
	rerankWithin = 3 * time.Second
	// rerankDepth is how many of the best passages a Reranker sees.
	rerankDepth = 30
	// generationFor is how long what the store said of its generations is believed:
	// a search checks the model again.
	generationFor = 15 * time.Second
)

// vectors is what Memory knows for the vectors of queries.
type vectors struct {
	index    Index
	embedder Embedder

	mu         sync.Mutex
	model      string // of the current generation, "" for none
	dimension  int
	asked      time.Time
	young, old map[string][]float32
}

// addVector gives the search the query's vector, when there are vectors to search
// and the model answers. An error says why there is none; the search goes without.
func (m *Memory) addVector(ctx context.Context, s *Search) error {
	v := &m.vectors
	if v.index == nil || v.embedder == nil || len(s.Terms) == 0 {
		return nil
	}
	model, dimension, err := v.current(ctx, m.clock())
	if err != nil || model == "" {
		return err
	}
	vector, err := v.of(ctx, model, s.Text)
	if err != nil {
		return err
	}
	if err := CheckDimensions([][]float32{vector}, dimension); err != nil {
		return err
	}
	s.Vector, s.Model = vector, model
	return nil
}

// current returns model and dimension of the generation that recall searches.
func (v *vectors) current(ctx context.Context, now time.Time) (string, int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.asked.IsZero() && now.Sub(v.asked) < generationFor && !now.Before(v.asked) {
		return v.model, v.dimension, nil
	}
	all, err := v.index.Generations(ctx)
	if err != nil {
		return "", 0, err
	}
	v.model, v.dimension, v.asked = "", 0, now
	if g, ok := InState(all, Current); ok {
		v.model, v.dimension = g.Model, g.Dimension
	}
	return v.model, v.dimension, nil
}

// changed makes the next query look at the generations again.
func (v *vectors) changed() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = time.Time{}
}

// maxQueryVectors is how many vectors of queries one half of their cache holds.
const maxQueryVectors = 256

// of returns the query's vector, of length one.
func (v *vectors) of(ctx context.Context, model, text string) ([]float32, error) {
	key := model + "\x00" + text
	v.mu.Lock()
	vector, ok := v.young[key]
	if !ok {
		vector, ok = v.old[key]
	}
	v.mu.Unlock()
	if ok {
		return vector, nil
	}
	ctx, cancel := context.WithTimeout(ctx, embedWithin)
	defer cancel()
	all, err := v.embedder.Embed(ctx, model, []string{text})
	if err != nil {
		return nil, err
	}
	if len(all) != 1 || Unit(all[0]) == nil {
		return nil, agent.Errorf(agent.Unavailable, "the embedding model sent no vector for the query")
	}
	vector = Unit(all[0])
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.young == nil || len(v.young) >= maxQueryVectors {
		v.old, v.young = v.young, make(map[string][]float32)
	}
	v.young[key] = vector
	return vector, nil
}

// rerank puts the first hits in the order of the Reranker. When it fails the order
// stays as it is, and the error says why.
func (m *Memory) rerank(ctx context.Context, query string, hits []Hit) error {
	first := hits[:min(len(hits), rerankDepth)]
	if m.reranker == nil || query == "" || len(first) < 2 {
		return nil
	}
	texts := make([]string, len(first))
	for n, h := range first {
		texts[n] = EmbeddedText(h.Item.Title, h.Chunk)
	}
	ctx, cancel := context.WithTimeout(ctx, rerankWithin)
	defer cancel()
	scores, err := m.reranker.Rerank(ctx, query, texts)
	if err != nil {
		return err
	}
	if len(scores) != len(first) {
		return agent.Errorf(agent.Unavailable, "the reranker scored %d of %d passages", len(scores), len(first))
	}
	for n := range first {
		first[n].Parts.Rerank, first[n].Parts.Reranked = scores[n], true
		first[n].Score = scores[n]
	}
	slices.SortStableFunc(first, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return nil
}

// recall finds what answers the search, by words and, where that can be had, by
// vectors.
func (m *Memory) recall(ctx context.Context, s Search) ([]Hit, error) {
	limit := s.Limit
	if m.reranker != nil {
		s.Limit = max(limit, rerankDepth)
	}
	err := m.addVector(ctx, &s)
	if err != nil && ctx.Err() == nil {
		m.onFallback(ctx, err)
	}
	hits, err := m.search(ctx, s)
	if agent.KindOf(err) == agent.Conflict && len(s.Vector) > 0 {
		// The vectors have become another model's since they were looked at.
		m.vectors.changed()
		m.onFallback(ctx, err)
		s.Vector, s.Model = nil, ""
		hits, err = m.search(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	hits = m.passed(s.Reader, hits)
	if err := m.rerank(ctx, s.Text, hits); err != nil && ctx.Err() == nil {
		m.onFallback(ctx, err)
	}
	return hits[:min(len(hits), limit)], nil
}

// passed is the second look that a mistake in a store would have to pass: what the
// reader may not read or is not live is left out.
func (m *Memory) passed(reader agent.Actor, hits []Hit) []Hit {
	hits = slices.DeleteFunc(hits, func(h Hit) bool { return !readable(h.Item, reader) || !h.Item.Live() })
	for n := range hits {
		hits[n].Item.Label = asReadBy(hits[n].Item, reader)
	}
	return hits
}
