package slack

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// What is made once: neither changes.
var (
	escaper  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	markdown = sync.OnceValue(func() parser.Parser {
		return goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList)).Parser()
	})
)

// escape makes text stand for itself: no mention, link or channel comes of it
// (docs.slack.dev/messaging/formatting-message-text).
func escape(s string) string {
	return escaper.Replace(s)
}

// visible spells out characters that people cannot see or that turn text around,
// so that what is read on a card is what will be used.
func visible(s string) string {
	hidden := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)) ||
			r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
	}
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// clip shortens text to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// mrkdwn turns an answer's Markdown into Slack's. Links are live only when no
// outsider had a part in the answer: else text and address stand side by side.
// Images are never loaded and raw HTML is shown as the text it is.
func mrkdwn(source string, live bool) string {
	src := []byte(source)
	doc := markdown().Parse(text.NewReader(src))
	w := writer{src: src, live: live}
	w.blocks(doc, "")
	return strings.TrimSpace(w.out.String())
}

type writer struct {
	out  strings.Builder
	src  []byte
	live bool
}

// blocks writes the blocks below a node, each line after the prefix.
func (w *writer) blocks(parent ast.Node, prefix string) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			w.line(prefix, "*"+strings.ReplaceAll(w.inline(n), "*", "")+"*", true)
		case *ast.Paragraph:
			w.line(prefix, w.inline(n), true)
		case *ast.TextBlock:
			w.line(prefix, w.inline(n), false)
		case *ast.List:
			w.list(n, prefix)
			if prefix == "" {
				w.out.WriteString("\n")
			}
		case *ast.Blockquote:
			w.blocks(n, prefix+"> ")
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			w.line(prefix, "```\n"+w.raw(n)+"```", true)
		case *ast.HTMLBlock:
			w.line(prefix, w.raw(n), true)
		case *ast.ThematicBreak:
			w.line(prefix, "———", true)
		case *east.Table:
			w.line(prefix, w.table(n), true)
		default:
			w.blocks(n, prefix)
		}
	}
}

func (w *writer) line(prefix, s string, gap bool) {
	for _, l := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		w.out.WriteString(prefix + l + "\n")
	}
	if gap && strings.TrimLeft(prefix, " ") == "" {
		w.out.WriteString("\n")
	}
}

func (w *writer) list(l *ast.List, prefix string) {
	n := l.Start
	for item := l.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "• "
		if l.IsOrdered() {
			mark = fmt.Sprintf("%d. ", n)
			n++
		}
		for c := item.FirstChild(); c != nil; c = c.NextSibling() {
			switch c := c.(type) {
			case *ast.List:
				w.list(c, prefix+"    ")
			case *ast.TextBlock, *ast.Paragraph:
				w.line(prefix+mark, w.inline(c), false)
				mark = "   "
			default:
				w.blocks(c, prefix+"   ")
			}
		}
	}
}

func (w *writer) raw(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		seg := n.Lines().At(i)
		b.Write(seg.Value(w.src))
	}
	return escape(strings.ReplaceAll(visible(b.String()), "```", "'''"))
}

func (w *writer) table(t *east.Table) string {
	var b strings.Builder
	for row := t.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, w.inline(c))
		}
		b.WriteString(strings.Join(cells, " | ") + "\n")
	}
	return "```\n" + b.String() + "```"
}

// inline writes what stands in a line.
func (w *writer) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(escape(visible(string(n.Segment.Value(w.src)))))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteString("\n")
			}
		case *ast.String:
			b.WriteString(escape(visible(string(n.Value))))
		case *ast.Emphasis:
			mark := "_"
			if n.Level > 1 {
				mark = "*"
			}
			b.WriteString(wrapped(mark, w.inline(n)))
		case *east.Strikethrough:
			b.WriteString(wrapped("~", w.inline(n)))
		case *ast.CodeSpan:
			b.WriteString(wrapped("`", w.inline(n)))
		case *ast.Link:
			b.WriteString(w.link(w.inline(n), string(n.Destination)))
		case *ast.AutoLink:
			b.WriteString(w.link("", string(n.URL(w.src))))
		case *ast.Image:
			b.WriteString("[image: " + w.inline(n) + "]")
		case *ast.RawHTML:
			for i := range n.Segments.Len() {
				seg := n.Segments.At(i)
				b.WriteString(escape(string(seg.Value(w.src))))
			}
		case *east.TaskCheckBox:
			b.WriteString(map[bool]string{true: "☑ ", false: "☐ "}[n.IsChecked])
		default:
			b.WriteString(w.inline(n))
		}
	}
	return b.String()
}

func wrapped(mark, s string) string {
	if strings.TrimSpace(s) == "" {
		return s
	}
	return mark + s + mark
}

// link writes a link: live, or as words with the address as code, which Slack does
// not make a link of.
func (w *writer) link(label, to string) string {
	u, err := url.Parse(to)
	if err == nil && w.live && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.ContainsAny(to, "|<>\n") {
		if label == "" {
			return "<" + escape(to) + ">"
		}
		return "<" + escape(to) + "|" + strings.ReplaceAll(label, "|", "/") + ">"
	}
	address := "`" + escape(strings.ReplaceAll(visible(to), "`", "'")) + "`"
	if label == "" {
		return address
	}
	return label + " (" + address + ")"
}

// plainLinks takes the links out of a piece of Markdown that is streamed before it
// is known where the answer came from.
func plainLinks(md string) string {
	md = escape(visible(md))
	var b strings.Builder
	for _, word := range strings.SplitAfter(md, " ") {
		if strings.Contains(word, "://") || strings.Contains(word, "](") || strings.Contains(word, "![") {
			word = strings.NewReplacer("](", "] (", "![", "[", "://", ":\u2060//").Replace(word)
		}
		b.WriteString(word)
	}
	return b.String()
}

// split cuts text into pieces of at most n characters, at paragraphs or lines where
// it can. A code block that is cut is closed and opened again.
func split(s string, n int) []string {
	if s == "" {
		return nil
	}
	var all []string
	open := false
	for s != "" {
		room, head := n-4, ""
		if open {
			room, head = n-8, "```\n"
		}
		piece := s
		if utf8.RuneCountInString(s) > room {
			at := len(string([]rune(s)[:room]))
			piece = s[:at]
			for _, sep := range []string{"\n\n", "\n", " "} {
				if i := strings.LastIndex(piece, sep); i > at/2 {
					piece = piece[:i+len(sep)]
					break
				}
			}
		}
		s = s[len(piece):]
		whole := head + piece
		if open = strings.Count(whole, "```")%2 == 1; open && s != "" {
			whole = strings.TrimRight(whole, "\n") + "\n```"
		}
		if strings.TrimSpace(whole) != "" {
			all = append(all, strings.TrimRight(whole, "\n "))
		}
	}
	return all
}
