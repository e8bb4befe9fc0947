package builtin

import (
	"math"
	"slices"
	"strings"
)

// The few numbers of the summariser. They were chosen on the validation part
// of QMSum by sweeping each alone; the result moves little around them.
const (
	// maxSummaryWords is where a summary stops growing.
	maxSummaryWords = 115
	// topicsAtMost is how many stretches a long meeting is told in.
	topicsAtMost = 4
	// minNounish is the share of noun uses a topic's head needs.
	minNounish = 0.35
	// phraseLengthPower prefers "remote control" to "control".
	phraseLengthPower = 1.6
	// adjectiveCost is how much an adjective's use speaks against a noun's.
	adjectiveCost = 0.7
	// articleShare: one in so many uses with an article gives it one.
	articleShare = 5
	// ofLeast and ofShare say when "design" is told as "design of the remote".
	ofLeast, ofShare = 1, 25
	// decisionsAtMost is how many decisions the summary names.
	decisionsAtMost = 2
	// reportsAtMost is how many sentences of a stretch are reported.
	reportsAtMost = 2
	// nestedShare is the part of a word's uses inside a longer phrase from
	// which the word alone is no topic.
	nestedShare = 0.6
	// leadPhrases and topicPhrases are how many phrases a sentence lists.
	leadPhrases, topicPhrases = 3, 3
	// shortest and longest bound the words of a reported sentence.
	shortest, longest = 8, 26
	// spreadPower and localPower weigh how far a phrase runs through the meeting
	// or keeps to its stretch.
	spreadPower, localPower = 1, 0.5
	// rankedPhrases is how many phrases give weight to sentences, lengthEase
	// how little a long sentence is held against itself.
	rankedPhrases, lengthEase = 30, 4
	// tellingBonus favours sentences that announce, propose or conclude.
	tellingBonus = 1.6
	// dominant is the share of a topic's words that makes it one person's.
	dominant = 0.55
)

// summary tells the meeting: what it was about, then for each stretch who
// spoke of what and the sentence that says most.
func (t *recording) summary() string {
	v := t.terms()
	var out []string
	taken := map[string]bool{}
	lead := distinct(v.pervasive(), leadPhrases, taken)
	if len(lead) > 0 {
		out = append(out, "The meeting was about "+phraseList(lead)+".")
	}
	spans := t.topics(t.topicCount())
	end := t.settled()
	words := wordsOf(out) + wordsOf(end)
	left := 0
	for i, span := range spans {
		share := (maxSummaryWords - words) / (len(spans) - i)
		s := t.tell(v, span, i, len(spans), share+left, taken)
		words += wordsOf(s)
		out = append(out, s...)
	}
	out = append(out, end...)
	if len(out) == 0 {
		return t.plain()
	}
	return strings.Join(out, " ")
}

// settled reports the surest decisions in a sentence each.
func (t *recording) settled() []string {
	hits := slices.Clone(t.settling)
	slices.SortStableFunc(hits, func(a, b hit) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	var out []string
	for _, h := range hits[:min(len(hits), decisionsAtMost)] {
		text := strings.TrimRight(decisionText(h), ".,;:")
		if leadVerb(h.lead) == "" && h.rest[0].low != "to" || text == "" {
			continue
		}
		out = append(out, "They decided to "+strings.ToLower(text[:1])+text[1:]+".")
	}
	return out
}

// topicCount grows with the meeting.
func (t *recording) topicCount() int {
	return max(1, min(topicsAtMost, len(t.sentences)/15))
}

func wordsOf(list []string) int {
	n := 0
	for _, s := range list {
		n += strings.Count(s, " ") + 1
	}
	return n
}

func phraseList(list []*phrase) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.text()
	}
	return listed(names)
}

// tell writes about one stretch of the meeting in about so many words.
func (t *recording) tell(v *terms, span topicSpan, i, n, budget int, taken map[string]bool) []string {
	var out []string
	who := t.mainSpeaker(span)
	phrases := distinct(v.within(span, len(t.sentences)), topicPhrases, taken)
	opening := t.order(i, n)
	if len(phrases) > 0 {
		subject := "the group discussed "
		if who >= 0 && t.speakers[who] != "" {
			subject = t.speakers[who] + " talked about "
		}
		out = append(out, capital(opening+subject)+phraseList(phrases)+".")
		opening = ""
	}
	told := 0
	for _, at := range t.best(v, span) {
		s := t.reported(t.sentences[at])
		room := budget - wordsOf(out)
		if n := strings.Count(s, " ") + 1; s != "" && n <= room+4 {
			out = append(out, capital(opening)+s)
			opening = ""
			if told++; told == reportsAtMost {
				break
			}
		}
	}
	return out
}

