package meetings

import (
	"regexp"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// lineKind says what a line of a plain text transcript is.
type lineKind uint8

const (
	lineBlank lineKind = iota
	// lineText is speech without a name, or a heading.
	lineText
	// lineTime is a time alone, or a range of times (SBV).
	lineTime
	// lineHead is a name with or without a time; its speech follows below.
	lineHead
	// lineSpeech is a name and what was said.
	lineSpeech
)

type textLine struct {
	kind    lineKind
	speaker string
	start   float64
	text    string
}

// parseText reads plain text in the forms "Name: text", "[0:03] Name: text",
// "Name (0:03): text", a name above its speech, a time above it, and SBV.
func parseText(text string) document {
	raw := strings.Split(text, "\n")
	for i := range raw {
		raw[i] = strings.TrimSpace(raw[i])
	}
	lines := classify(raw)
	named, spoken := 0, 0
	for _, l := range lines {
		if l.kind == lineSpeech || l.kind == lineHead {
			named++
		}
		if l.kind != lineBlank && l.kind != lineTime {
			spoken++
		}
	}
	// One "Note that: …" in a page of prose is not a speaker.
	if named == 1 && spoken > 5 {
		for i := range lines {
			if lines[i].kind == lineSpeech || lines[i].kind == lineHead {
				lines[i] = textLine{kind: lineText, text: raw[i], start: -1}
			}
		}
		named = 0
	}
	return assemble(lines, named > 0)
}

func classify(raw []string) []textLine {
	prefixes, alone := repeated(raw)
	lines := make([]textLine, len(raw))
	for i, s := range raw {
		lines[i] = classifyLine(s, prefixes)
		if lines[i].kind == lineText && standsAbove(raw, i, alone) {
			lines[i] = textLine{kind: lineHead, speaker: s, start: -1}
		}
	}
	return lines
}

// repeated counts lower-case one-word prefixes, which are speakers only when
// they come again, and lines that are nothing but a name.
func repeated(raw []string) (prefixes, alone map[string]int) {
	prefixes, alone = map[string]int{}, map[string]int{}
	for _, s := range raw {
		if name, _, ok := strings.Cut(s, ": "); ok && len(name) <= 30 && !strings.ContainsAny(name, " \t") {
			prefixes[name]++
		}
		if len(s) <= 60 && !strings.ContainsAny(s, ".,:") && looksLikeName(s) {
			alone[s]++
		}
	}
	return prefixes, alone
}

func classifyLine(s string, prefixes map[string]int) textLine {
	if s == "" {
		return textLine{kind: lineBlank, start: -1}
	}
	for _, form := range [...]*regexp.Regexp{onlyTime, timeRange} {
		if m := form.FindStringSubmatch(s); m != nil {
			return textLine{kind: lineTime, start: seconds(m[1])}
		}
	}
	start := -1.0
	rest := s
	if strings.IndexByte("[(0123456789", s[0]) >= 0 {
		if m := leadingTime.FindStringSubmatch(s); m != nil {
			start, rest = seconds(m[1]), m[2]
		}
	}
	rest = zoomChat(strings.TrimSpace(strings.TrimPrefix(rest, ">>")))
	if l, ok := speech(rest, start, prefixes); ok {
		return l
	}
	if strings.IndexByte("])0123456789", s[len(s)-1]) >= 0 {
		if m := nameTime.FindStringSubmatch(rest); m != nil && looksLikeName(m[1]) {
			return textLine{kind: lineHead, speaker: strings.TrimSpace(m[1]), start: seconds(m[2])}
		}
	}
	return textLine{kind: lineText, text: rest, start: start}
}

// zoomChat makes "From Ann Lee to Everyone: hi" the same as "Ann Lee: hi".
func zoomChat(s string) string {
	after, ok := strings.CutPrefix(s, "From ")
	if !ok {
		return s
	}
	who, said, ok := strings.Cut(after, ":")
	name, _, to := strings.Cut(who, " to ")
	if !ok || !to || !looksLikeName(name) {
		return s
	}
	return strings.TrimSpace(name) + ": " + strings.TrimSpace(said)
}

func speech(s string, start float64, prefixes map[string]int) (textLine, bool) {
	at := colonAfterName(s)
	if at < 0 {
		return textLine{}, false
	}
	name, said := strings.TrimSpace(strings.Trim(s[:at], "*")), strings.TrimSpace(strings.TrimLeft(s[at+1:], "*"))
	if m := nameTime.FindStringSubmatch(name); m != nil {
		if t := seconds(m[2]); t >= 0 {
			name, start = strings.TrimSpace(m[1]), t
		}
	}
	if !looksLikeName(name) && (prefixes[name] < 2 || headerKey(name) != "") {
		return textLine{}, false
	}
	if said == "" {
		return textLine{kind: lineHead, speaker: name, start: start}, true
	}
	return textLine{kind: lineSpeech, speaker: name, start: start, text: said}, true
}

// colonAfterName finds the colon that ends the name: the first one outside
// brackets that a space or the line's end follows.
func colonAfterName(s string) int {
	depth := 0
	for i := 0; i < len(s) && i <= 130; i++ {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth = max(0, depth-1)
		case ':':
			if depth == 0 && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '\t' || s[i+1] == '*') {
				return i
			}
		}
	}
	return -1
}

