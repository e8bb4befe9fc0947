package memory

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Passage is what Rank looks at of a chunk. It does not change once the chunk is
// stored, so stores may keep passages in memory.
type Passage struct {
	// Key orders chunks: an item's chunks have consecutive keys, and keys of
	// different items are never next to each other. Item is the same for the
	// chunks of one item.
	Key, Item int64
	// Kind is the chunk's kind, ItemKind its item's.
	Kind, ItemKind Kind
	At             time.Time

	terms, title, speaker []uint32
}

// SetWords gives the passage the words it is ranked by: the chunk's ChunkTerms,
// the Terms of its item's title and the Words of its speaker.
func (p *Passage) SetWords(terms, title, speaker []string) {
	p.terms, p.title, p.speaker = hashes(terms), hashes(title), hashes(speaker)
}

// SetText is SetWords of words that are kept as one text each, parted by spaces.
func (p *Passage) SetText(terms, title, speaker string) {
	p.terms, p.title, p.speaker = hashesIn(terms), hashesIn(title), hashesIn(speaker)
}

// hashesIn are the hashes of the words of a text that are parted by spaces.
func hashesIn(text string) []uint32 {
	if text == "" {
		return nil
	}
	out := make([]uint32, 0, 1+strings.Count(text, " "))
	for word := range strings.SplitSeq(text, " ") {
		if word != "" {
			out = append(out, hash(word))
		}
	}
	return out
}

// ChunkTerms returns the terms a chunk is found by: of its text and its quote.
func ChunkTerms(c Chunk) []string { return append(Terms(c.Text), Terms(c.Quote)...) }

// SpokenBy reports whether the speaker's name holds all of the folded words.
func (p *Passage) SpokenBy(words []string) bool {
	for _, w := range words {
		if !slices.Contains(p.speaker, hash(w)) {
			return false
		}
	}
	return true
}

func hashes(words []string) []uint32 {
	if len(words) == 0 {
		return nil
	}
	out := make([]uint32, len(words))
	for i, w := range words {
		out[i] = hash(w)
	}
	return out
}

// Corpus counts what a workspace remembers, for the weights of rare words.
type Corpus struct {
	// Chunks is how many there are, Terms how many terms they hold together.
	Chunks, Terms int64
	// Frequent says of terms how many chunks hold them, when that may be more
	// than the ranked passages show.
	Frequent map[string]int64
}

// Parts says what a score is made of. By words alone Score = (BM25 + Title +
// Near + Neighbour + Whole) × (1 + Speaker + Date + Kind + Recency). With vectors
// that score gives the place Words, the similarity, weighed likewise, the place
// Meaning, and the two places the score: see Fused.
type Parts struct {
	// BM25 is the passage's own share (Robertson and Zaragoza, 2009), Title
	// that of its item's title, Near a reward for query terms that stand close
	// together.
	BM25  float64 `json:"bm25"`
	Title float64 `json:"title,omitempty"`
	Near  float64 `json:"near,omitempty"`
	// Neighbour is what the passages beside it lend; a fact or a point of
	// minutes, which stands alone, has a share of its own instead.
	Neighbour float64 `json:"neighbour,omitempty"`
	// Whole is what its item as a whole lends: one that matches in several
	// places is about the matter.
	Whole float64 `json:"whole,omitempty"`
	// Speaker, Date and Kind are shares added when the query names them.
	Speaker float64 `json:"speaker,omitempty"`
	Date    float64 `json:"date,omitempty"`
	Kind    float64 `json:"kind,omitempty"`
	Recency float64 `json:"recency"`
	// Similarity is the cosine of the passage's vector and the query's, 0 when the
	// vector is not among the nearest.
	Similarity float64 `json:"similarity,omitempty"`
	// Words and Meaning are the places, from 1, in the order by words and in that
	// by vectors; 0 is none. Both are 0 when there was no vector to search by.
	Words   int `json:"words,omitempty"`
	Meaning int `json:"meaning,omitempty"`
	// Rerank is what a Reranker made of the passage, when Reranked.
	Rerank   float64 `json:"rerank,omitempty"`
	Reranked bool    `json:"reranked,omitempty"`
}

// Score returns the score the parts make.
func (p Parts) Score() float64 {
	switch {
	case p.Reranked:
		return p.Rerank
	case p.Words+p.Meaning > 0:
		return Fused(p.Words, p.Meaning)
	}
	return (p.BM25 + p.Title + p.Near + p.Neighbour + p.Whole) * (1 + p.Speaker + p.Date + p.Kind + p.Recency)
}

// Ranked is a passage's place.
type Ranked struct {
	Key   int64
	Score float64
	Parts Parts
}

