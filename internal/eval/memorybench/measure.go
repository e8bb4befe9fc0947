package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/memory"
)

// kept is an open store.
type kept struct {
	name, where string
	memory.Store
	memory.Index
	// size is how many bytes the store takes on disk.
	size  func(ctx context.Context) (int64, error)
	close func() error
}

func onSQLite(ctx context.Context, dir string) (kept, error) {
	path := filepath.Join(dir, "sous.db")
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return kept{}, err
	}
	m := sqlite.NewMemories(db)
	return kept{name: "SQLite", where: path, Store: m, Index: m, close: db.Close, size: func(context.Context) (int64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}}, nil
}

func onPostgres(ctx context.Context, dir string) (kept, error) {
	server, err := pgtest.Start(ctx, pgOptions())
	if err != nil {
		return kept{}, err
	}
	base, err := server.Create(ctx, "")
	if err != nil {
		return kept{}, errors.Join(err, server.Stop())
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: base.URL, Keys: filepath.Join(dir, "keys")})
	if err != nil {
		return kept{}, errors.Join(err, server.Stop())
	}
	m := postgres.NewMemories(db)
	return kept{
		name: "PostgreSQL", where: base.AdminURL, Store: m, Index: m,
		close: func() error { return errors.Join(db.Close(), server.Stop()) },
		size: func(ctx context.Context) (n int64, err error) {
			conn, err := pgx.Connect(ctx, base.AdminURL)
			if err != nil {
				return 0, err
			}
			err = conn.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&n)
			return n, errors.Join(err, conn.Close(ctx))
		},
	}, nil
}

// figures are what was measured of one store at one size.
type figures struct {
	Store  string `json:"store"`
	Chunks int    `json:"chunks"`
	// StoreRate and EmbedRate are chunks a second: stored and found by words, and
	// given their vectors; IndexSeconds is what building the index took.
	StoreRate    float64 `json:"store_rate"`
	EmbedRate    float64 `json:"embed_rate"`
	IndexSeconds float64 `json:"index_seconds"`
	DiskMB       float64 `json:"disk_mb"`
	// ProcessMB is what the process takes more after the first query by vectors.
	ProcessMB float64            `json:"process_mb"`
	Readers   map[string]perRead `json:"readers"`
}

// perRead is recall for a reader of a share of the chunks, in milliseconds.
type perRead struct {
	P50      float64 `json:"p50_ms"`
	P95      float64 `json:"p95_ms"`
	WordsP50 float64 `json:"words_p50_ms"`
	Recall   float64 `json:"recall_at_10"`
}

func measure(ctx context.Context, out io.Writer, k kept, c *corpus, n int) (figures, error) {
	f := figures{Store: k.name, Chunks: c.n, Readers: map[string]perRead{}}
	began := time.Now()
	for i := range c.items() {
		if _, _, err := k.SaveItem(ctx, c.item(i)); err != nil {
			return f, err
		}
		if i%5000 == 4999 {
			fmt.Fprintf(out, "  %s: %d of %d stored\n", k.name, (i+1)*inItem, c.n)
		}
	}
	f.StoreRate = float64(c.n) / time.Since(began).Seconds()
	queries := c.queries(n)
	embedder := lookup{c, queries}
	if err := f.index(ctx, k, embedder); err != nil {
		return f, err
	}
	bytes, err := k.size(ctx)
	if err != nil {
		return f, err
	}
	f.DiskMB = float64(bytes) / 1e6
	before := heap()
	m, err := memory.New(memory.Config{Store: k.Store, Index: k.Index, Embedder: embedder, Clock: clock})
	if err != nil {
		return f, err
	}
	words, err := memory.New(memory.Config{Store: k.Store, Clock: clock})
	if err != nil {
		return f, err
	}
	for _, r := range readers() {
		one, err := recall(ctx, m, words, c, queries, r.id)
		if err != nil {
			return f, err
		}
		f.Readers[r.share] = one
	}
	f.ProcessMB = float64(heap()-before) / 1e6
	return f, nil
}

func clock() time.Time { return start().AddDate(1, 0, 0) }

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap is that large
}

