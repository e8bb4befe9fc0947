package meetings

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// nearby is how many cues around the named ones are searched for a quote:
// models miscount by one or two.
const nearby = 3

// slice is a verbatim piece of a cue.
type slice struct {
	cue      int // index into Transcript.Cues
	from, to int // byte offsets in its text
}

// token is a word of a text with its place. Letters are lower-cased and
// apostrophes left out, so "I'll" and "I’ll" are the same.
type token struct {
	word     string
	from, to int
}

func tokens(s string) []token {
	var out []token
	var word strings.Builder
	from := -1
	end := 0
	flush := func() {
		if from >= 0 && word.Len() > 0 {
			out = append(out, token{word.String(), from, end})
		}
		word.Reset()
		from = -1
	}
	for i, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			if from < 0 {
				from = i
			}
			word.WriteRune(unicode.ToLower(r))
			end = i + runeLen(s, i)
		case (r == '\'' || r == '’') && from >= 0:
		default:
			flush()
		}
	}
	flush()
	return out
}

func runeLen(s string, i int) int {
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

// finder looks quotes up in one transcript.
type finder struct {
	cues   []agent.Cue
	tokens map[int][]token
}

func newFinder(cues []agent.Cue) *finder {
	return &finder{cues: cues, tokens: map[int][]token{}}
}

func (f *finder) of(i int) []token {
	t, ok := f.tokens[i]
	if !ok {
		t = tokens(f.cues[i].Text)
		f.tokens[i] = t
	}
	return t
}

// index returns the place of a cue id, or -1.
func (f *finder) index(id int) int {
	if id >= 1 && id <= len(f.cues) && f.cues[id-1].ID == id {
		return id - 1
	}
	for i, c := range f.cues {
		if c.ID == id {
			return i
		}
	}
	return -1
}

// find returns where the quote stands: in the named cues, else in those up to
// three away. A quote with an ellipsis is found piece by piece. Nil when any
// piece is not there word for word.
func (f *finder) find(quote string, ids []int) []slice {
	order := f.order(ids)
	if len(order) == 0 {
		return nil
	}
	if s := f.findPiece(quote, order); s != nil {
		return s
	}
	pieces := strings.Split(strings.NewReplacer("[...]", "…", "[…]", "…", "...", "…").Replace(quote), "…")
	if len(pieces) < 2 {
		return nil
	}
	var all []slice
	for _, p := range pieces {
		if strings.TrimSpace(p) == "" {
			continue
		}
		s := f.findPiece(p, order)
		if s == nil {
			return nil
		}
		all = append(all, s...)
	}
	return all
}

// order lists cue places to look at: the named ones first, then outwards.
func (f *finder) order(ids []int) []int {
	var order []int
	seen := map[int]bool{}
	add := func(i int) {
		if i >= 0 && i < len(f.cues) && !seen[i] {
			seen[i] = true
			order = append(order, i)
		}
	}
	if len(ids) > 50 {
		ids = ids[:50]
	}
	var named []int
	for _, id := range ids {
		if i := f.index(id); i >= 0 {
			named = append(named, i)
			add(i)
		}
	}
	for d := 1; d <= nearby; d++ {
		for _, i := range named {
			add(i - d)
			add(i + d)
		}
	}
	return order
}

func (f *finder) findPiece(quote string, order []int) []slice {
	quote = strings.TrimSpace(quote)
	want := tokens(quote)
	if len(want) == 0 {
		return nil
	}
	for _, i := range order {
		text := f.cues[i].Text
		at := strings.Index(text, quote)
		if at < 0 || !wholeWords(text, at, at+len(quote)) {
			continue
		}
		if len(want) > 1 || at == 0 && len(quote) == len(strings.TrimSpace(text)) {
			return []slice{{i, at, at + len(quote)}}
		}
	}
	for _, i := range order {
		if s := f.sequence(want, i); s != nil {
			return s
		}
	}
	return nil
}

// wholeWords refuses a quote that begins or ends inside a word.
func wholeWords(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	first, _ := utf8.DecodeRuneInString(text[from:])
	last, _ := utf8.DecodeLastRuneInString(text[:to])
	after, _ := utf8.DecodeRuneInString(text[to:])
	inside := func(a, b rune) bool { return cased(a) && cased(b) }
	return (from == 0 || !inside(before, first)) && (to == len(text) || !inside(last, after))
}

// cased reports whether a rune belongs to a script that writes words apart.
func cased(r rune) bool {
	return unicode.IsDigit(r) || unicode.IsLetter(r) && (unicode.IsUpper(r) || unicode.IsLower(r))
}

// sequence finds the words one after another, beginning in cue i and going on
// into the cues that the same speaker says right after it.
func (f *finder) sequence(want []token, i int) []slice {
	own := f.of(i)
	if len(want) == 1 && len(own) != 1 {
		return nil
	}
	for start := range own {
		if own[start].word != want[0].word {
			continue
		}
		if s := f.follow(want, i, start); s != nil {
			return s
		}
	}
	return nil
}

func (f *finder) follow(want []token, i, at int) []slice {
	var out []slice
	for len(want) > 0 {
		own := f.of(i)
		n := 0
		for n < len(want) && at+n < len(own) && own[at+n].word == want[n].word {
			n++
		}
		if n == 0 {
			return nil
		}
		text := f.cues[i].Text
		to := own[at+n-1].to
		if n == len(want) || at+n == len(own) {
			to += closing(text[to:])
		}
		out = append(out, slice{i, own[at].from, to})
		want = want[n:]
		if len(want) == 0 {
			break
		}
		if at+n != len(own) || i+1 >= len(f.cues) ||
			f.cues[i].Speaker == "" || f.cues[i+1].Speaker != f.cues[i].Speaker {
			return nil
		}
		i, at = i+1, 0
	}
	return out
}

// closing is the length of the mark that ends a sentence right after a word.
func closing(rest string) int {
	if rest != "" && strings.IndexByte(".!?", rest[0]) >= 0 {
		return 1
	}
	return 0
}

// evidence turns slices into quotes with time and speaker.
func (f *finder) evidence(found []slice) []agent.Evidence {
	out := make([]agent.Evidence, 0, len(found))
	for _, s := range found {
		c := f.cues[s.cue]
		out = append(out, agent.Evidence{
			Cue: c.ID, Time: evidenceTime(c.Start), Speaker: c.Speaker, Quote: c.Text[s.from:s.to],
		})
	}
	return out
}

// sentence widens a slice to the sentences of its cue that it touches.
func (f *finder) sentence(s slice) string {
	text := f.cues[s.cue].Text
	from := 0
	if i := lastStop(text[:s.from]); i >= 0 {
		from = i
	}
	to := len(text)
	if s.to > 0 && strings.IndexByte(".!?", text[s.to-1]) >= 0 {
		to = s.to
	} else if i := strings.IndexAny(text[s.to:], ".!?"); i >= 0 {
		to = s.to + i + 1
	}
	return strings.TrimSpace(text[from:to])
}

func lastStop(s string) int {
	for i := len(s) - 1; i > 0; i-- {
		if strings.IndexByte(".!?", s[i-1]) >= 0 && s[i] == ' ' {
			return i
		}
	}
	return -1
}
