package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// shortValue is the length, in characters, below which a value says nothing
// about where it came from: it takes the label of the whole context.
const shortValue = 4

// arg is one argument of a call, with the texts inside it.
type arg struct {
	name  string
	texts []string
	// plain are the texts as origins compares them.
	plain []string
	// said says that every text stands in the requester's own words; of a flag,
	// that they name it.
	said bool
	// flag says that the argument is true and nothing else. False is no flag: it
	// is what leaving the argument out means, see tools.Spec.
	flag bool
}

// arguments reads a call's arguments, sorted by name. Arguments that are no
// object are one argument named "arguments" that nobody said.
func arguments(raw json.RawMessage, asked string) []arg {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return []arg{{name: "arguments", texts: []string{string(raw)}, plain: []string{plain(string(raw))}}}
	}
	own := newRequest(asked)
	all := make([]arg, 0, len(fields))
	for name, value := range fields {
		a := arg{name: name, texts: texts(value), said: true, flag: string(bytes.TrimSpace(value)) == "true"}
		a.plain = make([]string, len(a.texts))
		for i, t := range a.texts {
			a.plain[i] = plain(t)
			a.said = a.said && own.holds(t, a.plain[i])
		}
		if a.flag {
			a.said = own.stands(name)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b arg) int { return cmp.Compare(a.name, b.name) })
	return all
}

// texts returns the strings anywhere inside a JSON value. Numbers count as
// text, so that an amount nobody said is seen; booleans and null carry nothing
// that could be said.
func texts(raw json.RawMessage) []string {
	var one string
	switch n := len(raw); {
	case n < 2 || raw[0] != '"' || raw[n-1] != '"':
	case bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw):
		return []string{string(raw[1 : n-1])} // nothing in it to decode
	case json.Unmarshal(raw, &one) == nil:
		return []string{one}
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return []string{string(raw)}
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for k, x := range v {
				out = append(out, k)
				walk(x)
			}
		}
	}
	walk(v)
	return out
}

// words splits text into lower-case words, so that case, punctuation, white
// space and underscores make no difference.
func words(s string) []string { return strings.FieldsFunc(strings.ToLower(s), noWord) }

// request is what the requester said, prepared for comparing.
type request struct {
	words []string
	// within says of each word that it goes on with the mention of the word before;
	// nil when there are no mentions.
	within   []bool
	plain    string
	mentions []span
}

func newRequest(text string) request {
	q := request{}
	if q.plain, q.mentions = mentions(text); len(q.mentions) == 0 {
		q.words = words(text)
		return q
	}
	pieces(text, func(part string, mentioned bool) {
		for i, w := range words(part) {
			q.words, q.within = append(q.words, w), append(q.within, mentioned && i > 0)
		}
	})
	return q
}

// holds reports whether a value stands in the request; its plain form is given
// with it. Prose is compared word by word. What has signs in it that carry
// meaning, such as an address, a path, a pattern or a negative number, stands
// there as it is or not at all: dropping its signs would make another value of it.
func (q request) holds(value, plainly string) bool {
	return q.stands(value) && (!meaningful(value) || holds(q.plain, plainly, q.mentions))
}

// meaningful reports whether a value has signs that carry meaning: any but the
// punctuation of prose, and that too where it joins letters or digits, opens a
// number, or stands alone.
func meaningful(value string) bool {
	value = strings.TrimSpace(value)
	if value != "" && len(words(value)) == 0 {
		return true
	}
	var before rune
	runes := []rune(value)
	for i, r := range runes {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsSpace(r) || unicode.Is(unicode.Mn, r) {
			before = r
			continue
		}
		after := rune(' ')
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		switch {
		case strings.ContainsRune(`'’`, r):
		case strings.ContainsRune(`.,;:!?"“”„()–—-_…`, r):
			inside := wordy(before) && wordy(after)
			if (inside && !strings.ContainsRune(`-–_`, r)) || (inside && unicode.IsDigit(before) && unicode.IsDigit(after)) || (!wordy(before) && unicode.IsDigit(after)) {
				return true
			}
		default:
			return true
		}
		before = r
	}
	return false
}

func wordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func noWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// stands reports whether a text's words stand in the request's, together and in
// order, and take no mention apart.
func (q request) stands(text string) bool {
	first, rest, some := word(strings.ToLower(text))
	if !some {
		return true
	}
	for i, w := range q.words {
		if w == first && !q.inside(i) && q.follow(i+1, rest) {
			return true
		}
	}
	return false
}

// inside reports whether the i-th word goes on with a mention.
func (q request) inside(i int) bool { return i < len(q.within) && q.within[i] }

