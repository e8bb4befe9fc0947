package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/memory"
)

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

// result is what was measured on one store, by words and by words and vectors.
type result struct {
	store       string
	words, both tally
}

// report prints the table beside the known baselines and, last, one line of JSON:
// of recall by words alone, which is what there is without a model.
func report(out io.Writer, results []result) error {
	first := results[0].words
	for n, name := range []string{"several turns", "time", "inference", "one turn"} {
		if v := first.byKind[n+1]; v != nil {
			fmt.Fprintf(out, "  category %d (%s): %.0f questions, R@10 %.3f\n", n+1, name, v[0], v[1]/v[0])
		}
	}
	fmt.Fprintf(out, "\n%d questions; vectors are of the %s\n", first.questions, embedtest.Name)
	fmt.Fprintf(out, "%-52s   R@5   R@10   R@50     p50     p95\n", "")
	fmt.Fprintf(out, "%-52s     -  0.610      -       -       -\n", "BM25 (known, all 10 conversations)")
	fmt.Fprintf(out, "%-52s     -  0.676  0.826       -       -\n", "BM25 + neighbour smoothing (known, all 10)")
	line := struct {
		SR10 float64 `json:"sqlite_r10"`
		SR50 float64 `json:"sqlite_r50"`
		SP50 int64   `json:"sqlite_p50_us"`
		PR10 float64 `json:"postgres_r10"`
		PR50 float64 `json:"postgres_r50"`
		PP50 int64   `json:"postgres_p50_us"`
	}{}
	for _, r := range results {
		for _, of := range []struct {
			name string
			tally
		}{{"words", r.words}, {"words and vectors (test embedder)", r.both}} {
			fmt.Fprintf(out, "%-52s %.3f  %.3f  %.3f %4d µs %4d µs\n", r.store+", "+of.name, of.at(0), of.at(1), of.at(2),
				of.quantile(.5).Microseconds(), of.quantile(.95).Microseconds())
		}
		r10, r50, p50 := round3(r.words.at(1)), round3(r.words.at(2)), r.words.quantile(.5).Microseconds()
		if r.store == "SQLite" {
			line.SR10, line.SR50, line.SP50 = r10, r50, p50
		} else {
			line.PR10, line.PR50, line.PP50 = r10, r50, p50
		}
	}
	raw, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", raw)
	return err
}

func round3(x float64) float64 { return float64(int(x*1000+0.5)) / 1000 }
