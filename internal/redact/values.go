package redact

import "strings"

// value returns the value that begins at or soon after i.
func (s *scan) value(i int) (start, end int, quoted bool) {
	const most = 512
	i = run(s.text, i, 4, func(c byte) bool { return c == ' ' || c == '\t' })
	for _, lead := range [...]string{"bearer ", "basic ", "token ", "**", `\`} {
		if strings.HasPrefix(s.lower[i:], lead) && (lead != `\` || strings.HasPrefix(s.text[i:], `\"`)) {
			i += len(lead)
		}
	}
	if strings.HasPrefix(s.text[i:], opening) {
		if _, form := placeholderAt(s.text, i); form == whole { // masked already
			return i, i, false
		}
	}
	if from, to, ok := s.quotedAt(i); ok {
		return from, to, true
	}
	if i < len(s.text) && s.text[i] == '?' && s.text[i-1] == '=' {
		i++ // a query that was put together badly
	}
	end = i
	for end < len(s.text) && end < i+most && !s.endsValue(i, end) {
		end++
	}
	return i, s.trimValue(i, end), false
}

// quotedAt returns what stands between the quotes that begin at i.
func (s *scan) quotedAt(i int) (from, to int, ok bool) {
	const most = 512
	for _, pair := range [...][2]string{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"„", "“"}, {"«", "»"}} {
		if !strings.HasPrefix(s.text[i:], pair[0]) {
			continue
		}
		from := i + len(pair[0])
		n := strings.Index(s.text[from:min(len(s.text), from+most)], pair[1])
		if n > 0 && !strings.Contains(s.text[from:from+n], "\n") {
			return from, from + len(strings.TrimRight(s.text[from:from+n], `\`)), true
		}
	}
	return 0, 0, false
}

// endsValue reports whether an unquoted value that began at start ends before position i: at a space, at a
// quote that closes, at an escape, a tag or the next name of a list of settings.
func (s *scan) endsValue(start, i int) bool {
	c := s.text[i]
	next := byte(' ')
	if i+1 < len(s.text) {
		next = s.text[i+1]
	}
	switch {
	case isSpace(c):
		return true
	case c == '\\':
		return strings.IndexByte(`nrt"u`, next) >= 0
	case isQuote(c):
		opened := strings.IndexByte(s.before(start, 80), c) >= 0
		return opened && (isSpace(next) || strings.IndexByte(`.,;:)]}"`, next) >= 0)
	case c == '<':
		return next == '/'
	case c == ';' || c == '&':
		name := run(s.text, i+1, 32, func(c byte) bool { return isAlpha(c) || c == '_' || c == ' ' })
		return name > i+1 && name < len(s.text) && s.text[name] == '='
	}
	return false
}

// trimValue drops what belongs to the sentence around text[start:end].
func (s *scan) trimValue(start, end int) int {
	bracketed := strings.Contains(s.before(start, 80), "(")
	for end > start {
		c := s.text[end-1]
		if strings.IndexByte(".,;:", c) < 0 && (c != ')' || !bracketed || strings.Contains(s.text[start:end], "(")) && !strings.HasSuffix(s.text[start:end], "**") {
			break
		}
		end--
	}
	return end
}

// isPassword reports whether a value can be a password rather than a word about one. link is what stood
// between the two.
func isPassword(v, link string, quoted bool) bool {
	if len(v) < 4 || isPlaceholder(v) || isCode(v) {
		return false
	}
	if quoted && strings.Contains(v, " ") {
		return link != "is" && len(v) < 80 && strings.Count(v, " ") < 6 && !plain(strings.ReplaceAll(v, " ", ""))
	}
	if !plain(v) {
		return !isFraction(v) && !isProse(v)
	}
	return !isAbout(strings.ToLower(v)) && (link == "is" || quoted || len(v) >= 6 || link == "=")
}

// isProse reports whether the value is words joined by hyphens, slashes or apostrophes.
func isProse(v string) bool {
	for i := range len(v) {
		if c := v[i]; !isLower(c) && c != '-' && c != '\'' && c != '/' && (i > 0 || !isUpper(c)) {
			return strings.HasPrefix(v, "n't")
		}
	}
	parts := strings.FieldsFunc(v, func(r rune) bool { return r == '-' || r == '\'' || r == '/' })
	return len(parts) < 3 || strings.ContainsAny(v, "'/")
}

// isFraction reports whether the value is a small number, a share or a time.
func isFraction(v string) bool {
	return len(v) < 6 && strings.Trim(v, "0123456789.:/%") == "" && (len(v) < 4 || strings.Trim(v, "0123456789") != "")
}

// plain reports whether a value is one word: letters, the first possibly a capital, or all capitals.
func plain(v string) bool {
	small, capitals := 0, 0
	for i := range len(v) {
		switch c := v[i]; {
		case isLower(c) || c >= 0x80:
			small++
		case isUpper(c):
			capitals++
		default:
			return false
		}
	}
	return capitals == 0 || small == 0 || capitals == 1 && isUpper(v[0])
}

// isAbout reports whether a small word after "password is" speaks about the password.
func isAbout(v string) bool {
	const about = " wrong correct right incorrect invalid valid expired expiring required mandatory missing optional empty blank null none true false string " +
		"text varchar bytes number hidden visible stored saved kept hashed encrypted plain plaintext secure insecure safe weak strong long short good " +
		"okay fine great ready done gone lost unknown unchanged different same similar identical mine yours hers theirs ours here there below above " +
		"attached enclosed enough never always still just only also really very quite currently already being been going supposed case sensitive " +
		"what when where which that this these those with from into through under over about after before again because since until while again " +
		"your their them then than they have will would should could must cannot doesn does working accepted rejected compromised leaked broken " +
		"secret private public shared unique default generated random password passwort token login user username name email field input value " +
		"prompt undefined unset reset easy hard simple complex something anything nothing everything somewhere exactly both either neither " +
		"nicht falsch richtig abgelaufen sicher neben nobody somebody someone anyone everyone like used more less most least please thanks " +
		"using sent given known unknown part type kind subject fail fails failed object array int integer bool boolean any nil "
	if strings.Contains(about, " "+v+" ") {
		return true
	}
	for _, end := range [...]string{"ed", "ing", "ly", "able", "ible", "ory", "ary", "ful", "less", "ous", "tion", "ment", "ness", "ity", "ive", "ical", "ent", "ant", "lich", "isch"} {
		if len(v) > len(end)+2 && strings.HasSuffix(v, end) {
			return true
		}
	}
	return false
}

// isCode reports whether a value is an expression of a program (a call, a field, a variable, a path), or
// says where the value is kept.
func isCode(v string) bool {
	const small, capitals = "abcdefghijklmnopqrstuvwxyz_", "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	only := func(v, of string) bool { return strings.Trim(v, of) == "" }
	for _, lead := range [...]string{"env:", "file:", "vault:", "kms:", "[]", "map[", "//", "./", "../"} {
		if strings.HasPrefix(v, lead) {
			return true
		}
	}
	if strings.Contains(v, "://") || strings.Contains(v, "_") && (only(v, small) || only(v, capitals)) {
		return true
	}
	if call := strings.IndexByte(v, '('); call > 0 && only(v[:call], small+capitals+".") {
		return strings.HasSuffix(v, ")") || strings.HasPrefix(v[call:], "()") || strings.HasPrefix(v[call:], `("`)
	}
	dot := strings.IndexByte(v, '.')
	return dot > 0 && dot < len(v)-1 && only(v, small+capitals+".")
}

// isKey reports whether a value can be a key or token; numerals may be all digits.
func isKey(v string, quoted, numerals bool) bool {
	if len(v) < 8 || isPlaceholder(v) || isCode(v) || !isSolid(v) {
		return false
	}
	digits, letters := tell(v)
	switch {
	case letters == 0:
		return numerals && digits == len(v)
	case digits > 0:
		return quoted || changes(v)*5 >= len(v) || len(v) >= 16 && digits*8 >= len(v)
	default:
		return quoted && len(v) >= 16 && letters == len(v) || isScrambled(v)
	}
}

// isScrambled reports whether a value without digits looks drawn at random all the same.
func isScrambled(v string) bool {
	return len(v) >= 12 && v != strings.ToLower(v) && changes(v)*4 >= len(v)
}

// tell counts digits and letters of ASCII.
func tell(v string) (digits, letters int) {
	for i := range len(v) {
		switch {
		case isDigit(v[i]):
			digits++
		case isAlpha(v[i]):
			letters++
		}
	}
	return digits, letters
}

// isSolid reports whether the value is visible ASCII without a space.
func isSolid(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7F {
			return false
		}
	}
	return true
}
