package redact

import (
	"strings"
	"unicode"
)

// word is a word that announces a secret.
type word struct {
	text string
	kind Kind
	// glued words may follow other letters: dbpassword, apiToken.
	glued bool
}

// announcing lists the words, longer before those they contain.
func announcing() [33]word {
	return [33]word{
		{"password", Password, true}, {"passwd", Password, true}, {"passwort", Password, true}, {"passphrase", Password, true},
		{"passcode", Password, true}, {"kennwort", Password, false}, {"mot de passe", Password, false}, {"contraseña", Password, false},
		{"wachtwoord", Password, false}, {"pwd", Password, true}, {"pw", Password, false}, {"pass", Password, false}, {"pin", Password, false},
		{"apikey", Secret, true}, {"api_key", Secret, true}, {"api-key", Secret, true}, {"api key", Secret, false},
		{"accesskey", Secret, true}, {"access_key", Secret, true}, {"access-key", Secret, true}, {"access key", Secret, false},
		{"secret_key", Secret, true}, {"secret key", Secret, false}, {"secretkey", Secret, true}, {"private_key", Secret, true},
		{"accountkey", Secret, true}, {"signing_key", Secret, true}, {"encryption_key", Secret, true},
		{"secret", Secret, true}, {"token", Secret, true}, {"credential", Secret, true}, {"bearer", Secret, false}, {"authorization", Secret, false},
	}
}

// words finds passwords and keys by the words that announce them.
func (s *scan) words() {
	for _, w := range announcing() {
		s.each(s.lower, w.text, func(i int) int {
			end := i + len(w.text)
			if !s.begins(i, w.glued) {
				return 0
			}
			if w.kind == Secret && end < len(s.text) && s.lower[end] == 's' {
				end++
			}
			s.announced(w, i, end)
			return 0
		})
	}
}

// begins reports whether a word may begin at i: not inside another, unless as its last part.
func (s *scan) begins(i int, glued bool) bool {
	for _, place := range [...]string{"page", "page_", "page-", "next_", "next", "sync_", "continuation_", "continuation", "cursor_"} {
		if strings.HasSuffix(s.lower[:i], place) {
			return false // it names a place in a list
		}
	}
	return glued || i == 0 || !isAlnum(s.text[i-1]) || escapeEnd(s.text, i)
}

// announced looks for the value behind the word text[start:end].
func (s *scan) announced(w word, start, end int) {
	if end < len(s.text) && isAlnum(s.text[end]) {
		return
	}
	from, link := s.connector(end, w)
	if link == "" {
		if w.kind == Secret {
			s.beside(end)
		} else if vs, ve, _ := s.value(end); ve-vs >= 6 && vs > end && mixed(s.text[vs:ve]) && !isCode(s.text[vs:ve]) {
			s.add(w.kind, vs, ve) // with password x7Kq2m
		}
		return
	}
	vs, ve, quoted := s.value(from)
	if vs == ve {
		return
	}
	v := s.text[vs:ve]
	if w.text == "pin" {
		if n := len(v); n >= 4 && n <= 8 && strings.Trim(v, "0123456789") == "" {
			s.add(Password, vs, ve)
		}
		return
	}
	if w.text == "pass" && (link == "is" || plain(v)) {
		return
	}
	if w.kind == Password && isPassword(v, link, quoted) || w.kind == Secret && isKey(v, quoted, w.text != "token") {
		s.add(w.kind, vs, ve)
		return
	}
	if w.kind == Secret {
		s.beside(end)
	}
}

