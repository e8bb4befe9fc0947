// Command routing measures the classifier behind the router on CLINC150 and Banking77. It learns from the training
// parts alone; the border to out-of-scope, too, is set on training messages held out from training. The last line
// it prints is the figures as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/sous-hq/sous/internal/textclass"
)

// figures are what the evaluation is about.
type figures struct {
	ClincInScope   float64 `json:"clinc_in_scope"`   // share of in-scope messages accepted and labelled rightly
	ClincOOSRecall float64 `json:"clinc_oos_recall"` // share of out-of-scope messages rejected
	Banking77      float64 `json:"banking77"`        // share of messages labelled rightly
	MicrosPerMsg   float64 `json:"us_per_message"`   // mean time to classify one message, in one goroutine
}

func main() {
	dir := flag.String("data", "../shared/data/routing", "folder with clinc150-dev.json and banking77-train.csv")
	flag.Parse()
	if err := run(*dir, os.Stdout, time.Now); err != nil {
		fmt.Fprintln(os.Stderr, "eval routing:", err)
		os.Exit(1)
	}
}

func run(dir string, w io.Writer, now func() time.Time) error {
	clinc, err := loadClinc(dir)
	if err != nil {
		return err
	}
	banking, err := loadBanking(dir)
	if err != nil {
		return err
	}
	c, err := measure(clinc, now)
	if err != nil {
		return fmt.Errorf("clinc150: %w", err)
	}
	b, err := measure(banking, now)
	if err != nil {
		return fmt.Errorf("banking77: %w", err)
	}
	f := figures{
		ClincInScope:   c.share(c.accepted),
		ClincOOSRecall: float64(c.rejected) / float64(len(clinc.outside)),
		Banking77:      b.share(b.right),
		MicrosPerMsg:   float64((c.took + b.took).Microseconds()) / float64(c.all()+b.all()),
	}
	if err := printTable(w, c, b, f); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(f)
}

// outcome is what a model did on the messages it had not seen.
type outcome struct {
	dataset
	right    int // the label is right
	accepted int // the label is right and the message is taken as in scope
	rejected int // a message outside is taken as out of scope
	trust    float64
	training time.Duration
	took     time.Duration // to classify all messages
}

func (o *outcome) all() int            { return len(o.test) + len(o.outside) }
func (o *outcome) share(n int) float64 { return float64(n) / float64(len(o.test)) }

func measure(d dataset, now func() time.Time) (*outcome, error) {
	start := now()
	m, err := textclass.Train(d.train, textclass.Options{Background: background})
	if err != nil {
		return nil, err
	}
	o := &outcome{dataset: d, training: now().Sub(start)}
	runtime.GC() // what training left behind is not part of the time to classify
	start = now()
	for _, e := range d.test {
		r := m.Classify(e.Text)
		o.trust += r.Ranked[0].P / float64(len(d.test))
		if r.Ranked[0].Label == e.Label {
			o.right++
			if r.InScope {
				o.accepted++
			}
		}
	}
	for _, text := range d.outside {
		if !m.Classify(text).InScope {
			o.rejected++
		}
	}
	o.took = now().Sub(start)
	return o, nil
}

// printTable sets the figures beside tf-idf with logistic regression, measured elsewhere on the same sets.
func printTable(w io.Writer, c, b *outcome, f figures) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tours\ttf-idf + logistic regression")
	fmt.Fprintf(t, "CLINC150 in scope, accepted and right\t%.4f\t.896\n", f.ClincInScope)
	fmt.Fprintf(t, "CLINC150 out of scope, rejected\t%.4f\t.777\n", f.ClincOOSRecall)
	fmt.Fprintf(t, "CLINC150 in scope, right before rejection\t%.4f\t\n", c.share(c.right))
	fmt.Fprintf(t, "CLINC150 mean probability of the first label\t%.4f\t\n", c.trust)
	fmt.Fprintf(t, "Banking77 right\t%.4f\t.911\n", f.Banking77)
	fmt.Fprintf(t, "Banking77 mean probability of the first label\t%.4f\t\n", b.trust)
	fmt.Fprintf(t, "microseconds per message\t%.1f\t\n", f.MicrosPerMsg)
	fmt.Fprintf(t, "CLINC150 training, seconds\t%.1f\t%d messages\n", c.training.Seconds(), len(c.train))
	fmt.Fprintf(t, "Banking77 training, seconds\t%.1f\t%d messages\n", b.training.Seconds(), len(b.train))
	return t.Flush()
}
