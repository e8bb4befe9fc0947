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
	phraseLengthPower = 1.2
	// leadPhrases and topicPhrases are how many phrases a sentence lists.
	leadPhrases, topicPhrases = 3, 3
	// shortest and longest bound the words of a reported sentence.
	shortest, longest = 8, 26
	// dominant is the share of a topic's words that makes it one person's.
	dominant = 0.45
)

// summary tells the meeting: what it was about, then for each stretch who
// spoke of what and the sentence that says most.
func (t *talk) summary() string {
	v := t.terms()
	var out []string
	taken := map[string]bool{}
	lead := distinct(v.phrases, leadPhrases, taken)
	if len(lead) > 0 {
		out = append(out, "The meeting was about "+phraseList(lead)+".")
	}
	spans := t.topics(t.topicCount())
	words := wordsOf(out)
	left := 0
	for i, span := range spans {
		share := (maxSummaryWords - words) / (len(spans) - i)
		s := t.tell(v, span, i, len(spans), share+left, taken)
		words += wordsOf(s)
		out = append(out, s...)
	}
	if len(out) == 0 {
		return t.plain()
	}
	return strings.Join(out, " ")
}

// topicCount grows with the meeting.
func (t *talk) topicCount() int {
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
func (t *talk) tell(v *terms, span topicSpan, i, n, budget int, taken map[string]bool) []string {
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
	for _, at := range t.best(v, span) {
		s := t.reported(t.sentences[at])
		room := budget - wordsOf(out)
		if n := strings.Count(s, " ") + 1; s != "" && n <= room+4 {
			out = append(out, capital(opening)+s)
			break
		}
	}
	return out
}

func (t *talk) order(i, n int) string {
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
func (t *talk) mainSpeaker(span topicSpan) int {
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

// within ranks the phrases by how much they belong to the stretch.
func (v *terms) within(span topicSpan, all int) []*phrase {
	type ranked struct {
		p     *phrase
		score float64
	}
	var list []ranked
	share := float64(span.to-span.from) / float64(all)
	for _, p := range v.phrases {
		from, _ := slices.BinarySearch(p.at, span.from)
		to, _ := slices.BinarySearch(p.at, span.to)
		in := float64(to - from)
		if in < 2 && len(p.at) > 2 || in == 0 {
			continue
		}
		list = append(list, ranked{p, in * p.score / float64(len(p.at)) * math.Sqrt(in/float64(len(p.at))/share)})
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
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

// best ranks the sentences of a stretch by the weight of their words in it.
func (t *talk) best(v *terms, span topicSpan) []int {
	tf := map[string]int{}
	for _, s := range t.sentences[span.from:span.to] {
		for _, k := range s.toks {
			if k.class == 0 {
				tf[k.stem]++
			}
		}
	}
	type ranked struct {
		at    int
		score float64
	}
	var list []ranked
	for i := span.from; i < span.to; i++ {
		s := t.sentences[i]
		if s.question || s.len < shortest || s.len > longest || s.content < 3 {
			continue
		}
		score := 0.0
		seen := map[string]bool{}
		for _, k := range s.toks {
			if k.class == 0 && !seen[k.stem] {
				seen[k.stem] = true
				score += math.Log(1+float64(tf[k.stem])) * (0.4 + v.nounish(k.stem))
			}
		}
		list = append(list, ranked{i, score / math.Sqrt(float64(s.len)+4)})
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

// plain is the summary of a meeting too short to have topics: its fullest
// sentences in order.
func (t *talk) plain() string {
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