// The weights of the ranking, set on the development conversations of LoCoMo
// (see internal/eval/memory) and rounded: the ranking does not hang on a digit.
const (
	bm25K1         = 1.2
	bm25B          = 0.4
	titleWeight    = 0.25
	nearWeight     = 0.3
	nearWindow     = 4
	nameWeight     = 0.15 // of a speaker's name as a word of the text
	wholeWeight    = 0.3
	speakerShare   = 0.5
	dateShare      = 0.6
	kindShare      = 1.5
	favourWeight   = 1.5 // of the item's best passage, for the kind that is asked for
	aloneShare     = 1.3 // as much as matching passages all around would lend
	recencyShare   = 0.02
	recencyHalving = 30 * 24 * time.Hour
)

// neighbourShare is what a passage lends to one that many places after it: more
// to what follows it, as answers follow questions.
func neighbourShare(distance int64) float64 {
	switch distance {
	case 1:
		return 0.45
	case -1:
		return 0.3
	case 2:
		return 0.2
	case -2:
		return 0.15
	case 3, -3:
		return 0.1
	}
	return 0
}

// Reach is how many keys away a passage's neighbours count.
const Reach = 3

// Rank orders passages for a search, best first, at most s.Limit. Passages must
// be sorted by key and hold all that share a term with the query and all that
// near names, together with what stands within Reach of them and the favoured
// kinds of the same items; ones that score nothing or that a filter of the search
// keeps out are left out. near may be nil: then words alone decide.
func Rank(s Search, c Corpus, passages []*Passage, near Nearest) []Ranked {
	r := newRanking(s, c, passages)
	order := make([]scored, 0, len(passages))
	for i := range passages {
		if parts, ok := r.parts(i); ok {
			order = append(order, scored{parts.Score(), i})
		}
	}
	sortScored(order)
	var places map[int]Parts
	if len(near) > 0 {
		order, places = r.fuse(order, near)
	}
	out := make([]Ranked, min(len(order), max(s.Limit, 0)))
	for n := range out {
		parts, _ := r.parts(order[n].at)
		if with, ok := places[order[n].at]; ok {
			parts.Similarity, parts.Words, parts.Meaning = with.Similarity, with.Words, with.Meaning
		}
		out[n] = Ranked{Key: passages[order[n].at].Key, Score: parts.Score(), Parts: parts}
	}
	return out
}

// sortScored sorts by score, the best first, and equal ones newest first.
func sortScored(order []scored) {
	slices.SortFunc(order, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.at, a.at))
	})
}

// scored is the score of the passage at a place of the input.
type scored struct {
	score float64
	at    int
}

// ranking is one run of Rank.
type ranking struct {
	Search
	passages []*Passage
	terms    []uint32
	names    []uint32 // of the query's words, those that are speakers' names
	idf      []float64
	meanLen  float64
	own      []Parts
	// whole and best are of each passage's item.
	whole, best []float64
}

func newRanking(s Search, c Corpus, passages []*Passage) *ranking {
	r := &ranking{Search: s, passages: passages, own: make([]Parts, len(passages))}
	r.terms = make([]uint32, len(s.Terms))
	for i, t := range s.Terms {
		r.terms[i] = hash(t.Text)
	}
	r.findNames()
	counts := make([]uint16, len(passages)*len(r.terms))
	found := make([]int, len(r.terms))
	for i, p := range passages {
		r.count(p, counts[i*len(r.terms):(i+1)*len(r.terms)], found)
	}
	r.weighTerms(c, found)
	for i, p := range passages {
		r.own[i] = r.score(p, counts[i*len(r.terms):(i+1)*len(r.terms)])
	}
	r.findWhole()
	return r
}

// findWhole sets, for each passage, the mean of its item's three best ones and
// the best of them.
func (r *ranking) findWhole() {
	r.whole, r.best = make([]float64, len(r.passages)), make([]float64, len(r.passages))
	for from := 0; from < len(r.passages); {
		to := from
		var best [3]float64
		for ; to < len(r.passages) && r.passages[to].Item == r.passages[from].Item; to++ {
			score := r.own[to].BM25 + r.own[to].Title
			for n := range best {
				if score > best[n] {
					score, best[n] = best[n], score
				}
			}
		}
		for n := from; n < to; n++ {
			r.whole[n], r.best[n] = (best[0]+best[1]+best[2])/3, best[0]
		}
		from = to
	}
}

// findNames keeps the query's words that name a speaker of some passage.
func (r *ranking) findNames() {
	asked := hashes(r.Names)
	for _, p := range r.passages {
		for _, h := range p.speaker {
			if slices.Contains(asked, h) && !slices.Contains(r.names, h) {
				r.names = append(r.names, h)
			}
		}
	}
}

func (r *ranking) count(p *Passage, counts []uint16, found []int) {
	for _, h := range p.terms {
		for t, q := range r.terms {
			if h == q && counts[t] < math.MaxUint16 {
				if counts[t]++; counts[t] == 1 {
					found[t]++
				}
			}
		}
	}
}