// standsAbove reports whether line i is a name alone with its speech or its
// time below: a time right after it, or a name that comes again after a break.
func standsAbove(raw []string, i int, alone map[string]int) bool {
	n := alone[raw[i]]
	if n == 0 || i+1 >= len(raw) || raw[i+1] == "" {
		return false
	}
	if onlyTime.MatchString(raw[i+1]) {
		return true
	}
	atBreak := i == 0 || raw[i-1] == "" || onlyTime.MatchString(raw[i-1])
	return n >= 2 && atBreak
}

// assemble makes cues of classified lines. With named speakers, lines without
// a name continue the speech above; without any, every line is a cue.
func assemble(lines []textLine, named bool) document {
	var d document
	var cur *agent.Cue
	clockAt := -1.0
	flush := func() {
		if cur != nil && cur.Text != "" {
			d.cues = append(d.cues, *cur)
		}
		cur = nil
	}
	for _, l := range lines {
		switch l.kind {
		case lineBlank:
		case lineTime:
			if cur != nil && cur.Text == "" {
				cur.Start = l.start
				continue
			}
			clockAt = l.start
		case lineHead, lineSpeech:
			flush()
			if l.start < 0 {
				l.start = clockAt
			}
			cur = &agent.Cue{Speaker: l.speaker, Start: l.start, Text: l.text}
			clockAt = -1
		case lineText:
			if cur == nil && d.heading(l.text, named) {
				continue
			}
			if cur == nil || !named {
				flush()
				cur = &agent.Cue{Start: max(l.start, clockAt), Text: l.text}
				clockAt = -1
				continue
			}
			cur.Text = strings.TrimSpace(cur.Text + " " + l.text)
		}
	}
	flush()
	return d
}

// heading takes what stands above the first speech: title, date and headers.
// It reports whether the line was one.
func (d *document) heading(text string, named bool) bool {
	if len(d.cues) > 0 {
		return false
	}
	key, value := metadata(text)
	switch key {
	case "title":
		d.title = firstNonEmpty(d.title, value)
		return true
	case "date":
		d.date = firstNonEmpty(d.date, dateInText(value))
		return true
	case "other":
		return true
	}
	head := strings.TrimSpace(strings.TrimLeft(text, "#*= "))
	if !named && !strings.HasPrefix(text, "#") {
		return false
	}
	d.date = firstNonEmpty(d.date, dateInText(head))
	if d.title == "" && len(head) <= 120 && !isSection(head) {
		d.title = oneLine(strings.TrimSpace(strings.Trim(head, "*")))
	}
	return true
}

func isSection(s string) bool {
	return headerKey(s) != "" || strings.EqualFold(s, "invited attendees")
}
