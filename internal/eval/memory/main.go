// Command memory measures recall on long conversations whose questions have
// labelled evidence (LoCoMo): the share of the evidence turns among the first 5,
// 10 and 50 passages, and the time of a query, on both stores. It uses no language
// model: by words alone, and then with an embedder made for tests, which shows what
// the way by vectors costs and not what a real model would find.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/memory"
)

func main() {
	data := flag.String("data", "../shared/data", "folder that holds memory/locomo-dev.json, or the file itself")
	misses := flag.Bool("misses", false, "print each question whose evidence is not among the first 10 by words")
	only := flag.String("only", "", "measure this store alone: sqlite or postgres")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, options{*data, *misses, *only}); err != nil {
		fmt.Fprintln(os.Stderr, "eval memory:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	data   string
	misses bool
	only   string
}

// store opens new, empty stores of one kind.
type store struct {
	name string
	open func(ctx context.Context, n int) (kept, error)
}

// kept is an open store.
type kept struct {
	memory.Store
	memory.Index
	close func() error
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	conversations, err := load(find(o.data))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sous-eval-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stores := []store{onSQLite(dir)}
	if o.only != "sqlite" {
		server, err := pgtest.Start(ctx, pgtest.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		stores = append(stores, onPostgres(server, dir))
		if o.only == "postgres" {
			stores = stores[1:]
		}
	}
	var results []result
	for _, s := range stores {
		r := result{store: s.name}
		for n, c := range conversations {
			words, both, err := measure(ctx, s, n, c)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", s.name, c.ID, err)
			}
			fmt.Fprintf(out, "%-10s %-10s %4d turns  %s\n", s.name, c.ID, len(c.Turns), words)
			if o.misses {
				words.printMisses(out)
			}
			r.words.add(words)
			r.both.add(both)
		}
		results = append(results, r)
	}
	return report(out, results)
}

func onSQLite(dir string) store {
	return store{"SQLite", func(ctx context.Context, n int) (kept, error) {
		db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, fmt.Sprintf("%d.db", n))})
		if err != nil {
			return kept{}, err
		}
		m := sqlite.NewMemories(db)
		return kept{m, m, db.Close}, nil
	}}
}

func onPostgres(server *pgtest.Server, dir string) store {
	return store{"PostgreSQL", func(ctx context.Context, n int) (kept, error) {
		base, err := server.Create(ctx, "")
		if err != nil {
			return kept{}, err
		}
		db, err := postgres.Open(ctx, postgres.Config{URL: base.URL, Keys: filepath.Join(dir, fmt.Sprintf("keys%d", n))})
		if err != nil {
			return kept{}, err
		}
		m := postgres.NewMemories(db)
		return kept{m, m, db.Close}, nil
	}}
}

// find accepts the data folder, the memory folder in it or the file.
func find(data string) string {
	for _, path := range []string{filepath.Join(data, "memory", "locomo-dev.json"), filepath.Join(data, "locomo-dev.json")} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return data
}

// measure remembers a conversation in a new store and asks its questions, by words
// and then by words and vectors, twice each: the first round fills caches as a
// running server's are, the second is timed.
func measure(ctx context.Context, s store, n int, c conversation) (words, both tally, err error) {
	k, err := s.open(ctx, n)
	if err != nil {
		return words, both, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	clock := func() time.Time { return c.last().Add(24 * time.Hour) }
	m, err := memory.New(memory.Config{Store: k.Store, Clock: clock})
	if err != nil {
		return words, both, err
	}
	at, err := remember(ctx, m, c)
	if err != nil {
		return words, both, err
	}
	if words, err = ask(ctx, m, c, at); err != nil {
		return words, both, err
	}
	embedder := &embedtest.Embedder{}
	if err := embed(ctx, k, embedder, clock); err != nil {
		return words, both, err
	}
	m, err = memory.New(memory.Config{Store: k.Store, Index: k.Index, Embedder: embedder, Clock: clock})
	if err != nil {
		return words, both, err
	}
	both, err = ask(ctx, m, c, at)
	return words, both, err
}

func embed(ctx context.Context, k kept, e memory.Embedder, clock func() time.Time) error {
	x, err := memory.NewIndexer(memory.IndexerConfig{Index: k.Index, Store: k.Store, Embedder: e, Clock: clock, Log: slog.New(slog.DiscardHandler), By: asker()})
	for more := true; more && err == nil; {
		more, err = x.Step(ctx)
	}
	return err
}

func ask(ctx context.Context, m *memory.Memory, c conversation, at map[place]string) (tally, error) {
	var t tally
	for round := range 2 {
		for _, q := range c.Questions {
			start := time.Now()
			hits, err := m.Recall(ctx, memory.Query{Reader: asker(), Text: q.Text, Limit: depths()[len(depths())-1]})
			took := time.Since(start)
			if err != nil {
				return t, fmt.Errorf("%q: %w", q.Text, err)
			}
			if round == 1 {
				t.score(q, hits, at, took)
			}
		}
	}
	return t, nil
}

func asker() agent.Actor { return agent.Actor{Workspace: "eval", ID: "asker", Kind: agent.Member} }

// remember stores each session as a thread of its turns and returns which turn
// stands at which place.
func remember(ctx context.Context, m *memory.Memory, c conversation) (map[place]string, error) {
	at := map[place]string{}
	for turns := range slices.Values(c.sessions()) {
		item := memory.Item{
			Workspace: "eval", Kind: memory.Thread, Title: fmt.Sprintf("Session %d", turns[0].Session), At: turns[0].At,
			Author: "importer", Label: agent.Label{Readers: agent.Readers{Scope: agent.WholeWorkspace}},
		}
		for _, t := range turns {
			item.Chunks = append(item.Chunks, memory.Chunk{Speaker: t.Speaker, Text: t.text(), At: t.At})
		}
		stored, err := m.Remember(ctx, item)
		if err != nil {
			return nil, err
		}
		if len(stored.Chunks) != len(turns) {
			return nil, fmt.Errorf("session %d: %d turns became %d chunks", turns[0].Session, len(turns), len(stored.Chunks))
		}
		for n, t := range turns {
			at[place{stored.ID, n}] = t.ID
		}
	}
	return at, nil
}

// place is where a turn stands in memory.
type place struct {
	item string
	n    int
}