func (t *recording) order(i, n int) string {
	switch {
	case n == 1:
		return ""
	case i == 0:
		return "first, "
	case i == n-1:
		return "lastly, "
	case i == 1:
		return "then "
	}
	return "after that, "
}

// mainSpeaker is who has most of a stretch's words, -1 when nobody has.
func (t *recording) mainSpeaker(span topicSpan) int {
	counts := make([]int, len(t.speakers))
	total := 0
	for _, s := range t.sentences[span.from:span.to] {
		counts[s.speaker] += s.content
		total += s.content
	}
	best := 0
	for i, n := range counts {
		if n > counts[best] {
			best = i
		}
	}
	if total == 0 || float64(counts[best]) < dominant*float64(total) {
		return -1
	}
	return best
}

// pervasive ranks the phrases that run through the whole meeting.
func (v *terms) pervasive() []*phrase {
	list := make([]weighted, len(v.phrases))
	for i, p := range v.phrases {
		windows, last := 0, -1
		for _, at := range p.at {
			if w := at / windowSentences; w != last {
				windows, last = windows+1, w
			}
		}
		list[i] = weighted{p, p.score * math.Pow(float64(windows)/float64(max(1, v.windows)), spreadPower)}
	}
	return heaviest(list)
}

type weighted struct {
	p     *phrase
	score float64
}

func heaviest(list []weighted) []*phrase {
	slices.SortStableFunc(list, func(a, b weighted) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return strings.Compare(a.p.key, b.p.key)
	})
	out := make([]*phrase, len(list))
	for i, r := range list {
		out[i] = r.p
	}
	return out
}

// within ranks the phrases by how much they belong to the stretch.
func (v *terms) within(span topicSpan, all int) []*phrase {
	var list []weighted
	share := float64(span.to-span.from) / float64(all)
	for _, p := range v.phrases {
		from, _ := slices.BinarySearch(p.at, span.from)
		to, _ := slices.BinarySearch(p.at, span.to)
		in := float64(to - from)
		if in < 2 && len(p.at) > 2 || in == 0 {
			continue
		}
		n := float64(len(p.at))
		list = append(list, weighted{p, in * p.score / n * math.Pow(in/n/share, localPower)})
	}
	return heaviest(list)
}

// best ranks the sentences of a stretch by the topics they speak of: those of
// the stretch and those of the meeting.
func (t *recording) best(v *terms, span topicSpan) []int {
	weight := v.weights(v.within(span, len(t.sentences)), v.pervasive())
	type ranked struct {
		at    int
		score float64
	}
	var list []ranked
	for i := span.from; i < span.to; i++ {
		s := t.sentences[i]
		if s.question || s.len < shortest || s.len > longest || s.content < 3 || !t.lex.wellFormed(s.toks) {
			continue
		}
		score := 0.0
		seen := map[string]bool{}
		for _, k := range s.toks {
			if k.class == 0 && !seen[k.stem] {
				seen[k.stem] = true
				score += weight[k.stem]
			}
		}
		if s.hasAny(t.lex.items.telling) {
			score *= tellingBonus
		}
		list = append(list, ranked{i, score / math.Sqrt(float64(s.len)+lengthEase)})
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return a.at - b.at
	})
	out := make([]int, 0, len(list))
	for _, r := range list {
		out = append(out, r.at)
	}
	return out
}

// weights gives the words of the leading phrases of each ranking a weight that
// falls with the rank.
func (v *terms) weights(rankings ...[]*phrase) map[string]float64 {
	w := map[string]float64{}
	for _, list := range rankings {
		for rank, p := range list[:min(len(list), rankedPhrases)] {
			for _, s := range p.stems {
				w[s] += 1 / math.Sqrt(float64(rank+1))
			}
		}
	}
	return w
}

// plain is the summary of a meeting too short to have topics: its fullest
// sentences in order.
func (t *recording) plain() string {
	var out []string
	words := 0
	for _, s := range t.sentences {
		text := t.reported(s)
		n := strings.Count(text, " ") + 1
		if text == "" || s.content == 0 || words+n > maxSummaryWords {
			continue
		}
		words += n
		out = append(out, text)
	}
	if len(out) == 0 {
		return "Little was said that could be summarised."
	}
	return strings.Join(out, " ")
}
