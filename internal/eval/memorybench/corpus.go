package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

const (
	dimension = 384
	// inItem is how many chunks an item has, audiences how many sets of readers
	// there are, as channels are.
	inItem    = 20
	audiences = 300
	// vocabulary is how many words there are; they come as often as Zipf says.
	vocabulary = 30_000
	// latent is how many directions the texts of one theme differ in.
	latent = 24
	// perTheme is how many chunks a theme has.
	perTheme = 200
)

// corpus is made up, the same each time: chunks whose words and vectors go by
// themes. A chunk's text names it ("§17§"), by which the embedder finds its vector.
type corpus struct {
	n       int
	vectors []float32 // of length one, one after another
	themes  int
	words   []string
	zipf    []float64 // how often a word comes, summed up
}

func newCorpus(n int) *corpus {
	c := &corpus{n: n, themes: max(1, n/perTheme), vectors: make([]float32, n*dimension)}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // to be the same each time
	centres := make([]float32, c.themes*dimension)
	for i := range centres {
		centres[i] = float32(r.NormFloat64())
	}
	var basis [latent][dimension]float32
	for i := range basis {
		for d := range basis[i] {
			basis[i][d] = float32(r.NormFloat64())
		}
	}
	for i := range n {
		c.place(r, i, centres, &basis)
	}
	sum := 0.0
	for i := range vocabulary {
		c.words = append(c.words, word(i))
		sum += 1 / math.Pow(float64(i+3), 1.02)
		c.zipf = append(c.zipf, sum)
	}
	return c
}

// place makes the vector of chunk i: its theme's, in some directions a little off.
func (c *corpus) place(r *rand.Rand, i int, centres []float32, basis *[latent][dimension]float32) {
	theme := c.theme(i)
	v := c.vectors[i*dimension : (i+1)*dimension]
	copy(v, centres[theme*dimension:(theme+1)*dimension])
	for _, b := range basis {
		by := float32(r.NormFloat64() * 0.3)
		for d := range v {
			v[d] += by * b[d]
		}
	}
	for d := range v {
		v[d] += float32(r.NormFloat64() * 0.35)
	}
	copy(v, memory.Unit(v))
}

// theme spreads the themes over items and so over audiences.
func (c *corpus) theme(i int) int { return (i/inItem*7919 + i%inItem/5) % c.themes }

func (c *corpus) vector(i int) []float32 { return c.vectors[i*dimension : (i+1)*dimension] }

// word is a made-up word of two to four syllables that no stemmer changes.
func word(n int) string {
	const heads, tails = "bdfgklmnprtvz", "aiou"
	var b strings.Builder
	for k := 0; k < 2 || n > 0; k++ {
		b.WriteByte(heads[n%13])
		n /= 13
		b.WriteByte(tails[n%4])
		n /= 4
	}
	return b.String() + "k"
}

// text is 25 words: common ones, and a few of the chunk's theme.
func (c *corpus) text(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 7)) //nolint:gosec // to be the same each time
	words := make([]string, 25)
	for n := range words {
		words[n] = c.some(r)
	}
	for n := range 4 {
		words[5*n] = c.themeWord(c.theme(i), r.IntN(12))
	}
	return fmt.Sprintf("§%d§ %s", i, strings.Join(words, " "))
}

func (c *corpus) some(r *rand.Rand) string {
	at := r.Float64() * c.zipf[len(c.zipf)-1]
	n, _ := slices.BinarySearch(c.zipf, at)
	return c.words[min(n, len(c.words)-1)]
}

// themeWord is one of the dozen words that a theme is spoken of with; they are
// rare in other themes.
func (c *corpus) themeWord(theme, n int) string {
	return c.words[1000+(theme*12+n*37)%(vocabulary-1000)]
}

// item is the n-th item.
func (c *corpus) item(n int) memory.Item {
	i := memory.Item{
		ID: fmt.Sprint("i", n), Workspace: "bench", Kind: memory.Thread, Title: "thread " + c.words[n%vocabulary], Source: fmt.Sprint("thread:", n),
		Author: "importer", At: start().Add(time.Duration(n) * time.Minute), Remembered: start(), Label: agent.Label{Readers: readersOf(n % audiences)},
	}
	for k := n * inItem; k < min((n+1)*inItem, c.n); k++ {
		i.Chunks = append(i.Chunks, memory.Chunk{N: k - n*inItem, Speaker: word(k % 50), Text: c.text(k), At: i.At})
	}
	return i
}

