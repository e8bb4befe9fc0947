package documents

import (
	"unicode/utf16"
)

// pdfCmap maps codes to texts or to glyphs (ISO 32000-1, 9.7.5 and 9.10.3).
type pdfCmap struct {
	// spaces say how many bytes a code has, by its first bytes.
	spaces []pdfRange
	one    map[uint32]string
	ranges []pdfRange
}

// pdfRange is codes of n bytes from lo to hi. The first stands for to, the next
// for the next one; or each for one of list.
type pdfRange struct {
	n      int
	lo, hi uint32
	to     []byte
	list   []any
	cid    uint32
	isCID  bool
}

// maxMappings bounds the entries of one map.
const maxMappings = 100_000

// readCmap reads the operators of a map.
func readCmap(program []byte) *pdfCmap {
	m := &pdfCmap{one: map[uint32]string{}}
	t := pdfTokens{b: program}
	var args []any
	for {
		v, err := t.next(0)
		if err != nil {
			return m
		}
		op, ok := v.(pdfOperator)
		if !ok {
			if len(args) < 100_000 {
				args = append(args, v)
			}
			continue
		}
		m.define(string(op), args)
		args = args[:0]
		if len(m.one)+len(m.ranges) > maxMappings {
			return m
		}
	}
}

func (m *pdfCmap) define(op string, args []any) {
	switch op {
	case "endcodespacerange":
		for i := 0; i+1 < len(args); i += 2 {
			lo, ok1 := args[i].([]byte)
			hi, ok2 := args[i+1].([]byte)
			if ok1 && ok2 && len(lo) == len(hi) && len(lo) >= 1 && len(lo) <= 4 {
				m.spaces = append(m.spaces, pdfRange{n: len(lo), lo: codeOf(lo), hi: codeOf(hi)})
			}
		}
	case "endbfchar":
		for i := 0; i+1 < len(args); i += 2 {
			code, ok1 := args[i].([]byte)
			to, ok2 := args[i+1].([]byte)
			if ok1 && ok2 && len(code) <= 4 && len(to) <= 64 {
				m.one[codeOf(code)] = utf16Text(to)
			}
		}
	case "endbfrange", "endcidrange":
		for i := 0; i+2 < len(args); i += 3 {
			m.addRange(args[i], args[i+1], args[i+2])
		}
	case "endcidchar":
		for i := 0; i+1 < len(args); i += 2 {
			m.addRange(args[i], args[i], args[i+1])
		}
	}
}

func (m *pdfCmap) addRange(from, upTo, to any) {
	lo, ok1 := from.([]byte)
	hi, ok2 := upTo.([]byte)
	if !ok1 || !ok2 || len(lo) > 4 || len(hi) > 4 {
		return
	}
	r := pdfRange{n: len(lo), lo: codeOf(lo), hi: codeOf(hi)}
	switch to := to.(type) {
	case []byte:
		if len(to) == 0 || len(to) > 64 {
			return
		}
		r.to = to
	case []any:
		r.list = to
	case float64:
		r.cid, r.isCID = uint32(max(to, 0)), true
	default:
		return
	}
	m.ranges = append(m.ranges, r)
}

func codeOf(b []byte) uint32 {
	v := uint32(0)
	for _, c := range b {
		v = v<<8 | uint32(c)
	}
	return v
}

// size returns how many bytes the code at the beginning of b has.
func (m *pdfCmap) size(b []byte) int {
	for n := 1; n <= 4 && n <= len(b); n++ {
		code := codeOf(b[:n])
		for _, s := range m.spaces {
			if s.n == n && within(code, s.lo, s.hi, n) {
				return n
			}
		}
	}
	if len(m.spaces) > 0 {
		return min(m.spaces[0].n, len(b))
	}
	return min(2, len(b))
}

// within compares byte by byte, as code spaces are boxes and no intervals.
func within(code, lo, hi uint32, n int) bool {
	for i := range n {
		shift := 8 * i
		if c := code >> shift & 0xFF; c < lo>>shift&0xFF || c > hi>>shift&0xFF {
			return false
		}
	}
	return true
}

// text returns what the code stands for.
func (m *pdfCmap) text(code uint32) (string, bool) {
	if s, ok := m.one[code]; ok {
		return s, true
	}
	for _, r := range m.ranges {
		if code < r.lo || code > r.hi || r.isCID {
			continue
		}
		if r.list != nil {
			if n := int(code - r.lo); n < len(r.list) {
				b, ok := r.list[n].([]byte)
				return utf16Text(b), ok
			}
			continue
		}
		to := append([]byte(nil), r.to...)
		for i, add := len(to)-1, code-r.lo; i >= 0 && add > 0; i-- {
			add += uint32(to[i])
			to[i] = byte(add)
			add >>= 8
		}
		return utf16Text(to), true
	}
	return "", false
}

// cid returns the glyph of the code.
func (m *pdfCmap) cid(code uint32) uint32 {
	for _, r := range m.ranges {
		if r.isCID && code >= r.lo && code <= r.hi {
			return r.cid + code - r.lo
		}
	}
	return code
}

// utf16Text reads UTF-16, big end first; a single byte is a letter of Latin-1.
func utf16Text(b []byte) string {
	if len(b) == 1 {
		return string(rune(b[0]))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}
