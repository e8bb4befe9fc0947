package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
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
		"dated":   s.dated,
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"day":     func(t time.Time) string { return t.In(s.Zone).Format("2 Jan 2006, 15:04") },
		"title":   toolTitle,
		"limit":   func() int64 { return s.MaxUpload },
		"json":    jsonText,
		"longest": func() int { return loop.MaxMessage },
		"left":    func(t time.Time) string { return leftText(t.Sub(s.Now())) },
		"rows":    rows,
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

// dated is when, or on which day where only that is known.
func (s *Server) dated(t time.Time) string {
	if u := t.UTC(); u.Equal(u.Truncate(24 * time.Hour)) {
		return u.Format("2 Jan 2006")
	}
	return s.when(t)
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
	// Marked says that its value came from untrusted text, From in which it stands
	// word for word; "" when it was put together.
	Marked bool
	From   string
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

// rows is how high an input for a text is.
func rows(text string) int {
	n := 1
	for line := range strings.Lines(text) {
		n += 1 + len(line)/80
	}
	return min(max(n-1, 1), 14)
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
