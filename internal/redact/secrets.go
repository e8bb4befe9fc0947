package redact

import "strings"

// secrets finds what must not be seen by anybody who does not hold it already.
func (s *scan) secrets() {
	s.vendorTokens()
	if s.dashes >= 10 {
		s.privateKeys()
	}
	if s.colons > 0 {
		s.addresses()
	}
	s.words()
}

// form is how a vendor's tokens look: a prefix, then from least to most characters of a class.
type form struct {
	prefix      string
	kind        Kind
	least, most int
	class       func(byte) bool
}

// forms lists the tokens known by their form, from the vendors' public descriptions.
func forms() [38]form {
	upper := func(c byte) bool { return isUpper(c) || isDigit(c) }
	dotted := func(c byte) bool { return isTokenByte(c) || c == '.' }
	return [38]form{
		{"AKIA", CloudKey, 16, 16, upper},
		{"ASIA", CloudKey, 16, 16, upper},
		{"ABIA", CloudKey, 16, 16, upper},
		{"ACCA", CloudKey, 16, 16, upper},
		{"AIza", CloudKey, 35, 35, isTokenByte},
		{"ya29.", CloudKey, 20, 2048, isTokenByte},
		{"GOCSPX-", CloudKey, 20, 40, isTokenByte},
		{"ghp_", Token, 36, 255, isAlnum},
		{"gho_", Token, 36, 255, isAlnum},
		{"ghu_", Token, 36, 255, isAlnum},
		{"ghs_", Token, 36, 255, isAlnum},
		{"ghr_", Token, 36, 255, isAlnum},
		{"github_pat_", Token, 22, 255, isWord},
		{"glpat-", Token, 20, 300, dotted},
		{"gldt-", Token, 20, 300, dotted},
		{"glrt-", Token, 20, 300, dotted},
		{"xoxb-", Token, 10, 300, isTokenByte},
		{"xoxp-", Token, 10, 300, isTokenByte},
		{"xoxa-", Token, 10, 300, isTokenByte},
		{"xoxr-", Token, 10, 300, isTokenByte},
		{"xoxs-", Token, 10, 300, isTokenByte},
		{"xoxe-", Token, 10, 300, isTokenByte},
		{"xoxe.xox", Token, 10, 300, isTokenByte},
		{"xapp-", Token, 10, 300, isTokenByte},
		{"sk_live_", Token, 10, 255, isAlnum},
		{"sk_test_", Token, 10, 255, isAlnum},
		{"rk_live_", Token, 10, 255, isAlnum},
		{"rk_test_", Token, 10, 255, isAlnum},
		{"whsec_", Token, 24, 100, isBase64},
		{"sk-", Token, 20, 255, isTokenByte},
		{"SG.", Token, 60, 100, dotted},
		{"hf_", Token, 30, 60, isAlnum},
		{"npm_", Token, 36, 36, isAlnum},
		{"pypi-", Token, 40, 400, isTokenByte},
		{"dop_v1_", Token, 64, 64, isHex},
		{"lin_api_", Token, 30, 60, isAlnum},
		{"ATATT3", Token, 50, 400, isBase64},
		{"sous_", Token, 24, 128, isTokenByte},
	}
}

// vendorTokens finds tokens by their form, JSON web tokens and addresses of Slack's webhooks.
func (s *scan) vendorTokens() {
	if len(s.text) < 16 {
		return
	}
	for _, f := range forms() {
		s.each(s.text, f.prefix, func(i int) int { return s.tokenAt(i, f) })
	}
	s.each(s.text, "eyJ", s.jwtAt)
	s.each(s.lower, "hooks.slack.com/", func(i int) int {
		end := run(s.text, i, 300, func(c byte) bool { return isTokenByte(c) || c == '/' || c == '.' })
		s.add(Token, i, end)
		return end
	})
}

// each calls found with every place of the substring; found returns where to go on, or 0.
func (s *scan) each(text, sub string, found func(i int) int) {
	if !s.pairs.may(sub) {
		return
	}
	for from := 0; ; {
		i := strings.Index(text[from:], sub)
		if i < 0 {
			return
		}
		i += from
		from = max(i+len(sub), found(i))
	}
}

func (s *scan) tokenAt(i int, f form) int {
	end := run(s.text, i+len(f.prefix), f.most+1, f.class)
	body := s.text[i+len(f.prefix) : end]
	if !s.freeBefore(i) || len(body) < f.least || len(body) > f.most {
		return 0
	}
	if f.prefix == "sk-" && (!mixed(body) || i > 0 && s.text[i-1] == '-') {
		return 0
	}
	s.add(f.kind, i, strings.LastIndexFunc(s.text[:end], func(r rune) bool { return r != '.' })+1)
	return end
}

// mixed reports whether a word has both letters and digits and is no slug of words.
func mixed(word string) bool {
	digits, letters := tell(word)
	return digits > 0 && letters > 0 && changes(word)*4 >= len(word)
}

