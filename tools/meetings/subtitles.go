package meetings

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/asticode/go-astisub"

	"github.com/sous-hq/sous/agent"
)

var (
	timingLine = regexp.MustCompile(`^\s*((?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3})\s*-->\s*((?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3})(?:\s.*)?$`)
	inlineTime = regexp.MustCompile(`<(?:\d+:)?\d+:\d+[.,]?\d*>`)
	voiceTag   = regexp.MustCompile(`<v[. \t]`)
)

// isTimed reports whether the text is WebVTT or SRT.
func isTimed(text string) bool {
	if strings.HasPrefix(strings.TrimSpace(text), "WEBVTT") {
		return true
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, "-->") && timingLine.MatchString(line) {
			return true
		}
	}
	return false
}

// parseSubtitles reads WebVTT and SRT. Blocks whose times cannot be read are
// left out and counted; the parser proper sees only sound blocks.
func parseSubtitles(text, format string) (document, error) {
	var d document
	clean, bad, cut := soundBlocks(text, format == "webvtt", &d)
	subs, err := readSubtitles(clean, format)
	if err != nil {
		return document{}, agent.WrapError(agent.Invalid, err,
			"the subtitle file could not be read. Export it again, or send it as plain text with lines like \"Name: text\"")
	}
	for _, item := range subs.Items {
		start := item.StartAt.Seconds()
		for _, part := range voices(item) {
			if part.Speaker == "" && part.Text == "" {
				continue
			}
			part.Start = start
			d.cues = append(d.cues, part)
		}
	}
	if len(d.cues) == 0 {
		return document{}, agent.Errorf(agent.Invalid,
			"the subtitle file has no cues with text. Check that the export finished, then send it again")
	}
	if bad > 0 {
		d.warnings = append(d.warnings, fmt.Sprintf("%d cues had times that could not be read and were left out", bad))
	}
	if cut {
		d.warnings = append(d.warnings, "the file ends in the middle of a cue; everything before it was read")
	}
	return d, nil
}

// readSubtitles calls the library and turns a panic of it into an error: the
// content comes from anybody.
func readSubtitles(text, format string) (subs *astisub.Subtitles, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read subtitles: %v", p)
		}
	}()
	if format == "webvtt" {
		return astisub.ReadFromWebVTT(strings.NewReader(text))
	}
	return astisub.ReadFromSRT(strings.NewReader(text))
}

// soundBlocks rewrites the file so that only cues with readable times remain:
// no styles, regions, settings or inline times, one voice a line.
func soundBlocks(text string, vtt bool, d *document) (clean string, bad int, cut bool) {
	var out strings.Builder
	if vtt {
		out.WriteString("WEBVTT\n\n")
	}
	blocks := splitBlocks(text)
	n := 0
	for i, block := range blocks {
		at := -1
		for j, line := range block {
			if strings.Contains(line, "-->") {
				at = j
				break
			}
		}
		last := i == len(blocks)-1
		if at < 0 {
			d.note(block, i == 0)
			cut = cut || last && len(block) == 1 && allDigits(block[0])
			continue
		}
		m := timingLine.FindStringSubmatch(block[at])
		switch {
		case m == nil && last:
			cut = true
			continue
		case m == nil:
			bad++
			continue
		case last && at == len(block)-1:
			cut = true
		}
		n++
		writeBlock(&out, n, m, block[at+1:], vtt)
	}
	return out.String(), bad, cut
}

func writeBlock(out *strings.Builder, n int, times, lines []string, vtt bool) {
	mark, other := ".", ","
	if !vtt {
		mark, other = ",", "."
	}
	fmt.Fprintf(out, "%d\n%s --> %s\n", n,
		strings.ReplaceAll(times[1], other, mark), strings.ReplaceAll(times[2], other, mark))
	for _, line := range lines {
		line = inlineTime.ReplaceAllString(line, "")
		line = strings.ReplaceAll(strings.TrimSpace(line), "-->", "→")
		out.WriteString(wrap(guard(splitVoices(line))))
		out.WriteString("\n")
	}
	out.WriteString("\n")
}

// maxLine stays under the 64 KiB at which the library silently stops reading.
const maxLine = 60_000

