package textclass

import (
	"math"
	"math/rand/v2"
)

const (
	sharpness  = 4 // of the softmax over the scores of the linear part; see judge
	netShare   = 2.0 / 3
	manySample = 2000 // from here on a feature must occur twice, and the hidden layer is widest
)

// learned is what one training run yields: enough to judge a message, not yet to say how far to trust the judgement.
type learned struct {
	vocab *vocabulary
	net   *network
}

// sample is one training message; label -1 is background.
type sample struct {
	text  string
	label int
}

func learn(samples []sample, labels int, seed uint64, slots chan struct{}) *learned {
	texts := make([]string, len(samples))
	targets := make([]int, len(samples))
	background := 0
	for i, s := range samples {
		texts[i], targets[i] = s.text, s.label
		if s.label < 0 {
			background++
		}
	}
	hidden, minCount := 64, 1
	switch {
	case len(samples) >= manySample:
		hidden, minCount = 192, 2
	case len(samples) >= manySample/10:
		hidden = 128
	}
	l := &learned{vocab: newVocabulary(texts, minCount)}
	l.net = newNetwork(len(l.vocab.ids), labels, hidden)
	vectors := make([]vector, len(samples))
	var x extractor
	for i, t := range texts {
		x.extract(l.vocab, t)
		vectors[i] = x.clone()
	}
	slots <- struct{}{}
	rng := rand.New(rand.NewPCG(seed, math.MaxUint64)) //nolint:gosec // the same examples and seed must make the same model
	newNetTrainer(l.net, rng).train(vectors, targets, backgroundRepeat(len(samples), background))
	<-slots
	trainLinear(l.net, vectors, targets, seed, slots)
	return l
}

// backgroundRepeat makes background some 6 % of what the network sees, without showing a message more than 10 times.
func backgroundRepeat(all, background int) int {
	if background == 0 {
		return 1
	}
	return min(max(all*6/100/background, 1), 10)
}

// The signals by which in scope and out of scope are told apart.
const (
	netSignal     = iota // log-odds of the top label in the network
	linearSignal         // score of the top label in the linear part: about 1 inside its class, -1 outside
	entropySignal        // entropy of the network's probabilities
	wordSignal           // share of the words, pairs and character runs that training had seen
	pairSignal
	charSignal
	signals
)

// judgement is what the learners say of one message. It is reused.
type judgement struct {
	extractor
	sweep   []float32 // a row of the network, summed over the features
	linear  []float32
	probs   []float32 // mean of both learners' probabilities
	top     int
	signals [signals]float64
}

// judge fills j for a text.
func (l *learned) judge(j *judgement, text string) {
	j.extract(l.vocab, text)
	l.weigh(j, 0)
}

// weigh runs the learners over the features of j, without those that need any of the words in without.
func (l *learned) weigh(j *judgement, without uint64) {
	n := l.net
	j.sweep = append(j.sweep[:0], make([]float32, n.stride)...)
	copy(j.sweep, n.linearBias)
	hidden := j.sweep[n.stride-n.hidden:]
	copy(hidden, n.hiddenBias)
	last := -1 // a feature that waits for a second one
	for k := range j.ids {
		switch {
		case without != 0 && j.vector.words[k]&without != 0:
		case last < 0:
			last = k
		default:
			addScaled2(j.vals[last], n.row(j.ids[last]), j.vals[k], n.row(j.ids[k]), j.sweep)
			last = -1
		}
	}
	if last >= 0 {
		addScaled(j.vals[last], n.row(j.ids[last]), j.sweep)
	}
	for i, v := range hidden {
		hidden[i] = max(v, 0)
	}
	j.probs = j.probs[:0]
	for k := range n.labels {
		j.probs = append(j.probs, n.outBias[k]+dot(n.outRow(k), hidden))
	}
	entropy := softmax(1, j.probs)
	j.linear = append(j.linear[:0], j.sweep[:n.labels]...)
	l.mix(j, entropy)
}

// mix averages the two learners and takes the signals.
func (l *learned) mix(j *judgement, entropy float64) {
	scores := j.sweep[:l.net.labels]
	softmax(sharpness, scores)
	for k, p := range j.probs {
		scores[k] = netShare*p + (1-netShare)*scores[k]
	}
	j.top = argmax(scores)
	j.signals = [signals]float64{
		netSignal:     logit(float64(j.probs[j.top])),
		linearSignal:  float64(j.linear[j.top]),
		entropySignal: entropy,
		wordSignal:    float64(j.known[wordGroup]),
		pairSignal:    float64(j.known[pairGroup]),
		charSignal:    float64(j.known[charGroup]),
	}
	copy(j.probs, scores)
}
