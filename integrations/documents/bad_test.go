package documents_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/documents"
)

// The test binary is the child when its first argument says so; the second says
// how it behaves.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "be-reader" {
		beReader(os.Args[2])
	}
	os.Exit(m.Run())
}

func beReader(how string) {
	in := io.Reader(os.Stdin)
	switch how {
	case "hangs":
		select {}
	case "breaks":
		_, _ = io.ReadFull(in, make([]byte, 10))
		panic("a bug")
	case "hogs":
		// The memory is taken once the child is confined, as a reader would.
		in = io.MultiReader(&hog{}, in)
	}
	if err := documents.Serve(in, os.Stdout, time.Minute); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type hog struct{ taken [][]byte }

func (h *hog) Read([]byte) (int, error) {
	for range 64 {
		h.taken = append(h.taken, make([]byte, 64<<20))
	}
	return 0, io.EOF
}

func reader(t *testing.T, how string, timeout time.Duration) *documents.Reader {
	t.Helper()
	r := documents.New(documents.Config{Command: []string{os.Args[0], "be-reader", how}, Timeout: timeout})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func encrypted(t *testing.T, content []byte) []byte {
	t.Helper()
	c := model.Configuration{
		Reader15: true, ValidationMode: model.ValidationRelaxed, Eol: "\n", Cmd: model.ENCRYPT, WriteObjectStream: true, WriteXRefStream: true,
		UserPW: "open sesame", OwnerPW: "mine", EncryptUsingAES: true, EncryptKeyLength: 256, Limits: model.DefaultResourceLimits(),
	}
	var out bytes.Buffer
	if err := api.Encrypt(bytes.NewReader(content), &out, &c); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bomb is a DOCX whose text unpacks to size bytes; when it lies it says that
// there is little.
func bomb(t *testing.T, size int, lies bool) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	sum := crc32.NewIEEE()
	for _, part := range []string{`<w:document><w:body><w:p><w:r><w:t>`, strings.Repeat("a", size), `</w:t></w:r></w:p></w:body></w:document>`} {
		_, _ = io.WriteString(io.MultiWriter(w, sum), part)
	}
	_ = w.Close()
	h := &zip.FileHeader{Name: "word/document.xml", Method: zip.Deflate, CRC32: sum.Sum32(), CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(size)}
	if lies {
		h.UncompressedSize64 = 5000
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.CreateRaw(h)
	if err == nil {
		_, err = f.Write(packed.Bytes())
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestABadFileIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	good := pdfOf(line(10, 700, "Hello."))
	office := append([]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), make([]byte, 600)...)
	for name, c := range map[string]struct {
		file    string
		content []byte
		kind    agent.Kind
		says    string
	}{
		"nothing":                            {"a.md", nil, agent.Invalid, "empty"},
		"spaces":                             {"a.txt", []byte(" \n\n\t"), agent.Invalid, "empty"},
		"a picture":                          {"a.txt", []byte("\x89PNG\r\n\x1a\n0000"), agent.Invalid, "a picture (PNG)"},
		"a program named as text":            {"a.txt", []byte("\x00\x01\x02\x03"), agent.Invalid, "binary"},
		"a PDF that is none":                 {"a.pdf", []byte("hello"), agent.Invalid, "named .pdf and is none"},
		"a PDF cut off":                      {"a.pdf", good[:len(good)/3], agent.Invalid, "damaged"},
		"a PDF cut off within its page":      {"a.pdf", good[:bytes.Index(good, []byte("Hello"))], agent.Invalid, "damaged"},
		"a PDF with a password":              {"a.pdf", encrypted(t, good), agent.Invalid, "encrypted"},
		"a PDF without text":                 {"scan.pdf", pdfOf("0 0 m 10 10 l S"), agent.Invalid, "OCR"},
		"a PDF of more than the limit":       {"a.pdf", make([]byte, documents.MaxBytes+1), agent.TooLarge, "the limit is 64 MiB"},
		"a PDF whose page unpacks for ever":  {"a.pdf", pdfOf(strings.Repeat(" ", 33<<20)), agent.TooLarge, "unpacks"},
		"a DOCX with a password":             {"a.docx", append(office, "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"...), agent.Invalid, "encrypted"},
		"an old Office file":                 {"a.doc", office, agent.Invalid, "an old Office document"},
		"a DOCX that is a bomb":              {"a.docx", bomb(t, 8<<20, false), agent.TooLarge, "unpacks"},
		"a DOCX that lies about being one":   {"a.docx", bomb(t, 8<<20, true), agent.Invalid, ""},
		"a DOCX with a broken part":          {"a.docx", docxOf(t, "<w:p><w:r><w:t>a"), agent.Invalid, ""},
		"a DOCX with entities":               {"a.docx", archive(t, "word/document.xml", `<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><w:document><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:document>`), agent.Invalid, "damaged"},
		"a DOCX nested deeply":               {"a.docx", docxOf(t, strings.Repeat("<w:tbl>", 5000)), agent.Invalid, "nested"},
		"a zip of anything":                  {"a.docx", archive(t, "readme.txt", "hi"), agent.Invalid, "archive"},
		"a spreadsheet":                      {"a.docx", archive(t, "_rels/.rels", `<R><Relationship Type="x/officeDocument" Target="/xl/workbook.xml"/></R>`, "xl/workbook.xml", "<x/>"), agent.Invalid, "spreadsheet"},
		"a page that shows nothing":          {"a.html", []byte("<script>alert(1)</script><style>p{}</style>"), agent.Invalid, "no text"},
		"more text than anybody reads":       {"a.txt", []byte(strings.Repeat("many a word ", 1_100_000)), agent.TooLarge, "more text"},
		"more paragraphs than anybody reads": {"a.txt", []byte(strings.Repeat("a\n\n", 210_000)), agent.TooLarge, "paragraphs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := documents.Parse(c.file, c.content)
			if err == nil {
				// The archive's own check may have ended the text early.
				if name == "a DOCX that lies about being one" || name == "a DOCX with a broken part" {
					if len(d.Text()) > 10_000 {
						t.Errorf("%d bytes of text", len(d.Text()))
					}
					return
				}
				t.Fatalf("it was read: %.80q", d.Text())
			}
			if agent.KindOf(err) != c.kind || !strings.Contains(agent.PublicText(err), c.says) {
				t.Errorf("%s: %q (%v); want %s with %q", agent.KindOf(err), agent.PublicText(err), err, c.kind, c.says)
			}
		})
	}
}

func TestHostileShapesAreReadOrRefusedInBoundedWork(t *testing.T) {
	t.Parallel()
	loop := pdfFile{}
	loop.object("<< /Type /Catalog /Pages 2 0 R >>")
	loop.object("<< /Type /Pages /Count 2000000000 /Kids [2 0 R 3 0 R 2 0 R] >>")
	loop.object("<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >> /Contents 4 0 R >>")
	loop.stream("", line(10, 700, "Once.")+" /X Do")
	loop.object("<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>")
	loop.stream("/Type /XObject /Subtype /Form /Resources << /XObject << /X 6 0 R >> >>", "/X Do")
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    string
	}{
		"a PDF that says it has two billion pages, in a circle": {"a.pdf", loop.bytes(), "Once."},
		"a page in a hundred thousand boxes":                    {"a.html", []byte(strings.Repeat("<div><b>", 100_000) + "deep"), "deep"},
		"quotes in quotes":                                      {"a.md", []byte(strings.Repeat(">", 50_000) + " deep"), "deep"},
		"brackets in brackets":                                  {"a.md", []byte(strings.Repeat("[", 50_000) + " deep"), "deep"},
		"a tag that never ends":                                 {"a.html", []byte("<p>seen</p><a " + strings.Repeat("x", 1<<20)), "seen"},
		"a line without an end":                                 {"a.txt", []byte(strings.Repeat("x", 1<<20) + " end"), "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := documents.Parse(c.file, c.content)
			if err != nil || strings.Count(d.Text(), c.want) != 1 {
				t.Errorf("%d blocks, %v; want %q once", len(d.Blocks), err, c.want)
			}
		})
	}
}

