package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sous-hq/sous/agent/loop"
)

// funcs are what the templates call.
func (s *Server) funcs() template.FuncMap {
	return template.FuncMap{
		"path":    url.PathEscape,
		"asset":   s.assetURL,
		"visible": visible,
		"bytes":   bytesText,
		"clock":   func(t time.Time) string { return s.when(t) },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"day":     func(t time.Time) string { return t.In(s.Zone).Format("2 Jan 2006, 15:04") },
		"title":   toolTitle,
		"limit":   func() int64 { return s.MaxUpload },
		"json":    jsonText,
		"longest": func() int { return loop.MaxMessage },
	}
}

// when is a time as people say it: the hour today, else with the day.
func (s *Server) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t, now := t.In(s.Zone), s.Now().In(s.Zone)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan, 15:04")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// visible spells out characters that people cannot see or that turn text
// around, so that what is read on a card is what will be used.
func visible(s string) string {
	hidden := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r)) ||
			r == '\u2028' || r == '\u2029' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
	}
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// toolTitle turns "ticket_create" into "Ticket create".
func toolTitle(tool string) string {
	words := strings.ReplaceAll(tool, "_", " ")
	if words == "" {
		return words
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// argument is one argument of a call as a card shows it.
type argument struct {
	Name  string
	Lines []string
	// Marked says that its value came from untrusted text.
	Marked bool
}

// arguments lists a call's arguments in the order they were given, as they will
// be used: of a repeated name the last value counts, as it does for a tool.
func arguments(raw json.RawMessage, marked []string) []argument {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return []argument{{Name: "arguments", Lines: valueLines(raw), Marked: len(marked) > 0}}
	}
	var all []argument
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			break
		}
		a := argument{Name: fmt.Sprint(name), Lines: valueLines(value)}
		a.Marked = slices.ContainsFunc(marked, func(m string) bool {
			return m == a.Name || strings.HasPrefix(m, a.Name+".") || strings.HasPrefix(m, a.Name+"[")
		})
		if i := slices.IndexFunc(all, func(o argument) bool { return o.Name == a.Name }); i >= 0 {
			all = slices.Delete(all, i, i+1)
		}
		all = append(all, a)
	}
	return all
}

// valueLines is a JSON value for people: texts without quotes, lists of plain
// values one a line, anything deeper as indented JSON.
func valueLines(raw json.RawMessage) []string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		if text == "" {
			return []string{"(empty)"}
		}
		return strings.Split(visible(text), "\n")
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		for i, v := range list {
			list[i] = visible(v)
		}
		return list
	}
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return []string{visible(string(raw))}
	}
	return strings.Split(visible(out.String()), "\n")
}

// jsonText is a value as JSON, for hidden fields.
func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
