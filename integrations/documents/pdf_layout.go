package documents

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sous-hq/sous/memory"
)

// pdfLine is one line of a page.
type pdfLine struct {
	text string
	// size is that of the letters, right where the line ends; gap is how far it is
	// from the line before, in letters' sizes, large for the first.
	size, right, gap float64
}

// pdfLines joins glyphs to lines, in the order in which they are drawn: that is
// the order of reading in all but the oldest makers' files.
type pdfLines struct {
	lines []pdfLine
	open  strings.Builder
	// first is how the open line's first glyph is drawn, endX and endY where the
	// last one ends; any says that there is one.
	first      matrix
	endX, endY float64
	any        bool
	// below is how far the open line is from the one before.
	below   float64
	letters int
}

// put adds a glyph that is drawn with the matrix.
func (l *pdfLines) put(g glyph, at matrix) {
	size := at.size()
	if size < 1e-3 || math.IsNaN(size) || math.IsInf(size, 0) || l.letters > maxText {
		return
	}
	along, across := l.offset(at, size)
	switch {
	case !l.any:
	case math.Abs(across) > 0.55, along < -1.5:
		l.end()
		l.below = math.Abs(across)
		if along < -1.5 && math.Abs(across) < 0.55 {
			l.below = 1
		}
	case along > 0.17 && g.text != " " && !endsInSpace(l.open.String()):
		l.open.WriteByte(' ')
	}
	if !l.any {
		l.first = at
	}
	l.any = true
	l.open.WriteString(g.text)
	l.letters += len(g.text)
	l.endX, l.endY = at[4]+g.width*at[0], at[5]+g.width*at[1]
}

// offset says how far the glyph is from where the last one ends, in letters'
// sizes, along the direction of writing and across it.
func (l *pdfLines) offset(at matrix, size float64) (along, across float64) {
	length := math.Hypot(at[0], at[1])
	if length == 0 {
		return 0, 0
	}
	ux, uy := at[0]/length, at[1]/length
	dx, dy := at[4]-l.endX, at[5]-l.endY
	return (dx*ux + dy*uy) / size, (dy*ux - dx*uy) / size
}

// end ends the open line.
func (l *pdfLines) end() {
	text := strings.TrimSpace(l.open.String())
	l.open.Reset()
	l.any = false
	if text == "" {
		return
	}
	line := pdfLine{text: text, size: l.first.size(), right: l.endX, gap: l.below}
	if len(l.lines) == 0 {
		line.gap = 100
	}
	if short, led := leaders(text); led {
		line.text, line.right = short, 0
	}
	l.lines = append(l.lines, line)
}

// leaders shortens the dots that lead from a title to its page in a list of
// contents, and reports whether there are some.
func leaders(s string) (string, bool) {
	var b strings.Builder
	dots, led := 0, false
	for _, r := range s {
		if r == '.' || r == ':' || r == '·' || r == '_' || dots > 0 && r == ' ' {
			dots++
			if dots <= 3 {
				b.WriteRune(r)
			}
			led = led || dots > 8
			continue
		}
		if dots > 3 {
			b.WriteByte(' ')
		}
		dots = 0
		b.WriteRune(r)
	}
	if !led {
		return s, false
	}
	return b.String(), true
}

// done returns the lines of the page.
func (l *pdfLines) done() []pdfLine {
	l.end()
	return l.lines
}

// layOut makes blocks of the lines of all pages.
func (d *pdf) layOut() error {
	drop := runningLines(d.lines)
	body, levels := letterSizes(d.lines)
	for n, lines := range d.lines {
		p := pdfPage{doc: d, page: n + 1, body: body, levels: levels}
		for _, l := range lines {
			p.right = max(p.right, l.right)
		}
		for i, l := range lines {
			if edge(i, len(lines)) && drop[faceless(l.text)] {
				continue
			}
			if err := p.add(l); err != nil {
				return err
			}
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	return nil
}

// pdfPage makes blocks of the lines of one page.
type pdfPage struct {
	doc    *pdf
	page   int
	body   float64
	levels []float64
	right  float64
	open   strings.Builder
	level  int
	last   pdfLine
}

func (p *pdfPage) add(l pdfLine) error {
	level := p.levelOf(l)
	apart := l.gap > 1.75 || level != p.level || math.Abs(l.size-p.last.size) > 0.15*p.last.size
	if p.open.Len() > 0 && (apart || p.open.Len() > 4<<10) {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.level = level
	p.join(l)
	p.last = l
	return nil
}

// join adds a line to the open block: to the sentence before when that line was
// full, on a line of its own when it was not.
func (p *pdfPage) join(l pdfLine) {
	text := p.open.String()
	switch {
	case text == "":
	case p.level == 0 && p.last.right < p.right*0.8:
		p.open.WriteByte('\n')
	case strings.HasSuffix(text, "-") && startsLower(l.text) && len(text) > 1 && unicode.IsLower(lastRune(text[:len(text)-1])):
		// A word that was cut at the end of the line.
		p.open.Reset()
		p.open.WriteString(text[:len(text)-1])
	default:
		p.open.WriteByte(' ')
	}
	p.open.WriteString(l.text)
}

func startsLower(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLower(r)
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

func (p *pdfPage) flush() error {
	text := p.open.String()
	p.open.Reset()
	level := p.level
	if len(text) > 200 {
		level = 0
	}
	return p.doc.add(memory.Block{Level: level, Text: text, Page: p.page})
}

// levelOf is the level of a heading by its size, 0 for other lines.
func (p *pdfPage) levelOf(l pdfLine) int {
	if l.size < p.body*1.12 || len(l.text) > 160 || !strings.ContainsFunc(l.text, unicode.IsLetter) {
		return 0
	}
	for n, size := range p.levels {
		if l.size >= size*0.98 {
			return n + 1
		}
	}
	return 0
}

// letterSizes finds the size most letters have, and the larger ones of headings,
// largest first.
func letterSizes(pages [][]pdfLine) (body float64, larger []float64) {
	count := map[float64]int{}
	for _, lines := range pages {
		for _, l := range lines {
			count[math.Round(l.size*2)/2] += len(l.text)
		}
	}
	sizes := make([]float64, 0, len(count))
	for s := range count {
		sizes = append(sizes, s)
	}
	slices.Sort(sizes)
	for _, s := range sizes {
		if count[s] > count[body] {
			body = s
		}
	}
	for _, s := range slices.Backward(sizes) {
		if s >= body*1.12 && len(larger) < 6 && (len(larger) == 0 || s < larger[len(larger)-1]*0.93) {
			larger = append(larger, s)
		}
	}
	return body, larger
}

// runningLines finds what stands at the top or the bottom of most pages: running
// heads and page numbers.
func runningLines(pages [][]pdfLine) map[string]bool {
	if len(pages) < 4 {
		return nil
	}
	count := map[string]int{}
	for _, lines := range pages {
		seen := map[string]bool{}
		for i, l := range lines {
			if f := faceless(l.text); edge(i, len(lines)) && !seen[f] && len(f) < 200 {
				seen[f] = true
				count[f]++
			}
		}
	}
	drop := map[string]bool{}
	for f, n := range count {
		drop[f] = n*2 > len(pages)
	}
	return drop
}

func edge(i, n int) bool { return i < 2 || i >= n-2 }

// faceless is a line with its numbers made alike, so that page numbers are.
func faceless(s string) string {
	before := rune(0)
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			r = '0'
		}
		if unicode.IsSpace(r) || r == '0' && before == '0' {
			return -1
		}
		before = r
		return r
	}, s)
}
