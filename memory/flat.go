package memory

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"
)

// Code is a vector of length one, a signed byte a dimension after a scale of four
// bytes: what a store without vectors of its own keeps. The cosine of two is off
// by about 0.002.
type Code []byte

const codeHead = 4

// EncodeVector scales the vector to length one and rounds it. A vector without a
// direction has the empty code.
func EncodeVector(v []float32) Code {
	norm, most := 0.0, 0.0
	for _, x := range v {
		norm += float64(x) * float64(x)
		most = max(most, math.Abs(float64(x)))
	}
	norm = math.Sqrt(norm)
	if norm == 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return nil
	}
	scale := most / norm / 127
	c := make(Code, codeHead+len(v))
	binary.LittleEndian.PutUint32(c, math.Float32bits(float32(scale)))
	for i, x := range v {
		c[codeHead+i] = byte(int8(math.Round(float64(x) / norm / scale)))
	}
	return c
}

// Dimension is how many numbers the vector has.
func (c Code) Dimension() int { return max(0, len(c)-codeHead) }

// Cosine returns the cosine of the vector and another one of length one.
func (c Code) Cosine(unit []float32) float64 {
	if c.Dimension() != len(unit) || len(unit) == 0 {
		return 0
	}
	var sum float32
	body := c[codeHead:]
	for i, x := range unit {
		sum += x * float32(int8(body[i]))
	}
	return float64(sum) * float64(math.Float32frombits(binary.LittleEndian.Uint32(c)))
}

// Unit scales a vector to length one; nil when it has no direction.
func Unit(v []float32) []float32 {
	norm := 0.0
	for _, x := range v {
		norm += float64(x) * float64(x)
	}
	norm = math.Sqrt(norm)
	if norm == 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return nil
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / norm)
	}
	return out
}

// Mark is what a scan can pass a vector over by.
type Mark struct {
	// Key names the passage to the store.
	Key int64
	// At is when it was said, in microseconds since 1970.
	At int64
	// Audience numbers who may read it.
	Audience int32
	// Kind and ItemKind are places in Kinds, from 1.
	Kind, ItemKind uint8
}

// Flat finds the nearest of some hundred thousand vectors by looking at all of
// them, a bit a dimension: the signs, and how well they stand for the vector. What
// it gives are candidates, to be put in order by their codes. The estimate is that
// of RaBitQ (Gao and Long, 2024) without its rotation. Besides its signs a vector
// takes 28 bytes. It is safe for concurrent use.
type Flat struct {
	dimension, words int

	mu       sync.RWMutex
	segments []*segment
	count    int
}

// segmentSize bounds what growing copies: nothing that is there.
const segmentSize = 4096

type segment struct {
	marks []Mark
	// inverse is one over the sum of a vector's magnitudes.
	inverse []float32
	signs   []uint64
}

// NewFlat returns an empty Flat for vectors of a dimension.
func NewFlat(dimension int) *Flat {
	return &Flat{dimension: dimension, words: (dimension + 63) / 64}
}

// Len returns how many vectors there are.
func (f *Flat) Len() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.count
}

// Bytes returns how much memory the vectors take.
func (f *Flat) Bytes() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(len(f.segments)) * segmentSize * int64(24+4+8*f.words)
}

// Add adds a vector; one of another dimension is passed over.
func (f *Flat) Add(m Mark, c Code) {
	if c.Dimension() != f.dimension {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count%segmentSize == 0 {
		f.segments = append(f.segments, &segment{
			marks: make([]Mark, 0, segmentSize), inverse: make([]float32, 0, segmentSize), signs: make([]uint64, 0, segmentSize*f.words),
		})
	}
	s := f.segments[len(f.segments)-1]
	sum := 0
	for w := range f.words {
		var bits uint64
		for i, b := range c[codeHead+64*w : min(codeHead+64*w+64, len(c))] {
			x := int8(b)
			if x > 0 {
				bits |= 1 << i
			}
			sum += max(int(x), -int(x))
		}
		s.signs = append(s.signs, bits)
	}
	scale := math.Float32frombits(binary.LittleEndian.Uint32(c))
	s.marks = append(s.marks, m)
	s.inverse = append(s.inverse, 1/(float32(sum)*scale))
	f.count++
}

// Nearest returns the keys of at most so many vectors that pass and that are
// probably the most similar to the query, the best first.
func (f *Flat) Nearest(unit []float32, most int, pass func(*Mark) bool) []int64 {
	if len(unit) != f.dimension || most <= 0 {
		return nil
	}
	t := newSignTable(unit, f.words)
	best := make([]candidate, 0, min(most, 4096))
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, s := range f.segments {
		for i := range s.marks {
			score := t.sum(s.signs[i*f.words:(i+1)*f.words]) * s.inverse[i]
			if len(best) == most && score <= best[0].score || !pass(&s.marks[i]) {
				continue
			}
			best = keepBest(best, most, candidate{score, s.marks[i].Key})
		}
	}
	slices.SortFunc(best, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.key, a.key)) })
	keys := make([]int64, len(best))
	for i, c := range best {
		keys[i] = c.key
	}
	return keys
}

