package meetings

import (
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// unknownSpeaker stands for a missing name in rendered cues.
const unknownSpeaker = "(unknown)"

// DefaultPartChars bounds a part given to a model with an ordinary context.
const DefaultPartChars = 48_000

// overlapCues is how many cues a part repeats of the one before it, so that
// a decision at the seam is seen with what led to it.
const overlapCues = 8

// Clock renders seconds as hh:mm:ss; "" for a negative time.
func Clock(start float64) string {
	if start < 0 {
		return ""
	}
	s := int(start)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Line renders a cue as "[12 00:03:21] Ann: text" for a model. The text is one
// line by construction, so nothing said can pass for another cue.
func Line(c agent.Cue) string {
	speaker := c.Speaker
	if speaker == "" {
		speaker = unknownSpeaker
	}
	if c.Start < 0 {
		return fmt.Sprintf("[%d] %s: %s", c.ID, speaker, oneLine(c.Text))
	}
	return fmt.Sprintf("[%d %s] %s: %s", c.ID, Clock(c.Start), speaker, oneLine(c.Text))
}

// Part is a stretch of a transcript that fits a model.
type Part struct {
	// First and Last are the ids of its cues.
	First, Last int
	// Text is the rendered lines.
	Text string
}

// Parts renders the transcript in parts of at most maxChars bytes (a single
// longer cue is a part of its own). Neighbours overlap by a few cues. A
// maxChars of 0 or less means DefaultPartChars.
func Parts(t Transcript, maxChars int) []Part {
	if maxChars <= 0 {
		maxChars = DefaultPartChars
	}
	lines := make([]string, len(t.Cues))
	for i, c := range t.Cues {
		lines[i] = Line(c)
	}
	var parts []Part
	for from := 0; from < len(lines); {
		to, size := from, 0
		for to < len(lines) && (to == from || size+len(lines[to])+1 <= maxChars) {
			size += len(lines[to]) + 1
			to++
		}
		parts = append(parts, Part{
			First: t.Cues[from].ID, Last: t.Cues[to-1].ID, Text: strings.Join(lines[from:to], "\n"),
		})
		if to == len(lines) {
			break
		}
		from = max(from+1, to-overlap(lines[from:to], maxChars))
	}
	return parts
}

// overlap is how many of the last lines to repeat: at most overlapCues and a
// tenth of the size.
func overlap(lines []string, maxChars int) int {
	n, size := 0, 0
	for n < overlapCues && n < len(lines)-1 {
		size += len(lines[len(lines)-1-n]) + 1
		if size > maxChars/10 {
			break
		}
		n++
	}
	return n
}
