package redact

import (
	"slices"
	"strings"
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
		{"password", Password, true},
		{"passwd", Password, true},
		{"passwort", Password, true},
		{"passphrase", Password, true},
		{"passcode", Password, true},
		{"kennwort", Password, false},
		{"mot de passe", Password, false},
		{"contraseña", Password, false},
		{"wachtwoord", Password, false},
		{"pwd", Password, true},
		{"pw", Password, false},
		{"pass", Password, false},
		{"pin", Password, false},
		{"apikey", Secret, true},
		{"api_key", Secret, true},
		{"api-key", Secret, true},
		{"api key", Secret, false},
		{"accesskey", Secret, true},
		{"access_key", Secret, true},
		{"access-key", Secret, true},
		{"access key", Secret, false},
		{"secret_key", Secret, true},
		{"secret key", Secret, false},
		{"secretkey", Secret, true},
		{"private_key", Secret, true},
		{"accountkey", Secret, true},
		{"signing_key", Secret, true},
		{"encryption_key", Secret, true},
		{"secret", Secret, true},
		{"token", Secret, true},
		{"credential", Secret, true},
		{"bearer", Secret, false},
		{"authorization", Secret, false},
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
			s.announced(w, end)
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

// announced looks for the value behind the word that ends at end.
func (s *scan) announced(w word, end int) {
	if end < len(s.text) && isAlnum(s.text[end]) {
		return
	}
	from, link := s.connector(end, w)
	if link == "" && w.kind == Password {
		if vs, ve, _ := s.value(end); ve-vs >= 6 && vs > end && mixed(s.text[vs:ve]) && !isCode(s.text[vs:ve]) {
			s.add(w.kind, vs, ve) // with password x7Kq2m
		}
		return
	}
	if link != "" {
		if vs, ve, quoted := s.value(from); vs < ve && w.fits(s.text[vs:ve], link, quoted) {
			s.add(w.kind, vs, ve)
			return
		}
	}
	if w.kind == Secret {
		s.beside(end)
	}
}

// fits reports whether the value can be what the word announces. link is what stood between the two.
func (w word) fits(v, link string, quoted bool) bool {
	switch {
	case w.text == "pin":
		return len(v) >= 4 && len(v) <= 8 && strings.Trim(v, "0123456789") == ""
	case w.text == "pass" && (link == "is" || plain(v)):
		return false
	case w.kind == Password:
		return isPassword(v, link, quoted)
	default:
		return isKey(v, quoted, w.text != "token")
	}
}

// connector looks for what links a word to its value, such as "=", ":", "is", "for the database is", and
// returns where the value may begin. link is "" when nothing does, else "=", ":", "is" or " ".
func (s *scan) connector(i int, w word) (from int, link string) {
	const reach = 64
	if strings.HasPrefix(s.text[i:], `\"`) { // {\"password\": \"x\"} inside a string
		i += 2
	} else if i < len(s.text) && isQuote(s.text[i]) {
		i++
	}
	i = run(s.text, i, 16, func(c byte) bool { return strings.IndexByte(" \t)]*", c) >= 0 })
	rest := s.after(i, reach)
	for _, sign := range [...]string{":=", "=> ", "->", "==", "=", ":"} {
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
	if n, link := filled(rest); link != "" {
		return i + n, link
	}
	return 0, ""
}

// filled looks past words such as "for the database" for a sign or verb, and returns its end.
func filled(rest string) (n int, link string) {
	begins := func(filler string) bool { return strings.HasPrefix(rest, filler) }
	if !slices.ContainsFunc([]string{"for ", "of ", "to ", "on ", "at ", "in ", "(", "you ", "i ", "we ", "that "}, begins) {
		return 0, ""
	}
	for at := range len(rest) {
		switch rest[at] {
		case '.', ';', '?', '!', '"':
			return 0, ""
		case ':', '=':
			return at + 1, rest[at : at+1]
		case ' ':
			if n := verb(rest[at+1:]); n > 0 {
				return at + 1 + n, "is"
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
