package memory

import "slices"

// Nearest says of passages, by key, how similar their vectors are to the query's:
// the cosine of the two. It holds those that are most similar.
type Nearest map[int64]float64

// The weights of Fused. Words are exact where they match, and vectors reach what
// words do not: both count, words a little more.
const (
	FuseOffset    = 20
	WordsWeight   = 1.0
	MeaningWeight = 0.7
)

// Fused is the score of a passage by its places in the order by words and in that
// by vectors, from 1; 0 is none: weighted reciprocal ranks (Cormack, Clarke and
// Büttcher, 2009).
func Fused(words, meaning int) float64 {
	score := 0.0
	if words > 0 {
		score += WordsWeight / float64(FuseOffset+words)
	}
	if meaning > 0 {
		score += MeaningWeight / float64(FuseOffset+meaning)
	}
	return score
}

// fuse joins the order by words with that by vectors, and returns the places of
// each passage in both.
func (r *ranking) fuse(byWords []scored, near Nearest) ([]scored, map[int]Parts) {
	byMeaning := r.byMeaning(near)
	places := make(map[int]Parts, len(byWords)+len(byMeaning))
	for n, s := range byWords {
		places[s.at] = Parts{Words: n + 1}
	}
	for n, s := range byMeaning {
		p := places[s.at]
		p.Meaning = n + 1
		places[s.at] = p
	}
	order := make([]scored, 0, len(places))
	for at, p := range places {
		p.Similarity = near[r.passages[at].Key]
		places[at] = p
		order = append(order, scored{p.Score(), at})
	}
	sortScored(order)
	return order, places
}

// byMeaning orders passages by the similarity of their vectors: their own, what
// the passages beside them lend, and what the query asks beside its words, just
// as the order by words has it.
func (r *ranking) byMeaning(near Nearest) []scored {
	similar := r.similarities(near)
	var order []scored
	for i, p := range r.passages {
		score := similar[i]
		if !p.Kind.flows() {
			score += aloneShare * similar[i]
		} else {
			for j := max(i-Reach, 0); j < min(i+Reach+1, len(r.passages)); j++ {
				if o := r.passages[j]; j != i && similar[j] > 0 && o.Kind == p.Kind {
					score += neighbourShare(p.Key-o.Key) * similar[j]
				}
			}
		}
		if score <= 0 || !r.passes(p) {
			continue
		}
		var parts Parts
		if slices.Contains(r.Favour, p.Kind) {
			parts.Kind = kindShare
		}
		r.weigh(p, &parts)
		order = append(order, scored{score * (1 + parts.Speaker + parts.Date + parts.Kind + parts.Recency), i})
	}
	sortScored(order)
	return order
}

// similarities are of each passage how far it is above the least similar of the
// nearest, between 0 and 1: cosines of one model lie close together, those of
// another apart. They are squared, as most of the nearest are near by chance and
// shall lend their neighbours little.
func (r *ranking) similarities(near Nearest) []float64 {
	least, most := 1.0, -1.0
	for _, s := range near {
		least, most = min(least, s), max(most, s)
	}
	out := make([]float64, len(r.passages))
	for i, p := range r.passages {
		if s, ok := near[p.Key]; ok {
			// The least similar one is among the nearest all the same.
			share := (s - least + 0.01) / (most - least + 0.01)
			out[i] = share * share
		}
	}
	return out
}
