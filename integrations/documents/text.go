package documents

import (
	"strings"

	"github.com/sous-hq/sous/memory"
)

// parseText reads plain text: paragraphs between blank lines, and lines under a
// rule of "=" or "-" as headings.
func parseText(text string) (memory.Parsed, error) {
	b := builder{Parsed: memory.Parsed{Format: formatText}}
	var open []string
	start := 0
	flush := func() error {
		joined := strings.Join(open, "\n")
		open = open[:0]
		return b.add(memory.Block{Text: joined, Line: start})
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \t\n\f\v")
		if level := underline(line); level > 0 && len(open) == 1 && len(open[0]) <= 120 {
			title := open[0]
			open = open[:0]
			if err := b.add(memory.Block{Level: level, Text: title, Line: start}); err != nil {
				return b.Parsed, err
			}
			continue
		}
		if strings.TrimSpace(line) == "" {
			if err := flush(); err != nil {
				return b.Parsed, err
			}
			continue
		}
		if len(open) == 0 {
			start = n
		}
		open = append(open, line)
	}
	return b.Parsed, flush()
}

// underline returns the level of the heading above a rule, 0 when it is none.
func underline(line string) int {
	switch {
	case len(line) < 3:
		return 0
	case strings.Trim(line, "=") == "":
		return 1
	case strings.Trim(line, "-") == "", strings.Trim(line, "~") == "":
		return 2
	}
	return 0
}
