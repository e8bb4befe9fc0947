package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sous-hq/sous/memory"
)

// The limits below are memory.MaxMatches and one more; SQLite plans a constant better.
const (
	matchQuery = `SELECT rowid FROM memory_index WHERE memory_index MATCH ? LIMIT 1501`
	countQuery = `SELECT count(*) FROM (SELECT rowid FROM memory_index WHERE memory_index MATCH ? LIMIT 1501)`
	// newestQuery asks for readability row by row: a bound must never be filled
	// by what the reader may not read.
	newestQuery = `SELECT f.rowid FROM memory_index f WHERE f.memory_index MATCH ?4 AND EXISTS
		(SELECT 1 FROM memory_items i WHERE i.seq = f.rowid >> 16 AND ` + liveAndReadable + `) ORDER BY f.rowid DESC LIMIT 1500`
)

// matched is what a query found in the index.
type matched struct {
	// keys are of chunks that share a term with the query, in order, whoever may
	// read them.
	keys []int64
	// frequent are the terms that more chunks hold than are among the keys.
	frequent []string
}

// match finds the chunks to rank.
func (m *Memories) match(ctx context.Context, s memory.Search) (matched, error) {
	terms := make([]string, len(s.Terms))
	for n, t := range s.Terms {
		terms[n] = t.Text
	}
	found, err := prepared(ctx, m, scanInt, matchQuery, expression(terms, " OR "))
	if err != nil || len(found) <= memory.MaxMatches {
		return matched{keys: found}, err
	}
	return m.matchFrequent(ctx, s, terms)
}

// expression is an FTS5 query; terms are strings in it and never syntax.
func expression(terms []string, operator string) string {
	quoted := make([]string, len(terms))
	for n, t := range terms {
		quoted[n] = `"` + strings.ReplaceAll(t, `"`, `""`) + `"`
	}
	return strings.Join(quoted, operator)
}

// matchFrequent is match for a query of words that many chunks hold: all chunks
// of the rare words, as long as they stay within the bound together, then the
// newest that hold the rarest frequent ones all at once, and, when there is no
// rare word, the newest that hold any.
func (m *Memories) matchFrequent(ctx context.Context, s memory.Search, terms []string) (matched, error) {
	rare, frequent, err := m.byFrequency(ctx, terms)
	if err != nil {
		return matched{}, err
	}
	var keys []int64
	if len(rare) > 0 {
		if keys, err = prepared(ctx, m, scanInt, matchQuery, expression(rare, " OR ")); err != nil {
			return matched{}, err
		}
	}
	tries := []string{expression(frequent[:min(len(frequent), 3)], " AND ")}
	if len(rare) == 0 {
		tries = append(tries, expression(frequent[:min(len(frequent), 2)], " AND "), expression(frequent, " OR "))
	}
	for _, try := range tries {
		if try == "" || len(keys) >= memory.MaxMatches {
			continue
		}
		more, err := prepared(ctx, m, scanInt, newestQuery, append(readerArgs(s.Reader), try)...)
		if err != nil {
			return matched{}, err
		}
		keys = append(keys, more[:min(len(more), memory.MaxMatches-len(keys))]...)
	}
	slices.Sort(keys)
	return matched{keys: slices.Compact(keys), frequent: frequent}, nil
}

// byFrequency parts the terms, rarest first: the rare ones stay within
// memory.MaxMatches together.
func (m *Memories) byFrequency(ctx context.Context, terms []string) (rare, frequent []string, err error) {
	counts := make(map[string]int64, len(terms))
	for _, t := range terms {
		n, err := prepared(ctx, m, scanInt, countQuery, expression([]string{t}, ""))
		if err != nil {
			return nil, nil, err
		}
		counts[t] = n[0]
	}
	terms = slices.Clone(terms)
	slices.SortStableFunc(terms, func(a, b string) int { return cmp.Compare(counts[a], counts[b]) })
	var sum int64
	for n, t := range terms {
		if sum += counts[t]; sum > memory.MaxMatches {
			return terms[:n], terms[n:], nil
		}
	}
	return terms, nil, nil
}
