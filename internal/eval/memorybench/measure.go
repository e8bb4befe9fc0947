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
	"syscall"
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
	// size is how many bytes the store takes on disk, memory how many of them want to
	// be in memory for recall (nil: what the process takes more).
	size, memory func(ctx context.Context) (float64, error)
	// workers are the processes of the server that search; nil where there is none.
	workers func(ctx context.Context) ([]int, error)
	close   func() error
}

func onSQLite(ctx context.Context, dir string) (kept, error) {
	path := filepath.Join(dir, "sous.db")
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return kept{}, err
	}
	m := sqlite.NewMemories(db)
	return kept{name: "SQLite", where: path, Store: m, Index: m, close: db.Close, size: func(context.Context) (float64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return float64(info.Size()), nil
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
	return atPostgres(ctx, dir, base, server.Stop)
}

// atPostgres opens a database; stop ends its server.
func atPostgres(ctx context.Context, dir string, base pgtest.Database, stop func() error) (kept, error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: base.URL, Keys: filepath.Join(dir, "keys")})
	if err != nil {
		return kept{}, errors.Join(err, stop())
	}
	admin, err := pgx.Connect(ctx, base.AdminURL)
	if err != nil {
		return kept{}, errors.Join(err, db.Close(), stop())
	}
	one := func(query string) func(context.Context) (float64, error) {
		return func(ctx context.Context) (n float64, err error) {
			err = admin.QueryRow(ctx, query).Scan(&n)
			return n, err
		}
	}
	m := postgres.NewMemories(db)
	return kept{
		name: "PostgreSQL", where: base.AdminURL, Store: m, Index: m,
		close: func() error { return errors.Join(admin.Close(ctx), db.Close(), stop()) },
		size:  one(`SELECT pg_database_size(current_database())::float8`),
		memory: one(`SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0)::float8 FROM pg_class c
			WHERE c.relkind = 'r' AND (c.relname LIKE 'memory_vectors_%' OR c.relname = 'memory_index')`),
		workers: func(ctx context.Context) ([]int, error) {
			rows, err := admin.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, pgx.RowTo[int])
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
	// MemoryMB is what recall wants in memory: in SQLite's case what the process takes
	// more after the first query by vectors, in PostgreSQL's the vectors with their
	// index and the index of words.
	MemoryMB float64 `json:"memory_mb"`
	// Load is how many processes wanted to run (the mean of a minute) while recall
	// was measured.
	Load    float64            `json:"load"`
	Readers map[string]perRead `json:"readers"`
}

// perRead is recall for a reader of a share of the chunks, in milliseconds.
type perRead struct {
	P50      float64 `json:"p50_ms"`
	P95      float64 `json:"p95_ms"`
	WordsP50 float64 `json:"words_p50_ms"`
	Recall   float64 `json:"recall_at_10"`
	// CPU is what a search by words and vectors takes of the processor, of the process
	// and of the server, on average: the time on a machine that does nothing else.
	CPU float64 `json:"cpu_ms"`
}

// fill stores the corpus, and gives it vectors and their index.
func (f *figures) fill(ctx context.Context, out io.Writer, k kept, c *corpus) error {
	began := time.Now()
	for i := range c.items() {
		if _, _, err := k.SaveItem(ctx, c.item(i)); err != nil {
			return err
		}
		if i%5000 == 4999 {
			fmt.Fprintf(out, "  %s: %d of %d stored\n", k.name, (i+1)*inItem, c.n)
		}
	}
	f.StoreRate = float64(c.n) / time.Since(began).Seconds()
	return f.index(ctx, k, lookup{c: c})
}

