package memory

import (
	"context"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// Comparison says how well two generations of vectors find passages again by half
// of their words: the share of them among the ten nearest. Where the former model
// does not answer any more, it is the share among the first ten by words and
// vectors together, beside that by words alone.
type Comparison struct {
	Passages int     `json:"passages"`
	Before   float64 `json:"before"`
	After    float64 `json:"after"`
	// ByWords says that the former model did not answer any more and Before is
	// recall by words alone.
	ByWords bool `json:"by_words,omitempty"`
}

// String is the comparison for people.
func (c Comparison) String() string {
	before := "the former vectors"
	if c.ByWords {
		before = "words alone"
	}
	return fmt.Sprintf("of %d passages it finds %.0f %% again, %s find %.0f %%", c.Passages, 100*c.After, before, 100*c.Before)
}

// Worse reports whether the new vectors find clearly less.
func (c Comparison) Worse() bool { return c.After < c.Before-0.05 }

// samples is how many passages two generations are compared on.
const samples = 200

// compare asks for a sample of passages by half of their words, in both
// generations.
func (x *Indexer) compare(ctx context.Context, before, after Generation) (Comparison, error) {
	all, err := x.c.Index.Sample(ctx, samples)
	if err != nil {
		return Comparison{}, err
	}
	queries := make([]string, len(all))
	for n, s := range all {
		queries[n] = halfOf(s.Chunk)
	}
	c := Comparison{Passages: len(all)}
	nearest := func(_ int, h Hit) bool { return h.Parts.Meaning > 0 && h.Parts.Meaning <= 10 }
	if c.Before, err = x.found(ctx, before, all, queries, nearest); err == nil {
		c.After, err = x.found(ctx, after, all, queries, nearest)
		return c, err
	}
	c.ByWords = true
	first := func(place int, _ Hit) bool { return place < 10 }
	if c.Before, err = x.found(ctx, Generation{}, all, queries, first); err == nil {
		c.After, err = x.found(ctx, after, all, queries, first)
	}
	return c, err
}

// halfOf is every other word of the passage.
func halfOf(c Chunk) string {
	words := strings.Fields(c.Text + " " + c.Quote)
	var half []string
	for n := 0; n < len(words); n += 2 {
		half = append(half, words[n])
	}
	return clip(strings.Join(half, " "), MaxQueryBytes)
}

// found is the share of the passages that their queries find where counts says;
// without a generation by words alone.
func (x *Indexer) found(ctx context.Context, g Generation, all []Sample, queries []string, counts func(int, Hit) bool) (float64, error) {
	if len(all) == 0 {
		return 1, nil
	}
	var vectors [][]float32
	if g.ID != 0 {
		var err error
		if vectors, err = x.c.Embedder.Embed(ctx, g.Model, queries); err != nil {
			return 0, err
		}
		if err := CheckDimensions(vectors, g.Dimension); err != nil || len(vectors) != len(queries) {
			return 0, agent.Errorf(agent.Conflict, "the model %s does not send the vectors it sent before", g.Model)
		}
	}
	hit := 0
	for n, s := range all {
		q := ParseQuery(Query{Reader: readerOf(s.Item), Text: queries[n], Limit: MaxLimit}, x.c.Clock())
		if vectors != nil {
			q.Vector, q.Model, q.Generation = Unit(vectors[n]), g.Model, g.ID
		}
		hits, err := x.c.Store.Search(ctx, q)
		if err != nil {
			return 0, err
		}
		for place, h := range hits {
			if h.Item.ID == s.Item.ID && h.Chunk.N == s.Chunk.N && counts(place, h) {
				hit++
			}
		}
	}
	return float64(hit) / float64(len(all)), nil
}

// readerOf is somebody who may read the item. Nothing of what is found leaves the
// comparison but a count.
func readerOf(i Item) agent.Actor {
	a := agent.Actor{Workspace: i.Workspace, ID: i.Author, Kind: agent.Member}
	if r := i.Label.Readers; r.Scope == agent.OnlyNamed && len(r.Named) > 0 {
		a.ID = r.Named[0]
	}
	return a
}
