package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/memory"
)

const (
	matchQuery = `SELECT memory_match($1::tsquery, $2)`
	countQuery = `SELECT count(*) FROM memory_match($1::tsquery, $2)`
	// newestQuery asks for readability row by row: a bound must never be filled
	// by what the reader may not read.
	newestQuery = `SELECT k FROM memory_match($4::tsquery, NULL) k WHERE EXISTS
		(SELECT 1 FROM memory_items i WHERE i.seq = k >> 16 AND ` + liveAndReadable + `) ORDER BY k DESC LIMIT $5`
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
func match(ctx context.Context, tx pgx.Tx, s memory.Search) (matched, error) {
	tag, terms := tag(s.Reader.Workspace), make([]string, len(s.Terms))
	for n, t := range s.Terms {
		terms[n] = t.Text
	}
	found, err := every(ctx, tx, scanInt, matchQuery, expression(tag, terms, " | "), memory.MaxMatches+1)
	if err != nil || len(found) <= memory.MaxMatches {
		slices.Sort(found)
		return matched{keys: found}, err
	}
	return matchFrequent(ctx, tx, s, terms)
}

// expression is a tsquery; terms are constants in it and never syntax.
func expression(tag string, terms []string, operator string) string {
	quoted := make([]string, len(terms))
	for n, t := range terms {
		quoted[n] = lexeme(tag, t)
	}
	return strings.Join(quoted, operator)
}

// matchFrequent is match for a query of words that many chunks hold: all chunks
// of the rare words, as long as they stay within the bound together, then the
// newest that hold the rarest frequent ones all at once, and, when there is no
// rare word, the newest that hold any.
func matchFrequent(ctx context.Context, tx pgx.Tx, s memory.Search, terms []string) (matched, error) {
	tag := tag(s.Reader.Workspace)
	rare, frequent, err := byFrequency(ctx, tx, tag, terms)
	if err != nil {
		return matched{}, err
	}
	var keys []int64
	if len(rare) > 0 {
		if keys, err = every(ctx, tx, scanInt, matchQuery, expression(tag, rare, " | "), memory.MaxMatches+1); err != nil {
			return matched{}, err
		}
	}
	tries := []string{expression(tag, frequent[:min(len(frequent), 3)], " & ")}
	if len(rare) == 0 {
		tries = append(tries, expression(tag, frequent[:min(len(frequent), 2)], " & "), expression(tag, frequent, " | "))
	}
	for _, try := range tries {
		if try == "" || len(keys) >= memory.MaxMatches {
			continue
		}
		more, err := every(ctx, tx, scanInt, newestQuery, append(readerArgs(s.Reader), try, memory.MaxMatches)...)
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
func byFrequency(ctx context.Context, tx pgx.Tx, tag string, terms []string) (rare, frequent []string, err error) {
	counts := make(map[string]int64, len(terms))
	for _, t := range terms {
		n, err := every(ctx, tx, scanInt, countQuery, lexeme(tag, t), memory.MaxMatches+1)
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
