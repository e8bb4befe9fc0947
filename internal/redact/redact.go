// Package redact finds personal data and secrets in text and keeps them from where they must not go.
//
// Scan recognises them: by check digits where there are some, by shape and nearby words where there are
// none. A Vault replaces them by placeholders for the length of a turn and puts them back where they may
// be seen. Handler keeps them out of logs. Scanning takes time linear in the length of the text.
package redact

import (
	"cmp"
	"slices"
)

// Kind says what was found.
type Kind string

// The kinds. Those from CloudKey on are secrets.
const (
	Email    Kind = "EMAIL"
	Phone    Kind = "PHONE"
	Card     Kind = "CARD" // a payment card's number: known issuer, right length, Luhn (ISO/IEC 7812)
	IBAN     Kind = "IBAN" // right length for its country, mod 97 (ISO 13616)
	IP       Kind = "IP"
	MAC      Kind = "MAC"
	SSN      Kind = "SSN"       // United States, social security
	NINO     Kind = "NINO"      // United Kingdom, national insurance
	SteuerID Kind = "STEUER_ID" // Germany, ISO 7064 mod 11,10
	NIR      Kind = "NIR"       // France, key of 97
	BSN      Kind = "BSN"       // Netherlands, eleven test
	Person   Kind = "PERSON"    // an entry of the workspace's directory
	// Quoted is text that has the form of a placeholder but is none; only a Vault finds it.
	Quoted Kind = "TEXT"

	CloudKey   Kind = "CLOUD_KEY"   // of Amazon, Google or Azure
	Token      Kind = "TOKEN"       // of a vendor whose tokens can be known by their form
	JWT        Kind = "JWT"         // a signed or encrypted JSON web token
	PrivateKey Kind = "PRIVATE_KEY" // a PEM block
	DSN        Kind = "DSN"         // an address that carries a password
	Password   Kind = "PASSWORD"
	Secret     Kind = "SECRET" // a value assigned to, or a random string beside, a word like api_key
)

// The data labels.
const (
	LabelPII       = "pii"
	LabelFinancial = "financial"
	LabelSecret    = "secret"
)

// Secret reports whether values of the kind are secrets: masked for good, never restored.
func (k Kind) Secret() bool {
	switch k {
	case CloudKey, Token, JWT, PrivateKey, DSN, Password, Secret:
		return true
	default:
		return false
	}
}

// Labels returns the data labels of content that holds the kind. Numbers of cards and accounts belong to
// a person, so they are both financial and pii.
func (k Kind) Labels() []string {
	switch {
	case k.Secret():
		return []string{LabelSecret}
	case k == Card || k == IBAN:
		return []string{LabelFinancial, LabelPII}
	case k == Quoted:
		return nil
	default:
		return []string{LabelPII}
	}
}

// Labels returns the data labels of everything found, sorted and without doubles, as agent.Label.Data
// wants them.
func Labels(found []Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Kind.Labels()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Finding is one thing found: text[Start:End], in bytes.
type Finding struct {
	Kind       Kind
	Start, End int
}

// Scan finds what needs no directory. Findings come in order and do not overlap: a secret beats anything
// else and takes in what it touches, otherwise the longest wins.
func Scan(text string) []Finding { return (*Directory)(nil).Scan(text) }

// Scan finds what the package's Scan finds and the entries of the directory.
func (d *Directory) Scan(text string) []Finding {
	s := scan{text: text}
	s.look()
	if s.ats > 0 {
		s.emails()
	}
	if s.digits > 0 {
		s.numbers()
	}
	if s.colons > 1 {
		s.colonised()
	}
	s.secrets()
	d.find(&s)
	return settle(s.found)
}

// scan is one scan of one text.
type scan struct {
	text  string
	lower string // text with its ASCII letters small; the same offsets
	found []Finding
	// How often the characters occur without which some recognisers need not start.
	ats, digits, colons, dashes int
	pairs                       pairs
}

func (s *scan) add(k Kind, start, end int) {
	s.found = append(s.found, Finding{k, start, end})
}

// look counts characters and makes the lower-case text.
func (s *scan) look() {
	capitals := 0
	for i := range len(s.text) {
		switch c := s.text[i]; {
		case c >= '0' && c <= '9':
			s.digits++
		case c == '@':
			s.ats++
		case c == ':':
			s.colons++
		case c == '-':
			s.dashes++
		case c >= 'A' && c <= 'Z':
			capitals++
		}
	}
	s.lower = s.text
	if capitals > 0 {
		b := []byte(s.text)
		for i, c := range b {
			if c >= 'A' && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
		s.lower = string(b)
		s.pairs.add(s.lower)
	}
	s.pairs.add(s.text)
}

// pairs says which two characters may follow each other in a text: of the hundred and
// more beginnings that are looked for, nearly none can be in a given one.
type pairs [64]uint64

func pair(a, b byte) (word, bit uint) {
	h := uint(a)<<4 ^ uint(b)
	return h >> 6 & 63, h & 63
}

func (p *pairs) add(text string) {
	for i := 1; i < len(text); i++ {
		w, b := pair(text[i-1], text[i])
		p[w] |= 1 << b
	}
}

// may reports whether a text that was added may hold the other one.
func (p *pairs) may(sub string) bool {
	for i := 1; i < len(sub); i++ {
		if w, b := pair(sub[i-1], sub[i]); p[w]&(1<<b) == 0 {
			return false
		}
	}
	return true
}

// settle orders findings and resolves overlaps.
func settle(found []Finding) []Finding {
	if len(found) < 2 {
		return found
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(a.Start-b.Start, b.End-a.End, cmp.Compare(a.Kind, b.Kind))
	})
	kept := found[:1]
	for _, f := range found[1:] {
		last := &kept[len(kept)-1]
		if f.Start >= last.End {
			kept = append(kept, f)
			continue
		}
		*last = stronger(*last, f)
	}
	return kept
}

// stronger returns what stands of two findings that overlap; a begins first.
func stronger(a, b Finding) Finding {
	switch {
	case a.Kind.Secret():
		a.End = max(a.End, b.End)
		return a
	case b.Kind.Secret():
		return Finding{b.Kind, a.Start, max(a.End, b.End)}
	case b.End-b.Start > a.End-a.Start:
		return b
	default:
		return a
	}
}