// index embeds all and builds the index, each timed.
func (f *figures) index(ctx context.Context, k kept, e memory.Embedder) error {
	t := &timed{Index: k.Index}
	x, err := memory.NewIndexer(memory.IndexerConfig{
		Index: t, Store: k.Store, Embedder: e, Clock: clock, Log: slog.New(slog.DiscardHandler), By: agent.Actor{Workspace: "bench", ID: "bench"}, Batch: 512,
	})
	if err != nil {
		return err
	}
	began := time.Now()
	for more := true; more; {
		if more, err = x.Step(ctx); err != nil {
			return err
		}
	}
	f.EmbedRate = float64(f.Chunks) / (time.Since(began) - t.sealing).Seconds()
	f.IndexSeconds = t.sealing.Seconds()
	return nil
}

// timed notes how long sealing took.
type timed struct {
	memory.Index
	sealing time.Duration
}

// Seal implements memory.Index.
func (t *timed) Seal(ctx context.Context, id int64) error {
	began := time.Now()
	err := t.Index.Seal(ctx, id)
	t.sealing += time.Since(began)
	return err
}

// recall asks all queries: once to fill caches as a running server's are, then
// timed; by words and vectors, and by words alone.
func recall(ctx context.Context, both, words *memory.Memory, c *corpus, queries []query, who agent.ActorID) (perRead, error) {
	by := agent.Actor{Workspace: "bench", ID: who, Kind: agent.Member}
	var p perRead
	for _, m := range []*memory.Memory{both, words} {
		var times []time.Duration
		for round := range 2 {
			for _, q := range queries {
				began := time.Now()
				if _, err := m.Recall(ctx, memory.Query{Reader: by, Text: q.text}); err != nil {
					return p, err
				}
				if round == 1 {
					times = append(times, time.Since(began))
				}
			}
		}
		slices.Sort(times)
		at := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000 }
		if m == both {
			p.P50, p.P95 = at(.5), at(.95)
		} else {
			p.WordsP50 = at(.5)
		}
	}
	found, asked := 0, 0
	for _, q := range queries {
		hits, err := both.Recall(ctx, memory.Query{Reader: by, Text: q.text, Limit: memory.MaxLimit})
		if err != nil {
			return p, err
		}
		got := nearest(hits)
		for _, i := range c.exact(q, who) {
			asked++
			if slices.Contains(got, i) {
				found++
			}
		}
	}
	p.Recall = float64(found) / float64(max(asked, 1))
	return p, nil
}

// nearest are the numbers of the ten hits with the most similar vectors.
func nearest(hits []memory.Hit) []int {
	hits = slices.DeleteFunc(hits, func(h memory.Hit) bool { return h.Parts.Similarity == 0 })
	slices.SortFunc(hits, func(a, b memory.Hit) int {
		switch {
		case a.Parts.Similarity > b.Parts.Similarity:
			return -1
		case a.Parts.Similarity < b.Parts.Similarity:
			return 1
		}
		return 0
	})
	var out []int
	for _, h := range hits[:min(len(hits), 10)] {
		name, _ := named(h.Chunk.Text)
		if n, err := strconv.Atoi(name); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func (f figures) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d chunks: %.0f stored/s, %.0f embedded/s, index %.1f s, disk %.0f MB, process +%.0f MB\n",
		f.Store, f.Chunks, f.StoreRate, f.EmbedRate, f.IndexSeconds, f.DiskMB, f.ProcessMB)
	for _, r := range readers() {
		p := f.Readers[r.share]
		fmt.Fprintf(out, "  may read %-6s p50 %6.2f ms  p95 %6.2f ms  recall@10 %.3f  by words alone p50 %6.2f ms\n", r.share, p.P50, p.P95, p.Recall, p.WordsP50)
	}
}

// save adds the figures to a file of JSON lines, in place of those of the same
// store and size.
func (f figures) save(path string) error {
	all, err := read(path)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(o figures) bool { return o.Store == f.Store && o.Chunks == f.Chunks })
	all = append(all, f)
	slices.SortFunc(all, func(a, b figures) int {
		if c := strings.Compare(b.Store, a.Store); c != 0 {
			return c
		}
		return a.Chunks - b.Chunks
	})
	var b strings.Builder
	for _, one := range all {
		raw, err := json.Marshal(one)
		if err != nil {
			return err
		}
		b.Write(raw)
		b.WriteByte('\n')
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func read(path string) ([]figures, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []figures
	for line := range strings.Lines(string(raw)) {
		var f figures
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, f)
	}
	return all, nil
}
