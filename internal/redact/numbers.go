package redact

import "strings"

// group is a run of digits.
type group struct {
	start, end int
	// left and right say that no letter or underscore touches it there.
	left, right bool
}

func (g group) len() int { return g.end - g.start }

// numbers finds what is made of digits.
func (s *scan) numbers() {
	g := s.groups()
	for i := range g {
		s.iban(g[i])
		if !g[i].left {
			s.nino(g, i)
			continue
		}
		if i+4 <= len(g) {
			s.ipv4(g[i:])
		}
		s.card(g[i:])
		s.ssn(g, i)
		s.nino(g, i)
		s.otherIDs(g, i)
	}
	s.phones(g)
}

// groups lists the runs of digits.
func (s *scan) groups() []group {
	all := make([]group, 0, min(s.digits, 64))
	for i := 0; i < len(s.text); i++ {
		if !isDigit(s.text[i]) {
			continue
		}
		end := run(s.text, i, len(s.text), isDigit)
		if !inEscape(s.text, i) { // the digits of \u003c are no number
			all = append(all, group{i, end, s.freeBefore(i), s.freeAfter(end)})
		}
		i = end
	}
	return all
}

// inEscape reports whether position i lies in the four digits of \uXXXX.
func inEscape(text string, i int) bool {
	for back := 2; back <= 5 && i-back >= 0; back++ {
		if text[i-back] == '\\' && text[i-back+1] == 'u' {
			return run(text, i-back+2, 4, isHex) == i-back+6
		}
	}
	return false
}

// joined reports whether exactly sep stands between two groups.
func (s *scan) joined(a, b group, sep string) bool { return s.text[a.end:b.start] == sep }

// separator returns what stands between two groups when it is one hyphen, dot or space, also the kinds
// that do not break a line; hyphens come back as "-", spaces as " ". Otherwise "".
func (s *scan) separator(a, b group) string {
	switch sep := s.text[a.end:b.start]; sep {
	case " ", "-", ".":
		return sep
	case "\u00a0", "\u202f", "\u2009", "  ":
		return " "
	case "\u2010", "\u2011", "\u2013":
		return "-"
	}
	return ""
}

// shape returns the digits of as many groups, joined by the same separator, as have the lengths given.
// The buffer holds them.
func (s *scan) shape(g []group, buf []byte, lengths ...int) (digits []byte, sep string) {
	if len(g) < len(lengths) {
		return nil, ""
	}
	for i, n := range lengths {
		if g[i].len() != n {
			return nil, ""
		}
		if i > 0 {
			next := s.separator(g[i-1], g[i])
			if next == "" || i > 1 && next != sep {
				return nil, ""
			}
			sep = next
		}
		buf = append(buf, s.text[g[i].start:g[i].end]...)
	}
	return buf, sep
}

// loose reports whether the groups from first to last are a number of their own: no further group, word
// or decimal hangs on it by a hyphen or dot.
func (s *scan) loose(first, last group) bool {
	if !first.left || !last.right {
		return false
	}
	if i := first.start; i > 1 && strings.IndexByte("-./", s.text[i-1]) >= 0 && isAlnum(s.text[i-2]) && !escapeEnd(s.text, i-1) {
		return false
	}
	if i := last.end; i+1 < len(s.text) && strings.IndexByte("-./", s.text[i]) >= 0 && isAlnum(s.text[i+1]) {
		return false
	}
	return true
}

// cardShapes are how the digits of a card are grouped.
func cardShapes() [8][]int {
	return [8][]int{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {6, 13}, {4, 4, 4, 3}, {4, 4, 4, 1}, {8, 8}}
}

// card looks at a number that begins with the first group.
func (s *scan) card(g []group) {
	var buf [24]byte
	if n := g[0].len(); n >= 12 {
		if n <= 19 {
			s.cardOf(append(buf[:0], s.text[g[0].start:g[0].end]...), g[0], g[0])
		}
		return
	}
	if n := g[0].len(); n != 4 && n != 6 && n != 8 || len(g) < 2 || s.separator(g[0], g[1]) == "" {
		return
	}
	for _, lengths := range cardShapes() {
		if d, _ := s.shape(g, buf[:0], lengths...); d != nil && s.cardOf(d, g[0], g[len(lengths)-1]) {
			return
		}
	}
}

func (s *scan) cardOf(d []byte, first, last group) bool {
	sure := issuer(d)
	if sure == 0 || !last.right || !luhn(d) {
		return false
	}
	start, end := first.start, last.end
	named := s.said(start, end, 100, 60, "card", "cards", "visa", "mastercard", "amex", "american express", "credit", "debit", "cc",
		"maestro", "diners", "jcb", "discover", "cvv", "cvc", "karte", "kreditkarte", "kartennummer", "carte", "tarjeta", "card_number",
		"cardnumber", "creditcard", "creditcardnumber", "pan")
	if !named && (sure < 2 || !s.loose(first, last) || s.otherNumber(start)) {
		return false
	}
	s.add(Card, start, end)
	return true
}

// otherNumber reports whether the words before say that the number is one of a thing.
func (s *scan) otherNumber(start int) bool {
	lead := s.before(start, 24)
	return lastWord(lead, "order", "invoice", "ticket", "ref", "reference", "tracking", "id", "build", "job", "run", "trace", "span",
		"event", "case", "issue", "sku", "isbn", "imei", "ean", "gtin", "serial", "timestamp", "shipment", "parcel", "part", "version",
		"request", "session", "commit", "po", "key", "seq", "offset", "bestellung", "commande", "rechnung", "auftrag") >= 0
}

