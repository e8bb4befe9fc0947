// Command memory measures recall on long conversations whose questions have
// labelled evidence (LoCoMo): the share of the evidence turns among the first 5,
// 10 and 50 passages, and the time of a query. It uses no model.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/memory"
)

func main() {
	data := flag.String("data", "../shared/data", "folder that holds memory/locomo-dev.json, or the file itself")
	misses := flag.Bool("misses", false, "print each question whose evidence is not among the first 10")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *data, *misses); err != nil {
		fmt.Fprintln(os.Stderr, "eval memory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, data string, misses bool) (err error) {
	conversations, err := load(find(data))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sous-eval-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var all tally
	for n, c := range conversations {
		one, err := measure(ctx, filepath.Join(dir, fmt.Sprintf("%d.db", n)), c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.ID, err)
		}
		fmt.Fprintf(out, "%-10s %4d turns  %s\n", c.ID, len(c.Turns), one)
		if misses {
			one.printMisses(out)
		}
		all.add(one)
	}
	return report(out, all)
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

// measure remembers a conversation in a new store and asks its questions twice:
// the first round fills caches as a running server's are, the second is timed.
func measure(ctx context.Context, path string, c conversation) (_ tally, err error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return tally{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := memory.New(memory.Config{Store: sqlite.NewMemories(db), Clock: func() time.Time { return c.last().Add(24 * time.Hour) }})
	if err != nil {
		return tally{}, err
	}
	at, err := remember(ctx, m, c)
	if err != nil {
		return tally{}, err
	}
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

// depths are the k of recall@k.
func depths() []int { return []int{5, 10, 50} }

// tally sums up answers.
type tally struct {
	questions int
	recall    [3]float64
	byKind    map[int]*[2]float64 // category: questions, sum of recall@10
	times     []time.Duration
	missed    []string
}

func (t *tally) score(q question, hits []memory.Hit, at map[place]string, took time.Duration) {
	t.questions++
	t.times = append(t.times, took)
	if t.byKind == nil {
		t.byKind = map[int]*[2]float64{}
	}
	if t.byKind[q.Category] == nil {
		t.byKind[q.Category] = new([2]float64)
	}
	for n, k := range depths() {
		found := 0
		for _, h := range hits[:min(k, len(hits))] {
			if slices.Contains(q.Evidence, at[place{h.Item.ID, h.Chunk.N}]) {
				found++
			}
		}
		share := float64(found) / float64(len(q.Evidence))
		t.recall[n] += share
		if k == 10 {
			t.byKind[q.Category][0]++
			t.byKind[q.Category][1] += share
			if share < 1 {
				t.missed = append(t.missed, fmt.Sprintf("%.2f [%d] %s %v", share, q.Category, q.Text, q.Evidence))
			}
		}
	}
}

func (t *tally) add(o tally) {
	t.questions += o.questions
	t.times = append(t.times, o.times...)
	for n := range t.recall {
		t.recall[n] += o.recall[n]
	}
	if t.byKind == nil {
		t.byKind = map[int]*[2]float64{}
	}
	for k, v := range o.byKind {
		if t.byKind[k] == nil {
			t.byKind[k] = new([2]float64)
		}
		t.byKind[k][0] += v[0]
		t.byKind[k][1] += v[1]
	}
}

// at returns the mean recall at the n-th depth.
func (t *tally) at(n int) float64 { return t.recall[n] / float64(max(t.questions, 1)) }

// quantile returns the time that the share p of the queries stays within.
func (t *tally) quantile(p float64) time.Duration {
	if len(t.times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.times))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

func (t tally) String() string {
	return fmt.Sprintf("%4d questions  R@5 %.3f  R@10 %.3f  R@50 %.3f  p50 %4d µs  p95 %4d µs",
		t.questions, t.at(0), t.at(1), t.at(2), t.quantile(.5).Microseconds(), t.quantile(.95).Microseconds())
}

func (t *tally) printMisses(out io.Writer) {
	for _, m := range t.missed {
		fmt.Fprintln(out, "   ", m)
	}
}

// report prints the table beside the known baselines and, last, one line of JSON.
func report(out io.Writer, t tally) error {
	fmt.Fprintf(out, "%-10s             %s\n", "all", t)
	for n, name := range []string{"several turns", "time", "inference", "one turn"} {
		if v := t.byKind[n+1]; v != nil {
			fmt.Fprintf(out, "  category %d (%s): %.0f questions, R@10 %.3f\n", n+1, name, v[0], v[1]/v[0])
		}
	}
	fmt.Fprintln(out, "\n                                                   R@10   R@50   p50")
	fmt.Fprintln(out, "BM25 (known, all 10 conversations)                 0.610      -     -")
	fmt.Fprintln(out, "BM25 + neighbour smoothing (known, all 10)         0.676  0.826     -")
	fmt.Fprintf(out, "SQLite, lexical (here, %d questions)              %.3f  %.3f  %d µs\n",
		t.questions, t.at(1), t.at(2), t.quantile(.5).Microseconds())
	line, err := json.Marshal(struct {
		R10 float64 `json:"sqlite_r10"`
		R50 float64 `json:"sqlite_r50"`
		P50 int64   `json:"sqlite_p50_us"`
	}{round3(t.at(1)), round3(t.at(2)), t.quantile(.5).Microseconds()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

func round3(x float64) float64 { return float64(int(x*1000+0.5)) / 1000 }

// sessions groups the turns.
func (c conversation) sessions() [][]turn {
	var out [][]turn
	for _, t := range c.Turns {
		if n := len(out); n > 0 && out[n-1][0].Session == t.Session {
			out[n-1] = append(out[n-1], t)
		} else {
			out = append(out, []turn{t})
		}
	}
	return out
}

// last returns when the last turn was said.
func (c conversation) last() time.Time {
	return slices.MaxFunc(c.Turns, func(a, b turn) int { return cmp.Compare(a.At.Unix(), b.At.Unix()) }).At
}
