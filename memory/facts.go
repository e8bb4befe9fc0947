package memory

import (
	"context"
	"slices"

	"github.com/sous-hq/sous/agent"
)

// Statement is something that was said to hold or to be done: a fact somebody had
// remembered, or a decision or an action of minutes.
type Statement struct {
	Hit
	// Against are the places, in the list it stands in, of the statements that
	// contradict it.
	Against []int
	// Before are the versions it took the place of, newest first, when they were
	// asked for.
	Before []Item
}

// FactsQuery asks for statements.
type FactsQuery struct {
	Reader agent.Actor
	// Text is what they are about; empty gives the newest.
	Text string
	// History fills in Before.
	History bool
	// Limit is as of Query.
	Limit int
}

// statements are the kinds of passages that state something.
func statements() []Kind { return []Kind{Fact, Decision, Action} }

// Facts returns statements that the reader may read, those that fit the text best
// or the newest, each beside what contradicts it.
func (m *Memory) Facts(ctx context.Context, q FactsQuery) ([]Statement, error) {
	hits, err := m.Recall(ctx, Query{Reader: q.Reader, Text: q.Text, Kinds: statements(), Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	all, err := m.Beside(ctx, q.Reader, hits)
	if err != nil || !q.History {
		return all, err
	}
	for n, s := range all {
		if s.Item.Supersedes == "" {
			continue
		}
		versions, err := m.History(ctx, q.Reader, s.Item.ID)
		if err != nil {
			return nil, err
		}
		all[n].Before = versions[1:]
	}
	return all, nil
}

const (
	// For so many statements of a list it is asked what contradicts them, and so
	// many answers are looked at for each.
	maxChecked   = 5
	maxSuspected = 10
)

// Beside returns the passages with, right after each that states something, the
// statements that contradict it and were not among them. The reader is shown both;
// nothing here says which holds.
func (m *Memory) Beside(ctx context.Context, reader agent.Actor, hits []Hit) ([]Statement, error) {
	var all []Statement
	seen := func(h Hit) bool {
		same := func(o Hit) bool { return o.Item.ID == h.Item.ID && o.Chunk.N == h.Chunk.N }
		return slices.ContainsFunc(all, func(s Statement) bool { return same(s.Hit) }) || slices.ContainsFunc(hits, same)
	}
	checked := 0
	for _, h := range hits {
		all = append(all, Statement{Hit: h})
		if checked++; checked > maxChecked || !slices.Contains(statements(), h.Kind()) {
			continue
		}
		others, err := m.Recall(ctx, Query{Reader: reader, Text: h.Chunk.Text, Kinds: statements(), Limit: maxSuspected})
		if err != nil {
			return nil, err
		}
		for _, o := range others {
			if !seen(o) && slices.Contains(statements(), o.Kind()) && Contradicts(h.Chunk.Text, o.Chunk.Text) {
				all = append(all, Statement{Hit: o})
			}
		}
	}
	compare(all)
	return all, nil
}

// compare fills in Against.
func compare(all []Statement) {
	claims := make([][]claim, len(all))
	for n, s := range all {
		if slices.Contains(statements(), s.Kind()) {
			claims[n] = claimsOf(s.Chunk.Text)
		}
	}
	for n := range all {
		for o := range n {
			if anyAgainst(claims[n], claims[o]) {
				all[n].Against = append(all[n].Against, o)
				all[o].Against = append(all[o].Against, n)
			}
		}
	}
}
