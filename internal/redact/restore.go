package redact

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The brackets of a placeholder.
const (
	opening = "«"
	closing = "»"
)

// state says how far a text has the form of a placeholder.
type state int

const (
	none state = iota // no placeholder
	part              // so far, and then the text ends
	whole
)

// maxPlaceholder is longer than any placeholder, in bytes.
const maxPlaceholder = 48

// placeholderAt says whether «WORD_7» or «WORD_7·abc» begins at i, and where it ends.
func placeholderAt(text string, i int) (end int, s state) {
	at := i + len(opening)
	limit := min(len(text), i+maxPlaceholder)
	for _, class := range [...]func(byte) bool{func(c byte) bool { return isUpper(c) || c == '_' }, isDigit} {
		from := at
		at = run(text, at, limit-at, class)
		switch {
		case at == len(text):
			return 0, part
		case at == from || at == limit:
			return 0, none
		}
	}
	if strings.HasPrefix(text[at:], "·") {
		at += len("·")
		at = run(text, at, max(0, limit-at), func(c byte) bool { return isLower(c) || isDigit(c) })
	}
	rest := text[at:]
	switch {
	case strings.HasPrefix(rest, closing):
		return at + len(closing), whole
	case (rest == "" || rest == closing[:1]) && at < i+maxPlaceholder:
		return 0, part
	}
	return 0, none
}

// Restore puts values back for the placeholders in the text, except secrets, what allow refuses (nil allows
// all), and placeholders inside a URL, whose reader nobody knows: those stay as they are. When the text
// holds placeholders that the vault never gave, the error wraps ErrInvented; the text returned is whole all
// the same, fit to be shown but not to be acted on.
func (v *Vault) Restore(text string, allow func(k Kind, value string) bool) (string, error) {
	r := v.Restorer(allow)
	out := r.Write(text) + r.Flush()
	return out, r.Err()
}

// Restorer restores a text that comes in pieces. Of one text, however it is cut, it makes the same as Restore.
type Restorer struct {
	// Quote writes values so that they can stand inside a JSON string.
	Quote bool

	v     *Vault
	allow func(Kind, string) bool
	held  string // the end of the text, not decided yet
	word  []byte // what came since the last space or quote
	url   bool   // word is, or has been, part of a URL
	err   error
}

// Restorer returns a restorer for one text; allow is as for Restore.
func (v *Vault) Restorer(allow func(k Kind, value string) bool) *Restorer {
	return &Restorer{v: v, allow: allow}
}

// Write takes the next piece and returns what can be said by now. It holds back what may become a
// placeholder.
func (r *Restorer) Write(piece string) string {
	r.held += piece
	return r.pass(false)
}

// Flush returns what was held back; nothing follows.
func (r *Restorer) Flush() string { return r.pass(true) }

// Err returns an error that wraps ErrInvented when the text held a placeholder the vault never gave.
func (r *Restorer) Err() error { return r.err }

func (r *Restorer) pass(last bool) string {
	var out strings.Builder
	for r.held != "" {
		i := strings.Index(r.held, opening)
		if i < 0 {
			n := len(r.held)
			if !last && r.held[n-1] == opening[0] {
				n--
			}
			r.say(&out, n)
			break
		}
		r.say(&out, i)
		end, state := placeholderAt(r.held, 0)
		switch {
		case state == none || state == part && last:
			r.say(&out, len(opening))
		case state == part, !last && !decided(r.held[end:]):
			return out.String()
		default:
			out.WriteString(r.value(r.held[:end], r.held[end:]))
			r.word = append(r.word, r.held[:end]...)
			r.held = r.held[end:]
		}
	}
	return out.String()
}

// decided reports whether enough follows a placeholder to see that no host's name goes on behind it.
func decided(rest string) bool { return len(rest) >= 2 || rest != "" && rest[0] != '.' }

// say passes on the first n bytes that were held back.
func (r *Restorer) say(out *strings.Builder, n int) {
	const most = 512
	said := r.held[:n]
	out.WriteString(said)
	r.held = r.held[n:]
	if i := strings.LastIndexAny(said, " \t\r\n\"`<>"); i >= 0 {
		r.word, r.url = r.word[:0], false
		said = said[i+1:]
	}
	r.word = append(r.word, said...)
	if len(r.word) > most {
		r.url = r.url || inURL(string(r.word))
		r.word = append(r.word[:0], r.word[len(r.word)-most/2:]...)
	}
}

// value returns what is shown in place of a placeholder that has the text rest behind it.
func (r *Restorer) value(p, rest string) string {
	r.v.mu.Lock()
	e, ok := r.v.given[p]
	r.v.mu.Unlock()
	if !ok {
		r.err = fmt.Errorf("%w: %s", ErrInvented, p)
		return p
	}
	host := len(rest) > 1 && rest[0] == '.' && isAlnum(rest[1])
	if e.Kind.Secret() || host || r.url || inURL(string(r.word)) || r.allow != nil && !r.allow(e.Kind, e.Value) {
		return p
	}
	if !r.Quote {
		return e.Value
	}
	b, err := json.Marshal(e.Value)
	if err != nil {
		return p
	}
	return string(b[1 : len(b)-1])
}

// inURL reports whether text that goes on after this unbroken word stands in a URL, with or without a scheme.
func inURL(word string) bool {
	if strings.Contains(word, "://") || strings.HasPrefix(word, "//") || strings.Contains(word, "(//") || strings.Contains(strings.ToLower(word), "www.") {
		return true
	}
	i := strings.IndexAny(word, "/?")
	if i < 1 {
		return false
	}
	host := word[strings.LastIndexAny(word[:i], "([{,;='|")+1 : i]
	if colon := strings.IndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	dot := strings.LastIndexByte(host, '.')
	return dot > 0 && dot+2 < len(host) && strings.Trim(strings.ToLower(host[dot+1:]), "abcdefghijklmnopqrstuvwxyz") == ""
}