// follow reports whether the request goes on from a word with those of a text, and
// does not end within a mention.
func (q request) follow(i int, text string) bool {
	for ; ; i++ {
		w, rest, more := word(text)
		switch {
		case !more:
			return !q.inside(i)
		case i >= len(q.words) || q.words[i] != w:
			return false
		}
		text = rest
	}
}

// word cuts the first word off a text.
func word(text string) (first, rest string, ok bool) {
	from := strings.IndexFunc(text, func(r rune) bool { return !noWord(r) })
	if from < 0 {
		return "", "", false
	}
	text = text[from:]
	if to := strings.IndexFunc(text, noWord); to >= 0 {
		return text[:to], text[to:], true
	}
	return text, "", true
}

// origins finds where values came from among the labelled texts a model saw.
type origins struct {
	context agent.Label
	texts   []tools.Labelled
	plain   []string // the texts normalised, "" until looked at
	// mentions are those in texts of the requester's own.
	mentions [][]span
}

func newOrigins(p tools.Proposal) *origins {
	own := tools.Labelled{Text: p.Request, Label: agent.Label{
		Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.Everybody}, Scanned: true,
	}}
	o := &origins{context: p.Context, texts: append([]tools.Labelled{own}, p.Texts...)}
	o.plain, o.mentions = make([]string, len(o.texts)), make([][]span, len(o.texts))
	return o
}

// of returns the label of the most trusted text that holds the value exactly,
// but for case and white space. When none does, the value is a stranger's: the
// label is the context's with integrity External. A short value has the label
// of the context.
func (o *origins) of(value string) agent.Label { return o.ofPlain(plain(value)) }

// ofPlain is of for a value that is plain already.
func (o *origins) ofPlain(value string) agent.Label {
	if value == "" {
		return o.texts[0].Label
	}
	if utf8.RuneCountInString(value) < shortValue {
		return o.context
	}
	best, found := o.context, false
	best.Integrity = agent.External
	for i, t := range o.texts {
		if found && t.Label.Integrity <= best.Integrity {
			continue
		}
		switch {
		case o.plain[i] != "":
		case t.Label.Integrity == agent.Requester:
			o.plain[i], o.mentions[i] = mentions(t.Text)
		default:
			o.plain[i] = plain(t.Text)
		}
		if holds(o.plain[i], value, o.mentions[i]) {
			best, found = t.Label, true
		}
	}
	return best
}

// plain is text in lower case with single spaces.
func plain(s string) string {
	s = strings.TrimSpace(strings.ToLower(s))
	if !uneven(s) {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// uneven reports whether white space in a text is other than single spaces.
func uneven(s string) bool {
	before := ' '
	for _, r := range s {
		if unicode.IsSpace(r) && (r != ' ' || before == ' ') {
			return true
		}
		before = r
	}
	return false
}

// holds reports whether value stands in text as a whole: not as a part of a
// longer word, address, path or number, nor of a mention.
func holds(text, value string, mentions []span) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], value)
		if i < 0 {
			return false
		}
		i += from
		if edge(text[:i], true) && edge(text[i+len(value):], false) && !cuts(mentions, i, i+len(value)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		from = i + size
	}
}

// edge reports whether a value may end where this neighbouring text begins
// (or, before it, ends). A joining mark such as the dot in a host name only
// ends a value when no letter or digit follows it.
func edge(neighbour string, before bool) bool {
	next := func(s string) (rune, string) {
		if before {
			r, n := utf8.DecodeLastRuneInString(s)
			return r, s[:len(s)-n]
		}
		r, n := utf8.DecodeRuneInString(s)
		return r, s[n:]
	}
	r, rest := next(neighbour)
	for rest != neighbour && strings.ContainsRune(`.-_@/\:+#&=%~?*`, r) {
		neighbour = rest
		r, rest = next(neighbour)
	}
	return neighbour == "" || !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// pointers are what leads a reader elsewhere: links, addresses, mentions. Bare
// host names count, since many clients make links of them.
var pointers = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s"'<>)\]]+|[\p{L}\d._%+-]+@[\p{L}\d.-]+\.\p{L}{2,}|<[@#!][^>]+>|(?:^|[\s(,;])@[\p{L}\d._-]{2,}|(?:[\p{L}\d](?:[\p{L}\d-]*[\p{L}\d])?\.)+\p{L}{2,}(?:/[^\s"'<>)\]]*)?`)

// pointsOutside reports whether a text carries a link, an address or a mention
// that came from outside.
func (o *origins) pointsOutside(text string) bool {
	if !strings.ContainsAny(text, ".@<:") {
		return false
	}
	for _, found := range pointers.FindAllString(text, -1) {
		found = strings.TrimRight(strings.TrimLeft(found, " \t\r\n(,;"), ".,;:!?")
		if o.of(found).Integrity == agent.External {
			return true
		}
	}
	return false
}