// ssn looks for a social security number: 3-2-4 with hyphens by itself, otherwise with its name nearby.
func (s *scan) ssn(g []group, i int) {
	var buf [24]byte
	last := i + 2
	d, sep := s.shape(g[i:], buf[:0], 3, 2, 4)
	if d == nil {
		if d, last = s.digitsOf(g[i], buf[:0]), i; len(d) != 9 {
			return
		}
	}
	if !isSSN(d) || !s.loose(g[i], g[last]) {
		return
	}
	start, end := g[i].start, g[last].end
	if named := s.said(start, end, 40, 24, "ssn", "ssns", "social security", "social", "soc sec", "social_security_number", "itin"); !named {
		if sep != "-" || s.otherNumber(start) {
			return
		}
	}
	s.add(SSN, start, end)
}

func (s *scan) digitsOf(g group, buf []byte) []byte {
	return append(buf, s.text[g.start:min(g.end, g.start+20)]...)
}

// otherIDs looks for German, French and Dutch numbers. Their check digits are weak, so all but the French
// need their name nearby.
func (s *scan) otherIDs(g []group, i int) {
	if n := g[i].len(); n > 4 && n != 9 && n != 11 && n != 13 && n != 15 {
		return
	}
	for _, id := range [...]struct {
		kind    Kind
		lengths string // of the groups, as hexadecimal digits
	}{
		{SteuerID, "b"}, {SteuerID, "2333"}, {NIR, "f"}, {NIR, "d2"}, {NIR, "1222332"}, {BSN, "9"}, {BSN, "423"}, {BSN, "333"},
	} {
		var lengths [8]int
		for j, c := range []byte(id.lengths) {
			lengths[j] = strings.IndexByte("0123456789abcdef", c)
		}
		if g[i].len() != lengths[0] {
			continue
		}
		var buf [24]byte
		d, _ := s.shape(g[i:], buf[:0], lengths[:len(id.lengths)]...)
		if d == nil || !checks(id.kind, d) {
			continue
		}
		last := g[i+len(id.lengths)-1]
		if s.loose(g[i], last) && (id.kind == NIR || s.named(id.kind, g[i].start, last.end)) {
			s.add(id.kind, g[i].start, last.end)
			return
		}
	}
}

// checks reports whether the digits, as many as the kind has, pass its test.
func checks(k Kind, d []byte) bool {
	switch k {
	case SteuerID:
		return isSteuerID(d)
	case NIR:
		return isNIR(d)
	default:
		return isBSN(d)
	}
}

func (s *scan) named(k Kind, start, end int) bool {
	if k == BSN {
		return s.said(start, end, 40, 24, "bsn", "burgerservicenummer", "sofinummer", "sofi-nummer", "sofi")
	}
	return s.said(start, end, 48, 24, "steuer", "steuer-id", "steuerid", "steuernummer", "idnr", "id-nr", "steuer-idnr", "tin", "tax id",
		"tax number", "steueridentifikationsnummer", "steuerliche identifikationsnummer", "identifikationsnummer")
}

// nino looks for two letters, six digits and a letter from A to D around group i. In one piece it looks
// like an article's number, so then its name must be nearby.
func (s *scan) nino(g []group, i int) {
	last, spaced := i, false
	var buf [24]byte
	if d, sep := s.shape(g[i:], buf[:0], 2, 2, 2); d != nil && sep == " " {
		last, spaced = i+2, true
	} else if g[i].len() != 6 {
		return
	}
	start := len(strings.TrimSuffix(s.text[:g[i].start], " ")) - 2
	end := g[last].end + 1
	if strings.HasPrefix(s.text[end-1:], " ") {
		end++
	}
	if start < 0 || end > len(s.text) || !ninoLetters(s.lower[start:start+2], s.lower[end-1]) || !s.freeAfter(end) || !s.freeBefore(start) {
		return
	}
	if spaced && s.text[start:start+2] != s.lower[start:start+2] ||
		s.said(start, end, 48, 24, "national insurance", "nino", "ni number", "ni no", "ni", "insurance number") {
		s.add(NINO, start, end)
	}
}

// ninoLetters reports whether the letters, small, are ones that HM Revenue & Customs gives.
func ninoLetters(two string, suffix byte) bool {
	return suffix >= 'a' && suffix <= 'd' && isLower(two[0]) && isLower(two[1]) && !strings.ContainsAny(two, "dfiquv") && two[1] != 'o' &&
		!strings.Contains("bg gb kn nk nt tn zz", two)
}

// iban looks at an account number whose two check digits the group begins with.
func (s *scan) iban(g group) {
	start := g.start - 2
	if start < 0 || g.len() < 2 || !isAlpha(s.text[start]) || !isAlpha(s.text[start+1]) || !s.freeBefore(start) {
		return
	}
	var buf [34]byte
	want := ibanLength(s.text[start : start+2])
	if b, end := s.spaced(start, buf[:0], want); want > 0 && len(b) == want && s.freeAfter(end) && mod97(b) == 1 {
		s.add(IBAN, start, end)
	}
}

// spaced collects want letters and digits from start on, which single spaces or hyphens may part.
func (s *scan) spaced(start int, buf []byte, want int) (b []byte, end int) {
	for i := start; len(buf) < want && i < len(s.text); {
		if isAlnum(s.text[i]) {
			buf = append(buf, s.text[i])
			i++
			end = i
			continue
		}
		width := gap(s.text[i:])
		if width == 0 {
			break
		}
		i += width
		if i >= len(s.text) || !isAlnum(s.text[i]) {
			break
		}
	}
	return buf, end
}

// gap returns the length of the one space or hyphen that the text begins with, 0 when it begins otherwise.
func gap(text string) int {
	for _, sep := range [...]string{" ", "-", "\u00a0", "\u202f"} {
		if strings.HasPrefix(text, sep) {
			return len(sep)
		}
	}
	return 0
}