func (c *corpus) items() int { return (c.n + inItem - 1) / inItem }

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// readersOf are the readers of an audience: "all" of each, "some" of one in 14,
// "few" of two in 300, and a stranger, so that no two are the same.
func readersOf(audience int) agent.Readers {
	names := []agent.ActorID{"all", agent.ActorID(fmt.Sprint("of", audience))}
	if audience < audiences*7/100 {
		names = append(names, "some")
	}
	if audience < 2 {
		names = append(names, "few")
	}
	return agent.Only(names...)
}

// readers are who asks: the share of the chunks each may read.
func readers() []struct {
	id    agent.ActorID
	share string
} {
	return []struct {
		id    agent.ActorID
		share string
	}{{"all", "100 %"}, {"some", "7 %"}, {"few", "0.7 %"}}
}

// query is one question: words of a theme among common ones, and a vector near a
// chunk's.
type query struct {
	text   string
	vector []float32
}

func (c *corpus) queries(n int) []query {
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // to be the same each time
	out := make([]query, n)
	for i := range out {
		k := r.IntN(c.n)
		v := make([]float32, dimension)
		for d, x := range c.vector(k) {
			v[d] = x + float32(r.NormFloat64()*0.5/math.Sqrt(dimension))
		}
		words := []string{c.some(r), c.themeWord(c.theme(k), r.IntN(12)), c.some(r), c.some(r), c.themeWord(c.theme(k), r.IntN(12)), c.some(r)}
		out[i] = query{fmt.Sprintf("§q%d§ %s", i, strings.Join(words, " ")), memory.Unit(v)}
	}
	return out
}

// exact are the numbers of the chunks that are the ten nearest for a reader.
func (c *corpus) exact(q query, who agent.ActorID) []int {
	may := make([]bool, audiences)
	for a := range may {
		may[a] = slices.Contains(readersOf(a).Named, who)
	}
	type near struct {
		i      int
		cosine float32
	}
	var mu sync.Mutex
	var all []near
	var wg sync.WaitGroup
	const parts = 2
	for part := range parts {
		wg.Go(func() {
			var best []near
			for i := part * c.n / parts; i < (part+1)*c.n/parts; i++ {
				if !may[i/inItem%audiences] {
					continue
				}
				var dot float32
				for d, x := range c.vector(i) {
					dot += x * q.vector[d]
				}
				if len(best) == 10 && dot <= best[9].cosine {
					continue
				}
				at, _ := slices.BinarySearchFunc(best, dot, func(n near, dot float32) int { return cmp.Compare(dot, n.cosine) })
				best = slices.Insert(best, at, near{i, dot})
				best = best[:min(len(best), 10)]
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, best...)
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b near) int { return cmp.Compare(b.cosine, a.cosine) })
	out := make([]int, 0, 10)
	for _, n := range all[:min(len(all), 10)] {
		out = append(out, n.i)
	}
	return out
}

// lookup is the embedder: it finds the vector by the name in the text.
type lookup struct {
	c       *corpus
	queries []query
}

// Model implements memory.Embedder.
func (l lookup) Model() string { return "bench (made-up vectors)" }

// Embed implements memory.Embedder.
func (l lookup) Embed(_ context.Context, _ string, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		name, ok := named(text)
		switch {
		case !ok:
			out[i] = l.c.vector(0)
		case strings.HasPrefix(name, "q"):
			n, err := strconv.Atoi(name[1:])
			if err != nil {
				return nil, err
			}
			out[i] = l.queries[n].vector
		default:
			n, err := strconv.Atoi(name)
			if err != nil {
				return nil, err
			}
			out[i] = l.c.vector(n)
		}
	}
	return out, nil
}

func named(text string) (string, bool) {
	_, rest, ok := strings.Cut(text, "§")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "§")
	return name, ok
}