func TestAChildReadsAndIsKeptForTheNextFile(t *testing.T) {
	t.Parallel()
	r := reader(t, "serves", time.Minute)
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			for i := range 4 {
				d, err := r.Read(t.Context(), "a.md", fmt.Appendf(nil, "# Title\n\nFile %d.%d", n, i))
				if err != nil || d.Title != "Title" || !strings.Contains(d.Text(), fmt.Sprintf("File %d.%d", n, i)) {
					t.Errorf("%+v, %v", d, err)
				}
			}
		})
	}
	wg.Wait()
	_, err := r.Read(t.Context(), "a.pdf", []byte("no"))
	if agent.KindOf(err) != agent.Invalid || !strings.Contains(agent.PublicText(err), "named .pdf") {
		t.Errorf("a bad file: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), "a.md", []byte("x")); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("a closed reader: %v", err)
	}
}

func TestAFileThatBreaksItsReaderIsRefusedAndTheNextIsRead(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct {
		kind agent.Kind
		says string
	}{
		"hangs":  {agent.TooLarge, "longer than"},
		"breaks": {agent.Invalid, "damaged"},
		"hogs":   {agent.TooLarge, "memory"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			limit := 20 * time.Second
			if how == "hangs" {
				limit = 300 * time.Millisecond
			}
			r := reader(t, how, limit)
			for range 2 {
				_, err := r.Read(t.Context(), "a.md", []byte("hello"))
				if agent.KindOf(err) != want.kind || !strings.Contains(agent.PublicText(err), want.says) {
					t.Errorf("%v (%s); want %s, %q", err, agent.KindOf(err), want.kind, want.says)
				}
			}
		})
	}
}

func TestAReadingThatIsGivenUpLeavesNoChild(t *testing.T) {
	t.Parallel()
	r := reader(t, "hangs", time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := r.Read(ctx, "a.md", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want it cancelled", err)
	}
	none := documents.New(documents.Config{Command: []string{"/nonexistent"}})
	if _, err := none.Read(t.Context(), "a.md", []byte("x")); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("without a child: %v", err)
	}
}