// weighTerms sets each term's inverse document frequency times its weight.
func (r *ranking) weighTerms(c Corpus, found []int) {
	n := float64(max(c.Chunks, int64(len(r.passages)), 1))
	r.meanLen = max(float64(c.Terms)/n, 1)
	r.idf = make([]float64, len(r.terms))
	names := r.nameTerms()
	for t := range r.terms {
		df := float64(max(int64(found[t]), c.Frequent[r.Terms[t].Text]))
		r.idf[t] = math.Log(1+(n-df+0.5)/(df+0.5)) * r.Terms[t].Weight
		if slices.Contains(names, r.Terms[t].Text) {
			r.idf[t] *= nameWeight
		}
	}
}

// nameTerms returns the stems of the query's words that are speakers' names.
func (r *ranking) nameTerms() []string {
	var stems []string
	for _, w := range r.Names {
		if slices.Contains(r.names, hash(w)) {
			stems = append(stems, stem(w))
		}
	}
	return stems
}

// score returns the passage's own shares.
func (r *ranking) score(p *Passage, counts []uint16) Parts {
	var parts Parts
	norm := bm25K1 * (1 - bm25B + bm25B*float64(len(p.terms))/r.meanLen)
	matched := 0
	for t, n := range counts {
		if n > 0 {
			matched++
			parts.BM25 += r.idf[t] * float64(n) * (bm25K1 + 1) / (float64(n) + norm)
		}
		if slices.Contains(p.title, r.terms[t]) {
			parts.Title += r.idf[t] * titleWeight
		}
	}
	if matched > 1 {
		parts.Near = nearWeight * r.near(p)
	}
	return parts
}

// near sums, over neighbouring pairs of different query terms in the passage,
// the lesser weight of the two divided by their distance.
func (r *ranking) near(p *Passage) float64 {
	sum := 0.0
	lastAt, last := -1, -1
	for at, h := range p.terms {
		t := slices.Index(r.terms, h)
		if t < 0 {
			continue
		}
		if last >= 0 && last != t && at-lastAt <= nearWindow {
			sum += min(r.idf[last], r.idf[t]) / float64(at-lastAt)
		}
		lastAt, last = at, t
	}
	return sum
}

// parts returns what the score by words of passage i is made of; ok is false when
// it has none or a filter keeps it out.
func (r *ranking) parts(i int) (parts Parts, ok bool) {
	p := r.passages[i]
	parts = r.own[i]
	parts.Neighbour = r.lent(i)
	favoured := slices.Contains(r.Favour, p.Kind)
	if favoured {
		parts.Kind = kindShare
	}
	r.weigh(p, &parts)
	if parts.BM25+parts.Title+parts.Neighbour <= 0 && !favoured || r.whole[i] <= 0 || !r.passes(p) {
		return parts, false
	}
	parts.Whole = wholeWeight * r.whole[i]
	if favoured {
		parts.Whole = favourWeight * r.best[i]
	}
	return parts, true
}

// lent returns what the passages around i lend it.
func (r *ranking) lent(i int) float64 {
	p := r.passages[i]
	if !p.Kind.flows() {
		return aloneShare * (r.own[i].BM25 + r.own[i].Near)
	}
	sum := 0.0
	for j := max(i-Reach, 0); j < min(i+Reach+1, len(r.passages)); j++ {
		if o := r.passages[j]; j != i && o.Kind == p.Kind {
			sum += neighbourShare(p.Key-o.Key) * (r.own[j].BM25 + r.own[j].Near)
		}
	}
	return sum
}

// weigh sets the shares of what the query asks beside its words.
func (r *ranking) weigh(p *Passage, parts *Parts) {
	for _, h := range p.speaker {
		if slices.Contains(r.names, h) {
			parts.Speaker = speakerShare
		}
	}
	for _, d := range r.Dates {
		if d.Holds(p.At) {
			parts.Date = dateShare
		}
	}
	if age := r.Now.Sub(p.At); age >= 0 {
		parts.Recency = recencyShare * math.Exp2(-age.Hours()/recencyHalving.Hours())
	} else {
		parts.Recency = recencyShare
	}
}

// passes reports whether the filters let the passage through; its neighbours
// may have been fetched without them.
func (r *ranking) passes(p *Passage) bool {
	if len(r.Kinds) > 0 && !slices.Contains(r.Kinds, p.Kind) && !slices.Contains(r.Kinds, p.ItemKind) {
		return false
	}
	return (r.Since.IsZero() || !p.At.Before(r.Since)) &&
		(r.Until.IsZero() || p.At.Before(r.Until)) && p.SpokenBy(r.Speaker)
}
