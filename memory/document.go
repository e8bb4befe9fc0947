package memory

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Parsed is a document as a reader of files gives it: blocks in reading order.
type Parsed struct {
	// Format is "markdown", "html", "pdf", "docx" or "text".
	Format string `json:"format"`
	// Title, Author and At are what the document says of itself; empty when it
	// does not.
	Title  string    `json:"title,omitempty"`
	Author string    `json:"author,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Blocks []Block   `json:"blocks"`
	// Warnings are sentences for people about what could not be read.
	Warnings []string `json:"warnings,omitempty"`
}

// Block is a heading, a paragraph, a list, a table or the like.
type Block struct {
	// Level is 1 to 6 for a heading, 0 for anything else.
	Level int    `json:"level,omitempty"`
	Text  string `json:"text"`
	// Page and Line are where it begins, from 1; 0 where the format has none.
	Page int `json:"page,omitempty"`
	Line int `json:"line,omitempty"`
}

// Text returns the blocks' texts, a blank line between them.
func (d Parsed) Text() string {
	texts := make([]string, len(d.Blocks))
	for n, b := range d.Blocks {
		texts[n] = b.Text
	}
	return strings.Join(texts, "\n\n")
}

// Origin says what a document does not know of itself.
type Origin struct {
	Workspace  agent.WorkspaceID
	Author     agent.ActorID
	AuthorName string
	// Source names the file for citations: "handbook/vpn.md".
	Source string
	// Collection is what it is imported with, Hash the SHA-256 of the file in hex.
	Collection, Hash string
	Place, Where     string
	Label            agent.Label
	// At is taken for its time when it does not say one.
	At time.Time
}

// readerVersion is part of an imported item's identity: when passages are cut in
// another way, documents are read anew.
const readerVersion = "1"

// ImportID returns the id an imported document has: the same as long as its
// content, its source, its collection and its label are.
func ImportID(o Origin) (string, error) {
	return identity(Item{Workspace: o.Workspace, Key: importKey(o)})
}

func importKey(o Origin) string {
	l := o.Label
	l.Sources, l.Scanned = nil, false
	return digest("import", readerVersion, o.Author, o.Collection, o.Source, o.Hash, l)
}

// digest is the hash of values that always encode.
func digest(parts ...any) string {
	raw, err := json.Marshal(parts)
	if err != nil {
		return ""
	}
	return shortHash(raw)
}

// FromDocument returns the item that remembers a document: its blocks joined and
// cut to passages, each with the path of headings, page and line it stands at.
// Of a collection it takes the place of the version before.
func FromDocument(d Parsed, o Origin) Item {
	i := Item{
		Workspace: o.Workspace, Kind: Document, Title: d.Title, Source: o.Source, Author: o.Author, AuthorName: d.Author,
		Place: o.Place, Where: o.Where, Label: o.Label, At: d.At, Collection: o.Collection, Hash: o.Hash, Key: importKey(o),
	}
	if i.Title == "" {
		i.Title = strings.TrimSuffix(path.Base(o.Source), path.Ext(o.Source))
	}
	if i.AuthorName == "" {
		i.AuthorName = o.AuthorName
	}
	if i.At.IsZero() || i.At.After(o.At) && !o.At.IsZero() {
		i.At = o.At
	}
	if o.Collection != "" {
		i.Slot = digest("slot", o.Author, o.Collection, o.Source)
	}
	i.Label.Sources = []string{i.Title}
	i.Chunks = passagesOf(d, i.Title)
	return i
}

// packer joins blocks to passages.
type packer struct {
	title  string
	path   [6]string
	chunks []Chunk
	open   strings.Builder
	// heads says that open holds nothing but headings; at is where it begins.
	heads bool
	page  int
	at    string
}

func passagesOf(d Parsed, title string) []Chunk {
	p := packer{title: title}
	for _, b := range d.Blocks {
		text := clean(b.Text)
		switch {
		case text == "":
		case b.Level > 0:
			p.heading(min(b.Level, len(p.path)), clip(strings.Join(strings.Fields(text), " "), maxSplit), b)
		default:
			p.add(text, b)
		}
	}
	p.flush()
	return p.chunks
}

// heading begins a passage; headings that follow each other stay together.
func (p *packer) heading(level int, text string, b Block) {
	if !p.heads || p.page != b.Page || p.open.Len()+len(text) > maxSplit {
		p.flush()
	}
	p.path[level-1] = text
	clear(p.path[level:])
	p.put(text, b, 0)
	p.heads = true
}

func (p *packer) add(text string, b Block) {
	if p.page != b.Page {
		p.flush()
	}
	from := 0
	for _, piece := range pieces(text, maxSplit) {
		from += max(strings.Index(text[from:], piece), 0)
		if p.open.Len() > 0 && p.open.Len()+len(piece) > maxSplit {
			p.flush()
		}
		p.put(piece, b, strings.Count(text[:from], "\n"))
		p.heads = false
		from += len(piece)
	}
}

// put adds a text to the passage, beginning one if there is none.
func (p *packer) put(text string, b Block, lines int) {
	switch {
	case p.open.Len() == 0:
		p.page = b.Page
		p.at = p.position(b, lines)
	case p.heads:
		// Below its headings the passage is where its text is.
		p.at = p.position(b, lines)
		p.open.WriteByte('\n')
	default:
		p.open.WriteByte('\n')
	}
	p.open.WriteString(text)
}

func (p *packer) flush() {
	if p.open.Len() > 0 {
		p.chunks = append(p.chunks, Chunk{N: len(p.chunks), Text: p.open.String(), Position: p.at})
	}
	p.open.Reset()
	p.heads = false
}

// position names the place for people: "Install › Linux, page 3".
func (p *packer) position(b Block, lines int) string {
	var path []string
	for _, h := range p.path {
		if h != "" && !(len(path) == 0 && h == p.title) {
			path = append(path, clip(h, 80))
		}
	}
	at := ""
	switch {
	case b.Page > 0:
		at = fmt.Sprintf("page %d", b.Page)
	case b.Line > 0:
		at = fmt.Sprintf("line %d", b.Line+lines)
	}
	if len(path) == 0 {
		return at
	}
	named := strings.Join(path, " › ")
	if at == "" {
		return named
	}
	return named + ", " + at
}
