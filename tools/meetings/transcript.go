package meetings

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// DefaultMaxBytes is the size limit of a transcript when Options names none.
const DefaultMaxBytes = 32 << 20

// Transcript is a meeting as its file told it.
type Transcript struct {
	// Name is the file's name, as given.
	Name string
	// Format is "webvtt", "srt", "text" or "json".
	Format string
	// Title comes from a heading or the file's name.
	Title string
	// Date is YYYY-MM-DD, empty when nothing in the file or its name says it.
	Date string
	// Participants are the distinct speakers in order of first appearance.
	Participants []string
	// Cues are numbered from 1; one cue per cue (or line) of the source.
	Cues []agent.Cue
	// Warnings are sentences for people about what could not be read.
	Warnings []string
}

// Turn is what one speaker said in neighbouring cues.
type Turn struct {
	Speaker string
	// Start is seconds from the beginning, -1 when unknown.
	Start float64
	Text  string
	// Cues are the ids of the cues the turn was merged from.
	Cues []int
}

// Options bounds what Parse accepts. The zero value is usable.
type Options struct {
	// MaxBytes limits the content; 0 means DefaultMaxBytes.
	MaxBytes int
}

// Parse reads a transcript with default Options.
func Parse(name string, content []byte) (Transcript, error) {
	return Options{}.Parse(name, content)
}

// Parse reads a transcript. The format is found by content; the name gives a
// title and a date when the content has none. Errors are of kind Invalid or
// TooLarge and say what to do.
func (o Options) Parse(name string, content []byte) (Transcript, error) {
	limit := o.MaxBytes
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	if len(content) > limit {
		return Transcript{}, agent.Errorf(agent.TooLarge,
			"the transcript has %d bytes; the limit is %d. Cut it into parts and send them one by one", len(content), limit)
	}
	text, warnings, err := decode(content)
	if err != nil {
		return Transcript{}, err
	}
	t := Transcript{Name: name}
	var d document
	switch {
	case isJSON(text):
		t.Format = "json"
		d, err = parseJSON(text)
	case isTimed(text):
		t.Format = "webvtt"
		if !strings.HasPrefix(strings.TrimSpace(text), "WEBVTT") {
			t.Format = "srt"
		}
		d, err = parseSubtitles(text, t.Format)
	default:
		t.Format = "text"
		d = parseText(text)
	}
	if err != nil {
		return Transcript{}, err
	}
	return t.finish(d, warnings)
}

// document is what every format's reader yields.
type document struct {
	cues     []agent.Cue
	title    string
	date     string
	warnings []string
}

func (t Transcript) finish(d document, warnings []string) (Transcript, error) {
	seen := map[string]bool{}
	for _, c := range d.cues {
		c.Text = oneLine(c.Text)
		c.Speaker = strings.Join(strings.Fields(c.Speaker), " ")
		if c.Text == "" {
			continue
		}
		c.ID = len(t.Cues) + 1
		t.Cues = append(t.Cues, c)
		if c.Speaker != "" && !seen[c.Speaker] {
			seen[c.Speaker] = true
			t.Participants = append(t.Participants, c.Speaker)
		}
	}
	if len(t.Cues) == 0 {
		return Transcript{}, agent.Errorf(agent.Invalid,
			"the file holds no utterances. Expected WebVTT, SRT, JSON lines or lines like \"Name: text\"")
	}
	t.Title, t.Date = d.title, d.date
	if t.Title == "" {
		t.Title = titleOf(t.Name)
	}
	if t.Date == "" {
		t.Date = dateInName(t.Name)
	}
	t.Warnings = slices.Concat(warnings, d.warnings)
	if len(t.Participants) == 0 {
		t.Warnings = append(t.Warnings, "no speaker names were found, so nothing can be assigned to anybody")
	}
	if w := foreign(t.Cues); w != "" {
		t.Warnings = append(t.Warnings, w)
	}
	return t, nil
}

// oneLine makes line breaks and control characters spaces and leaves the rest
// as it is, so that a quote stays findable in the source.
func oneLine(s string) string {
	s = strings.TrimSpace(s)
	if strings.IndexFunc(s, isBreak) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isBreak(r) {
			return ' '
		}
		return r
	}, s)
}

func isBreak(r rune) bool {
	return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029
}

// Turns merges neighbouring cues of one speaker; cues without a speaker stay
// alone, since nothing says they belong together.
func Turns(cues []agent.Cue) []Turn {
	var turns []Turn
	for _, c := range cues {
		if n := len(turns); n > 0 && c.Speaker != "" && turns[n-1].Speaker == c.Speaker {
			turns[n-1].Text += " " + c.Text
			turns[n-1].Cues = append(turns[n-1].Cues, c.ID)
			continue
		}
		turns = append(turns, Turn{Speaker: c.Speaker, Start: c.Start, Text: c.Text, Cues: []int{c.ID}})
	}
	return turns
}

var (
	nameDate   = regexp.MustCompile(`(?:^|[^0-9])(20\d\d|19\d\d)([-_.]?)(0[1-9]|1[0-2])([-_.]?)(0[1-9]|[12]\d|3[01])(?:[^0-9]|$)`)
	nameStamp  = regexp.MustCompile(`(?i)(?:GMT|UTC)?\d{8}[-_T]\d{4,6}Z?`)
	nameClock  = regexp.MustCompile(`\b\d{4,}\b`)
	separators = regexp.MustCompile(`[-_.\s]+`)
)

// dateInName finds 2024-05-03 or 20240503 in a file name; "" when there is
// none or more than one that differ.
func dateInName(name string) string {
	found := ""
	base := filepath.Base(name)
	for _, m := range nameDate.FindAllStringSubmatch(base, -1) {
		if m[2] != m[4] {
			continue
		}
		date := fmt.Sprintf("%s-%s-%s", m[1], m[3], m[5])
		if !validDate(date) || found != "" && found != date {
			return ""
		}
		found = date
	}
	return found
}

// titleOf makes a title of a file name: no folder, no extensions, no date.
func titleOf(name string) string {
	base := filepath.Base(strings.ReplaceAll(name, "\\", "/"))
	if base == "." || base == "/" {
		return ""
	}
	for range 2 {
		if ext := filepath.Ext(base); ext != "" && len(ext) <= 11 && !strings.ContainsAny(ext, " 0123456789") {
			base = strings.TrimSuffix(base, ext)
		}
	}
	bare := nameDate.ReplaceAllString(nameStamp.ReplaceAllString(base, " "), " ")
	bare = nameClock.ReplaceAllString(bare, " ")
	bare = strings.TrimSpace(separators.ReplaceAllString(bare, " "))
	if bare == "" {
		bare = strings.TrimSpace(base)
	}
	return oneLine(strings.ToValidUTF8(bare, "?"))
}
