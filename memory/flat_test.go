package memory

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// themed returns vectors of some themes, as texts of some subjects have them.
func themed(n, dimension int, seed uint64) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	random := func(size float64) []float32 {
		v := make([]float32, dimension)
		for i := range v {
			v[i] = float32(r.NormFloat64() * size)
		}
		return v
	}
	themes := make([][]float32, 1+n/40)
	for i := range themes {
		themes[i] = random(1)
	}
	out := make([][]float32, n)
	for i := range out {
		out[i] = random(0.7)
		for d, x := range themes[r.IntN(len(themes))] {
			out[i][d] += x
		}
	}
	return out
}

func cosine(a, b []float32) float64 {
	var dot, x, y float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		x += float64(a[i]) * float64(a[i])
		y += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(x*y)
}

func TestACodeKeepsTheCosine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dimension := rapid.IntRange(1, 300).Draw(t, "dimension")
		vs := themed(2, dimension, rapid.Uint64().Draw(t, "seed"))
		got, want := EncodeVector(vs[0]).Cosine(Unit(vs[1])), cosine(vs[0], vs[1])
		if math.Abs(got-want) > 0.02 {
			t.Fatalf("cosine %v; want %v", got, want)
		}
	})
}

func TestAVectorWithoutADirectionHasNoCode(t *testing.T) {
	t.Parallel()
	for _, v := range [][]float32{nil, {0, 0}, {float32(math.NaN()), 1}, {float32(math.Inf(1)), 1}} {
		if EncodeVector(v) != nil || Unit(v) != nil {
			t.Errorf("%v has a direction", v)
		}
	}
	f := NewFlat(2)
	f.Add(Mark{Key: 1}, nil)
	f.Add(Mark{Key: 2}, EncodeVector([]float32{1, 2, 3}))
	if f.Len() != 0 {
		t.Error("vectors of another dimension were added")
	}
	if got := f.Nearest([]float32{1, 0, 0}, 5, func(*Mark) bool { return true }); got != nil {
		t.Errorf("a query of another dimension finds %v", got)
	}
}

// The first 256 candidates hold nearly all of the ten nearest.
func TestTheNearestAreAmongTheCandidates(t *testing.T) {
	t.Parallel()
	const n, dimension = 3000, 100 // no multiple of 64
	vs := themed(n, dimension, 7)
	f := NewFlat(dimension)
	for i, v := range vs {
		f.Add(Mark{Key: int64(i), Audience: int32(i % 10)}, EncodeVector(v))
	}
	found, asked := 0, 0
	for _, third := range []bool{false, true} {
		pass := func(m *Mark) bool { return !third || m.Audience == 3 }
		for _, q := range themed(10, dimension, 7) {
			var exact []int
			for i := range vs {
				if pass(&Mark{Audience: int32(i % 10)}) {
					exact = append(exact, i)
				}
			}
			near := make([]float64, len(vs))
			for _, i := range exact {
				near[i] = cosine(q, vs[i])
			}
			slices.SortFunc(exact, func(a, b int) int { return cmp.Compare(near[b], near[a]) })
			got := f.Nearest(Unit(q), 256, pass)
			for _, k := range got {
				if !pass(&Mark{Audience: int32(k % 10)}) {
					t.Fatalf("%d was passed over and is found", k)
				}
			}
			for _, k := range exact[:10] {
				asked++
				if slices.Contains(got, int64(k)) {
					found++
				}
			}
		}
	}
	if recall := float64(found) / float64(asked); recall < 0.97 {
		t.Errorf("%.3f of the ten nearest are candidates; want 0.97", recall)
	}
}

func TestVectorsAreAddedWhileOthersAreFound(t *testing.T) {
	t.Parallel()
	vs := themed(segmentSize/6, 16, 3)
	f := NewFlat(16)
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i, v := range vs {
				f.Add(Mark{Key: int64(part*len(vs) + i)}, EncodeVector(v))
				if i%200 == 0 {
					if got := f.Nearest(Unit(v), 3, func(*Mark) bool { return true }); len(got) == 0 {
						t.Error("what was added is not found")
					}
				}
			}
		})
	}
	wg.Wait()
	all := f.Nearest(Unit(vs[0]), f.Len(), func(*Mark) bool { return true })
	slices.Sort(all)
	if f.Len() != 8*len(vs) || len(slices.Compact(all)) != f.Len() {
		t.Errorf("%d of %d vectors are found once", len(slices.Compact(all)), f.Len())
	}
}

func BenchmarkFlat(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := NewFlat(384)
			vs := themed(2000, 384, 1)
			for i := range n {
				f.Add(Mark{Key: int64(i)}, EncodeVector(vs[i%len(vs)]))
			}
			q := Unit(vs[5])
			for b.Loop() {
				f.Nearest(q, 256, func(*Mark) bool { return true })
			}
			b.ReportMetric(float64(f.Bytes())/float64(f.Len()), "B/vector")
		})
	}
}
