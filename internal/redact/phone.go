package redact

import "strings"

// chain is a run of groups that can be one telephone number.
type chain struct {
	groups     []group
	start, end int  // with a plus or bracket before it and an extension behind
	plus       bool // it begins with +
	digits     int  // without the extension
}

// phones finds telephone numbers. A plus or the form of North America is enough; other numbers need a word
// like phone or call beside them.
func (s *scan) phones(g []group) {
	known := 0 // where the last number ended: its words are not those of the next
	for i := 0; i < len(g); {
		c := s.chainAt(g[i:])
		used := len(c.groups)
		if s.extended(&c, g[i+used:]) {
			used++
		}
		if s.isPhone(c, known) {
			s.add(Phone, c.start, c.end)
		}
		if c.digits >= 6 {
			known = c.end
		}
		i += used
	}
}

// chainAt collects the groups that belong together, from the first on.
func (s *scan) chainAt(g []group) chain {
	c := chain{groups: g[:1], start: g[0].start, end: g[0].end, digits: g[0].len()}
	if c.start > 0 && s.text[c.start-1] == '(' {
		c.start--
	}
	if c.start > 0 && s.text[c.start-1] == '+' {
		c.start--
		c.plus = true
	}
	for n := 1; n < len(g) && n < 9 && s.dialled(g[n-1], g[n]); n++ {
		if c.digits+g[n].len() > 15 { // another number begins
			break
		}
		c.groups, c.end = g[:n+1], g[n].end
		c.digits += g[n].len()
	}
	return c
}

// dialled reports whether two groups may be parts of one number.
func (s *scan) dialled(a, b group) bool {
	if s.separator(a, b) != "" {
		return true
	}
	switch s.text[a.end:b.start] {
	case "/", ")", ") ", ")-", " (", "-(", "(", " - ", " / ", ".(", ")/", ") - ":
		return true
	}
	return false
}

// extended takes in an extension: x459, ext. 459.
func (s *scan) extended(c *chain, rest []group) bool {
	if len(rest) == 0 || rest[0].len() > 6 || rest[0].start-c.end > 6 || !rest[0].right {
		return false
	}
	switch strings.Trim(s.lower[c.end:rest[0].start], " .,:") {
	case "x", "ext", "extn", "#":
		c.end = rest[0].end
		return true
	}
	return false
}

// isPhone judges a chain; known is where the number before it ended.
func (s *scan) isPhone(c chain, known int) bool {
	if c.digits < 6 || c.digits > 15 || !s.standsAlone(c) {
		return false
	}
	grouped := len(c.groups) > 1
	if c.plus {
		return s.text[c.groups[0].start] != '0' && (c.digits >= 10 || grouped && c.digits >= 8)
	}
	if s.isDate(c) || s.hangs(c) || s.hasUnit(c.end) {
		return false
	}
	lead := s.lower[max(known, c.start-36):c.start]
	if isNorthAmerican(s.text, c) && lastWord(lead, "order", "ticket", "invoice", "ref", "id", "case", "sku", "part", "serial", "tracking") < 0 {
		return true
	}
	if c.digits == 6 {
		return grouped && s.strongWord(lead)
	}
	return s.phoneWord(c, lead)
}

// standsAlone reports whether no word, amount of money or path runs into the number.
func (s *scan) standsAlone(c chain) bool {
	first, last := c.groups[0], c.groups[len(c.groups)-1]
	if !first.left && !c.plus || !last.right && c.end == last.end {
		return false
	}
	if c.start == 0 {
		return true
	}
	before := s.text[c.start-1]
	return (!isWord(before) || escapeEnd(s.text, c.start)) && (c.plus || strings.IndexByte("$#%/.", before) < 0)
}

// hangs reports whether a further group or word hangs on the number by a hyphen or dot: then it is a part of
// something else. A word that says whose line it is may (021-555-0100-Office).
func (s *scan) hangs(c chain) bool {
	if i := c.start; i > 1 && strings.IndexByte("-./", s.text[i-1]) >= 0 && isAlnum(s.text[i-2]) && !escapeEnd(s.text, i-1) {
		return true
	}
	i := c.end
	return i+1 < len(s.text) && strings.IndexByte("-./", s.text[i]) >= 0 && isAlnum(s.text[i+1]) && !s.lineName(i)
}

// lineName reports whether the words after a number say whose or what line it is.
func (s *scan) lineName(end int) bool {
	tail := strings.TrimLeft(s.after(end, 14), " -(\\,[/")
	for _, w := range [...]string{"office", "fax", "mobile", "cell", "home", "phone", "tel", "work", "mob"} {
		if strings.HasPrefix(tail, w) && (len(tail) == len(w) || !isAlpha(tail[len(w)])) {
			return true
		}
	}
	return false
}

