package postgres

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// wording is a search's terms as the database is asked for them: each rare word
// by itself, frequent ones all at once, since a list of all that holds one of them
// says little and takes long.
type wording struct {
	rare, common []string
	// weights are those of rare, then of common.
	weights []float64
	// terms are those of rare, frequent the others.
	terms, frequent  []string
	together, either string
}

// word parts the terms by what this process has seen of them.
func (m *Memories) word(s memory.Search) wording {
	tag := tag(s.Reader.Workspace)
	w := wording{rare: []string{}, weights: []float64{}}
	var weights []float64
	for _, t := range s.Terms {
		if m.frequent.has(tag + t.Text) {
			w.frequent, w.common, weights = append(w.frequent, t.Text), append(w.common, lexeme(tag, t.Text)), append(weights, t.Weight)
			continue
		}
		w.rare, w.weights = append(w.rare, lexeme(tag, t.Text)), append(w.weights, t.Weight)
		w.terms = append(w.terms, t.Text)
	}
	w.weights = append(w.weights, weights...)
	if len(w.frequent) > 1 || len(w.rare) == 0 {
		w.together = expression(tag, w.frequent[:min(len(w.frequent), 3)], " & ")
	}
	if len(w.rare) == 0 {
		w.either = expression(tag, w.frequent, " | ")
	}
	return w
}

// expression is a tsquery; terms are constants in it and never syntax.
func expression(tag string, terms []string, operator string) string {
	quoted := make([]string, len(terms))
	for n, t := range terms {
		quoted[n] = lexeme(tag, t)
	}
	return strings.Join(quoted, operator)
}

// learn keeps which of the rare words, by their places from 1, were found to be
// frequent, and reports whether there are any.
func (m *Memories) learn(ws agent.WorkspaceID, w wording, places []int64) bool {
	for _, n := range places {
		m.frequent.add(tag(ws) + w.terms[n-1])
	}
	return len(places) > 0
}

// wordSet keeps words that were found to be frequent, as many as a language has of
// such. It is safe for concurrent use; the zero value is empty.
type wordSet struct {
	mu    sync.Mutex
	words map[string]struct{}
}

const maxFrequent = 20_000

func (f *wordSet) has(word string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.words[word]
	return ok
}

func (f *wordSet) add(word string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.words == nil || len(f.words) >= maxFrequent {
		f.words = map[string]struct{}{}
	}
	f.words[word] = struct{}{}
}

// generations is what this process knows of the generations.
type generations struct {
	mu     sync.Mutex
	asked  time.Time
	all    []memory.Generation
	schema string
}

// generationsFor is how long the list is believed.
const generationsFor = 15 * time.Second

// searched returns the generation that the search's vector is to be compared with,
// the zero one when there is none. A vector of another dimension is a Conflict.
func (m *Memories) searched(ctx context.Context, s memory.Search) (memory.Generation, error) {
	if len(s.Vector) == 0 {
		return memory.Generation{}, nil
	}
	fits := func(g memory.Generation) bool {
		return g.Model == s.Model && (g.ID == s.Generation || s.Generation == 0 && g.State == memory.Current)
	}
	m.known.mu.Lock()
	all, now := m.known.all, m.db.clock()
	fresh := now.Sub(m.known.asked) < generationsFor && !now.Before(m.known.asked)
	m.known.mu.Unlock()
	n := slices.IndexFunc(all, fits)
	if n < 0 || !fresh {
		var err error
		if all, err = m.Generations(ctx); err != nil {
			return memory.Generation{}, err
		}
		m.known.mu.Lock()
		m.known.all, m.known.asked = all, now
		m.known.mu.Unlock()
		if n = slices.IndexFunc(all, fits); n < 0 {
			return memory.Generation{}, nil
		}
	}
	return all[n], memory.CheckDimensions([][]float32{s.Vector}, all[n].Dimension)
}

// forget makes the next search look at the generations again.
func (g *generations) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Time{}
}

// vectorSchema returns the schema of pgvector, as an identifier.
func (m *Memories) vectorSchema(ctx context.Context) (string, error) {
	m.known.mu.Lock()
	defer m.known.mu.Unlock()
	if m.known.schema != "" {
		return m.known.schema, nil
	}
	err := m.db.watch(ctx, func(tx pgx.Tx) (err error) {
		m.known.schema, err = extension(ctx, tx)
		return err
	})
	return m.known.schema, err
}
