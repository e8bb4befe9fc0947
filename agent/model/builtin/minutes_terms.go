package builtin

import (
	"math"
	"slices"
	"strings"
)

// phrase is a noun phrase that the meeting uses.
type phrase struct {
	key   string
	stems []string
	// shown counts the spellings, articles what stands before it.
	shown    map[string]int
	articles map[string]int
	// at are the places of the sentences it occurs in, with repeats.
	at []int
	// score is its weight over the whole meeting.
	score float64
}

// terms is the meeting's vocabulary.
type terms struct {
	phrases []*phrase
	// df counts the windows of the meeting a stem occurs in; tf all occurrences.
	tf, df  map[string]int
	windows int
	// noun and verb count the places that speak for either use of a stem.
	noun, verb map[string]int
}

// windowSentences is the stretch over which a word's spread is counted.
const windowSentences = 20

func (t *talk) terms() *terms {
	v := &terms{tf: map[string]int{}, df: map[string]int{}, noun: map[string]int{}, verb: map[string]int{}}
	last := map[string]int{}
	for i, s := range t.sentences {
		w := i/windowSentences + 1
		v.windows = w
		for j, k := range s.toks {
			if k.class != 0 {
				continue
			}
			v.tf[k.stem]++
			if last[k.stem] != w {
				last[k.stem] = w
				v.df[k.stem]++
			}
			if j > 0 {
				switch prev := s.toks[j-1].class; {
				case prev&beforeNoun != 0:
					v.noun[k.stem]++
				case prev&beforeVerb != 0:
					v.verb[k.stem]++
				}
			}
		}
	}
	v.collect(t)
	return v
}

// nounish is how far a stem is used as a noun (or before one), 0 to 1.
func (v *terms) nounish(stem string) float64 {
	n, b := float64(v.noun[stem]), float64(v.verb[stem])
	return n / (n + 2*b + 0.7)
}

// weight is how much a stem says about the meeting as a whole: often, but not
// only in one place.
func (v *terms) weight(stem string) float64 {
	tf := float64(v.tf[stem])
	if tf < 2 {
		return 0
	}
	return 1 + math.Log(tf)
}

// collect gathers noun phrases of one to three meaningful words.
func (v *terms) collect(t *talk) {
	byKey := map[string]*phrase{}
	for i, s := range t.sentences {
		for from := 0; from < len(s.toks); {
			if !phraseWord(s.toks[from]) {
				from++
				continue
			}
			to := from
			for to < len(s.toks) && phraseWord(s.toks[to]) {
				to++
			}
			v.runs(byKey, s.toks, from, to, i)
			from = to
		}
	}
	for _, p := range byKey {
		if p.score = v.phraseScore(p); p.score > 0 {
			v.phrases = append(v.phrases, p)
		}
	}
	slices.SortFunc(v.phrases, func(a, b *phrase) int {
		if a.score != b.score {
			if a.score > b.score {
				return -1
			}
			return 1
		}
		return strings.Compare(a.key, b.key)
	})
}

// phraseWord reports whether a word may be part of a topic.
func phraseWord(k tok) bool {
	if k.class != 0 || len(k.low) < 2 || isNumber(k.low) || strings.ContainsAny(k.low, "'/@%$&=+") {
		return false
	}
	if strings.HasSuffix(k.low, "ly") && len(k.low) > 4 {
		return false
	}
	return len(k.low) > 2 || k.text != k.low
}

// runs adds the run of meaningful words and its tail phrases.
func (v *terms) runs(byKey map[string]*phrase, toks []tok, from, to, at int) {
	for n := 1; n <= 3 && n <= to-from; n++ {
		for i := from; i+n <= to; i++ {
			add(byKey, toks, i, i+n, at)
		}
	}
}

func add(byKey map[string]*phrase, toks []tok, from, to, at int) {
	var key strings.Builder
	var shown strings.Builder
	for i, k := range toks[from:to] {
		if i > 0 {
			key.WriteByte(' ')
			shown.WriteByte(' ')
		}
		key.WriteString(k.stem)
		if strings.ToUpper(k.text) == k.text {
			shown.WriteString(k.text)
		} else {
			shown.WriteString(k.low)
		}
	}
	p := byKey[key.String()]
	if p == nil {
		p = &phrase{key: key.String(), shown: map[string]int{}, articles: map[string]int{}}
		p.stems = strings.Fields(p.key)
		byKey[p.key] = p
	}
	p.shown[shown.String()]++
	p.at = append(p.at, at)
	article := ""
	if from > 0 {
		switch toks[from-1].low {
		case "the", "this", "that", "these", "those", "our", "your", "their", "its", "my":
			article = "the"
		case "a", "an":
			article = "a"
		}
	}
	p.articles[article]++
}

// phraseScore prefers phrases that come often, are used as nouns, and have
// more than one word; 0 means it is none.
func (v *terms) phraseScore(p *phrase) float64 {
	n := len(p.at)
	words := len(p.stems)
	if n < 2 {
		return 0
	}
	head := p.stems[words-1]
	noun := v.nounish(head)
	if noun < minNounish {
		return 0
	}
	if words > 1 {
		for i := 1; i < words; i++ {
			if p.stems[i] == p.stems[i-1] {
				return 0
			}
		}
		if v.nounish(p.stems[0]) < minNounish/2 {
			return 0
		}
	}
	return float64(n) * math.Pow(float64(words), phraseLengthPower) * noun
}

// text is the phrase with the article it mostly has.
func (p *phrase) text() string {
	shown := most(p.shown)
	if p.articles["the"]*3 >= len(p.at) || p.articles["a"]*3 >= len(p.at) {
		return "the " + shown
	}
	return shown
}

// most returns the key with the highest count, the first in order of two.
func most(counts map[string]int) string {
	best := ""
	for s, n := range counts {
		if best == "" || n > counts[best] || n == counts[best] && s < best {
			best = s
		}
	}
	return best
}

// distinct takes the first n phrases that share no word with one another or
// with what is taken already.
func distinct(list []*phrase, n int, taken map[string]bool) []*phrase {
	var out []*phrase
next:
	for _, p := range list {
		if len(out) == n {
			break
		}
		for _, s := range p.stems {
			if taken[s] {
				continue next
			}
		}
		for _, s := range p.stems {
			taken[s] = true
		}
		out = append(out, p)
	}
	return out
}