// isNorthAmerican reports whether the groups are 3-3-4 with an area code of 2 to 9, after 1 or nothing.
func isNorthAmerican(text string, c chain) bool {
	g := c.groups
	if len(g) == 4 && text[g[0].start:g[0].end] == "1" {
		g = g[1:]
	}
	return len(g) == 3 && g[0].len() == 3 && g[1].len() == 3 && g[2].len() == 4 &&
		text[g[0].start] >= '2' && text[g[1].start] >= '2' && text[g[0].end:g[1].start] != " / "
}

// strongWord reports whether the last word of note before the number says that it is one to dial.
func (s *scan) strongWord(lead string) bool {
	at := lastWord(lead, "phone", "phone_number", "telephone", "tel", "telefon", "téléphone", "telefono", "teléfono", "mobile", "mobil",
		"móvil", "cell", "cellphone", "fax", "whatsapp", "handy", "hotline", "phonenumber", "landline", "voicemail", "ph")
	return at >= 0 && at > lastWord(lead, "order", "ticket", "invoice", "id", "case", "build", "version", "model", "serial", "sku", "cost",
		"costs", "price", "bill", "zip", "code", "pin", "imei", "since", "until")
}

// phoneWord reports whether words beside the number say that it is one to dial. Everyday words count for
// numbers written in groups only, unless they stand right before it.
func (s *scan) phoneWord(c chain, lead string) bool {
	if s.strongWord(lead) || s.directWord(lead) {
		return true
	}
	if len(c.groups) < 2 {
		return false
	}
	if s.lineName(c.end) {
		return true
	}
	weak := lastWord(lead, "call", "calling", "dial", "ring", "text", "sms", "reach", "reached", "contact", "answering", "messages to",
		"registered", "line", "desk", "office", "home", "direct", "rufen", "appeler", "llamar")
	return weak >= 0 && weak > lastWord(lead, "order", "ticket", "invoice", "id", "case", "build", "version", "is at", "are at", "located",
		"took", "returned", "address", "room", "suite", "on page", "from", "between")
}

// directWord reports whether the words right before the number ask to dial it.
func (s *scan) directWord(lead string) bool {
	lead = strings.TrimRight(lead, " :")
	for _, w := range [...]string{
		"call", "dial", "ring", "text", "sms", "call me at", "call me on", "me on", "call us at", "call us on", "call him at",
		"call her at", "call them at", "messages to", "message to", "answering at", "answering on", "my registered", "reach me at",
		"reach me on", "reached at", "contact me at", "desk", "contact number is", "call at", "call on", "sms to", "text me at", "text to",
	} {
		if strings.HasSuffix(lead, w) && (len(lead) == len(w) || !isAlpha(lead[len(lead)-len(w)-1])) {
			return true
		}
	}
	return false
}

// isDate reports whether the groups begin like a date, a pair of times, a range of years or an amount with
// dots between the thousands.
func (s *scan) isDate(c chain) bool {
	g := c.groups
	if len(g) < 2 {
		return false
	}
	small := func(i, most int) bool { return g[i].len() <= 2 && s.number(g[i]) <= most }
	if s.isYear(g[0]) && (small(1, 31) || len(g) == 2 && g[1].len() == 4) {
		return true
	}
	if len(g) >= 3 && small(0, 31) && small(1, 31) && s.isYear(g[2]) {
		return true
	}
	return len(g) == 4 && s.isTime(g[0], g[1]) && s.isTime(g[2], g[3]) || s.isAmount(c)
}

// isTime reports whether the groups are hours and minutes with a dot between.
func (s *scan) isTime(hours, minutes group) bool {
	return s.joined(hours, minutes, ".") && hours.len() <= 2 && s.number(hours) <= 24 && minutes.len() == 2 && s.number(minutes) < 60
}

// number is the value of a group of up to five digits.
func (s *scan) number(g group) int {
	n := 0
	for _, d := range []byte(s.text[g.start:min(g.end, g.start+5)]) {
		n = n*10 + int(d-'0')
	}
	return n
}

func (s *scan) isYear(g group) bool { return g.len() == 4 && s.number(g) >= 1900 && s.number(g) < 2100 }

// isAmount reports whether dots part the groups by thousands.
func (s *scan) isAmount(c chain) bool {
	if c.start != c.groups[0].start || c.groups[0].len() > 3 || s.separator(c.groups[0], c.groups[1]) != "." {
		return false
	}
	for _, g := range c.groups[1:] {
		if g.len() != 3 {
			return false
		}
	}
	return true
}

// hasUnit reports whether what follows is money, a share or a measure.
func (s *scan) hasUnit(end int) bool {
	tail := strings.TrimLeft(s.after(end, 6), " ")
	for _, u := range [...]string{"%", "€", "$", "eur", "usd", "gbp", "kr", "ms", "bytes", "kb", "mb", "gb", "tokens", "lines", "rows", "users", "items", "times", "years"} {
		if strings.HasPrefix(tail, u) {
			return true
		}
	}
	return false
}
