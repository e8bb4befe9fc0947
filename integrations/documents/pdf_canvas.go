package documents

import (
	"math"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"github.com/sous-hq/sous/agent"
)

// matrix is [a b c d e f] of ISO 32000-1, 8.3.3.
type matrix [6]float64

func identity() matrix { return matrix{1, 0, 0, 1, 0, 0} }

// mul is m, then o.
func (m matrix) mul(o matrix) matrix {
	return matrix{
		m[0]*o[0] + m[1]*o[2], m[0]*o[1] + m[1]*o[3],
		m[2]*o[0] + m[3]*o[2], m[2]*o[1] + m[3]*o[3],
		m[4]*o[0] + m[5]*o[2] + o[4], m[4]*o[1] + m[5]*o[3] + o[5],
	}
}

// pdfCanvas carries out what a page draws, as far as text goes, and hands each
// glyph to the lines.
type pdfCanvas struct {
	pdfLines

	doc *pdf
}

// state is the graphics state, of which q keeps a copy.
type state struct {
	ctm                                       matrix
	font                                      *pdfFont
	size, charSpace, wordSpace, leading, rise float64
	stretch                                   float64
}

// maxForms is how deep forms may draw forms.
const maxForms = 12

// program is one content stream being carried out.
type program struct {
	*pdfCanvas

	state

	resources types.Dict
	saved     []state
	tm, line  matrix
	depth     int
}

// run carries out a content stream.
func (c *pdfCanvas) run(code []byte, resources types.Dict, ctm matrix, depth int) error {
	p := program{pdfCanvas: c, resources: resources, depth: depth, tm: identity(), line: identity()}
	p.ctm, p.stretch = ctm, 1
	t := pdfTokens{b: code}
	var args []any
	for {
		v, err := t.next(0)
		if err != nil {
			return nil //nolint:nilerr // the end
		}
		op, ok := v.(pdfOperator)
		if !ok {
			if len(args) < 64 {
				args = append(args, v)
			}
			continue
		}
		if c.doc.ops++; c.doc.ops > maxOps {
			return agent.Errorf(agent.TooLarge, "it draws more than %d things; it is too large to be read", maxOps)
		}
		if op == "ID" {
			t.skipImage()
		} else if err := p.do(string(op), args); err != nil {
			return err
		}
		args = args[:0]
	}
}

// do carries out one operator.
func (p *program) do(op string, args []any) error {
	n, ok := numbers(args)
	switch op {
	case "q":
		if len(p.saved) < 1000 {
			p.saved = append(p.saved, p.state)
		}
	case "Q":
		if last := len(p.saved) - 1; last >= 0 {
			p.state, p.saved = p.saved[last], p.saved[:last]
		}
	case "cm":
		if ok && len(n) == 6 {
			p.ctm = matrix(n).mul(p.ctm)
		}
	case "Do":
		return p.draw(args)
	case "Tf":
		return p.setFont(args)
	case "Tj", "TJ", "'", "\"":
		return p.show(op, args)
	default:
		if ok {
			p.text(op, n)
		}
	}
	return nil
}

// numbers returns the operands when all of them are numbers.
func numbers(args []any) ([]float64, bool) {
	out := make([]float64, 0, 6)
	for _, a := range args {
		v, ok := a.(float64)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// text carries out the operators of text state and position.
func (p *program) text(op string, n []float64) {
	switch {
	case op == "BT":
		p.tm, p.line = identity(), identity()
	case op == "T*":
		p.move(0, -p.leading)
	case (op == "Td" || op == "TD") && len(n) == 2:
		if op == "TD" {
			p.leading = -n[1]
		}
		p.move(n[0], n[1])
	case op == "Tm" && len(n) == 6:
		p.tm, p.line = matrix(n), matrix(n)
	case len(n) != 1:
	case op == "Tc":
		p.charSpace = n[0]
	case op == "Tw":
		p.wordSpace = n[0]
	case op == "Tz":
		p.stretch = n[0] / 100
	case op == "TL":
		p.leading = n[0]
	case op == "Ts":
		p.rise = n[0]
	}
}

func (p *program) move(x, y float64) {
	p.line = matrix{1, 0, 0, 1, x, y}.mul(p.line)
	p.tm = p.line
}

func (p *program) setFont(args []any) error {
	if len(args) != 2 {
		return nil
	}
	name, _ := args[0].(pdfName)
	p.size, _ = args[1].(float64)
	font := p.doc.dict(p.resources["Font"])[string(name)]
	p.font = nil
	if font == nil {
		return nil
	}
	var err error
	p.font, err = p.doc.font(font)
	return err
}

// show draws strings.
func (p *program) show(op string, args []any) error {
	if len(args) == 0 {
		return nil
	}
	if op == "\"" && len(args) == 3 {
		p.wordSpace, _ = args[0].(float64)
		p.charSpace, _ = args[1].(float64)
	}
	if op == "'" || op == "\"" {
		p.move(0, -p.leading)
	}
	list, ok := args[len(args)-1].([]any)
	if !ok {
		list = args[len(args)-1:]
	}
	for _, v := range list {
		switch v := v.(type) {
		case float64:
			p.advance(-v / 1000 * p.size)
		case []byte:
			if err := p.string(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) string(s []byte) error {
	if p.font == nil {
		return nil
	}
	if p.doc.ops += len(s); p.doc.ops > maxOps {
		return errTooMuchText()
	}
	for len(s) > 0 {
		var g glyph
		g, s = p.font.next(s)
		if g.text == "" {
			p.doc.unknown++
		} else {
			p.doc.known++
		}
		at := matrix{p.size * p.stretch, 0, 0, p.size, 0, p.rise}.mul(p.tm).mul(p.ctm)
		p.put(g, at)
		wide := g.width*p.size + p.charSpace
		if g.space {
			wide += p.wordSpace
		}
		p.advance(wide)
	}
	return nil
}

func (p *program) advance(by float64) { p.tm = matrix{1, 0, 0, 1, by * p.stretch, 0}.mul(p.tm) }

// draw draws a form; pictures are passed over.
func (p *program) draw(args []any) error {
	if len(args) != 1 || p.depth >= maxForms {
		return nil
	}
	name, _ := args[0].(pdfName)
	o := p.doc.dict(p.resources["XObject"])[string(name)]
	if p.doc.name(p.doc.dict(o)["Subtype"]) != "Form" {
		return nil
	}
	dict, code, err := p.doc.stream(o)
	if err != nil || len(code) == 0 {
		return err
	}
	ctm := p.ctm
	if a := p.doc.array(dict["Matrix"]); len(a) == 6 {
		var m matrix
		for i := range m {
			m[i], _ = p.doc.number(a[i])
		}
		ctm = m.mul(ctm)
	}
	resources := p.doc.dict(dict["Resources"])
	if resources == nil {
		resources = p.resources
	}
	return p.run(code, resources, ctm, p.depth+1)
}

// size is how large a letter is that is drawn with the matrix.
func (m matrix) size() float64 { return math.Hypot(m[2], m[3]) }
