package memory

import (
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Query asks for what is remembered.
type Query struct {
	// Reader is who asks: nothing is returned that this actor may not read, and
	// nothing of another workspace.
	Reader agent.Actor
	// Text is a question or some words; empty asks for the newest items. Only
	// the first MaxQueryBytes are looked at.
	Text string
	// Kinds, when set, keeps chunks of these kinds or of items of these kinds.
	Kinds []Kind
	// Since and Until bound when it was said: Since <= At < Until; zero is open.
	Since, Until time.Time
	// Speaker, when set, keeps what somebody of that name said.
	Speaker string
	// Limit is the most hits; 0 means DefaultLimit, more than MaxLimit is MaxLimit.
	Limit int
}

// Limits of a query.
const (
	MaxQueryBytes = 2000
	DefaultLimit  = 10
	MaxLimit      = 200
	// maxTerms is how many different terms of a query count.
	maxTerms = 24
)

// Search is a query as a store is asked it: analysed, bounded, with a time.
type Search struct {
	Reader agent.Actor
	// Terms are what passages are found by, as Terms gives them, without
	// doubles; none asks for the newest.
	Terms []Term
	// Names are the query's words, folded; one that is a speaker's name is
	// taken to speak of that person.
	Names []string
	// Filters; empty ones let everything pass. Speaker holds folded words that
	// must all be part of the speaker's name.
	Kinds        []Kind
	Since, Until time.Time
	Speaker      []string
	// Favour holds the kinds the query's wording asks for, such as decisions;
	// without terms it is a filter on the chunk's kind.
	Favour []Kind
	// Dates are the days the query speaks of.
	Dates []Span
	Limit int
	Now   time.Time
	// Text is the query as it was asked, clipped.
	Text string
	// Vector is the query's embedding by Model, of length one; without one, or when
	// the store's current generation is of another model, words alone decide.
	Vector []float32
	Model  string
	// Generation names the generation of vectors to search; 0 is the current one.
	Generation int64
}

// Term is one term of a query and how much it counts, at most 1.
type Term struct {
	Text   string
	Weight float64
}

// Span is a stretch of time: From <= t < To.
type Span struct{ From, To time.Time }

// Holds reports whether t lies in the span.
func (s Span) Holds(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// cueWeight is what a word counts that asks for a kind of passage rather than
// for its content, such as "decide", or that says little, such as "mentioned".
const cueWeight = 0.3

// ParseQuery analyses a query at a time.
func ParseQuery(q Query, now time.Time) Search {
	s := Search{
		Reader: q.Reader, Kinds: q.Kinds, Since: q.Since, Until: q.Until,
		Limit: q.Limit, Now: now, Speaker: Words(clip(q.Speaker, MaxTitleBytes)),
	}
	if s.Limit <= 0 {
		s.Limit = DefaultLimit
	}
	s.Limit = min(s.Limit, MaxLimit)
	s.Text = strings.TrimSpace(strings.ToValidUTF8(clip(q.Text, MaxQueryBytes), " "))
	words := Words(s.Text)
	s.Dates = dates(words, now)
	for i, w := range words {
		kind, cue := askedKind(w, wordAt(words, i-1), wordAt(words, i-2))
		if cue && !slices.Contains(s.Favour, kind) {
			s.Favour = append(s.Favour, kind)
		}
		if stopWord(w) {
			continue
		}
		if !slices.Contains(s.Names, w) && len(s.Names) < 4*maxTerms {
			s.Names = append(s.Names, w)
		}
		s.add(stem(w), cue || filler(w))
	}
	return s
}

func (s *Search) add(term string, cue bool) {
	if len(s.Terms) >= maxTerms || slices.ContainsFunc(s.Terms, func(t Term) bool { return t.Text == term }) {
		return
	}
	weight := 1.0
	if cue {
		weight = cueWeight
	}
	s.Terms = append(s.Terms, Term{Text: term, Weight: weight})
}

// onlyCues reports whether the query names a kind of passage and no content,
// as "what did we decide?" does.
func (s *Search) onlyCues() bool {
	for _, t := range s.Terms {
		if t.Weight > cueWeight {
			return false
		}
	}
	return len(s.Favour) > 0
}

// askedKind returns the kind of passage that a query's word asks for, given the
// two words before it.
func askedKind(word, before, before2 string) (Kind, bool) {
	switch word {
	case "doing", "do", "does":
		return Action, before == "who" || before2 == "who"
	case "question", "questions", "issues":
		return Question, before == "open" || before == "unresolved"
	case "decide", "decided", "decides", "decision", "decisions", "agreed":
		return Decision, true
	case "action", "actions", "todo", "todos", "task", "tasks", "assigned", "responsible", "deadline":
		return Action, true
	case "unresolved", "undecided", "unanswered":
		return Question, true
	}
	return "", false
}

// filler reports whether the word often stands in a request for memories without
// saying what they are about.
func filler(word string) bool {
	switch word {
	case "item", "items", "point", "points", "open", "made", "make", "take", "taken", "last", "latest", "recent", "recently",
		"meeting", "meetings", "discuss", "discussed", "said", "say", "says", "tell", "told", "mention", "mentioned", "remember":
		return true
	}
	return false
}

// dates returns the spans of time that the words speak of: ISO dates, months
// with or without a year or a day, and days or weeks relative to now.
func dates(words []string, now time.Time) []Span {
	var spans []Span
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	days := func(from, n int) Span { return Span{day.AddDate(0, 0, from), day.AddDate(0, 0, from+n)} }
	for i, w := range words {
		before, after := wordAt(words, i-1), wordAt(words, i+1)
		last := before == "last"
		switch {
		case w == "today":
			spans = append(spans, days(0, 1))
		case w == "yesterday":
			spans = append(spans, days(-1, 1))
		case w == "week" && last:
			spans = append(spans, days(-7-(int(day.Weekday())+6)%7, 7))
		case w == "month" && last:
			first := day.AddDate(0, 0, 1-day.Day())
			spans = append(spans, Span{first.AddDate(0, -1, 0), first})
		case month(w) != 0 && (w != "may" || asMonth(before, after)):
			spans = append(spans, monthSpan(month(w), []string{before, after, wordAt(words, i+2)}, now))
		case len(w) == 4 && number(w) > 1900 && number(w) < 2200:
			if s, ok := isoSpan(number(w), after, wordAt(words, i+2), now.Location()); ok {
				spans = append(spans, s)
			}
		}
	}
	return spans
}

// monthSpan reads "3 July 2023", "July 3, 2023", "July 2023" and "July": without
// a year it is the latest such month that has begun.
func monthSpan(m time.Month, around []string, now time.Time) Span {
	year, day := now.Year(), 0
	if m > now.Month() {
		year--
	}
	for _, w := range around {
		w = strings.TrimRight(w, "stndrh")
		switch n := number(w); {
		case n >= 1 && n <= 31 && day == 0:
			day = n
		case n > 1900 && n < 2200:
			year = n
		}
	}
	from := time.Date(year, m, max(day, 1), 0, 0, 0, 0, now.Location())
	if day == 0 {
		return Span{from, from.AddDate(0, 1, 0)}
	}
	return Span{from, from.AddDate(0, 0, 1)}
}

// isoSpan reads the words of "2023-07-03" and "2023-07".
func isoSpan(year int, monthWord, dayWord string, loc *time.Location) (Span, bool) {
	m, d := number(monthWord), number(dayWord)
	if len(monthWord) != 2 || m < 1 || m > 12 {
		return Span{}, false
	}
	from := time.Date(year, time.Month(m), 1, 0, 0, 0, 0, loc)
	if len(dayWord) != 2 || d < 1 || d > 31 {
		return Span{from, from.AddDate(0, 1, 0)}, true
	}
	from = from.AddDate(0, 0, d-1)
	return Span{from, from.AddDate(0, 0, 1)}, true
}

func month(w string) time.Month {
	if len(w) < 3 {
		return 0
	}
	for m := time.January; m <= time.December; m++ {
		name := strings.ToLower(m.String())
		if w == name || w == name[:3] && w != "mar" && w != "sep" {
			return m
		}
	}
	return 0
}

// asMonth reports whether "may" between these words is the month: more often it
// is the auxiliary.
func asMonth(before, after string) bool {
	switch before {
	case "in", "since", "of", "last", "until", "during", "early", "late":
		return true
	}
	return number(strings.TrimRight(before, "stndrh")) > 0 || number(strings.TrimRight(after, "stndrh")) > 0
}

func wordAt(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i]
}

// number returns the value of up to four decimal digits, else -1.
func number(w string) int {
	if w == "" || len(w) > 4 {
		return -1
	}
	n := 0
	for i := range len(w) {
		if w[i] < '0' || w[i] > '9' {
			return -1
		}
		n = 10*n + int(w[i]-'0')
	}
	return n
}
