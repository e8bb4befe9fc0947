package textclass

import "math"

// The groups of features of a message.
const (
	wordGroup = iota
	pairGroup
	charGroup
	groups
)

// Kinds keep equal hashes of different features apart.
const (
	wordKind = iota + 1
	adjacentKind
	skipKind
	charKind
)

// Lengths of the character runs inside words, boundary marks included.
const (
	minChars = 3
	maxChars = 5
)

// vocabulary numbers the features seen in training, in the order in which they were first seen.
type vocabulary struct {
	ids map[uint64]int32
}

// vector is a message as numbered features: within each group of length 1, in all of length 1.
type vector struct {
	ids   []int32
	vals  []float32
	words []uint64 // the words a feature needs, one bit for each distinct word; bits repeat after 64 words
	known [groups]float32
}

// extractor turns messages into features. It is reused; it belongs to one goroutine at a time.
type extractor struct {
	tokens
	vector
	bits  []uint64 // the bit of each word
	place []int32  // of a feature: where it stands in ids, plus 1
}

// walk calls visit for every feature of the split message with its group, its hash and the words it needs.
func (x *extractor) walk(visit func(group int, hash, words uint64)) {
	x.assignBits()
	for i, w := range x.tokens.words {
		visit(wordGroup, hashPair(wordKind, w.hash, 0), x.bits[i])
	}
	x.walkPairs(visit)
	for i, w := range x.tokens.words {
		for from := w.start - 1; from < w.end; from++ {
			h := uint64(fnvOffset)
			for n := 1; n <= maxChars && from+n <= w.end+1; n++ {
				h = hashRune(h, x.runes[from+n-1])
				if n >= minChars {
					visit(charGroup, hashPair(charKind, h, 0), x.bits[i])
				}
			}
		}
	}
}

// walkPairs visits the pairs of words that are adjacent or have one word between them. The beginning and the end of
// the message count as words.
func (x *extractor) walkPairs(visit func(group int, hash, words uint64)) {
	n := len(x.tokens.words)
	at := func(i int) (hash, bit uint64) {
		if i < 0 || i >= n {
			return uint64(min(i, 0)), 0
		}
		return x.tokens.words[i].hash, x.bits[i]
	}
	for i := -1; i < n; i++ {
		a, bitA := at(i)
		b, bitB := at(i + 1)
		visit(pairGroup, hashPair(adjacentKind, a, b), bitA|bitB)
		if i+2 <= n {
			c, bitC := at(i + 2)
			visit(pairGroup, hashPair(skipKind, a, c), bitA|bitC)
		}
	}
}

func (x *extractor) assignBits() {
	x.bits = x.bits[:0]
	distinct := 0
next:
	for i, w := range x.tokens.words {
		for j := range i {
			if x.tokens.words[j].hash == w.hash {
				x.bits = append(x.bits, x.bits[j])
				continue next
			}
		}
		x.bits = append(x.bits, 1<<(distinct%64))
		distinct++
	}
}

// newVocabulary numbers the features that occur in at least minCount of the messages.
func newVocabulary(messages []string, minCount int) *vocabulary {
	type seen struct{ count, last int }
	counts := map[uint64]seen{}
	var order []uint64
	var x extractor
	for i, m := range messages {
		x.split(m)
		x.walk(func(_ int, hash, _ uint64) {
			s, ok := counts[hash]
			if !ok {
				order = append(order, hash)
			}
			if !ok || s.last != i {
				counts[hash] = seen{s.count + 1, i}
			}
		})
	}
	v := &vocabulary{ids: map[uint64]int32{}}
	for _, hash := range order {
		if counts[hash].count >= minCount {
			v.ids[hash] = int32(len(v.ids))
		}
	}
	return v
}

// extract fills x.vector with the known features of text, group by group.
func (x *extractor) extract(v *vocabulary, text string) {
	x.split(text)
	x.reset(len(v.ids))
	var all, known, starts [groups]int
	group := 0
	x.walk(func(g int, hash, words uint64) {
		if g != group {
			group = g
			starts[g] = len(x.ids)
		}
		all[g]++
		id, ok := v.ids[hash]
		if !ok {
			return
		}
		known[g]++
		if at := x.place[id] - 1; at >= 0 {
			x.vals[at]++
			x.vector.words[at] &= words
			return
		}
		x.ids, x.vals, x.vector.words = append(x.ids, id), append(x.vals, 1), append(x.vector.words, words)
		x.place[id] = int32(len(x.ids))
	})
	x.weigh(starts, group)
	for g := range groups {
		x.known[g] = float32(known[g]) / float32(all[g]+1)
	}
}

func (x *extractor) reset(features int) {
	if len(x.place) != features {
		x.place = make([]int32, features)
	} else {
		for _, id := range x.ids {
			x.place[id] = 0
		}
	}
	x.ids, x.vals, x.vector.words = x.ids[:0], x.vals[:0], x.vector.words[:0]
}

// weigh turns counts into weights: sublinear, each group of length 1, then the whole of length 1.
func (x *extractor) weigh(starts [groups]int, last int) {
	used := 0
	for g := range groups {
		end := len(x.vals)
		if g < last {
			end = starts[g+1] //nolint:gosec // last is a group, so g+1 is one
		} else if g > last {
			break
		}
		part := x.vals[starts[g]:end]
		var sum float64
		for i, n := range part {
			if n > 1 {
				part[i] = 1 + float32(math.Log(float64(n)))
			}
			sum += float64(part[i]) * float64(part[i])
		}
		if sum > 0 {
			scale(float32(1/math.Sqrt(sum)), part)
			used++
		}
	}
	if used > 1 {
		scale(float32(1/math.Sqrt(float64(used))), x.vals)
	}
}

// clone is a copy of the vector that stays when the extractor goes on.
func (v *vector) clone() vector {
	return vector{
		ids:   append([]int32(nil), v.ids...),
		vals:  append([]float32(nil), v.vals...),
		known: v.known,
	}
}
