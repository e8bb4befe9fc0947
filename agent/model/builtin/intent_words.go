package builtin

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// inline makes one line of a text that others wrote, and takes the sting out of
// what Markdown would turn into links, images or tags.
func inline(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "�"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if strings.ContainsAny(s, "[<") {
		s = strings.NewReplacer("](", "] (", "![", "! [", "<", "‹").Replace(s)
	}
	return s
}

// squeezed makes one line of the person's own words.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }

// clipped cuts a text to n runes, at a word when one ends near there.
func clipped(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	cut := string([]rune(s)[:n-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)*2/3 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:.–—-") + "…"
}

// headed cuts a text to n runes at a word and adds nothing, so that its words
// stay a slice of the text.
func headed(s string, n int) string { return strings.TrimSuffix(clipped(s, n), "…") }

// unquoted takes one pair of quotes off.
func unquoted(s string) string {
	s = strings.TrimSpace(s)
	for _, q := range [][2]string{{`"`, `"`}, {"“", "”"}, {"'", "'"}, {"‘", "’"}, {"«", "»"}, {"`", "`"}, {"„", "“"}} {
		if inner, ok := strings.CutPrefix(s, q[0]); ok {
			if inner, ok = strings.CutSuffix(inner, q[1]); ok && !strings.Contains(inner, q[0]) {
				return strings.TrimSpace(inner)
			}
		}
	}
	return s
}

// group returns the i-th group of a match, trimmed.
func group(s string, loc []int, i int) string {
	if 2*i+1 >= len(loc) || loc[2*i] < 0 {
		return ""
	}
	return strings.TrimSpace(s[loc[2*i]:loc[2*i+1]])
}

// reTicketID finds ids: "ticket 3", "#3", "T-3", "ABC-12".
var (
	reTicketID = regexp.MustCompile(`(?:\b(?i:tickets?|issues?|bugs?|tasks?|cards?)\s+(?i:number\s+|no\.?\s*|nr\.?\s*|id\s+)?#?(\d{1,9})\b|(#\d{1,9})\b|\b([A-Z][A-Z0-9]{0,9}-\d{1,9}|t-\d{1,9})\b)`)
	reAlsoID   = regexp.MustCompile(`(?i)^\s*(?:,|&|,?\s*and)\s*#?(\d{1,9})\b`)
)

// ticketIDs returns the ids of tickets in a text, as written, each once.
func ticketIDs(s string) []string {
	var out []string
	add := func(id string) {
		if !slices.ContainsFunc(out, func(o string) bool { return sameTicket(o, id) }) {
			out = append(out, id)
		}
	}
	for from := 0; from < len(s); {
		loc := reTicketID.FindStringSubmatchIndex(s[from:])
		if loc == nil {
			break
		}
		bare, hash, key := group(s[from:], loc, 1), group(s[from:], loc, 2), group(s[from:], loc, 3)
		from += loc[1]
		switch {
		case bare != "":
			add(bare)
		case hash != "":
			add(hash)
		case isTicketKey(key):
			add(key)
			continue
		}
		if key != "" {
			continue
		}
		for {
			more := reAlsoID.FindStringSubmatchIndex(s[from:])
			if more == nil {
				break
			}
			add(group(s[from:], more, 1))
			from += more[1]
		}
	}
	return out
}

// isTicketKey tells keys of trackers from other words of that shape.
func isTicketKey(s string) bool {
	head, _, _ := strings.Cut(s, "-")
	switch head {
	case "", "UTF", "ISO", "GPT", "COVID", "RFC", "SHA", "CVE", "MP", "TLS", "USB", "HTTP", "IPV", "AES", "RSA", "PG", "F", "R", "M", "K", "A", "Q", "H":
		return false
	}
	return true
}

// sameTicket compares ids the way people type them.
func sameTicket(a, b string) bool { return bareID(a) == bareID(b) }

func bareID(id string) string {
	id = strings.ToUpper(strings.TrimSpace(id))
	return strings.TrimPrefix(strings.TrimPrefix(id, "#"), "T-")
}

// statusOf reads the name of a status; "" when it is none.
func statusOf(s string) string {
	s = strings.ToLower(squeezed(strings.Trim(unquoted(strings.Trim(s, " .!")), " .!")))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "be "), "now ")
	switch s {
	case "done", "complete", "completed", "finished", "resolved", "fixed", "solved":
		return "done"
	case "in progress", "in-progress", "in_progress", "inprogress", "started", "wip", "doing", "ongoing", "underway", "being worked on", "in work":
		return "in_progress"
	case "open", "todo", "to do", "to-do", "backlog", "not started":
		return "open"
	case "closed", "won't do", "wont do", "wontfix", "won't fix", "cancelled", "canceled", "rejected":
		return "closed"
	}
	return ""
}

var ordinals = regexp.MustCompile(`(?i)\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d{1,2}(?:st|nd|rd|th))\b`)

// ordinal reads "second" as 2, "3rd" as 3 and "last" as -1; 0 is none.
func ordinal(s string) int {
	s = strings.ToLower(s)
	if s == "last" {
		return -1
	}
	for i, w := range []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"} {
		if s == w {
			return i + 1
		}
	}
	n, err := strconv.Atoi(strings.TrimRight(s, "stndrh"))
	if err != nil {
		return 0
	}
	return n
}

