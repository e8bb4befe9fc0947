package textclass

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// heldOut is what models said of an example they had not been trained on.
type heldOut struct {
	label   int // -1: background
	right   bool
	signals [signals]float64
	logs    []float64 // logarithms of the probabilities; only of a part of the examples
}

const (
	maxLogs       = 3000 // so many examples are enough to fit the temperature
	fewExamples   = 200  // below this, folds are smaller and thus the models closer to the final one
	minBackground = 20   // so many background examples are needed to learn the weights of the signals
)

// crossValidate trains on all folds but one and judges the one, for several folds. Without background it also hides
// some labels in each round.
func crossValidate(samples []sample, labels int, opts Options, slots chan struct{}) []heldOut {
	folds, rounds, hide := 3, 3, false
	if len(samples) < fewExamples {
		folds, rounds = 5, 5
	}
	if !slices.ContainsFunc(samples, func(s sample) bool { return s.label < 0 }) {
		hide = labels > 2
		if len(samples) >= manySample {
			folds, rounds = 5, 1 // what is wanted of it, one fold shows well enough
		}
	}
	fold := assignFolds(samples, folds, opts.Seed)
	results := make([][]heldOut, rounds)
	var wait sync.WaitGroup
	for round := range rounds {
		wait.Go(func() {
			hidden := func(label int) bool { return hide && label%max(folds, labels/2) == round }
			results[round] = judgeFold(divide(samples, fold, round, hidden), labels, opts.Seed, slots)
		})
	}
	wait.Wait()
	return slices.Concat(results...)
}

// assignFolds spreads the examples of every label evenly over the folds. Equal texts share a fold. A label's only
// example gets fold -1: it is never held out, as nothing else could teach it.
func assignFolds(samples []sample, folds int, seed uint64) []int {
	fold := make([]int, len(samples))
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the same examples and seed must make the same model
	byLabel := map[int][]int{}
	for i, s := range samples {
		byLabel[s.label] = append(byLabel[s.label], i)
	}
	ofText := map[string]int{}
	for label := -1; label < len(byLabel); label++ {
		of := byLabel[label]
		rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		for k, i := range of {
			f, ok := ofText[samples[i].text]
			if !ok {
				f = k % folds
				ofText[samples[i].text] = f
			}
			if len(of) == 1 {
				f = -1
			}
			fold[i] = f
		}
	}
	return fold
}

// division is a set of examples to train on and others to judge.
type division struct{ train, judge []sample }

// divide holds one fold out. Where there is no background, it also takes some labels away altogether, and their
// examples stand in for it: to a model that never saw the label, they are out of scope.
func divide(samples []sample, fold []int, out int, hidden func(label int) bool) division {
	var d division
	for i, s := range samples {
		switch {
		case hidden(s.label):
			d.judge = append(d.judge, sample{s.text, -1})
		case fold[i] == out:
			d.judge = append(d.judge, s)
		default:
			d.train = append(d.train, s)
		}
	}
	return d
}

func judgeFold(d division, labels int, seed uint64, slots chan struct{}) []heldOut {
	if len(d.judge) == 0 || len(d.train) == 0 {
		return nil
	}
	l := learn(d.train, labels, seed, slots)
	var results []heldOut
	var j judgement
	for i, s := range d.judge {
		l.judge(&j, s.text)
		h := heldOut{label: s.label, right: s.label == j.top, signals: j.signals}
		if i < maxLogs && s.label >= 0 {
			for _, p := range j.probs {
				h.logs = append(h.logs, math.Log(float64(p)))
			}
		}
		results = append(results, h)
	}
	return results
}

// fitTemperature finds the T whose softmax(log p / T) has the least negative log-likelihood (Guo, Pleiss, Sun,
// Weinberger, "On Calibration of Modern Neural Networks", ICML 2017), by golden-section search over log T. A pull
// towards T = 1 keeps a dozen examples that all came out right from making the model sure of everything.
func fitTemperature(results []heldOut) float64 {
	const pull = 3
	loss := func(logT float64) float64 {
		sum := pull * logT * logT
		n := 0
		for _, h := range results {
			if h.logs == nil || n == maxLogs {
				continue
			}
			n++
			sum += logSumExp(h.logs, math.Exp(-logT)) - h.logs[h.label]*math.Exp(-logT)
		}
		return sum
	}
	ratio := (math.Sqrt(5) - 1) / 2
	low, high := -1.5, 1.5
	for range 20 {
		a, b := high-ratio*(high-low), low+ratio*(high-low)
		if loss(a) <= loss(b) {
			high = b
		} else {
			low = a
		}
	}
	return math.Exp((low + high) / 2)
}

func logSumExp(x []float64, factor float64) float64 {
	top := slices.Max(x)
	var sum float64
	for _, v := range x {
		sum += math.Exp((v - top) * factor)
	}
	return top*factor + math.Log(sum)
}

