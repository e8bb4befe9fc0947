package textclass

import (
	"cmp"
	"slices"
)

// Reason is a word of the message with what it did for the top label.
type Reason struct {
	Word   string  // as it stands in the message
	Weight float64 // by how much the log-odds of the label fall when the word is left out
}

// Explain returns the words that spoke for the label Classify ranks first, the strongest first. It leaves out one word
// after another, with all pairs and character runs it takes part in, and compares (Zeiler and Fergus, "Visualizing and
// Understanding Convolutional Networks", ECCV 2014, section 4.2, do so with parts of images). Words that are unknown or
// spoke against the label are not listed.
func (m *Model) Explain(text string) []Reason {
	j := m.judgement()
	defer m.judgements.Put(j)
	m.learned.judge(j, text)
	top := j.top
	whole := logit(float64(j.probs[top]))
	var reasons []Reason
	var done uint64
	for i, bit := range j.bits {
		if done&bit != 0 || !j.knows(bit) {
			continue
		}
		done |= bit
		m.learned.weigh(j, bit)
		if w := whole - logit(float64(j.probs[top])); w > 0 {
			reasons = append(reasons, Reason{j.shown(i), w})
		}
	}
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Weight, a.Weight) })
	return reasons
}

// knows reports whether any feature needs the word.
func (v *vector) knows(bit uint64) bool {
	return slices.ContainsFunc(v.words, func(w uint64) bool { return w&bit != 0 })
}
