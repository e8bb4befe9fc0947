package textclass

import (
	"math"
	"math/rand/v2"
	"sync"
)

// Settings of the support vector machines, chosen on the validation parts of CLINC150 and Banking77.
const (
	svmCost   = 1    // C: what an error costs against a short weight vector
	svmPasses = 20   // the most passes over the examples
	svmEnough = 0.1  // the greatest projected gradient that counts as solved
	svmTiny   = 1e-6 // a projected gradient that changes nothing
)

// svm is one label against the rest: the dual problem of L2-regularised, squared-hinge support vector classification,
// solved by coordinate descent with shrinking. Hsieh, Chang, Lin, Keerthi and Sundararajan, "A Dual Coordinate Descent
// Method for Large-scale Linear SVM", ICML 2008, algorithms 1 and 3 with D = 1/(2C) and U = infinity; the bias is the
// weight of one more feature that is always 1.
type svm struct {
	samples []vector
	labels  []int
	label   int

	weights []float32
	bias    float32
	alpha   []float32
	diag    []float32 // Q_ii + D_ii
	order   []int
	active  int
}

func newSVM(samples []vector, labels []int, label, features int) *svm {
	s := &svm{
		samples: samples, labels: labels, label: label,
		weights: make([]float32, features),
		alpha:   make([]float32, len(samples)),
		diag:    make([]float32, len(samples)),
		order:   make([]int, len(samples)),
		active:  len(samples),
	}
	for i := range samples {
		s.order[i] = i
		s.diag[i] = 1 + 1.0/(2*svmCost)
		for _, v := range samples[i].vals {
			s.diag[i] += v * v
		}
	}
	return s
}

func (s *svm) solve(rng *rand.Rand) {
	bound := float32(math.Inf(1))
	for range svmPasses {
		rng.Shuffle(s.active, func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
		worst := s.pass(bound)
		if worst > svmEnough {
			bound = worst
			continue
		}
		if s.active == len(s.samples) {
			return
		}
		s.active, bound = len(s.samples), float32(math.Inf(1)) // once more with those that were set aside
	}
}

// pass goes over the active examples once, sets aside those that stay at zero, and returns the greatest projected
// gradient it met.
func (s *svm) pass(bound float32) (worst float32) {
	for k := 0; k < s.active; k++ {
		i := s.order[k]
		y := float32(-1)
		if s.labels[i] == s.label {
			y = 1
		}
		gradient := y*s.score(&s.samples[i]) - 1 + s.alpha[i]/(2*svmCost)
		if s.alpha[i] == 0 && gradient > bound {
			s.active--
			s.order[k], s.order[s.active] = s.order[s.active], s.order[k]
			k--
			continue
		}
		if s.alpha[i] == 0 && gradient > 0 {
			continue
		}
		worst = max(worst, gradient, -gradient)
		if gradient > svmTiny || gradient < -svmTiny {
			s.step(i, y, gradient)
		}
	}
	return worst
}

func (s *svm) score(x *vector) float32 {
	sum := s.bias
	for k, f := range x.ids {
		sum += s.weights[f] * x.vals[k]
	}
	return sum
}

func (s *svm) step(i int, y, gradient float32) {
	next := max(s.alpha[i]-gradient/s.diag[i], 0)
	change := (next - s.alpha[i]) * y
	s.alpha[i] = next
	s.bias += change
	x := &s.samples[i]
	for k, f := range x.ids {
		s.weights[f] += change * x.vals[k]
	}
}

// trainLinear fills the linear part of n: one machine per label, independent of each other.
func trainLinear(n *network, samples []vector, labels []int, seed uint64, slots chan struct{}) {
	var wait sync.WaitGroup
	for label := range n.labels {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wait.Done() }()
			s := newSVM(samples, labels, label, n.features)
			s.solve(rand.New(rand.NewPCG(seed, uint64(label)))) //nolint:gosec // the same examples and seed must make the same model
			for f, w := range s.weights {
				n.rows[f*n.stride+label] = w
			}
			n.linearBias[label] = s.bias
		}()
	}
	wait.Wait()
}
