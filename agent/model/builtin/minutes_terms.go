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
	// of counts what follows as "of the …".
	of map[string]int
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
	// noun, verb and adjective count the places that speak for each use.
	noun, verb, adjective map[string]int
}

// windowSentences is the stretch over which a word's spread is counted.
const windowSentences = 20

func (t *recording) terms() *terms {
	v := &terms{tf: map[string]int{}, df: map[string]int{}, noun: map[string]int{}, verb: map[string]int{}, adjective: map[string]int{}}
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
			v.use(s.toks, j)
		}
	}
	v.collect(t)
	return v
}

// use counts what the neighbours of word j say it is: "the buttons" and "rubber
// buttons" make a noun, "to press" a verb, "very curved" an adjective.
func (v *terms) use(toks []tok, j int) {
	if j == 0 {
		return
	}
	stem := toks[j].stem
	prev := toks[j-1]
	qualifies := j+1 < len(toks) && toks[j+1].class == 0
	switch {
	case prev.class&beforeVerb != 0:
		v.verb[stem]++
	case prev.class&beforeNoun != 0 && qualifies, predicative(prev.low):
		v.adjective[stem]++
	case prev.class&beforeNoun != 0, prev.class == 0 && !qualifies, !qualifies && prev.class == isCommon && articleBefore(toks, j) != "":
		v.noun[stem]++
	}
}

// predicative reports whether adjectives follow the word.
func predicative(low string) bool {
	switch low {
	case "is", "are", "was", "were", "be", "it's", "that's", "very", "so", "too", "more", "most", "quite", "really", "less", "pretty", "they're", "look", "looks":
		return true
	}
	return false
}

// nounish is how far a stem is used as a noun, 0 to 1.
func (v *terms) nounish(stem string) float64 {
	n, b := float64(v.noun[stem]), float64(v.verb[stem])
	return n / (n + 2*b + adjectiveCost*float64(v.adjective[stem]) + 0.7)
}

// collect gathers noun phrases of one to three meaningful words.
func (v *terms) collect(t *recording) {
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
		p.score = v.phraseScore(p)
	}
	nested(byKey)
	for _, p := range byKey {
		if p.score > 0 {
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
		shown.WriteString(shownWord(k, from+i == 0))
	}
	p := byKey[key.String()]
	if p == nil {
		p = &phrase{key: key.String(), shown: map[string]int{}, articles: map[string]int{}, of: map[string]int{}}
		p.stems = strings.Fields(p.key)
		byKey[p.key] = p
	}
	p.shown[shown.String()]++
	p.at = append(p.at, at)
	p.articles[articleBefore(toks, from)]++
	if of := complement(toks, to); of != "" {
		p.of[of]++
	}
}

// articleBefore is the article of the phrase at word i, "the" or "a", over a
// plain adjective: "the new display"; "" when it has none.
func articleBefore(toks []tok, i int) string {
	for n := 0; i > 0 && n < 2; n++ {
		i--
		switch toks[i].low {
		case "the", "this", "that", "these", "those", "our", "your", "their", "its", "my":
			return "the"
		case "a", "an":
			return "a"
		}
		if toks[i].class != isCommon {
			break
		}
	}
	return ""
}

// complement reads "of the remote control" after a phrase; "" when there is
// none.
func complement(toks []tok, i int) string {
	if i >= len(toks) || toks[i].low != "of" {
		return ""
	}
	i++
	article := ""
	if i < len(toks) {
		switch toks[i].low {
		case "the", "this", "our", "that", "your":
			article, i = "the ", i+1
		case "a", "an":
			article, i = toks[i].low+" ", i+1
		}
	}
	from := i
	for i < len(toks) && i < from+3 && phraseWord(toks[i]) {
		i++
	}
	if i == from {
		return ""
	}
	words := make([]string, 0, 3)
	for _, k := range toks[from:i] {
		words = append(words, k.text)
	}
	return "of " + article + strings.Join(words, " ")
}

// shownWord keeps the capitals of names and shortenings, not those of a
// sentence's beginning.
func shownWord(k tok, first bool) string {
	if first && strings.ToUpper(k.text) != k.text {
		return k.low
	}
	return k.text
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
		if first := p.stems[0]; 2*v.verb[first] > v.noun[first]+v.adjective[first] {
			return 0
		}
	}
	return float64(n) * math.Pow(float64(words), phraseLengthPower) * noun
}

// text is the phrase with the article it mostly has.
func (p *phrase) text() string {
	text := p.bare()
	of := most(p.of)
	if p.of[of]*ofShare >= len(p.at) && p.of[of] >= ofLeast {
		if !strings.HasPrefix(text, "the ") {
			text = "the " + text
		}
		return text + " " + of
	}
	return text
}

func (p *phrase) bare() string {
	shown := most(p.shown)
	if shown != strings.ToLower(shown) && strings.ToUpper(shown) != shown && p.articles["the"]*2 < len(p.at) {
		return shown // a name
	}
	if (p.articles["the"]+p.articles["a"])*articleShare >= len(p.at) {
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

// nested takes out phrases that hardly occur outside a longer one: "control"
// when it is nearly always "remote control".
func nested(byKey map[string]*phrase) {
	var drop []*phrase
	for _, p := range byKey {
		if len(p.stems) < 2 || p.score == 0 {
			continue
		}
		for from := range p.stems {
			for to := from + 1; to <= len(p.stems); to++ {
				if to-from == len(p.stems) {
					continue
				}
				part := byKey[strings.Join(p.stems[from:to], " ")]
				if part != nil && float64(len(p.at)) >= nestedShare*float64(len(part.at)) {
					drop = append(drop, part)
				}
			}
		}
	}
	for _, p := range drop {
		p.score = 0
	}
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