// wrap breaks a very long line at spaces; the lines of a cue are joined again.
func wrap(line string) string {
	var out strings.Builder
	for len(line) > maxLine {
		at := strings.LastIndexByte(line[:maxLine], ' ')
		if at <= 0 {
			at = maxLine
			for at > 0 && !utf8.RuneStart(line[at]) {
				at--
			}
		}
		out.WriteString(line[:at])
		out.WriteByte('\n')
		line = strings.TrimLeft(line[at:], " ")
	}
	out.WriteString(line)
	return out.String()
}

// guard keeps a spoken line that looks like markup from being read as markup;
// the tag is removed again by the library.
func guard(line string) string {
	for _, p := range [...]string{"NOTE ", "STYLE", "Region: ", "X-TIMESTAMP-MAP"} {
		if strings.HasPrefix(line, p) {
			return "<c>" + line + "</c>"
		}
	}
	return line
}

// splitVoices puts every voice of a line on a line of its own.
func splitVoices(line string) string {
	at := voiceTag.FindAllStringIndex(line, -1)
	if len(at) < 2 {
		return line
	}
	var out strings.Builder
	from := 0
	for _, m := range at[1:] {
		out.WriteString(strings.TrimSpace(line[from:m[0]]) + "\n")
		from = m[0]
	}
	out.WriteString(line[from:])
	return out.String()
}

// splitBlocks cuts at blank lines, and before a line of times that follows
// text without a blank line in between.
func splitBlocks(text string) [][]string {
	var blocks [][]string
	var block []string
	flush := func() {
		if len(block) > 0 {
			blocks = append(blocks, block)
		}
		block = nil
	}
	timed := false
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" {
			flush()
			timed = false
			continue
		}
		if strings.Contains(line, "-->") {
			if timed {
				var id []string
				if n := len(block); n > 1 && allDigits(block[n-1]) {
					id, block = block[n-1:], block[:n-1]
				}
				flush()
				block = append(block, id...)
			}
			timed = true
		}
		block = append(block, line)
	}
	flush()
	return blocks
}

// note reads what stands before or between cues: a title after WEBVTT, and
// dates in NOTE blocks.
func (d *document) note(block []string, first bool) {
	head := strings.TrimSpace(block[0])
	if first && strings.HasPrefix(head, "WEBVTT") {
		rest := strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(head, "WEBVTT"), " \t-–—:"))
		if rest != "" && !strings.Contains(rest, "=") && len(rest) <= 120 {
			d.title = oneLine(rest)
			d.date = firstNonEmpty(d.date, dateInText(rest))
		}
		block = block[1:]
	} else if !strings.HasPrefix(head, "NOTE") {
		return
	}
	for _, line := range block {
		line = strings.TrimSpace(strings.TrimPrefix(line, "NOTE"))
		d.date = firstNonEmpty(d.date, dateInText(line))
		if key, value := metadata(line); key == "title" && d.title == "" {
			d.title = value
		}
	}
}

// voices returns the utterances of one cue: one, unless several voices speak.
func voices(item *astisub.Item) []agent.Cue {
	var parts []agent.Cue
	for i, line := range item.Lines {
		var b strings.Builder
		for _, it := range line.Items {
			b.WriteString(it.Text)
		}
		text := strings.TrimSpace(strings.ReplaceAll(b.String(), "\u00a0", " "))
		speaker := strings.TrimSpace(line.VoiceName)
		if speaker == "" && i == 0 || speaker == "" && strings.HasPrefix(text, ">>") {
			speaker, text = prefixSpeaker(text)
		}
		n := len(parts)
		if n > 0 && (speaker == "" || speaker == parts[n-1].Speaker) {
			parts[n-1].Text = strings.TrimSpace(parts[n-1].Text + " " + text)
			continue
		}
		parts = append(parts, agent.Cue{Speaker: speaker, Text: text})
	}
	return parts
}

// prefixSpeaker splits "Name: text"; the speaker is "" when the line does not
// begin with a name.
func prefixSpeaker(text string) (speaker, rest string) {
	trimmed := strings.TrimSpace(strings.TrimPrefix(text, ">>"))
	name, after, ok := strings.Cut(trimmed, ":")
	if !ok || after != "" && after[0] != ' ' && after[0] != '\t' || !looksLikeName(name) {
		return "", trimmed
	}
	return strings.TrimSpace(name), strings.TrimSpace(after)
}

func allDigits(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
