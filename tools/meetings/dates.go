package meetings

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	isoDate = "2006-01-02"
	months  = `jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?`
	days    = `monday|tuesday|wednesday|thursday|friday|saturday|sunday`
	counts  = `\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve`
)

// dateWords finds expressions of dates; each alternative is one named group.
var dateWords = regexp.MustCompile(`(?i)\b(?:` +
	`(?P<iso>\d{4}[-/.]\d{2}[-/.]\d{2}(?:t\d{2})?)` +
	`|(?P<md>(?:` + months + `)\.?,? (?:the )?\d{1,2}(?:st|nd|rd|th)?(?:,? (?:of )?\d{4})?)` +
	`|(?P<dm>\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:` + months + `)\.?(?:,? \d{4})?)` +
	`|(?P<end>end of (?:the |this |next )?(?:day|week|month|quarter|year)|eod|cob|close of business|eow|eom)` +
	`|(?P<overmorrow>day after tomorrow)` +
	`|(?P<day>(?:(?:last|next|this|coming) )?(?:` + days + `))` +
	`|(?P<count>(?:in|within) (?:the next )?(?:` + counts + `) (?:days?|weeks?|months?)|(?:` + counts + `) (?:days?|weeks?|months?) from (?:now|today))` +
	`|(?P<near>today|tonight|this (?:morning|afternoon|evening)|tomorrow)` +
	`)(?:\b|$)`)

// dated is one expression of a date in a text. Date is "" when it cannot be
// told, for want of a meeting date or of a year.
type dated struct {
	words string
	date  string
}

// datesIn resolves every expression of a date in the text against the day of
// the meeting; a zero day leaves relative ones unresolved.
func datesIn(text string, day time.Time) []dated {
	var out []dated
	names := dateWords.SubexpNames()
	text = strings.Join(strings.Fields(text), " ")
	for _, m := range dateWords.FindAllStringSubmatch(text, -1) {
		for i, s := range m {
			if i == 0 || s == "" || names[i] == "" {
				continue
			}
			words := strings.ToLower(s)
			d := dated{words: words}
			if t, ok := resolve(names[i], words, day); ok {
				d.date = t.Format(isoDate)
			}
			out = append(out, d)
		}
	}
	return out
}

func resolve(kind, words string, day time.Time) (time.Time, bool) {
	switch kind {
	case "iso":
		t, err := time.Parse(isoDate, strings.NewReplacer("/", "-", ".", "-").Replace(words[:len(isoDate)]))
		return t, err == nil
	case "md", "dm":
		return monthDay(words, day)
	}
	if day.IsZero() {
		return time.Time{}, false
	}
	switch kind {
	case "end":
		return endOf(words, day)
	case "overmorrow":
		return day.AddDate(0, 0, 2), true
	case "day":
		return weekday(words, day)
	case "count":
		return counted(words, day)
	case "near":
		if words == "tomorrow" {
			return day.AddDate(0, 0, 1), true
		}
		return day, true
	}
	return time.Time{}, false
}

// monthDay reads "May 3rd", "3 May 2024". Without a year it is the first such
// day from the meeting on, at most half a year ahead across the turn of the
// year; a day that had passed is no due date.
func monthDay(words string, day time.Time) (time.Time, bool) {
	var month time.Month
	var dom, year int
	for w := range strings.FieldsSeq(strings.NewReplacer(",", " ", ".", " ").Replace(words)) {
		digits := strings.TrimRight(w, "stndrh")
		if n, err := strconv.Atoi(digits); err == nil {
			if len(digits) == 4 {
				year = n
			} else {
				dom = n
			}
			continue
		}
		if m := monthOf(w); m != 0 {
			month = m
		}
	}
	if month == 0 || dom == 0 || year == 0 && day.IsZero() {
		return time.Time{}, false
	}
	if year != 0 {
		return exactly(year, month, dom)
	}
	t, ok := exactly(day.Year(), month, dom)
	if ok && !t.Before(day) {
		return t, true
	}
	t, ok = exactly(day.Year()+1, month, dom)
	return t, ok && t.Before(day.AddDate(0, 6, 0))
}

// exactly refuses 31 February instead of rolling it over.
func exactly(year int, month time.Month, dom int) (time.Time, bool) {
	t := time.Date(year, month, dom, 0, 0, 0, 0, time.UTC)
	return t, t.Month() == month && t.Day() == dom
}

