package builtin

import "math"

// topicSpan is a stretch of sentences about one thing.
type topicSpan struct{ from, to int }

// topics cuts the meeting where its vocabulary changes most: TextTiling
// (Hearst, Computational Linguistics 23/1, 1997) over blocks of sentences,
// with the deepest valleys taken first and no topic shorter than its share.
func (t *recording) topics(want int) []topicSpan {
	n := len(t.sentences)
	block := max(5, n/(want*4))
	if want < 2 || n < 4*want || n < 2*block {
		return []topicSpan{{0, n}}
	}
	depth := t.depths(block)
	least := n / (want * 2)
	cuts := []int{0, n}
	for len(cuts) < want+1 {
		best := -1
		for i := 1; i < n; i++ {
			if depth[i] > 0 && apart(cuts, i, least) && (best < 0 || depth[i] > depth[best]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		cuts = insert(cuts, best)
	}
	spans := make([]topicSpan, 0, len(cuts)-1)
	for i := 1; i < len(cuts); i++ {
		spans = append(spans, topicSpan{cuts[i-1], cuts[i]})
	}
	return spans
}

func apart(cuts []int, i, least int) bool {
	for _, c := range cuts {
		if i-c < least && c-i < least {
			return false
		}
	}
	return true
}

func insert(cuts []int, x int) []int {
	i := 0
	for i < len(cuts) && cuts[i] < x {
		i++
	}
	cuts = append(cuts, 0)
	copy(cuts[i+1:], cuts[i:])
	cuts[i] = x
	return cuts
}

// depths is how far the likeness of the blocks before and after each gap lies
// under the likeness at the peaks on both sides.
func (t *recording) depths(block int) []float64 {
	sims := t.likeness(block)
	n := len(sims)
	out := make([]float64, n)
	for i := 1; i < n; i++ {
		left, right := sims[i], sims[i]
		for j := i - 1; j > 0 && sims[j] >= left; j-- {
			left = sims[j]
		}
		for j := i + 1; j < n && sims[j] >= right; j++ {
			right = sims[j]
		}
		out[i] = left - sims[i] + right - sims[i]
	}
	return out
}

// likeness is the cosine of the word counts of the blocks before and after
// each gap, kept up while both windows slide.
func (t *recording) likeness(block int) []float64 {
	n := len(t.sentences)
	left, right := map[string]int{}, map[string]int{}
	var dot, l2, r2 int
	change := func(stem string, inLeft bool, by int) {
		a, b := left[stem], right[stem]
		dot -= a * b
		if inLeft {
			l2 += by * (2*a + by)
			a += by
			left[stem] = a
		} else {
			r2 += by * (2*b + by)
			b += by
			right[stem] = b
		}
		dot += a * b
	}
	each := func(i int, inLeft bool, by int) {
		if i < 0 || i >= n {
			return
		}
		for _, k := range t.sentences[i].toks {
			if k.class == 0 {
				change(k.stem, inLeft, by)
			}
		}
	}
	for i := range min(block, n) {
		each(i, false, 1)
	}
	out := make([]float64, n)
	for i := 1; i < n; i++ {
		each(i-1, true, 1)
		each(i-1-block, true, -1)
		each(i-1, false, -1)
		each(i-1+block, false, 1)
		if l2 > 0 && r2 > 0 {
			out[i] = float64(dot) / math.Sqrt(float64(l2)*float64(r2))
		}
	}
	return out
}