var reSeparator = regexp.MustCompile(`(?i)\s*(?:,\s*and\s+|,|;|/|\s+and\s+|\s*&\s*)\s*`)

// listedWords cuts "bug, urgent and ui" into its parts.
func listedWords(s string) []string {
	var out []string
	for _, w := range reSeparator.Split(s, -1) {
		if w = strings.Trim(unquoted(w), " .!\"“”'`"); w != "" {
			out = append(out, w)
		}
	}
	return out
}

var reMention = regexp.MustCompile(`^<@[A-Z0-9]+>$`)

// personName reads a name; "" when the words cannot be one.
func personName(s string) string {
	s = strings.TrimRight(unquoted(squeezed(s)), " .,;:!?")
	switch {
	case reMention.MatchString(s):
		return s
	case len(ticketIDs(s)) > 0 || strings.Count(s, " ") > 3:
		return ""
	}
	s = strings.TrimPrefix(s, "@")
	for word := range strings.SplitSeq(s, " ") {
		first, _ := utf8.DecodeRuneInString(word)
		if !unicode.IsLetter(first) || strings.IndexFunc(word, notInName) >= 0 {
			return ""
		}
	}
	return s
}

func notInName(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("'’._-", r)
}

// dates resolves words for days against today; the zero value knows ISO dates
// only.
type dates struct{ today time.Time }

var (
	reISO      = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	reDayMonth = regexp.MustCompile(`(?i)^(?:the )?(\d{1,2})(?:st|nd|rd|th)?\.?(?: of)? ([a-z]{3,9})\.?,?(?: (\d{4}))?$`)
	reMonthDay = regexp.MustCompile(`(?i)^([a-z]{3,9})\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?$`)
)

// resolve returns the day as YYYY-MM-DD. "next Friday" and "end of the week"
// mean different days to different people and are not resolved.
func (d dates) resolve(s string) (string, bool) {
	s = strings.ToLower(strings.Trim(squeezed(s), " .,!)"))
	if reISO.MatchString(s) {
		_, err := time.Parse(time.DateOnly, s)
		return s, err == nil
	}
	if d.today.IsZero() {
		return "", false
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "on "), "this ")
	switch s {
	case "today", "tonight", "eod", "end of day", "end of the day":
		return d.today.Format(time.DateOnly), true
	case "tomorrow":
		return d.today.AddDate(0, 0, 1).Format(time.DateOnly), true
	case "the day after tomorrow":
		return d.today.AddDate(0, 0, 2).Format(time.DateOnly), true
	}
	for wd := time.Sunday; wd <= time.Saturday; wd++ {
		name := strings.ToLower(wd.String())
		if s == name || s == name[:3] {
			ahead := (int(wd)-int(d.today.Weekday())+6)%7 + 1
			return d.today.AddDate(0, 0, ahead).Format(time.DateOnly), true
		}
	}
	if m := reDayMonth.FindStringSubmatch(s); m != nil {
		return d.day(m[1], m[2], m[3])
	}
	if m := reMonthDay.FindStringSubmatch(s); m != nil {
		return d.day(m[2], m[1], m[3])
	}
	return "", false
}

// day is the next such day when the year is not said.
func (d dates) day(day, month, year string) (string, bool) {
	n, err := strconv.Atoi(day)
	if err != nil || n < 1 {
		return "", false
	}
	for m := time.January; m <= time.December; m++ {
		name := strings.ToLower(m.String())
		if month != name && month != name[:3] && (m != time.September || month != "sept") {
			continue
		}
		y := d.today.Year()
		if year != "" {
			if y, err = strconv.Atoi(year); err != nil {
				return "", false
			}
		}
		t := time.Date(y, m, n, 0, 0, 0, 0, time.UTC)
		if year == "" && t.Before(d.today) {
			t = t.AddDate(1, 0, 0)
		}
		return t.Format(time.DateOnly), t.Day() == n
	}
	return "", false
}

var reSinceISO = regexp.MustCompile(`(?i)\bsince (\d{4}-\d{2}-\d{2})\b`)

// since returns the day from which on a question asks, "" when it says none.
func (d dates) since(s string) string {
	if m := reSinceISO.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	if d.today.IsZero() {
		return ""
	}
	low := strings.ToLower(s)
	monday := d.today.AddDate(0, 0, -(int(d.today.Weekday())+6)%7)
	switch {
	case hasWord(low, "today") || hasWord(low, "today's"):
		return d.today.Format(time.DateOnly)
	case hasWord(low, "yesterday") || hasWord(low, "yesterday's"):
		return d.today.AddDate(0, 0, -1).Format(time.DateOnly)
	case hasWord(low, "this week") || hasWord(low, "this week's"):
		return monday.Format(time.DateOnly)
	case hasWord(low, "last week") || hasWord(low, "last week's"):
		return monday.AddDate(0, 0, -7).Format(time.DateOnly)
	case hasWord(low, "last month") || hasWord(low, "last month's"):
		return time.Date(d.today.Year(), d.today.Month()-1, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	return ""
}
