package meetings

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// metadata splits "Date: 3 May 2024" and the like; key is "" when the line is
// not a header that transcripts carry. Keys are "title", "date" and "other".
func metadata(line string) (key, value string) {
	name, after, ok := strings.Cut(strings.TrimLeft(line, "#*-• \t"), ":")
	if !ok {
		return "", ""
	}
	key = headerKey(name)
	if key == "" {
		return "", ""
	}
	return key, oneLine(strings.Trim(after, "* \t"))
}

// headerKey sorts the words that stand before a colon without being a speaker.
func headerKey(name string) string {
	switch strings.ToLower(strings.Trim(name, "* \t")) {
	case "title", "subject", "meeting", "topic", "meeting title", "meeting name", "conference":
		return "title"
	case "date", "meeting date", "when", "start", "start time", "started", "date and time", "date/time":
		return "date"
	case "time", "end", "end time", "duration", "location", "where", "room", "attendees", "participants",
		"present", "absent", "apologies", "invited", "host", "organizer", "organiser", "recording", //nolint:misspell // meetings have both
		"transcript", "transcription", "language", "agenda", "note", "notes", "summary", "minutes",
		"meeting id", "kind", "warning", "example", "see", "source", "url", "link", "http", "https",
		"decision", "decisions", "action", "actions", "action item", "action items", "todo", "ps", "re", "cc":
		return "other"
	}
	return ""
}

// looksLikeName reports whether s could be the name of a speaker: a few words
// that begin with capitals, as "Hon. Bill Blair (Minister of Safety)" or
// "Speaker 2".
func looksLikeName(s string) bool {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 120 || headerKey(s) != "" || strings.ContainsAny(s, "?!;\"“”<>{}=\t") {
		return false
	}
	words := strings.Fields(outsideParens(s))
	if len(words) == 0 || len(words) > 6 {
		return false
	}
	for i, w := range words {
		if strings.HasSuffix(w, ".") && i < len(words)-1 && utf8.RuneCountInString(w) > 6 {
			return false
		}
		if !nameWord(w, i == 0) {
			return false
		}
	}
	return strings.IndexFunc(s, unicode.IsLetter) >= 0
}

func nameWord(w string, first bool) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(w, "'’‘-&"))
	switch {
	case unicode.IsUpper(r) || unicode.IsTitle(r):
		return true
	case unicode.IsLetter(r) && !unicode.IsLower(r):
		return true // a script without case
	case unicode.IsDigit(r):
		return !first && len(w) <= 4
	case first:
		return false
	}
	switch strings.ToLower(w) {
	case "de", "van", "von", "der", "den", "da", "di", "du", "la", "le", "bin", "ibn", "al", "el", "y", "of",
		"the", "and", "dos", "das", "ter", "ten", "zu", "-", "–", "&", "|", "/":
		return true
	}
	return false
}

func outsideParens(s string) string {
	if !strings.ContainsAny(s, "([") {
		return s
	}
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch r {
		case '(', '[':
			depth++
		case ')', ']':
			depth = max(0, depth-1)
		default:
			if depth == 0 {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// generic recognises labels that a transcriber gives when it cannot tell who
// speaks.
var generic = regexp.MustCompile(`(?i)^(?:\(?unknown\)?(?: speaker)?(?: ?\d+)?|unidentified(?: speaker)?(?: ?\d+)?|(?:speaker|spk|participant|voice|guest|user|person)[ _#-]*(?:\d+|[a-z])?|.* and \d+ others?|conference room.*|meeting room.*)$`)

func genericSpeaker(name string) bool { return name == "" || generic.MatchString(name) }

const clock = `\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?`

var (
	onlyTime    = regexp.MustCompile(`^[\[(]?(` + clock + `)[\])]?$`)
	timeRange   = regexp.MustCompile(`^(` + clock + `)\s*(?:,|-|–|to)\s*` + clock + `$`)
	leadingTime = regexp.MustCompile(`^[\[(]?(` + clock + `)[\])]?[\s:\-–]+(\S.*)$`)
	nameTime    = regexp.MustCompile(`^(.{1,120}?)[\s,]+[\[(]?(` + clock + `)[\])]?$`)
)

// seconds reads h:mm:ss, m:ss, with or without a fraction; -1 when it cannot.
func seconds(s string) float64 {
	s = strings.ReplaceAll(strings.TrimSpace(s), ",", ".")
	total := 0.0
	for part := range strings.SplitSeq(s, ":") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || v < 0 || v > 1e6 {
			return -1
		}
		total = total*60 + v
	}
	return total
}
