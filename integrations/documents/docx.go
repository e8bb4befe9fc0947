package documents

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
	"unicode/utf16"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Limits of a zip archive: entries, the largest part unpacked, and how many
// times larger than packed a part may be. Text packs to a tenth; what packs to a
// two-hundredth was made to fill a memory.
const (
	maxEntries = 10_000
	maxPart    = 64 << 20
	maxRatio   = 200
	ratioFrom  = 1 << 20
)

// parseDOCX reads a document of Office Open XML (ECMA-376, part 1, 17).
func parseDOCX(content []byte) (memory.Parsed, error) {
	d := docx{builder: builder{Parsed: memory.Parsed{Format: formatDOCX}}}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return d.Parsed, errDamaged(err)
	}
	if len(archive.File) > maxEntries {
		return d.Parsed, agent.Errorf(agent.TooLarge, "the archive has more than %d entries", maxEntries)
	}
	d.archive = archive
	main, err := d.mainPart()
	if err != nil {
		return d.Parsed, err
	}
	if err := d.each("docProps/core.xml", d.property); err != nil {
		return d.Parsed, err
	}
	if err := d.each(path.Join(path.Dir(main), "styles.xml"), d.style); err != nil {
		return d.Parsed, err
	}
	if err := d.each(main, d.token); err != nil {
		return d.Parsed, err
	}
	return d.Parsed, d.flushTable()
}

// docx reads one document.
type docx struct {
	builder

	archive *zip.Reader
	main    string
	// levels are those of the styles of headings, by the style's id.
	levels map[string]int
	styled string // id of the style being read
	said   string // name of the property being read
	body   docxBody
}

// mainPart finds the document among the parts of the archive.
func (d *docx) mainPart() (string, error) {
	err := d.each("_rels/.rels", func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "Relationship" && strings.HasSuffix(attr(e, "Type"), "/officeDocument") {
			d.main = strings.TrimPrefix(path.Clean("/"+attr(e, "Target")), "/")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if d.main == "" {
		d.main = "word/document.xml"
	}
	switch {
	case strings.HasPrefix(d.main, "xl/"):
		return "", agent.Errorf(agent.Invalid, "it is a spreadsheet; save it as CSV or PDF")
	case strings.HasPrefix(d.main, "ppt/"):
		return "", agent.Errorf(agent.Invalid, "it is a presentation; save it as PDF")
	case d.part(d.main) == nil:
		return "", agent.Errorf(agent.Invalid, "it is an archive (zip) without a document in it")
	}
	return d.main, nil
}

func (d *docx) part(name string) *zip.File {
	for _, f := range d.archive.File {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// each hands the tokens of a part to do. A part that is missing has none.
func (d *docx) each(name string, do func(xml.Token) error) error {
	f := d.part(name)
	if f == nil {
		return nil
	}
	limit := min(maxPart, max(ratioFrom, maxRatio*int64(min(f.CompressedSize64, maxPart))))
	if f.UncompressedSize64 > uint64(limit) {
		return errBomb()
	}
	r, err := f.Open()
	if err != nil {
		return errDamaged(err)
	}
	defer r.Close()
	// What the archive says of its sizes is what its maker wanted it to say.
	bounded := &io.LimitedReader{R: r, N: limit + 1}
	tokens := xml.NewDecoder(bounded)
	tokens.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.New("not UTF-8") }
	for depth := 0; ; {
		t, err := tokens.RawToken()
		switch {
		case bounded.N <= 0:
			return errBomb()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errDamaged(err)
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return agent.Errorf(agent.Invalid, "it is nested more than %d levels deep", maxDepth)
			}
		case xml.EndElement:
			depth--
		}
		if err := do(t); err != nil {
			return err
		}
	}
}

func errBomb() error {
	return agent.Errorf(agent.TooLarge, "it unpacks to far more than a document holds (a “zip bomb”, perhaps)")
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// property reads docProps/core.xml.
func (d *docx) property(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		d.said = t.Name.Local
	case xml.EndElement:
		d.said = ""
	case xml.CharData:
		switch text := strings.TrimSpace(string(t)); d.said {
		case "title":
			d.Title += text
		case "creator":
			d.Author += text
		case "modified":
			d.At = dateOf(text)
		}
	}
	return nil
}

// style reads styles.xml: which styles are headings.
func (d *docx) style(t xml.Token) error {
	e, ok := t.(xml.StartElement)
	if !ok {
		return nil
	}
	switch e.Name.Local {
	case "style":
		d.styled = attr(e, "styleId")
	case "name":
		if level := headingLevel(attr(e, "val")); level > 0 && len(d.levels) < 1000 {
			if d.levels == nil {
				d.levels = map[string]int{}
			}
			d.levels[d.styled] = level
		}
	}
	return nil
}

// headingLevel reads the name of a built-in style, which is English in every
// language of Office.
func headingLevel(name string) int {
	name = strings.ToLower(strings.ReplaceAll(name, " ", ""))
	if name == "title" {
		return 1
	}
	if n, ok := strings.CutPrefix(name, "heading"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '6' {
		return int(n[0] - '0')
	}
	return 0
}

// encryptedOffice reports whether an OLE file holds a document that a password
// protects ([MS-OFFCRYPTO]).
func encryptedOffice(content []byte) bool {
	var name []byte
	for _, u := range utf16.Encode([]rune("EncryptedPackage")) {
		name = append(name, byte(u), byte(u>>8))
	}
	return bytes.Contains(content, name)
}
