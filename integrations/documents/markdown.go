package documents

import (
	"slices"
	"sort"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/sous-hq/sous/memory"
)

// parseMarkdown reads CommonMark with tables, and front matter above it.
func parseMarkdown(source string) (memory.Parsed, error) {
	body, skipped, meta := frontMatter(source)
	if deeplyNested(body) {
		d, err := parseText(source)
		d.Warnings = append(d.Warnings, "it is nested too deeply for Markdown; it was read as plain text")
		return d, err
	}
	m := markdown{builder: builder{Parsed: meta}, source: []byte(body), skipped: skipped}
	m.Format = formatMarkdown
	for at := range len(body) {
		if body[at] == '\n' {
			m.ends = append(m.ends, at)
		}
	}
	root := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough)).Parser().Parse(text.NewReader(m.source))
	err := m.children(root, 0)
	return m.Parsed, err
}

// markdown walks the blocks of a document.
type markdown struct {
	builder

	source []byte
	ends   []int // of the lines
	// skipped is how many lines stand above the source, last the line of the
	// block before.
	skipped, last int
	// hidden is the element that one piece of HTML left open and that shows nothing
	// of the blocks up to its end.
	hidden hiding
}

// html reads a piece of HTML between the blocks.
func (m *markdown) html(source string, line int) error {
	p := newPage(source)
	p.hidden = m.hidden
	err := p.read()
	m.hidden = p.hidden
	for _, b := range p.Blocks {
		if err == nil {
			b.Line = line
			err = m.add(b)
		}
	}
	return err
}

func (m *markdown) children(n ast.Node, depth int) error {
	if depth > maxDepth {
		return errDamaged(nil)
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if err := m.block(c, depth); err != nil {
			return err
		}
	}
	return nil
}

func (m *markdown) block(n ast.Node, depth int) error {
	line := m.line(n)
	m.last = line
	if _, tags := n.(*ast.HTMLBlock); m.hidden.tag != "" && !tags {
		return nil
	}
	switch n := n.(type) {
	case *ast.Heading:
		return m.add(memory.Block{Level: n.Level, Text: m.inline(n), Line: line})
	case *ast.Paragraph, *ast.TextBlock:
		return m.add(memory.Block{Text: m.inline(n), Line: line})
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		return m.add(memory.Block{Text: m.raw(n), Line: line})
	case *ast.HTMLBlock:
		source := m.raw(n)
		if n.HasClosure() {
			source += string(n.ClosureLine.Value(m.source))
		}
		return m.html(source, line)
	case *ast.List:
		var lines []string
		m.list(n, 0, &lines)
		return m.add(memory.Block{Text: strings.Join(lines, "\n"), Line: line})
	case *extast.Table:
		return m.add(memory.Block{Text: m.table(n), Line: line})
	case *ast.ThematicBreak:
		return nil
	}
	return m.children(n, depth+1)
}

// list writes the items of a list, one a line, inner lists indented.
func (m *markdown) list(n *ast.List, depth int, lines *[]string) {
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "- "
		if n.IsOrdered() {
			mark = numbered(number)
			number++
		}
		for c := item.FirstChild(); c != nil; c = c.NextSibling() {
			if inner, ok := c.(*ast.List); ok {
				if depth < maxDepth {
					m.list(inner, depth+1, lines)
				}
				continue
			}
			said := m.inline(c)
			if said == "" {
				said = m.raw(c)
			}
			for l := range strings.Lines(strings.TrimSpace(said)) {
				*lines = append(*lines, strings.Repeat("  ", min(depth, 8))+mark+strings.TrimRight(l, "\n"))
				mark = "  "
			}
		}
	}
}

func numbered(n int) string {
	if n <= 0 || n > 999_999 {
		return "- "
	}
	var digits []byte
	for ; n > 0; n /= 10 {
		digits = append(digits, byte('0'+n%10))
	}
	slices.Reverse(digits)
	return string(digits) + ". "
}

// table writes rows as lines, cells parted by bars.
func (m *markdown) table(t *extast.Table) string {
	var rows []string
	for row := t.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, m.inline(c))
		}
		rows = append(rows, strings.Join(cells, " | "))
	}
	return strings.Join(rows, "\n")
}

// inline is the text of what stands in a block, without the marks.
func (m *markdown) inline(n ast.Node) string {
	var b strings.Builder
	var hidden hiding
	// The callback returns no error, so Walk does not.
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if _, tag := n.(*ast.RawHTML); hidden.tag != "" && !tag {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Value(m.source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte('\n')
				}
			}
		case *ast.String:
			if entering {
				b.Write(n.Value)
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.URL(m.source))
			}
		case *ast.Link:
			if to := string(n.Destination); !entering && len(to) <= 300 && (strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "http://")) {
				b.WriteString(" (" + to + ")")
			}
		case *ast.RawHTML:
			if entering {
				p := newPage(string(n.Segments.Value(m.source)))
				p.hidden = hidden
				_ = p.read() // one tag; its text is none of the line's
				hidden = p.hidden
			}
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

// raw is the text of a block as it was written.
func (m *markdown) raw(n ast.Node) string {
	if n.Type() != ast.TypeBlock || n.Lines() == nil {
		return ""
	}
	var b strings.Builder
	for i := range n.Lines().Len() {
		s := n.Lines().At(i)
		b.Write(s.Value(m.source))
	}
	return b.String()
}

// line is the line on which the block begins, or that of the block before when
// it does not say it.
func (m *markdown) line(n ast.Node) int {
	for c := n; c != nil && c.Type() == ast.TypeBlock; c = c.FirstChild() {
		if l := c.Lines(); l != nil && l.Len() > 0 {
			at := l.At(0).Start
			line := sort.SearchInts(m.ends, at) + 1 + m.skipped
			if c.Kind() == ast.KindFencedCodeBlock && line > 1 {
				line-- // of the fence above
			}
			return line
		}
	}
	return m.last
}

// frontMatter takes the lines between "---" off the top and reads who wrote it
// when. skipped is how many lines there were.
func frontMatter(source string) (body string, skipped int, meta memory.Parsed) {
	if !strings.HasPrefix(source, "---\n") {
		return source, 0, meta
	}
	end := strings.Index(source, "\n---\n")
	if end < 0 || end > 16<<10 {
		return source, 0, meta
	}
	head := source[4:max(end, 4)]
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		if !ok || value == "" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "title":
			meta.Title = value
		case "author", "authors", "owner":
			meta.Author = strings.Trim(value, "[]")
		case "date", "updated", "last_updated", "lastmod", "modified":
			if t := dateOf(value); !t.IsZero() {
				meta.At = t
			}
		}
	}
	return source[end+len("\n---\n"):], strings.Count(source[:end], "\n") + 2, meta
}

// deeplyNested reports whether some line stands in more quotes and lists than
// any text needs: each is a level that parsing has to go down.
func deeplyNested(source string) bool {
	for line := range strings.Lines(source) {
		marks := 0
		for i := 0; i < len(line) && marks <= maxDepth; i++ {
			switch c := line[i]; {
			case c == '>' || c == '-' || c == '*' || c == '+' || c == '[' || c == '(':
				marks++
			case c == ' ' || c == '\t' || c == '.' || c >= '0' && c <= '9':
			default:
				i = len(line)
			}
		}
		if marks > maxDepth && strings.Trim(line, "-*_ \t\n") != "" {
			return true
		}
	}
	return false
}
