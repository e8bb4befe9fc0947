package textclass

import (
	"math"
	"math/rand/v2"
)

// Settings of the network, chosen on the validation parts of CLINC150 and Banking77.
const (
	netRate       = 0.05 // step of AdaGrad, falling to 0 in a straight line
	netBiasRate   = 0.1
	netInit       = 0.1 // standard deviation of the first embeddings
	netDropInput  = 0.5
	netDropHidden = 0.4
	netPasses     = 20
	netSteps      = 300_000 // at least so many steps, by more passes
	netMaxPasses  = 40
	netSmall      = 1e-4 // gradients below this are not carried back
)

// network holds the weights of both learners. The row of a feature has its weights for the labels (the linear part)
// and then its embedding (the input of the hidden layer), so that one sweep serves both.
type network struct {
	features, labels int
	hidden           int // width of the hidden layer, a multiple of block
	stride           int // length of a row
	rows             []float32
	linearBias       []float32
	hiddenBias       []float32
	out              []float32 // labels x hidden
	outBias          []float32
}

func newNetwork(features, labels, hidden int) *network {
	stride := padded(labels) + hidden
	return &network{
		features: features, labels: labels, hidden: hidden, stride: stride,
		rows:       make([]float32, features*stride),
		linearBias: make([]float32, labels),
		hiddenBias: make([]float32, hidden),
		out:        make([]float32, labels*hidden),
		outBias:    make([]float32, labels),
	}
}

func (n *network) row(f int32) []float32 {
	return n.rows[int(f)*n.stride : (int(f)+1)*n.stride]
}

func (n *network) embedding(f int32) []float32 {
	end := (int(f) + 1) * n.stride
	return n.rows[end-n.hidden : end]
}

func (n *network) outRow(label int) []float32 {
	return n.out[label*n.hidden : (label+1)*n.hidden]
}

// netTrainer trains softmax(out * relu(sum of embeddings)) by stochastic gradient descent on cross-entropy, with
// dropout (Srivastava et al., JMLR 15, 2014) of features and of hidden units, and the steps of AdaGrad (Duchi, Hazan,
// Singer, JMLR 12, 2011) with one accumulator per row instead of one per weight. The target of a background example is
// the same share for every label (Hendrycks, Mazeika, Dietterich, "Deep Anomaly Detection with Outlier Exposure",
// ICLR 2019).
type netTrainer struct {
	*network
	rng *rand.Rand

	sumRow, sumOut, sumHiddenBias, sumOutBias []float32 // squared gradients so far

	ids                 []int32 // the features that were kept
	vals                []float32
	act, mask, backward []float32
	probs               []float32
	rate                float32
}

func newNetTrainer(n *network, rng *rand.Rand) *netTrainer {
	t := &netTrainer{
		network: n, rng: rng,
		sumRow: make([]float32, n.features), sumOut: make([]float32, n.labels),
		sumHiddenBias: make([]float32, n.hidden), sumOutBias: make([]float32, n.labels),
		act: make([]float32, n.hidden), mask: make([]float32, n.hidden), backward: make([]float32, n.hidden),
		probs: make([]float32, n.labels),
	}
	for f := range n.features {
		e := n.embedding(int32(f))
		for j := range e {
			e[j] = float32(rng.NormFloat64() * netInit)
		}
	}
	for i := range n.out {
		n.out[i] = float32(rng.NormFloat64() / math.Sqrt(float64(n.hidden)))
	}
	return t
}

// train goes over the examples; a label of -1 is background, and is visited repeat times in each pass.
func (t *netTrainer) train(samples []vector, labels []int, repeat int) {
	var order []int
	for i, l := range labels {
		order = append(order, i)
		for range repeat - 1 {
			if l < 0 {
				order = append(order, i)
			}
		}
	}
	passes := min(max(netPasses, netSteps/len(order)), netMaxPasses)
	total := float32(passes * len(order))
	step := 0
	for range passes {
		t.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			t.rate = netRate * (1 - float32(step)/total)
			step++
			t.forward(&samples[i])
			t.lossGradient(labels[i])
			t.backOut()
			t.backInput()
		}
	}
}

func (t *netTrainer) forward(x *vector) {
	const kept = 1 / (1 - netDropInput)
	t.ids, t.vals = t.ids[:0], t.vals[:0]
	copy(t.act, t.hiddenBias)
	for k, f := range x.ids {
		if t.rng.Float32() < netDropInput {
			continue
		}
		v := x.vals[k] * kept
		t.ids, t.vals = append(t.ids, f), append(t.vals, v)
		addScaled(v, t.embedding(f), t.act)
	}
	const keptHidden = 1 / (1 - netDropHidden)
	for j, a := range t.act {
		t.mask[j] = 0
		if a > 0 && t.rng.Float32() >= netDropHidden {
			t.mask[j] = keptHidden
		}
		t.act[j] *= t.mask[j]
	}
	for k := range t.probs {
		t.probs[k] = t.outBias[k] + dot(t.outRow(k), t.act)
	}
	softmax(1, t.probs)
}

// lossGradient turns probabilities into the gradient of cross-entropy by the scores: probability minus target.
func (t *netTrainer) lossGradient(label int) {
	if label >= 0 {
		t.probs[label]--
		return
	}
	for k := range t.probs {
		t.probs[k] -= 1 / float32(t.labels)
	}
}

func (t *netTrainer) backOut() {
	clear(t.backward)
	size := dot(t.act, t.act) / float32(t.hidden)
	for k, g := range t.probs {
		t.sumOutBias[k] += g * g
		t.outBias[k] -= t.rate / netRate * netBiasRate * g / sqrt(t.sumOutBias[k]+1)
		if g < netSmall && g > -netSmall {
			continue
		}
		row := t.outRow(k)
		addScaled(g, row, t.backward)
		t.sumOut[k] += g * g * size
		addScaled(-t.rate*g/sqrt(t.sumOut[k]+1e-8), t.act, row)
	}
}

func (t *netTrainer) backInput() {
	for j, m := range t.mask {
		t.backward[j] *= m
	}
	size := dot(t.backward, t.backward) / float32(t.hidden)
	for k, f := range t.ids {
		v := t.vals[k]
		t.sumRow[f] += v * v * size
		addScaled(-t.rate*v/sqrt(t.sumRow[f]+1e-10), t.backward, t.embedding(f))
	}
	for j, g := range t.backward {
		t.sumHiddenBias[j] += g * g
		t.hiddenBias[j] -= t.rate * g / sqrt(t.sumHiddenBias[j]+1e-10)
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
