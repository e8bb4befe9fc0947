package redact

import (
	"net/netip"
	"strings"
)

// emails finds addresses of the everyday form of RFC 5321: no quoted local parts, no literals, a domain
// with a dot whose last label is of letters. Letters beyond ASCII are taken too (RFC 6531).
func (s *scan) emails() {
	floor := 0 // nothing before the last @ is looked at again
	for at := strings.IndexByte(s.text, '@'); at >= 0; {
		if start, end := s.localPart(at, floor), s.domain(at+1); start < at && end > 0 && !s.noMail(start, at, end) {
			s.add(Email, start, end)
		}
		floor = at + 1
		next := strings.IndexByte(s.text[floor:], '@')
		if next < 0 {
			return
		}
		at = floor + next
	}
}

// localPart returns where the part before the @ begins, at when there is none.
func (s *scan) localPart(at, floor int) int {
	const most = 64 // RFC 5321, 4.5.3.1.1
	start := at
	for start > max(floor, at-most) {
		c := s.text[start-1]
		switch {
		case isAlnum(c):
			if escapeEnd(s.text, start) {
				floor = start
				continue
			}
		case c >= 0x80:
			if start-2 < floor || !isFarLetter(s.text[start-2]) {
				floor = start
				continue
			}
			start--
		case strings.IndexByte("._%+-&*~!#$^", c) < 0: // others are legal, and in practice stand around an address
			floor = start
			continue
		}
		start--
	}
	for start < at && !isWord(s.text[start]) && s.text[start] < 0x80 {
		start++
	}
	if start < at && s.text[at-1] == '.' {
		return at
	}
	return start
}

// isFarLetter reports whether the byte begins a two-byte letter of Latin, Greek or Cyrillic script.
func isFarLetter(c byte) bool { return c >= 0xC3 && c <= 0xD4 }

// domain returns where the domain that begins at i ends, 0 when there is none.
func (s *scan) domain(i int) int {
	const most = 253
	end, dot, letters := i, -1, true
	for end < len(s.text) && end < i+most {
		c := s.text[end]
		far := isFarLetter(c) && end+1 < len(s.text)
		switch {
		case c == '.':
			if end+1 >= len(s.text) || end == dot+1 || !isAlnum(s.text[end+1]) && !isFarLetter(s.text[end+1]) {
				return s.domainEnd(i, end, dot, letters)
			}
			dot, letters = end, true
		case far:
			end++
		case isAlnum(c) || c == '-':
			letters = letters && isAlpha(c)
		default:
			return s.domainEnd(i, end, dot, letters)
		}
		end++
	}
	return s.domainEnd(i, end, dot, letters)
}

// domainEnd judges a domain whose last dot and whether only letters follow it are known.
func (s *scan) domainEnd(i, end, dot int, letters bool) int {
	if dot <= i || end-dot < 3 || !letters {
		return 0
	}
	return end
}

// noMail names what only looks like an address: a version, a picture for dense screens, a git remote.
func (s *scan) noMail(start, at, end int) bool {
	host := s.lower[at+1 : end]
	switch host[strings.LastIndexByte(host, '.')+1:] {
	case "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "yaml", "yml", "html", "pdf", "go", "lock":
		return true
	}
	if isDigit(host[0]) && strings.Count(host, ".") > 1 && strings.Trim(host[:strings.LastIndexByte(host, '.')], "0123456789.") == "" {
		return true
	}
	return s.lower[start:at] == "git" && end < len(s.text) && s.text[end] == ':'
}

// colonised finds what is written with colons: IPv6 and MAC addresses.
func (s *scan) colonised() {
	class := func(c byte) bool { return isHex(c) || c == ':' || c == '.' }
	for i := 0; i < len(s.text); i++ {
		c := s.text[i]
		if !isHex(c) && c != ':' || i > 0 && isWord(s.text[i-1]) && !escapeEnd(s.text, i) {
			continue
		}
		end := run(s.text, i, 64, class)
		if end == i+64 { // far too long: not one of ours
			i = run(s.text, i, len(s.text), class)
			continue
		}
		s.colonisedAt(i, end)
		i = max(i, end-1)
	}
}

func (s *scan) colonisedAt(start, end int) {
	if !s.freeAfter(end) {
		return
	}
	word := strings.TrimRight(s.text[start:end], ".")
	if strings.HasSuffix(word, ":") && !strings.HasSuffix(word, "::") {
		word = word[:len(word)-1]
	}
	colons := strings.Count(word, ":")
	if colons < 2 || strings.HasPrefix(word, ":") && !strings.HasPrefix(word, "::") {
		return
	}
	end = start + len(word)
	if isMAC(word) {
		s.add(MAC, start, end)
		return
	}
	if a, err := netip.ParseAddr(word); err == nil && a.Is6() && telling(word, a) {
		s.add(IP, start, end)
	}
}

// isMAC reports whether the word is six pairs of hexadecimal digits (EUI-48).
func isMAC(word string) bool {
	if len(word) != 17 {
		return false
	}
	for i := range len(word) {
		if i%3 == 2 != (word[i] == ':') || i%3 != 2 && !isHex(word[i]) {
			return false
		}
	}
	return true
}

// telling leaves out what names no machine in particular, and what a program's text is full of (a::b).
func telling(word string, a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || !strings.ContainsAny(word, "0123456789") {
		return false
	}
	digits := len(word) - strings.Count(word, ":")
	return digits >= 5 && (strings.Contains(word, "::") || digits != 16) // eight pairs are a fingerprint
}

// ipv4 looks at four groups of digits joined by dots.
func (s *scan) ipv4(g []group) {
	start, end := g[0].start, g[3].end
	if strings.Count(s.text[start:min(end, start+15)], ".") != 3 {
		return
	}
	further := start > 0 && s.text[start-1] == '.' || end+1 < len(s.text) && s.text[end] == '.' && isDigit(s.text[end+1])
	if end-start > len("255.255.255.255") || further || !g[0].left || !g[3].right {
		return
	}
	a, err := netip.ParseAddr(s.text[start:end]) // refuses leading zeros
	if err != nil {
		return
	}
	if n := a.As4(); n[0] != 0 && n[0] != 127 && n[0] != 255 && !s.isVersion(start, end, n) {
		s.add(IP, start, end)
	}
}

// isVersion tells versions and numbers of sections from addresses.
func (s *scan) isVersion(start, end int, n [4]byte) bool {
	if start > 1 && (s.text[start-1] == '/' || s.text[start-1] == '-') && isAlpha(s.text[start-2]) {
		return true // Chrome/119.0.0.0, driver-4.18.0.1
	}
	lead := s.before(start, 28)
	version := lastWord(lead, "version", "versions", "ver", "v.", "release", "build", "firmware", "driver", "upgrade", "upgraded",
		"section", "sections", "chapter", "clause", "paragraph", "step", "item", "rfc", "oid", "patch", "§", "article")
	address := max(lastWord(lead, "ip", "ipv4", "address", "addresses", "host", "server", "dns", "ping", "subnet", "gateway", "client"),
		strings.LastIndex(lead, "_ip"))
	if version > address {
		return true
	}
	small := n[0] < 10 && n[1] < 10 && n[2] < 10 && n[3] < 10
	return (small || n[1]|n[2]|n[3] == 0) && address < 0 && !s.said(end, end, 0, 16, "address", "host", "server")
}