// scope tells messages in scope from others: logistic(weights * signals + bias) is at least one half for the former.
type scope struct {
	weights [signals]float64
	bias    float64
}

func (s *scope) of(x *[signals]float64) float64 {
	sum := s.bias
	for i, w := range s.weights {
		sum += w * x[i]
	}
	return sum
}

// newScope learns the border from held-out examples. With enough background examples it learns the weights of the
// signals too, and then puts the border where it rejects the wanted share of background. Otherwise the border best
// parts the examples that were classified rightly from those whose label was hidden, but accepts the wanted share of
// the former.
func newScope(results []heldOut, opts Options) scope {
	s := scope{weights: [signals]float64{netSignal: 1, linearSignal: 3, pairSignal: 4}}
	var in, out []heldOut
	for _, h := range results {
		switch {
		case h.label < 0:
			out = append(out, h)
		case h.right:
			in = append(in, h)
		}
	}
	switch {
	case opts.Background != "" && len(out) >= minBackground && len(in) > 0:
		s.fit(in, out)
		s.bias = -s.quantile(out, opts.Reject)
	case len(out) > 0 && len(in) > 0:
		s.bias = -min(s.balance(in, out), s.quantile(in, 1-opts.Accept))
	case len(in) > 0:
		s.bias = -s.quantile(in, 1-opts.Accept)
	default:
		s.bias = -defaultBorder
	}
	return s
}

// defaultBorder is for sets so small that nothing could be held out.
const defaultBorder = 1

// balance is the score that best parts the two sides, both weighing the same: the sum of the shares on the right side
// is greatest there (Youden, "Index for rating diagnostic tests", Cancer 3, 1950).
func (s *scope) balance(in, out []heldOut) float64 {
	type point struct {
		score float64
		gain  float64 // of moving the border up past the point
	}
	bare := scope{weights: s.weights}
	var points []point
	for i := range in {
		points = append(points, point{bare.of(&in[i].signals), -1 / float64(len(in))})
	}
	for i := range out {
		points = append(points, point{bare.of(&out[i].signals), 1 / float64(len(out))})
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.score, b.score) })
	border, best, sum := points[0].score, 0.0, 0.0
	for i, p := range points[:len(points)-1] {
		sum += p.gain
		if sum > best {
			border, best = (p.score+points[i+1].score)/2, sum
		}
	}
	return border
}

// quantile is the score below which the share q of results lies.
func (s *scope) quantile(results []heldOut, q float64) float64 {
	bare := scope{weights: s.weights}
	scores := make([]float64, len(results))
	for i := range results {
		scores[i] = bare.of(&results[i].signals)
	}
	slices.Sort(scores)
	at := int(math.Ceil(q * float64(len(scores))))
	if at <= 0 {
		return scores[0]
	}
	if at >= len(scores) {
		return math.Nextafter(scores[len(scores)-1], math.Inf(1))
	}
	return (scores[at-1] + scores[at]) / 2
}

// fit learns the weights by logistic regression in which both sides weigh the same, on standardised signals.
func (s *scope) fit(in, out []heldOut) {
	const passes, rate, decay = 400, 1.0, 0.01
	mean, deviation := spread(in, out)
	var w [signals]float64
	var b float64
	for range passes {
		var grad [signals]float64
		var gradB float64
		add := func(results []heldOut, target float64) {
			for i := range results {
				z, x := b, [signals]float64{}
				for k, v := range results[i].signals {
					x[k] = (v - mean[k]) / deviation[k]
					z += w[k] * x[k]
				}
				e := (logistic(z) - target) / float64(2*len(results))
				gradB += e
				for k := range x {
					grad[k] += e * x[k]
				}
			}
		}
		add(in, 1)
		add(out, 0)
		b -= rate * gradB
		for k := range w {
			w[k] -= rate * (grad[k] + decay*w[k])
		}
	}
	for k := range w {
		s.weights[k] = w[k] / deviation[k]
	}
}

// spread is the mean and the standard deviation of each signal, both sides weighing the same.
func spread(in, out []heldOut) (mean, deviation [signals]float64) {
	each := func(visit func(share float64, x *[signals]float64)) {
		for _, side := range [][]heldOut{in, out} {
			for i := range side {
				visit(1/float64(2*len(side)), &side[i].signals)
			}
		}
	}
	each(func(share float64, x *[signals]float64) {
		for k, v := range x {
			mean[k] += share * v
		}
	})
	each(func(share float64, x *[signals]float64) {
		for k, v := range x {
			deviation[k] += share * (v - mean[k]) * (v - mean[k])
		}
	})
	for k := range deviation {
		deviation[k] = math.Sqrt(deviation[k]) + 1e-6
	}
	return mean, deviation
}
