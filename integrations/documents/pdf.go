package documents

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pdfcpu/pdfcpu/pkg/filter"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Limits of a PDF: what one stream may unpack to, what all may together, and how
// many operators are carried out.
const (
	maxStream  = 32 << 20
	maxStreams = 512 << 20
	maxOps     = 20_000_000
)

// parsePDF reads the text of a PDF (ISO 32000): pdfcpu reads the objects, what
// they draw is laid out to lines here.
func parsePDF(content []byte) (_ memory.Parsed, err error) {
	d := pdf{builder: builder{Parsed: memory.Parsed{Format: formatPDF}}, fonts: map[int]*pdfFont{}}
	defer func() {
		if x := recover(); x != nil {
			err = errDamaged(fmt.Errorf("%v", x))
		}
	}()
	ctx, err := pdfcpu.Read(bytes.NewReader(content), &model.Configuration{
		Reader15: true, ValidationMode: model.ValidationRelaxed, Cmd: model.LISTINFO, Offline: true,
		Limits: model.ResourceLimits{
			MaxStreamBytes: MaxBytes, MaxDecodeBytes: maxStream, MaxImagePixels: 1, MaxImageBytes: 1,
			MaxObjectCount: 2_000_000, MaxObjectStreamCount: 200_000, MaxObjectStreamFirst: 16 << 20,
			MaxXRefEntries: 2_000_000, MaxRecursionDepth: 100,
		},
	})
	switch {
	case errors.Is(err, pdfcpu.ErrWrongPassword), errors.Is(err, pdfcpu.ErrEncrypted), err != nil && strings.Contains(err.Error(), "encryption"):
		return d.Parsed, errEncrypted()
	case errors.Is(err, filter.ErrDecodeLimitExceeded):
		return d.Parsed, errBomb()
	case err != nil:
		return d.Parsed, errDamaged(err)
	}
	d.x = ctx.XRefTable
	d.info()
	root, err := d.x.Catalog()
	if err != nil {
		return d.Parsed, errDamaged(err)
	}
	if err := d.pages(root["Pages"], nil, map[int]bool{}, 0); err != nil {
		return d.Parsed, err
	}
	if len(d.lines) == 0 {
		return d.Parsed, errDamaged(errors.New("it has no pages"))
	}
	if d.unknown > 20 && d.unknown*10 > d.known {
		d.Warnings = append(d.Warnings, "some of its letters are in fonts that do not say which letters they are; those were left out")
	}
	if cutOff(content) {
		d.Warnings = append(d.Warnings, "its end is missing, so some of its text may be too; it may not have been copied in full")
	}
	return d.Parsed, d.layOut()
}

// cutOff reports whether a PDF does not end as one ends, with "%%EOF" and at most
// a little after it.
func cutOff(content []byte) bool {
	return !bytes.Contains(content[max(len(content)-4096, 0):], []byte("%%EOF"))
}

// pdf reads one document.
type pdf struct {
	builder

	x     *model.XRefTable
	fonts map[int]*pdfFont
	// lines are what was drawn, page by page.
	lines [][]pdfLine
	// ops and unpacked count what was done, known and unknown the letters.
	ops, unpacked  int
	known, unknown int
}

func (d *pdf) info() {
	if d.x.Info == nil {
		return
	}
	info := d.dict(*d.x.Info)
	d.Title, d.Author = d.words(info["Title"]), d.words(info["Author"])
	at := strings.TrimPrefix(d.words(info["ModDate"]), "D:")
	if len(at) >= 8 {
		d.At = dateOf(at[:4] + "-" + at[4:6] + "-" + at[6:8])
	}
	// What word processors put there is the name of a file, not a title.
	if t := strings.ToLower(d.Title); strings.HasPrefix(t, "microsoft word") || strings.HasSuffix(t, ".doc") || strings.HasSuffix(t, ".docx") || strings.HasSuffix(t, ".dvi") || t == "untitled" {
		d.Title = ""
	}
}

// pages walks the tree of pages, whatever it says of its size.
func (d *pdf) pages(node types.Object, inherited types.Dict, seen map[int]bool, depth int) error {
	if ref, ok := node.(types.IndirectRef); ok {
		n := ref.ObjectNumber.Value()
		if seen[n] {
			return nil
		}
		seen[n] = true
	}
	page := d.dict(node)
	if page == nil || depth > maxDepth {
		return nil
	}
	if r := d.dict(page["Resources"]); r != nil {
		inherited = r
	}
	kids := d.array(page["Kids"])
	if kids == nil {
		if len(d.lines) >= maxPages {
			return agent.Errorf(agent.TooLarge, "it has more than %d pages; cut it into parts", maxPages)
		}
		return d.page(page, inherited)
	}
	for _, kid := range kids {
		if err := d.pages(kid, inherited, seen, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *pdf) page(page, resources types.Dict) error {
	var program []byte
	streams := d.array(page["Contents"])
	if streams == nil {
		streams = types.Array{page["Contents"]}
	}
	for _, s := range streams {
		_, part, err := d.stream(s)
		if err != nil {
			return err
		}
		if len(program)+len(part) > maxStream {
			return errBomb()
		}
		program = append(append(program, part...), '\n')
	}
	canvas := pdfCanvas{doc: d}
	err := canvas.run(program, resources, identity(), 0)
	d.lines = append(d.lines, canvas.done())
	return err
}

// The methods below look behind references and give nothing where a document
// holds something else than it should.

func (d *pdf) at(o types.Object) types.Object {
	found, err := d.x.Dereference(o)
	if err != nil {
		return nil
	}
	return found
}

func (d *pdf) dict(o types.Object) types.Dict {
	switch o := d.at(o).(type) {
	case types.Dict:
		return o
	case types.StreamDict:
		return o.Dict
	}
	return nil
}

func (d *pdf) array(o types.Object) types.Array {
	a, _ := d.at(o).(types.Array)
	return a
}

func (d *pdf) name(o types.Object) string {
	n, _ := d.at(o).(types.Name)
	return string(n)
}

func (d *pdf) number(o types.Object) (float64, bool) {
	switch n := d.at(o).(type) {
	case types.Integer:
		return float64(n), true
	case types.Float:
		return float64(n), true
	}
	return 0, false
}

// words is the text of a string.
func (d *pdf) words(o types.Object) string {
	s, err := model.Text(d.at(o))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(s, "")
}

// stream returns a stream's dictionary and what it holds, unpacked. One that
// cannot be unpacked holds nothing.
func (d *pdf) stream(o types.Object) (types.Dict, []byte, error) {
	s, ok := d.at(o).(types.StreamDict)
	if !ok {
		return nil, nil, nil
	}
	if s.Content == nil {
		if err := s.DecodeWithLimit(maxStream); errors.Is(err, filter.ErrDecodeLimitExceeded) {
			return nil, nil, errBomb()
		} else if err != nil {
			return s.Dict, nil, nil //nolint:nilerr // the rest of the document can be read
		}
	}
	if d.unpacked += len(s.Content); d.unpacked > maxStreams {
		return nil, nil, errBomb()
	}
	return s.Dict, s.Content, nil
}
