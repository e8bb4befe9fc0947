package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// MaskJSON masks the strings and numbers in a JSON document, each under the name it stands under, and leaves
// every other byte as it is; a number that was masked becomes a string. Text that is no JSON is masked as
// text.
func (v *Vault) MaskJSON(doc string) string {
	out, err := rewrite(doc, func(name, text string) (string, error) { return v.mask(name, text), nil })
	if err != nil {
		return v.Mask(doc)
	}
	return out
}

// LearnJSON is Learn for a JSON document.
func (v *Vault) LearnJSON(doc string) {
	_, err := rewrite(doc, func(name, text string) (string, error) {
		v.mask(name, text)
		return text, nil
	})
	if err != nil {
		v.Learn(doc)
	}
}

// LabelsJSON are the data labels of what is in the strings and numbers of a JSON document, each under the
// name it stands under; of text that is no JSON they are those of the text.
func LabelsJSON(doc string) []string {
	var all []Finding
	_, err := rewrite(doc, func(name, text string) (string, error) {
		all = append(all, (*Directory)(nil).under(name, text)...)
		return text, nil
	})
	if err != nil {
		all = Scan(doc)
	}
	return Labels(all)
}

// RestoreJSON restores the strings of a JSON document, such as the arguments of a call. A string whose name
// says that it is an address (url, host, webhook) keeps all its placeholders. The error is as for Restore:
// a call with an invented placeholder must not be made.
func (v *Vault) RestoreJSON(doc string, allow func(k Kind, value string) bool) (string, error) {
	var invented error
	out, err := rewrite(doc, func(name, text string) (string, error) {
		keep := allow
		if addresses(name) {
			keep = func(Kind, string) bool { return false }
		}
		restored, err := v.Restore(text, keep)
		if err == nil && strings.Contains(text, "·") {
			err = v.broken(text)
		}
		if err != nil && invented == nil {
			invented = err
		}
		return restored, nil
	})
	if err != nil { // no JSON
		return v.Restore(doc, allow)
	}
	return out, invented
}

// broken returns an error when a placeholder stands in the text without its brackets.
func (v *Vault) broken(text string) error {
	for i := 0; ; {
		n := strings.Index(text[i:], "·")
		if n < 0 {
			return nil
		}
		i += n
		start := i
		for start > 0 && (isUpper(text[start-1]) || isDigit(text[start-1]) || text[start-1] == '_') {
			start--
		}
		end := run(text, i+len("·"), 8, func(c byte) bool { return isLower(c) || isDigit(c) })
		label := text[start:i]
		under := strings.LastIndexByte(label, '_')
		bare := !strings.HasSuffix(text[:start], opening) || !strings.HasPrefix(text[end:], closing)
		if under > 0 && under+1 < len(label) && strings.Trim(label[under+1:], "0123456789") == "" && end > i+len("·") && bare {
			return fmt.Errorf("%w: %s", ErrInvented, text[start:end])
		}
		i += len("·")
	}
}

// addresses reports whether the name of an argument says that its value is fetched or connected to.
func addresses(name string) bool {
	return lastWord(strings.ToLower(name), "url", "uri", "link", "href", "endpoint", "host", "hostname", "domain", "webhook", "callback", "src") >= 0
}

// rewrite returns a JSON document in which f has replaced strings and numbers. f is told the name of the
// member that a value, or the list it is in, belongs to. Names of members are given to f themselves, under
// no name. What f leaves as it is keeps its bytes.
func rewrite(doc string, f func(name, text string) (string, error)) (string, error) {
	if !json.Valid([]byte(doc)) {
		return "", fmt.Errorf("redact: not JSON")
	}
	w := writer{doc: doc, f: f}
	for w.i < len(doc) {
		if err := w.token(); err != nil {
			return "", err
		}
	}
	return w.out.String(), nil
}

// writer goes through a valid document.
type writer struct {
	doc   string
	i     int
	out   bytes.Buffer
	f     func(name, text string) (string, error)
	name  string
	outer []string // the names around the object or list that is open
}

// token copies or replaces what begins at i.
func (w *writer) token() error {
	switch c := w.doc[w.i]; {
	case c == '"':
		return w.str()
	case c == '-' || isDigit(c):
		return w.number()
	case c == '{' || c == '[':
		w.outer = append(w.outer, w.name)
	case c == '}' || c == ']':
		w.name, w.outer = w.outer[len(w.outer)-1], w.outer[:len(w.outer)-1]
	}
	w.out.WriteByte(w.doc[w.i])
	w.i++
	return nil
}

func (w *writer) str() error {
	end := w.i + 1
	for w.doc[end] != '"' {
		if w.doc[end] == '\\' {
			end++
		}
		end++
	}
	end++
	raw := w.doc[w.i:end]
	var text string
	if err := json.Unmarshal([]byte(raw), &text); err != nil {
		return err
	}
	w.i = end
	name := w.name
	if member(w.doc[end:]) {
		name, w.name = "", text
	}
	changed, err := w.f(name, text)
	if err != nil || changed == text {
		w.out.WriteString(raw)
		return err
	}
	return w.write(changed)
}

// member reports whether a string that ended here is the name of a member.
func member(rest string) bool {
	for i := range len(rest) {
		if !isSpace(rest[i]) {
			return rest[i] == ':'
		}
	}
	return false
}

func (w *writer) number() error {
	end := w.i
	for end < len(w.doc) && strings.IndexByte("+-.eE0123456789", w.doc[end]) >= 0 {
		end++
	}
	raw := w.doc[w.i:end]
	w.i = end
	changed, err := w.f(w.name, raw)
	if err != nil || changed == raw {
		w.out.WriteString(raw)
		return err
	}
	return w.write(changed)
}

// write writes a string without escaping what only HTML minds.
func (w *writer) write(text string) error {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return err
	}
	w.out.Truncate(w.out.Len() - 1) // Encode ends the line
	return nil
}