// connector looks for what links a word to its value, such as "=", ":", "is", "for the database is", and
// returns where the value may begin. link is "" when nothing does, else "=", ":", "is" or " ".
func (s *scan) connector(i int, w word) (from int, link string) {
	const reach = 64
	if i < len(s.text) && isQuote(s.text[i]) || strings.HasPrefix(s.text[i:], `\"`) { // "password": "x"
		i += 1 + strings.Count(s.text[i:i+1], `\`)
	}
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\t' || s.text[i] == ')' || s.text[i] == ']' || s.text[i] == '*') {
		i++
	}
	rest := s.after(i, reach)
	for _, sign := range [...]string{":=", "=>", "->", "==", "=", ":"} {
		if strings.HasPrefix(rest, sign) {
			return i + len(sign), sign[:1]
		}
	}
	if line := strings.IndexAny(rest, "\n\r"); line >= 0 {
		rest = rest[:line]
	}
	if w.text == "bearer" || w.text == "authorization" {
		return i, " "
	}
	if n := verb(rest); n > 0 {
		return i + n, "is"
	}
	for _, filler := range [...]string{"for ", "of ", "to ", "on ", "at ", "in ", "(", "you ", "i ", "we ", "that "} {
		if !strings.HasPrefix(rest, filler) {
			continue
		}
		for at := 0; at < len(rest); at++ {
			if c := rest[at]; c == '.' || c == ';' || c == '?' || c == '!' || c == '"' {
				break
			} else if c == ':' || c == '=' {
				return i + at + 1, rest[at : at+1]
			} else if c == ' ' {
				if n := verb(rest[at+1:]); n > 0 {
					return i + at + 1 + n, "is"
				}
			}
		}
	}
	return 0, ""
}

// verb returns the length of the verb, with the space behind, that the text begins with and that links a
// name to its value.
func verb(rest string) int {
	for _, v := range [...]string{
		"is now ", "is still ", "is set to ", "is changed to ", "was changed to ", "has been changed to ", "has been set to ", "should be ",
		"will be ", "is currently ", "is: ", "is:", "is ", "was ", "are ", "ist ", "lautet ", "est ", "es ", "changed to ", "set to ", "to be ", "equals ",
	} {
		if strings.HasPrefix(rest, v) {
			return len(v)
		}
	}
	return 0
}

// value returns the value that begins at or soon after i.
func (s *scan) value(i int) (start, end int, quoted bool) {
	const most = 512
	i = run(s.text, i, 4, func(c byte) bool { return c == ' ' || c == '\t' })
	for _, lead := range [...]string{"bearer ", "basic ", "token ", "**", `\`, "("} {
		if strings.HasPrefix(s.lower[i:], lead) && (lead != `\` || strings.HasPrefix(s.text[i:], `\"`)) {
			i += len(lead)
		}
	}
	if strings.HasPrefix(s.text[i:], opening) {
		if _, form := placeholderAt(s.text, i); form == whole { // masked already
			return i, i, false
		}
	}
	for _, pair := range [...][2]string{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"„", "“"}, {"«", "»"}} {
		if !strings.HasPrefix(s.text[i:], pair[0]) {
			continue
		}
		from := i + len(pair[0])
		if n := strings.Index(s.text[from:min(len(s.text), from+most)], pair[1]); n > 0 && !strings.Contains(s.text[from:from+n], "\n") {
			return from, from + len(strings.TrimRight(s.text[from:from+n], `\`)), true
		}
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
		return i == start || isSpace(next) || strings.IndexByte(`.,;:)]}"`, next) >= 0
	case c == '<':
		return next == '/' || isAlpha(next)
	case c == ';' || c == '&':
		name := run(s.text, i+1, 32, func(c byte) bool { return isWord(c) || c == ' ' })
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
	return len(v) < 6 && strings.Trim(v, "0123456789.:/%") == "" && !(len(v) >= 4 && strings.Trim(v, "0123456789") == "")
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
	const identifier = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_."
	for _, place := range [...]string{"env:", "file:", "vault:", "kms:", "[]", "map["} {
		if strings.HasPrefix(v, place) {
			return true
		}
	}
	if call := strings.IndexByte(v, '('); call > 0 && strings.Trim(v[:call], identifier) == "" &&
		(strings.HasSuffix(v, ")") || strings.HasPrefix(v[call:], "()") || strings.HasPrefix(v[call:], `("`)) {
		return true
	}
	if strings.HasPrefix(v, "//") || strings.Contains(v, "://") || strings.HasPrefix(v, "./") || strings.HasPrefix(v, "../") {
		return true
	}
	dot := strings.IndexByte(v, '.')
	if dot > 0 && dot < len(v)-1 && strings.Trim(v, identifier) == "" {
		return true
	}
	return strings.Contains(v, "_") && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz_") == "" ||
		strings.Contains(v, "_") && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// isKey reports whether a value can be a key or token; numerals may be all digits.
func isKey(v string, quoted, numerals bool) bool {
	if len(v) < 8 || isPlaceholder(v) || isCode(v) || strings.ContainsAny(v, " \t") || !isASCII(v) {
		return false
	}
	digits, letters := 0, 0
	for i := range len(v) {
		switch {
		case isDigit(v[i]):
			digits++
		case isAlpha(v[i]):
			letters++
		}
	}
	switch {
	case letters == 0:
		return numerals && digits >= 8 && digits == len(v)
	case digits > 0:
		return changes(v)*5 >= len(v) || quoted || len(v) >= 16 && digits*8 >= len(v)
	default:
		return len(v) >= 12 && (strings.ContainsFunc(v, unicode.IsUpper) && changes(v)*4 >= len(v) || quoted && len(v) >= 16 && letters == len(v))
	}
}

func isASCII(v string) bool {
	for i := range len(v) {
		if v[i] >= 0x80 {
			return false
		}
	}
	return true
}

// beside looks for a random string soon after a word such as token, on the same line.
func (s *scan) beside(from int) {
	const reach, least = 48, 20
	end := min(len(s.text), from+reach)
	for i := from; i < end; i++ {
		c := s.text[i]
		if c == '\n' {
			return
		}
		if !isAlnum(c) {
			continue
		}
		stop := run(s.text, i, 512, isBase64)
		v := s.text[i:stop]
		if len(v) >= least && isRandom(v) && !s.isHash(i, v) {
			s.add(Secret, i, stop)
			return
		}
		i = stop
	}
}

// isRandom reports whether a string looks drawn at random: letters and digits that change often and are
// spread over many characters.
func isRandom(v string) bool {
	if !mixed(v) {
		return false
	}
	var seen [256]bool
	distinct := 0
	for i := range len(v) {
		if !seen[v[i]] {
			seen[v[i]] = true
			distinct++
		}
	}
	return distinct >= 10
}

// isHash reports whether the string is a UUID, or a hash that something else than a secret is known by.
func (s *scan) isHash(i int, v string) bool {
	if strings.Count(v, "-") == 4 && len(v) == 36 {
		return true
	}
	if strings.Trim(strings.ToLower(v), "0123456789abcdef") != "" {
		return false
	}
	return lastWord(s.before(i, 40), "commit", "sha", "sha1", "sha256", "sha-256", "hash", "digest", "checksum", "revision", "rev", "md5", "etag", "tree", "blob", "id", "@") >= 0
}
