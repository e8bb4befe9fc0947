package documents

import (
	"encoding/xml"
	"strings"

	"github.com/sous-hq/sous/memory"
)

// docxBody is what is open while the body of a document is read.
type docxBody struct {
	// open are the paragraphs being read: a text box has its own within one.
	open []docxParagraph
	// text says that the letters that come are text, in a run that is hidden or not.
	text, hidden, inRun bool
	// skip counts the open elements of what is read elsewhere or not shown.
	skip int
	// tables counts the open tables; cell, cells and rows are of the outermost.
	tables int
	cell   []string
	cells  []string
	rows   []string
	size   int
}

// docxParagraph is one open paragraph.
type docxParagraph struct {
	strings.Builder

	level int
	item  bool
}

// token reads document.xml.
func (d *docx) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return d.start(t)
	case xml.EndElement:
		return d.end(t.Name.Local)
	case xml.CharData:
		if b := &d.body; b.text && b.skip == 0 && !b.hidden && len(b.open) > 0 {
			b.open[len(b.open)-1].Write(t)
		}
	}
	return nil
}

func (d *docx) start(e xml.StartElement) error {
	b := &d.body
	// The fallback of alternate content says again what the choice says; what
	// was moved away stands where it was moved to.
	if b.skip > 0 || e.Name.Local == "Fallback" || e.Name.Local == "moveFrom" {
		b.skip++
		return nil
	}
	switch e.Name.Local {
	case "p":
		b.open = append(b.open, docxParagraph{})
		return nil
	case "tbl":
		b.tables++
		return nil
	case "r":
		b.inRun, b.hidden = true, false
		return nil
	case "t":
		b.text = true
		return nil
	}
	if len(b.open) > 0 {
		d.mark(e, &b.open[len(b.open)-1])
	}
	return nil
}

// mark reads what stands in a paragraph beside its text.
func (d *docx) mark(e xml.StartElement, p *docxParagraph) {
	switch e.Name.Local {
	case "pStyle":
		p.level = d.levels[attr(e, "val")]
		if p.level == 0 && d.levels == nil {
			p.level = headingLevel(attr(e, "val"))
		}
	case "numPr":
		p.item = true
	case "vanish":
		if v := attr(e, "val"); d.body.inRun && v != "0" && v != "false" {
			d.body.hidden = true
		}
	case "tab":
		if d.body.inRun && !d.body.hidden {
			p.WriteByte('\t')
		}
	case "br", "cr":
		if !d.body.hidden {
			p.WriteByte('\n')
		}
	case "noBreakHyphen":
		p.WriteByte('-')
	}
}

func (d *docx) end(name string) error {
	b := &d.body
	if b.skip > 0 {
		b.skip--
		return nil
	}
	switch name {
	case "t":
		b.text = false
	case "r":
		b.inRun, b.hidden = false, false
	case "p":
		return d.endParagraph()
	case "tc":
		if b.tables == 1 {
			b.cells = append(b.cells, strings.Join(b.cell, " "))
			b.cell = b.cell[:0]
		}
	case "tr":
		if b.tables == 1 {
			return d.endRow()
		}
	case "tbl":
		if b.tables = max(b.tables-1, 0); b.tables == 0 {
			return d.flushTable()
		}
	}
	return nil
}

func (d *docx) endParagraph() error {
	b := &d.body
	if len(b.open) == 0 {
		return nil
	}
	p := &b.open[len(b.open)-1]
	text, level, item := strings.TrimSpace(p.String()), p.level, p.item
	b.open = b.open[:len(b.open)-1]
	switch {
	case text == "":
		return nil
	case b.tables > 0:
		b.cell = append(b.cell, strings.Join(strings.Fields(text), " "))
		if b.size += len(text); b.size > maxText {
			return errTooMuchText()
		}
		return nil
	case item && level == 0:
		text = "- " + text
	}
	return d.add(memory.Block{Level: level, Text: text})
}

// endRow ends a row of a table: rows share a block while it is short.
func (d *docx) endRow() error {
	b := &d.body
	if row := strings.Join(b.cells, " | "); strings.Trim(row, " |") != "" {
		b.rows = append(b.rows, row)
	}
	b.cells = b.cells[:0]
	if b.size > 4<<10 {
		return d.flushTable()
	}
	return nil
}

func (d *docx) flushTable() error {
	rows := strings.Join(d.body.rows, "\n")
	d.body.rows, d.body.size = d.body.rows[:0], 0
	return d.add(memory.Block{Text: rows})
}