// ask measures recall.
func (f *figures) ask(ctx context.Context, k kept, c *corpus, n int) error {
	bytes, err := k.size(ctx)
	if err != nil {
		return err
	}
	f.DiskMB = bytes / 1e6
	queries := c.queries(n)
	before := heap()
	m, err := memory.New(memory.Config{Store: k.Store, Index: k.Index, Embedder: lookup{c, queries}, Clock: clock})
	if err != nil {
		return err
	}
	words, err := memory.New(memory.Config{Store: k.Store, Clock: clock})
	if err != nil {
		return err
	}
	for _, r := range readers() {
		asking := asking{k: k, both: m, words: words, c: c, queries: queries, by: agent.Actor{Workspace: "bench", ID: r.id, Kind: agent.Member}}
		one, err := asking.recall(ctx)
		if err != nil {
			return err
		}
		f.Readers[r.share] = one
	}
	taken := float64(heap() - before)
	if k.memory != nil {
		if taken, err = k.memory(ctx); err != nil {
			return err
		}
	}
	f.MemoryMB = taken / 1e6
	f.Load, err = load()
	return err
}

// load is the mean number of running processes of the last minute.
func load() (float64, error) {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return strconv.ParseFloat(first, 64)
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

// asking is one reader with all queries.
type asking struct {
	k           kept
	both, words *memory.Memory
	c           *corpus
	queries     []query
	by          agent.Actor
}

// recall asks all queries: once to fill caches as a running server's are, then
// timed; by words and vectors, and by words alone.
func (a asking) recall(ctx context.Context) (p perRead, err error) {
	if _, err = a.times(ctx, a.both); err != nil {
		return p, err
	}
	before, err := a.cpu(ctx)
	if err != nil {
		return p, err
	}
	both, err := a.times(ctx, a.both)
	if err != nil {
		return p, err
	}
	after, err := a.cpu(ctx)
	if err != nil {
		return p, err
	}
	p.CPU = (after - before).Seconds() * 1000 / float64(len(a.queries))
	if _, err = a.times(ctx, a.words); err != nil {
		return p, err
	}
	words, err := a.times(ctx, a.words)
	if err != nil {
		return p, err
	}
	p.P50, p.P95, p.WordsP50 = quantile(both, .5), quantile(both, .95), quantile(words, .5)
	p.Recall, err = a.found(ctx)
	return p, err
}

// cpu is the processor time that this process and those of the server have taken.
func (a asking) cpu(ctx context.Context) (sum time.Duration, err error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, err
	}
	sum = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	if a.k.workers == nil {
		return sum, nil
	}
	pids, err := a.k.workers(ctx)
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// times are how long the queries took, in order.
func (a asking) times(ctx context.Context, m *memory.Memory) ([]time.Duration, error) {
	times := make([]time.Duration, 0, len(a.queries))
	for _, q := range a.queries {
		began := time.Now()
		if _, err := m.Recall(ctx, memory.Query{Reader: a.by, Text: q.text}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times, nil
}

// quantile is in milliseconds.
func quantile(times []time.Duration, q float64) float64 {
	return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000
}

// found is the share of the ten nearest that are found.
func (a asking) found(ctx context.Context) (float64, error) {
	found, asked := 0, 0
	for _, q := range a.queries {
		hits, err := a.both.Recall(ctx, memory.Query{Reader: a.by, Text: q.text, Limit: memory.MaxLimit})
		if err != nil {
			return 0, err
		}
		got := nearest(hits)
		for _, i := range a.c.exact(q, a.by.ID) {
			asked++
			if slices.Contains(got, i) {
				found++
			}
		}
	}
	return float64(found) / float64(max(asked, 1)), nil
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
	fmt.Fprintf(out, "%s, %d chunks: %.0f stored/s, %.0f embedded/s, index %.1f s, disk %.0f MB, memory %.0f MB, load %.1f\n",
		f.Store, f.Chunks, f.StoreRate, f.EmbedRate, f.IndexSeconds, f.DiskMB, f.MemoryMB, f.Load)
	for _, r := range readers() {
		p := f.Readers[r.share]
		fmt.Fprintf(out, "  may read %-6s p50 %6.2f ms  p95 %6.2f ms  recall@10 %.3f  by words alone p50 %6.2f ms  CPU %5.2f ms\n", r.share, p.P50, p.P95, p.Recall, p.WordsP50, p.CPU)
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
