package documents

import (
	"strings"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
	"golang.org/x/text/encoding/charmap"
)

// pdfFont says which letters the codes of a font are, and how wide.
type pdfFont struct {
	// composite fonts have codes of several bytes; codes parts and maps them.
	composite, ucs2 bool
	codes           *pdfCmap
	toUnicode       *pdfCmap
	// letters are those of a simple font by code.
	letters [256]string
	widths  map[uint32]float64
	// width is that of glyphs which have none of their own; scale makes ems of widths.
	width, scale float64
	known        map[uint32]string
}

// font returns the font of a resource, read once.
func (d *pdf) font(o types.Object) (*pdfFont, error) {
	ref, isRef := o.(types.IndirectRef)
	if f := d.fonts[ref.ObjectNumber.Value()]; isRef && f != nil {
		return f, nil
	}
	f, err := d.readFont(d.dict(o))
	if isRef && err == nil && len(d.fonts) < 10_000 {
		d.fonts[ref.ObjectNumber.Value()] = f
	}
	return f, err
}

func (d *pdf) readFont(dict types.Dict) (*pdfFont, error) {
	f := &pdfFont{widths: map[uint32]float64{}, width: 500, scale: 0.001, known: map[uint32]string{}}
	if _, program, err := d.stream(dict["ToUnicode"]); err != nil {
		return nil, err
	} else if program != nil {
		f.toUnicode = readCmap(program)
	}
	switch d.name(dict["Subtype"]) {
	case "Type0":
		return f, d.readComposite(f, dict)
	case "Type3":
		f.width = 0
		if m := d.array(dict["FontMatrix"]); len(m) == 6 {
			if a, ok := d.number(m[0]); ok && a != 0 {
				f.scale = a
			}
		}
	}
	first, _ := d.number(dict["FirstChar"])
	for n, w := range d.array(dict["Widths"]) {
		if v, ok := d.number(w); ok && n < 256 {
			f.widths[uint32(max(first, 0))+uint32(n)] = v
		}
	}
	if strings.Contains(d.name(dict["BaseFont"]), "Courier") {
		f.width = 600
	}
	if v, ok := d.number(d.dict(dict["FontDescriptor"])["MissingWidth"]); ok && len(f.widths) > 0 {
		f.width = v
	}
	d.readEncoding(f, dict["Encoding"])
	return f, nil
}

func (d *pdf) readComposite(f *pdfFont, dict types.Dict) error {
	f.composite = true
	switch name := d.name(dict["Encoding"]); {
	case strings.Contains(name, "UCS2") || strings.Contains(name, "UTF16"):
		f.ucs2 = true
	case name == "":
		_, program, err := d.stream(dict["Encoding"])
		if err != nil {
			return err
		}
		if program != nil {
			f.codes = readCmap(program)
		}
	}
	inner := types.Dict(nil)
	if a := d.array(dict["DescendantFonts"]); len(a) > 0 {
		inner = d.dict(a[0])
	}
	f.width = 1000
	if v, ok := d.number(inner["DW"]); ok {
		f.width = v
	}
	d.readWidths(f, d.array(inner["W"]))
	return nil
}

// readWidths reads "c [w1 w2 …]" and "first last w" (ISO 32000-1, 9.7.4.3).
func (d *pdf) readWidths(f *pdfFont, w types.Array) {
	for i := 0; i+1 < len(w) && len(f.widths) < 70_000; {
		first, ok := d.number(w[i])
		if !ok || first < 0 {
			return
		}
		if list := d.array(w[i+1]); list != nil {
			for n, o := range list {
				if v, ok := d.number(o); ok {
					f.widths[uint32(first)+uint32(n)] = v
				}
			}
			i += 2
			continue
		}
		if i+2 >= len(w) {
			return
		}
		last, _ := d.number(w[i+1])
		v, _ := d.number(w[i+2])
		for c := first; c <= min(last, first+65_535) && len(f.widths) < 70_000; c++ {
			f.widths[uint32(c)] = v
		}
		i += 3
	}
}

// readEncoding fills in the letters of a simple font.
func (d *pdf) readEncoding(f *pdfFont, o types.Object) {
	base := d.name(o)
	dict := d.dict(o)
	if dict != nil {
		base = d.name(dict["BaseEncoding"])
	}
	table := charmap.Windows1252
	if base == "MacRomanEncoding" {
		table = charmap.Macintosh
	}
	for c := 32; c < 256; c++ {
		f.letters[c] = string(table.DecodeByte(byte(c)))
	}
	if base == "" {
		for c, name := range standardEncoding() {
			f.letters[c] = glyphText(name)
		}
	}
	code := 0
	for _, o := range d.array(dict["Differences"]) {
		if n, ok := d.number(o); ok {
			code = int(n)
			continue
		}
		if name := d.name(o); code >= 0 && code < 256 && name != "" {
			f.letters[code] = glyphText(name)
		}
		code++
	}
}

// glyph is one code of a string as it is drawn.
type glyph struct {
	text  string
	width float64 // in ems
	space bool    // a single byte 32, which word spacing widens
}

// next takes the first code off a string.
func (f *pdfFont) next(s []byte) (glyph, []byte) {
	if !f.composite {
		code := uint32(s[0])
		return glyph{f.letter(code), f.wide(code), code == 32}, s[1:]
	}
	n := min(2, len(s))
	if f.codes != nil {
		n = f.codes.size(s)
	}
	code := codeOf(s[:n])
	cid := code
	if f.codes != nil {
		cid = f.codes.cid(code)
	}
	return glyph{f.letter(code), f.wide(cid), n == 1 && code == 32}, s[n:]
}

func (f *pdfFont) wide(cid uint32) float64 {
	if w, ok := f.widths[cid]; ok {
		return w * f.scale
	}
	return f.width * f.scale
}

// letter is the text of a code; "" when nothing says it.
func (f *pdfFont) letter(code uint32) string {
	if s, ok := f.known[code]; ok {
		return s
	}
	s, ok := "", false
	if f.toUnicode != nil {
		s, ok = f.toUnicode.text(code)
	}
	switch {
	case ok:
	case f.ucs2:
		s = utf16Text([]byte{byte(code >> 8), byte(code)})
	case !f.composite && code < 256:
		s = f.letters[code]
	}
	s = readable(s)
	f.known[code] = s
	return s
}

// readable takes apart ligatures and leaves out what is no letter.
func readable(s string) string {
	if len(s) == 1 && s[0] >= ' ' {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\u00A0' || r == '\u2007' || r == '\u202F':
			return ' '
		case r < ' ' || r >= 0x7F && r < 0xA0 || r == '\u00AD' || r == '\uFFFD' || r == '\uFEFF' || r == '\u200B' || r >= 0xE000 && r <= 0xF8FF:
			return -1
		}
		return r
	}, strings.NewReplacer("\uFB00", "ff", "\uFB01", "fi", "\uFB02", "fl", "\uFB03", "ffi", "\uFB04", "ffl", "\uFB05", "st", "\uFB06", "st").Replace(s))
}