// jwtAt takes a token of three parts (JWS) or five (JWE), also one whose end was cut off.
func (s *scan) jwtAt(i int) int {
	const most = 16 << 10
	if !s.freeBefore(i) {
		return 0
	}
	end := run(s.text, i, most, isTokenByte)
	if end-i < 12 || end+4 >= len(s.text) || s.text[end] != '.' {
		return 0
	}
	payload := end + 1
	if end = run(s.text, payload, most, isTokenByte); end-payload < 8 {
		return 0
	}
	for range 3 {
		if end+1 < len(s.text) && s.text[end] == '.' && isTokenByte(s.text[end+1]) {
			end = run(s.text, end+1, most, isTokenByte)
		}
	}
	s.add(JWT, i, end)
	return end
}

// privateKeys finds PEM blocks (RFC 7468). One without an end goes to the end of the text.
func (s *scan) privateKeys() {
	const begin, label = "-----BEGIN ", "PRIVATE KEY"
	s.each(s.text, begin, func(i int) int {
		head := s.text[i+len(begin) : min(len(s.text), i+len(begin)+60)]
		if line, _, ok := strings.Cut(head, "-----"); !ok || !strings.Contains(line, label) {
			return 0
		}
		end := strings.Index(s.text[i+len(begin):], "-----END ")
		if end < 0 {
			s.add(PrivateKey, i, len(s.text))
			return len(s.text)
		}
		end += i + len(begin) + len("-----END ")
		if tail := strings.Index(s.text[end:min(len(s.text), end+80)], "-----"); tail >= 0 {
			end += tail + len("-----")
		}
		s.add(PrivateKey, i, end)
		return end
	})
}

// addresses finds URLs and data source names with a password in them. The whole of one is the secret: what
// follows the host may name further passwords.
func (s *scan) addresses() {
	s.each(s.text, "://", func(i int) int {
		start := i
		for start > max(0, i-24) && (isAlnum(s.text[start-1]) && !escapeEnd(s.text, start) || strings.IndexByte("+-.", s.text[start-1]) >= 0) {
			start--
		}
		end := i + 3
		for end < len(s.text) && !endsAddress(s.text[end]) {
			end++
		}
		if s.carriesPassword(s.text[i+3 : end]) {
			s.add(DSN, start, trimEnd(s.text, i+3, end))
		}
		return end
	})
	for _, network := range [...]string{"@tcp(", "@unix("} { // go-sql-driver/mysql writes no scheme
		floor := 0
		s.each(s.lower, network, func(i int) int {
			start, end := i, i
			for start > floor && !endsAddress(s.text[start-1]) {
				start--
			}
			for end < len(s.text) && !endsAddress(s.text[end]) {
				end++
			}
			if strings.Contains(s.text[start:i], ":") {
				s.add(DSN, start, trimEnd(s.text, i, end))
			}
			floor = end
			return end
		})
	}
}

func endsAddress(c byte) bool {
	return isSpace(c) || c == '"' || c == '`' || c == '<' || c == '>' || c == '\\'
}

// trimEnd drops the punctuation of the sentence around text[:end], not going below start.
func trimEnd(text string, start, end int) int {
	for end > start && strings.IndexByte(".,;:)]}'*!?", text[end-1]) >= 0 {
		end--
	}
	return end
}

// carriesPassword reports whether what follows the scheme begins with user:password@. A password should not
// hold an unescaped slash, and often does.
func (s *scan) carriesPassword(rest string) bool {
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
		if colon := strings.IndexByte(authority, ':'); colon >= 0 && !strings.Contains(authority, "@") &&
			strings.Trim(authority[colon+1:], "0123456789") != "" {
			authority = rest
		}
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return false
	}
	_, password, ok := strings.Cut(authority[:at], ":")
	return ok && password != "" && !isPlaceholder(password)
}

// isPlaceholder reports whether a value stands for one that is filled in elsewhere, or was masked already.
func isPlaceholder(v string) bool {
	for _, pair := range [...]string{"<>", "{}", "[]", "%%"} {
		if len(v) > 1 && v[0] == pair[0] && v[len(v)-1] == pair[1] {
			return true
		}
	}
	switch {
	case strings.HasPrefix(v, "${"), strings.HasPrefix(v, "$("), strings.HasPrefix(v, opening), strings.HasPrefix(v, "…"), strings.HasPrefix(v, "•"):
		return true
	case len(v) > 1 && v[0] == '$' && strings.Trim(v[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "":
		return true
	case len(v) == 2 && v[0] == '%':
		return true
	}
	return strings.Trim(v, "*") == "" || strings.Trim(v, "xX") == "" || strings.Trim(v, ".") == ""
}

// changes counts how often neighbouring characters are of different classes: small, capital, digit, other.
// Random strings change often, words and names of things rarely.
func changes(word string) int {
	class := func(c byte) int {
		switch {
		case isDigit(c):
			return 1
		case isUpper(c):
			return 2
		case isLower(c):
			return 3
		}
		return 4
	}
	n := 0
	for i := 1; i < len(word); i++ {
		if class(word[i]) != class(word[i-1]) {
			n++
		}
	}
	return n
}
