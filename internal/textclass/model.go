package textclass

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Example is a message and the label it belongs to.
type Example struct {
	Text  string
	Label string
}

// Options are the choices of Train. The zero value is ready to use.
type Options struct {
	// Background is the label of examples that belong to no label: what people may say that is out of scope. Empty:
	// there are none, and in their place stand examples judged by a model that was not shown their label.
	Background string
	// Reject is the share of held-out background examples that must end out of scope; 0 means 0.83. It counts when
	// there are at least 20 of them.
	Reject float64
	// Accept is the least share of held-out, rightly classified examples that must end in scope when Reject does not
	// count; 0 means 0.8.
	Accept float64
	// Top is how many labels Classify ranks; 0 means 5.
	Top int
	// Seed varies what is random in training. The same seed gives the same model.
	Seed uint64
}

func (o Options) withDefaults() (Options, error) {
	if o.Reject == 0 {
		o.Reject = 0.83
	}
	if o.Accept == 0 {
		o.Accept = 0.8
	}
	if o.Top == 0 {
		o.Top = 5
	}
	if !(o.Reject > 0 && o.Reject <= 1) || !(o.Accept > 0 && o.Accept <= 1) || o.Top < 0 {
		return o, fmt.Errorf("train: Reject %v and Accept %v must be in (0, 1], Top %d not negative",
			o.Reject, o.Accept, o.Top)
	}
	return o, nil
}

// ErrTooFewLabels is returned by Train when the examples have fewer than two labels besides the background.
var ErrTooFewLabels = errors.New("a classifier needs examples of at least two labels")

// Score is a label with its probability.
type Score struct {
	Label string
	P     float64 // calibrated on examples that were held out, given that the message is in scope
}

// Result is what a model says of one message.
type Result struct {
	Ranked  []Score // the most probable labels, best first; never empty
	Scope   float64 // how surely the message belongs to any label, 0 to 1; the border is at one half
	InScope bool    // Scope is at least one half and some word is known
}

// Model classifies messages. It is safe for use by several goroutines.
type Model struct {
	learned     *learned
	labels      []string
	temperature float64
	scope       scope
	top         int
	judgements  sync.Pool // of *judgement
}

// Train learns a model. Examples need a label each; those without any word teach nothing but are allowed. It fails
// with ErrTooFewLabels when there is nothing to tell apart. It takes milliseconds for a few dozen examples and some
// twenty seconds of one processor for 15,000 examples of 150 labels, of which all processors take a share.
func Train(examples []Example, opts Options) (*Model, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	labels, samples, err := index(examples, opts.Background)
	if err != nil {
		return nil, err
	}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var results []heldOut
	done := make(chan struct{})
	go func() {
		defer close(done)
		results = crossValidate(samples, len(labels), opts, slots)
	}()
	m := &Model{labels: labels, top: min(opts.Top, len(labels))}
	m.learned = learn(samples, len(labels), opts.Seed, slots)
	<-done
	m.temperature = fitTemperature(results)
	m.scope = newScope(results, opts)
	return m, nil
}

// index sorts the labels and numbers them; background becomes -1.
func index(examples []Example, background string) ([]string, []sample, error) {
	number := map[string]int{}
	var labels []string
	for i, e := range examples {
		if e.Label == "" {
			return nil, nil, fmt.Errorf("train: example %d has no label", i)
		}
		if _, ok := number[e.Label]; !ok && e.Label != background {
			number[e.Label] = 0
			labels = append(labels, e.Label)
		}
	}
	if len(labels) < 2 {
		return nil, nil, ErrTooFewLabels
	}
	slices.Sort(labels)
	for i, l := range labels {
		number[l] = i
	}
	samples := make([]sample, len(examples))
	for i, e := range examples {
		samples[i] = sample{e.Text, -1}
		if e.Label != background {
			samples[i].label = number[e.Label]
		}
	}
	return labels, samples, nil
}

// Labels lists the labels in alphabetical order, without the background.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// Classify ranks the labels for a message and decides whether it is in scope at all. A message without a known word
// is out of scope, and its ranking says little.
func (m *Model) Classify(text string) Result {
	j := m.judgement()
	defer m.judgements.Put(j)
	m.learned.judge(j, text)
	r := Result{Ranked: m.rank(j)}
	if j.known[wordGroup] == 0 {
		return r
	}
	r.Scope = logistic(m.scope.of(&j.signals))
	r.InScope = r.Scope >= 0.5
	return r
}

func (m *Model) judgement() *judgement {
	if j, ok := m.judgements.Get().(*judgement); ok {
		return j
	}
	return &judgement{}
}

// rank applies the temperature to all probabilities and picks the greatest.
func (m *Model) rank(j *judgement) []Score {
	ranked := make([]Score, 0, m.top)
	var sum float64
	for k, p := range j.probs {
		v := math.Exp(math.Log(float64(p)) / m.temperature)
		sum += v
		if len(ranked) == m.top && v <= ranked[m.top-1].P {
			continue
		}
		if len(ranked) < m.top {
			ranked = append(ranked, Score{})
		}
		at := len(ranked) - 1
		for at > 0 && ranked[at-1].P < v {
			ranked[at] = ranked[at-1]
			at--
		}
		ranked[at] = Score{m.labels[k], v}
	}
	for i := range ranked {
		ranked[i].P /= sum
	}
	return ranked
}
