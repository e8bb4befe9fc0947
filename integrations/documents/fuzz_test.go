package documents_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/memory"
)

// sound checks what holds of whatever was read.
func sound(t *testing.T, name string, content []byte) {
	t.Helper()
	d, err := documents.Parse(name, content)
	if err != nil {
		if k := agent.KindOf(err); k != agent.Invalid && k != agent.TooLarge {
			t.Fatalf("%s: %v", k, err)
		}
		return
	}
	chunks := memory.FromDocument(d, memory.Origin{Source: name}).Chunks
	if len(chunks) == 0 {
		t.Fatalf("a document that was read has no passages: %+v", d.Blocks)
	}
	for n, c := range chunks {
		if c.N != n || strings.TrimSpace(c.Text) == "" || len(c.Text) > 1500 || !utf8.ValidString(c.Text) || strings.ContainsRune(c.Text, 0) || !utf8.ValidString(c.Position) {
			t.Fatalf("passage %d is %q at %q", n, c.Text, c.Position)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{handbook, "# a\n# b\n## c", "- a\n  - b\n    1. c", "|a|b|\n|-|-|\n|c|", "---\n---\n", "```\nx", "<b>x</b>\n\n[a]: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, "f.md", content) })
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{"<p>a<br>b</p>", "<script>x</script>y", "<div hidden>x</div>y", "<table><tr><td>a<td>b</table>", "<title>a", "<h1>a<h2>b", "<!--", "&#x110000;"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, "f.html", content) })
}

func FuzzDOCX(f *testing.F) {
	f.Add(docxOf(f, para("a")))
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, "f.docx", content) })
}

func FuzzDOCXBody(f *testing.F) {
	for _, s := range []string{para("a"), "<w:tbl><w:tr><w:tc>" + para("a") + "</w:tc></w:tr></w:tbl>", "<w:p><w:pPr><w:numPr/></w:pPr>", "</w:p></w:tc>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) { sound(t, "f.docx", docxOf(t, body)) })
}

func FuzzPDF(f *testing.F) {
	f.Add(pdfOf(line(10, 700, "Hello.")))
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, "f.pdf", content) })
}

func FuzzPDFProgram(f *testing.F) {
	for _, s := range []string{line(10, 700, "Hello."), "BT /F1 1 Tf [(a) -900 <62>] TJ T* (c) ' ET", "q 1 0 0 1 5 5 cm Q Q BI ID x EI", "BT 1 0 0 0 0 0 Tm (x) Tj", "(((\\)", "<< /A [ (", "/X Do /F1 1 Tf (\\377)Tj"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, program string) { sound(t, "f.pdf", pdfOf(program)) })
}
