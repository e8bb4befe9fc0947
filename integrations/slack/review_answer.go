package slack

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// besides is what an answer says besides the minutes, which are shown on their own:
// as a draft to whoever asked, so that an answer does not publish them before.
func (s *show) besides(v loop.View, answer string) string {
	raw := v.Artifacts["minutes"]
	var m agent.Minutes
	if raw == nil || s.Reviews == nil || json.Unmarshal(raw, &m) != nil {
		return answer
	}
	more := beyond(answer, m)
	alone := !slices.ContainsFunc(v.Steps, func(st agent.Step) bool { return st.Kind == "call" && st.Tool != "meeting_minutes" })
	switch {
	case v.Place.Kind == agent.DM && more == "":
		return "Above is a draft of the minutes. You decide who sees it, and how."
	case v.Place.Kind != agent.DM && alone:
		return ""
	}
	return more
}

// listMark is what begins a point of a list or a heading in Markdown.
var listMark = regexp.MustCompile(`^(\d+[.)]|[-*•#>]+)\s*`) //nolint:gochecknoglobals // a compiled pattern, never changed

// beyond is an answer without the paragraphs that say no more than the minutes.
func beyond(answer string, m agent.Minutes) string {
	known := []string{m.Title, m.Summary, m.Date, strings.Join(m.Participants, ", "), "decisions", "action items", "open questions", "none found", "open questions: none found"}
	var points []string
	for _, d := range append(slices.Clone(m.Decisions), m.Questions...) {
		points = append(points, bare(d.Text))
	}
	for _, a := range m.Actions {
		points = append(points, bare(a.Text))
	}
	for i := range known {
		known[i] = bare(known[i])
	}
	says := func(line string) bool {
		line = bare(line)
		return line != "" && !slices.Contains(known, line) && !(len(line) > 20 && strings.Contains(known[1], line)) &&
			!slices.ContainsFunc(points, func(p string) bool { return p != "" && strings.HasPrefix(line, p) })
	}
	var kept []string
	for p := range strings.SplitSeq(answer, "\n\n") {
		note := strings.HasPrefix(p, "_") && strings.HasSuffix(strings.TrimSpace(p), "_")
		if slices.ContainsFunc(strings.Split(p, "\n"), says) && !(note && len(kept) == 0) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n\n")
}

// bare is a line without its Markdown, in lower case.
func bare(s string) string {
	s = strings.ToLower(oneLine(strings.NewReplacer("*", "", "_", "", "`", "").Replace(s)))
	return strings.TrimSpace(listMark.ReplaceAllString(s, ""))
}
