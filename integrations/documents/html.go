package documents

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/sous-hq/sous/memory"
)

// parseHTML reads a page tag by tag, without building its tree: nothing in it
// can be nested too deeply. Scripts, styles and what a browser would not show
// are left out.
func parseHTML(source string) (memory.Parsed, error) {
	p := newPage(source)
	err := p.read()
	return p.Parsed, err
}

func newPage(source string) *page {
	return &page{builder: builder{Parsed: memory.Parsed{Format: formatHTML}}, tokens: html.NewTokenizer(strings.NewReader(source)), line: 1}
}

func (p *page) read() error {
	for p.tokens.Next() != html.ErrorToken {
		if err := p.token(p.tokens.Token()); err != nil {
			return err
		}
		p.line += strings.Count(string(p.tokens.Raw()), "\n")
	}
	if err := p.tokens.Err(); !errors.Is(err, io.EOF) {
		return errDamaged(err)
	}
	return p.flush()
}

// page reads one page.
type page struct {
	builder

	tokens *html.Tokenizer
	open   strings.Builder
	// line is where the reading is, start where the open block began.
	line, start int
	// level is that of the open heading, 0 for none; pre says that line ends count.
	level, pre int
	inTitle    bool
	hidden     hiding
	// gap says that white space stands before what comes next.
	gap bool
}

// hiding is the name of the element whose content is left out, "" for none, and
// inside how many of that name it is open.
type hiding struct {
	tag    string
	inside int
}

func (p *page) token(t html.Token) error {
	if p.hidden.tag != "" {
		p.skip(t)
		return nil
	}
	switch t.Type {
	case html.TextToken:
		p.text(t.Data)
	case html.StartTagToken, html.SelfClosingTagToken:
		return p.startTag(t)
	case html.EndTagToken:
		return p.endTag(t)
	case html.ErrorToken, html.CommentToken, html.DoctypeToken:
	}
	return nil
}

// skip passes over what is inside a hidden element.
func (p *page) skip(t html.Token) {
	if t.Data != p.hidden.tag {
		return
	}
	switch t.Type {
	case html.StartTagToken:
		p.hidden.inside++
	case html.EndTagToken:
		if p.hidden.inside--; p.hidden.inside <= 0 {
			p.hidden.tag = ""
		}
	case html.ErrorToken, html.TextToken, html.SelfClosingTagToken, html.CommentToken, html.DoctypeToken:
	}
}

func (p *page) text(s string) {
	if p.inTitle {
		p.Title += s
		return
	}
	if p.pre > 0 {
		p.begin()
		p.open.WriteString(s)
		return
	}
	words := strings.Fields(s)
	if len(words) == 0 {
		p.gap = p.gap || s != ""
		return
	}
	p.begin()
	if p.open.Len() > 0 && (p.gap || isSpace(s[0])) && !endsInSpace(p.open.String()) {
		p.open.WriteByte(' ')
	}
	p.open.WriteString(strings.Join(words, " "))
	p.gap = isSpace(s[len(s)-1])
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' }

func endsInSpace(s string) bool { return s != "" && isSpace(s[len(s)-1]) }

func (p *page) begin() {
	if p.open.Len() == 0 {
		p.start = p.line
	}
}

func (p *page) startTag(t html.Token) error {
	if p.leftOut(t) {
		if t.Type == html.StartTagToken && !void(t.DataAtom) {
			p.hidden = hiding{t.Data, 1}
		}
		return nil
	}
	switch t.DataAtom {
	case atom.Title:
		p.inTitle = t.Type == html.StartTagToken && p.Title == ""
	case atom.Meta:
		p.meta(t)
	case atom.Br:
		p.open.WriteByte('\n')
	case atom.Td, atom.Th:
		if s := p.open.String(); s != "" && !strings.HasSuffix(s, "\n") {
			p.open.WriteString(" | ")
		}
		p.gap = false
	case atom.Tr:
		return p.row()
	case atom.Li:
		if err := p.flush(); err != nil {
			return err
		}
		p.begin()
		p.open.WriteString("- ")
	case atom.Pre, atom.Textarea:
		err := p.flush()
		p.pre++
		return err
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		err := p.flush()
		p.level = int(t.Data[1] - '0')
		return err
	default:
		if block(t.DataAtom) {
			return p.flush()
		}
	}
	return nil
}

func (p *page) endTag(t html.Token) error {
	switch t.DataAtom {
	case atom.Title:
		p.inTitle = false
	case atom.Tr:
		return p.row()
	case atom.Pre, atom.Textarea:
		err := p.flush()
		p.pre = max(p.pre-1, 0)
		return err
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		err := p.flush()
		p.level = 0
		return err
	default:
		if block(t.DataAtom) {
			return p.flush()
		}
	}
	return nil
}

// row ends a row of a table: rows share a block while it is short.
func (p *page) row() error {
	p.gap = false
	if p.open.Len() > 4<<10 {
		return p.flush()
	}
	if s := p.open.String(); s != "" && !strings.HasSuffix(s, "\n") {
		p.open.WriteByte('\n')
	}
	return nil
}

// flush ends the open block.
func (p *page) flush() error {
	text := p.open.String()
	p.open.Reset()
	p.gap = false
	if strings.TrimSpace(text) == "-" {
		return nil
	}
	return p.add(memory.Block{Level: p.level, Text: text, Line: p.start})
}

func (p *page) meta(t html.Token) {
	name, content := strings.ToLower(attribute(t, "name")+attribute(t, "property")), attribute(t, "content")
	switch name {
	case "author", "article:author", "dc.creator":
		p.Author = content
	case "date", "last-modified", "dcterms.modified", "article:modified_time", "article:published_time":
		if at := dateOf(content); !at.IsZero() {
			p.At = at
		}
	}
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// leftOut reports whether a browser would show nothing of the element, or
// something that is no text of the page.
func (p *page) leftOut(t html.Token) bool {
	switch t.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Math,
		atom.Canvas, atom.Audio, atom.Video, atom.Select, atom.Button, atom.Nav, atom.Noembed, atom.Noframes:
		return true
	}
	style := ""
	for _, a := range t.Attr {
		switch a.Key {
		case "hidden":
			return true
		case "aria-hidden":
			return a.Val == "true"
		case "style":
			style = strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
		}
	}
	return style != "" && hiddenStyle(style)
}

// hiddenStyle reports whether a style without spaces makes text unseen.
func hiddenStyle(style string) bool {
	for rule := range strings.SplitSeq(style, ";") {
		switch strings.TrimSuffix(rule, "!important") {
		case "display:none", "visibility:hidden", "visibility:collapse", "font-size:0", "font-size:0px", "font-size:0pt", "opacity:0", "color:transparent":
			return true
		}
	}
	return false
}

// void reports whether the element has no end tag.
func void(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// block reports whether the element begins and ends paragraphs.
func block(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Aside, atom.Header, atom.Footer, atom.Main, atom.Ul, atom.Ol, atom.Li, atom.Dl, atom.Dt, atom.Dd,
		atom.Table, atom.Thead, atom.Tbody, atom.Tfoot, atom.Caption, atom.Blockquote, atom.Figure, atom.Figcaption, atom.Form, atom.Fieldset, atom.Hr,
		atom.Address, atom.Details, atom.Summary, atom.Body, atom.Html, atom.Head, atom.Center:
		return true
	}
	return false
}
