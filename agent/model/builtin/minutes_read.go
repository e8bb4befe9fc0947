package builtin

import "strings"

// recording is a meeting made ready for summarising.
type recording struct {
	lex       *lexicon
	cues      []cueLine
	sentences []sentence
	// speakers are the distinct names in order of appearance; a sentence names
	// its speaker by place.
	speakers []string
	words    int
	// foreign says that too few function words are known for English; then
	// sentences are quoted, not reported in other words.
	foreign bool
	// settling are the decisions, found once.
	settling []hit
	// calls maps what people are called to the speaker.
	calls map[string]string
	// taken maps a sentence that asks for something to the reply in which
	// somebody takes it on.
	taken map[int]int
}

// piece is the part of a sentence that stands in one cue.
type piece struct {
	cue      int // place in recording.cues
	from, to int
}

// sentence is one sentence of one speaker, perhaps over several cues.
type sentence struct {
	speaker int
	pieces  []piece
	toks    []tok
	// flat is the words in lower case with a space around each.
	flat     string
	question bool
	// content counts the meaningful words, len all words.
	content, len int
}

type span struct{ from, to int }

// read splits cues into cleaned sentences. A sentence that a cue leaves open
// goes on in the speaker's next cue, over short interjections of others.
func (l *lexicon) read(cues []cueLine) *recording {
	t := &recording{lex: l, cues: cues}
	byName := map[string]int{}
	open := map[int]int{} // speaker → place of the open sentence
	openAt := map[int]int{}
	for i, c := range cues {
		who, ok := byName[c.speaker]
		if !ok {
			who = len(t.speakers)
			byName[c.speaker] = who
			t.speakers = append(t.speakers, c.speaker)
		}
		for _, s := range splitSentences(c.text) {
			raw := c.text[s.from:s.to]
			p := piece{i, s.from, s.to}
			if at, ok := open[who]; ok && i-openAt[who] <= 3 && c.speaker != "" {
				sen := &t.sentences[at]
				sen.pieces = append(sen.pieces, p)
				delete(open, who)
				if !closed(raw) {
					open[who], openAt[who] = at, i
				}
				continue
			}
			t.sentences = append(t.sentences, sentence{speaker: who, pieces: []piece{p}})
			delete(open, who)
			if !closed(raw) {
				open[who], openAt[who] = len(t.sentences)-1, i
			}
		}
	}
	t.finish()
	return t
}

// englishShare is the least share of function words, in percent, by which
// speech is taken for English; English speech has about half.
const englishShare = 20

func (t *recording) finish() {
	known := 0
	for i := range t.sentences {
		s := &t.sentences[i]
		text := t.text(*s)
		s.question = strings.HasSuffix(strings.TrimRight(text, " \"”)"), "?")
		all := t.lex.tokenise(text)
		t.words += wordCount(all)
		for _, k := range all {
			if k.class&isFunction != 0 {
				known++
			}
		}
		s.toks = t.lex.clean(all)
		s.flat = flat(s.toks)
		s.len, s.content = wordCount(s.toks), contents(s.toks)
	}
	t.foreign = known*100 < t.words*englishShare
}

// text is the sentence as said.
func (t *recording) text(s sentence) string {
	if len(s.pieces) == 1 {
		p := s.pieces[0]
		return t.cues[p.cue].text[p.from:p.to]
	}
	parts := make([]string, len(s.pieces))
	for i, p := range s.pieces {
		parts[i] = t.cues[p.cue].text[p.from:p.to]
	}
	return strings.Join(parts, " ")
}

// quote returns the words to quote and the cues they stand in: the whole
// sentence when its cues follow each other, else the piece that holds the
// phrase which marked it, or the longest.
func (t *recording) quote(s sentence, lead string) (string, []int) {
	together := true
	chosen := s.pieces[0]
	held := false
	ids := make([]int, 0, len(s.pieces))
	for i, p := range s.pieces {
		if i > 0 && p.cue > s.pieces[i-1].cue+1 {
			together = false
		}
		holds := lead != "" && t.holds(p, lead)
		if holds && !held || holds == held && p.to-p.from > chosen.to-chosen.from {
			chosen = p
		}
		held = held || holds
		if id := t.cues[p.cue].id; len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
	}
	if together {
		return t.text(s), ids
	}
	c := t.cues[chosen.cue]
	return c.text[chosen.from:chosen.to], []int{c.id}
}

func (t *recording) holds(p piece, lead string) bool {
	toks := t.lex.clean(t.lex.tokenise(t.cues[p.cue].text[p.from:p.to]))
	return strings.Contains(flat(toks), " "+lead+" ")
}

func closed(s string) bool {
	s = strings.TrimRight(s, " \"”)'")
	return s != "" && strings.IndexByte(".!?", s[len(s)-1]) >= 0
}

// splitSentences cuts after ".", "!" and "?" that a space follows; the dots of
// "Mr." and of single letters do not end a sentence.
func splitSentences(s string) []span {
	var out []span
	from := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '.' && c != '!' && c != '?' {
			continue
		}
		j := i + 1
		for j < len(s) && strings.IndexByte(".!?\"')", s[j]) >= 0 {
			j++
		}
		if j < len(s) && s[j] != ' ' && s[j] != '\t' {
			continue
		}
		if s[i] == '.' && abbreviation(s[from:i]) {
			continue
		}
		out = appendSpan(out, s, from, j)
		from = j
		i = j - 1
	}
	return appendSpan(out, s, from, len(s))
}

func appendSpan(out []span, s string, from, to int) []span {
	for from < to && (s[from] == ' ' || s[from] == '\t') {
		from++
	}
	for to > from && (s[to-1] == ' ' || s[to-1] == '\t') {
		to--
	}
	if to > from {
		out = append(out, span{from, to})
	}
	return out
}

func abbreviation(before string) bool {
	w := before[strings.LastIndexByte(before, ' ')+1:]
	switch strings.ToLower(w) {
	case "mr", "mrs", "ms", "dr", "st", "hon", "prof", "vs", "e.g", "i.e":
		return true
	}
	return len(w) == 1 && w[0] >= 'A' && w[0] <= 'Z' && w != "I"
}

func flat(toks []tok) string {
	var b strings.Builder
	b.WriteByte(' ')
	for _, k := range toks {
		b.WriteString(k.low)
		b.WriteByte(' ')
	}
	return b.String()
}