type candidate struct {
	score float32
	key   int64
}

// keepBest adds to a heap whose least candidate is first; beyond most the least
// one goes.
func keepBest(heap []candidate, most int, c candidate) []candidate {
	if len(heap) < most {
		heap = append(heap, c)
		for i := len(heap) - 1; i > 0 && heap[i].score < heap[(i-1)/2].score; i = (i - 1) / 2 {
			heap[i], heap[(i-1)/2] = heap[(i-1)/2], heap[i]
		}
		return heap
	}
	heap[0] = c
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < len(heap) && heap[child+1].score < heap[child].score {
			child++
		}
		if child >= len(heap) || heap[i].score <= heap[child].score {
			return heap
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// signTable holds, for each byte of signs, the sum of the query's numbers with
// those signs, as whole numbers.
type signTable [][256]int16

func newSignTable(unit []float32, words int) signTable {
	t := make(signTable, 8*words)
	most := float32(0)
	for i := range t {
		sum := float32(0)
		for j := 8 * i; j < min(8*i+8, len(unit)); j++ {
			sum += max(unit[j], -unit[j])
		}
		most = max(most, sum)
	}
	scale := float32(math.MaxInt16-8) / max(most, 1e-9)
	for i := range t {
		var sums [256]float32
		for j := range 8 {
			if at := 8*i + j; at < len(unit) {
				sums[0] -= unit[at]
			}
		}
		for v := 1; v < 256; v++ {
			low := v & -v
			sums[v] = sums[v^low]
			if at := 8*i + bitAt(low); at < len(unit) {
				sums[v] += 2 * unit[at]
			}
		}
		for v, s := range sums {
			t[i][v] = int16(s * scale)
		}
	}
	return t
}

func bitAt(power int) int {
	n := 0
	for power > 1 {
		power >>= 1
		n++
	}
	return n
}

func (t signTable) sum(signs []uint64) float32 {
	var sum int32
	for w, x := range signs {
		e := t[8*w : 8*w+8 : 8*w+8]
		sum += int32(e[0][byte(x)]) + int32(e[1][byte(x>>8)]) + int32(e[2][byte(x>>16)]) + int32(e[3][byte(x>>24)]) +
			int32(e[4][byte(x>>32)]) + int32(e[5][byte(x>>40)]) + int32(e[6][byte(x>>48)]) + int32(e[7][byte(x>>56)])
	}
	return float32(sum)
}

// NewMark returns the mark of a passage with a key and a time in microseconds since 1970.
func NewMark(key int64, audience int32, at int64, kind, itemKind Kind) Mark {
	return Mark{Key: key, Audience: audience, At: at, Kind: kind.number(), ItemKind: itemKind.number()}
}

// MarkFilter returns what decides whether a passage of a mark may be a candidate:
// its audience is among those given and the filters of the search let it pass, as
// far as the mark tells: not by its speaker.
func (s Search) MarkFilter(audiences []int64) func(*Mark) bool {
	may := make(map[int32]bool, len(audiences))
	for _, a := range audiences {
		may[int32(a)] = true //nolint:gosec // the number of a row that a store counts from 1
	}
	var kinds [256]bool
	for _, k := range s.Kinds {
		kinds[k.number()] = true
	}
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !s.Since.IsZero() {
		since = s.Since.UnixMicro()
	}
	if !s.Until.IsZero() {
		until = s.Until.UnixMicro()
	}
	some := len(s.Kinds) > 0
	return func(m *Mark) bool {
		return may[m.Audience] && m.At >= since && m.At < until && (!some || kinds[m.Kind] || kinds[m.ItemKind])
	}
}

// number is the kind's place in Kinds, from 1; 0 is an unknown one.
func (k Kind) number() uint8 {
	return uint8(slices.Index(Kinds(), k) + 1) //nolint:gosec // there are ten
}