func monthOf(w string) time.Month {
	if len(w) < 3 {
		return 0
	}
	for m := time.January; m <= time.December; m++ {
		if strings.HasPrefix(strings.ToLower(m.String()), strings.ToLower(w[:3])) {
			return m
		}
	}
	return 0
}

// weekday reads "Friday" as the first one after the meeting's day, "this
// Friday" as the one of its week, "next Friday" as the one of the week after;
// weeks begin on Monday.
func weekday(words string, day time.Time) (time.Time, bool) {
	which, name, two := strings.Cut(words, " ")
	if !two {
		which, name = "", words
	}
	var want int
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), name) {
			want = (int(d) + 6) % 7
		}
	}
	have := (int(day.Weekday()) + 6) % 7
	switch which {
	case "last":
		return time.Time{}, false
	case "next":
		return day.AddDate(0, 0, 7-have+want), true
	case "this":
		return day.AddDate(0, 0, want-have), want >= have
	}
	ahead := (want - have + 7) % 7
	if ahead == 0 {
		ahead = 7
	}
	return day.AddDate(0, 0, ahead), true
}

// endOf reads "end of the week" as its Friday (the next one at a weekend), and
// the end of a month, quarter or year as its last day.
func endOf(words string, day time.Time) (time.Time, bool) {
	next := 0
	if strings.Contains(words, "next") {
		next = 1
	}
	first := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	switch {
	case words == "eow" || strings.HasSuffix(words, "week"):
		have := (int(day.Weekday()) + 6) % 7
		ahead := 4 - have
		if ahead < 0 {
			ahead += 7
		}
		return day.AddDate(0, 0, ahead+7*next), true
	case words == "eom" || strings.HasSuffix(words, "month"):
		return first.AddDate(0, 1+next, -1), true
	case strings.HasSuffix(words, "quarter"):
		left := 3 - (int(day.Month())-1)%3
		return first.AddDate(0, left+3*next, -1), true
	case strings.HasSuffix(words, "year"):
		return time.Date(day.Year()+next, time.December, 31, 0, 0, 0, 0, time.UTC), true
	}
	return day, next == 0 // end of day, close of business
}

func counted(words string, day time.Time) (time.Time, bool) {
	n := 0
	for w := range strings.FieldsSeq(words) {
		if n == 0 {
			n = numberOf(w)
			continue
		}
		switch strings.TrimSuffix(w, "s") {
		case "day":
			return day.AddDate(0, 0, n), true
		case "week":
			return day.AddDate(0, 0, 7*n), true
		case "month":
			return day.AddDate(0, n, 0), true
		}
	}
	return time.Time{}, false
}

func numberOf(w string) int {
	if n, err := strconv.Atoi(w); err == nil {
		return n
	}
	switch w {
	case "a", "an", "one":
		return 1
	case "two":
		return 2
	case "three":
		return 3
	case "four":
		return 4
	case "five":
		return 5
	case "six":
		return 6
	case "seven":
		return 7
	case "eight":
		return 8
	case "nine":
		return 9
	case "ten":
		return 10
	case "twelve":
		return 12
	}
	return 0
}

func validDate(s string) bool {
	_, err := time.Parse(isoDate, s)
	return err == nil
}

// dateInText returns the first full date of a text (year included) as
// YYYY-MM-DD, or "".
func dateInText(s string) string {
	if len(s) > 500 || !strings.ContainsAny(s, "0123456789") {
		return ""
	}
	for _, d := range datesIn(s, time.Time{}) {
		if d.date != "" {
			return d.date
		}
	}
	return ""
}

// dueOf returns the due date a draft claims if the quoted words say so: the
// claim (a date or words like "by Friday") must come to the same day as an
// expression in the quotes.
func dueOf(claim string, quotes []string, meeting string) *string {
	claim = strings.TrimSpace(claim)
	if claim == "" {
		return nil
	}
	day, err := time.Parse(isoDate, meeting)
	if err != nil {
		day = time.Time{}
	}
	var said []dated
	for _, q := range quotes {
		said = append(said, datesIn(q, day)...)
	}
	for _, c := range datesIn(claim, day) {
		for _, s := range said {
			if s.date != "" && (s.date == c.date || c.date == "" && s.words == c.words) {
				return &s.date
			}
		}
	}
	return nil
}
