// Command minutes measures the minutes the built-in model makes of real
// meetings: ROUGE against the human summaries, words per second, and whether
// every quote and owner holds. It prints a table and, last, one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/tools/meetings"
)

func main() {
	data := flag.String("data", "../shared/data/meetings", "folder of qmsum-*.jsonl and *.vtt")
	export := flag.String("export", "", "also write the meetings as files into this folder")
	sous := flag.String("sous", "", "also run this binary on every meeting and check what it prints")
	verbose := flag.Bool("v", false, "print every summary and item")
	flag.Parse()
	if err := run(context.Background(), *data, *export, *sous, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "minutes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data, export, sous string, verbose bool) error {
	all, err := load(data)
	if err != nil {
		return err
	}
	if export != "" {
		if err := write(all, export); err != nil {
			return err
		}
	}
	f, err := evaluate(ctx, all, verbose)
	if err != nil {
		return err
	}
	if sous != "" {
		bad := askAll(ctx, all, sous)
		f.Unverified += bad
	}
	if err := table(f); err != nil {
		return err
	}
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if f.Unverified > 0 {
		return fmt.Errorf("%d claims or answers did not hold", f.Unverified)
	}
	return nil
}

func write(all []meeting, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, m := range all {
		if err := os.WriteFile(filepath.Join(dir, m.name), m.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// figures is the last line of the output.
type figures struct {
	R1         float64 `json:"r1"`
	R2         float64 `json:"r2"`
	WordsPerS  int     `json:"words_per_s"`
	Items      int     `json:"items"`
	Unverified int     `json:"unverified"`

	rl                            float64
	meetings, scored              int
	decisions, actions, questions int
	owners, dues, dropped         int
	summaryWords                  int
}

func evaluate(ctx context.Context, all []meeting, verbose bool) (figures, error) {
	var f figures
	words := 0
	var took time.Duration
	cfg := meetings.Config{
		Model: builtin.New(), Prompt: meetings.Prompt{Ref: "minutes/v1@eval", Text: "-"}, Clock: time.Now,
	}
	for _, m := range all {
		words += len(strings.Fields(string(m.content)))
		began := time.Now()
		t, err := meetings.Parse(m.name, m.content)
		if err != nil {
			return f, fmt.Errorf("%s: %w", m.name, err)
		}
		mins, _, err := meetings.Summarise(ctx, cfg, t)
		if err != nil {
			return f, fmt.Errorf("%s: %w", m.name, err)
		}
		took += time.Since(began)
		f.count(mins)
		for _, why := range meetings.Unverified(mins, t) {
			f.Unverified++
			fmt.Printf("%s: %s\n", m.name, why)
		}
		if m.reference != "" {
			s := score(m.reference, mins.Summary)
			f.scored++
			f.R1, f.R2, f.rl = f.R1+s.r1, f.R2+s.r2, f.rl+s.rl
			if verbose {
				fmt.Printf("\n%s  R1 %.3f  R2 %.3f\n  ref: %s\n", m.name, s.r1, s.r2, m.reference)
			}
		}
		if verbose {
			show(mins)
		}
	}
	if f.scored > 0 {
		n := float64(f.scored)
		f.R1, f.R2, f.rl = round(f.R1/n), round(f.R2/n), round(f.rl/n)
	}
	f.WordsPerS = int(float64(words) / took.Seconds())
	return f, nil
}

func round(x float64) float64 { return float64(int(x*10000+0.5)) / 10000 }

func (f *figures) count(m agent.Minutes) {
	f.meetings++
	f.decisions += len(m.Decisions)
	f.actions += len(m.Actions)
	f.questions += len(m.Questions)
	f.Items = f.decisions + f.actions + f.questions
	f.dropped += m.Dropped
	f.summaryWords += len(strings.Fields(m.Summary))
	for _, a := range m.Actions {
		if a.Owner != nil {
			f.owners++
		}
		if a.Due != nil {
			f.dues++
		}
	}
}

func show(m agent.Minutes) {
	fmt.Printf("  got: %s\n", m.Summary)
	for _, d := range m.Decisions {
		fmt.Printf("  decision: %s  «%s»\n", d.Text, d.Evidence[0].Quote)
	}
	for _, a := range m.Actions {
		owner, due := "-", "-"
		if a.Owner != nil {
			owner = *a.Owner
		}
		if a.Due != nil {
			due = *a.Due
		}
		fmt.Printf("  action: %s [%s, %s]  «%s: %s»\n", a.Text, owner, due, a.Evidence[0].Speaker, a.Evidence[0].Quote)
	}
	for _, q := range m.Questions {
		fmt.Printf("  question: %s  «%s»\n", q.Text, q.Evidence[0].Quote)
	}
}

func table(f figures) error {
	fmt.Printf("\n%d meetings, %d with a reference; %d decisions, %d actions (%d with owner, %d with date), %d questions; %d dropped; %.0f words a summary\n\n",
		f.meetings, f.scored, f.decisions, f.actions, f.owners, f.dues, f.questions, f.dropped,
		float64(f.summaryWords)/float64(max(1, f.meetings)))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tROUGE-1\tROUGE-2\tROUGE-L\t")
	fmt.Fprintf(w, "built-in\t%.1f\t%.1f\t%.1f\t\n", 100*f.R1, 100*f.R2, 100*f.rl)
	for _, b := range [...]struct {
		name   string
		r1, r2 float64
	}{
		{"BM25 extraction", 24.8, 5.6}, {"gold spans", 28.2, 8.6}, {"neural abstraction", 36.1, 11.4}, {"extractive oracle", 49.7, 24.0},
	} {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t\t\n", b.name, b.r1, b.r2)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("\nThe others are known figures on the general queries of QMSum's validation part; other data compare with them only loosely.")
	_, err := fmt.Printf("%d words per second, on one core mostly\n\n", f.WordsPerS)
	return err
}
