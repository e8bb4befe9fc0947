package documents_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"
)

// archive makes a zip of named parts.
func archive(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err == nil {
			_, err = f.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const wordNamespaces = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"`

// docxOf makes a document of the inside of its body.
func docxOf(t testing.TB, body string) []byte {
	t.Helper()
	return archive(t,
		"_rels/.rels", `<Relationships><Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
		"docProps/core.xml", `<cp:coreProperties><dc:title>Freezer plan</dc:title><dc:creator>Olga Petrova</dc:creator><dcterms:modified>2026-02-03T10:00:00Z</dcterms:modified></cp:coreProperties>`,
		"word/styles.xml", `<w:styles `+wordNamespaces+`><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="Normal"><w:name w:val="Normal"/></w:style></w:styles>`,
		"word/document.xml", `<w:document `+wordNamespaces+`><w:body>`+body+`</w:body></w:document>`,
	)
}

func para(text string) string { return "<w:p><w:r><w:t>" + text + "</w:t></w:r></w:p>" }

// pdfFile writes objects and their table; the first is the catalogue.
type pdfFile struct {
	bytes.Buffer
	offsets []int
	trailer string
}

func (p *pdfFile) object(body string) {
	if p.Len() == 0 {
		p.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	}
	p.offsets = append(p.offsets, p.Len())
	fmt.Fprintf(p, "%d 0 obj\n%s\nendobj\n", len(p.offsets), body)
}

func (p *pdfFile) stream(dict, content string) {
	var packed bytes.Buffer
	w, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed) // a level there is
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	p.object(fmt.Sprintf("<< %s /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", dict, packed.Len(), packed.String()))
}

func (p *pdfFile) bytes() []byte {
	at := p.Len()
	fmt.Fprintf(p, "xref\n0 %d\n0000000000 65535 f \n", len(p.offsets)+1)
	for _, o := range p.offsets {
		fmt.Fprintf(p, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(p, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(p.offsets)+1, p.trailer, at)
	return p.Bytes()
}

// pdfOf makes a document of one page for each program, in a font of fixed width.
func pdfOf(programs ...string) []byte {
	var p pdfFile
	var kids []string
	for n := range programs {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*n))
	}
	p.object("<< /Type /Catalog /Pages 2 0 R >>")
	p.object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", len(programs), strings.Join(kids, " ")))
	p.object("<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>")
	for n, program := range programs {
		p.object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>", 5+2*n))
		p.stream("", program)
	}
	return p.bytes()
}

// line draws a text at a height.
func line(size, y int, text string) string {
	return fmt.Sprintf("BT /F1 %d Tf 50 %d Td (%s) Tj ET\n", size, y, text)
}
