package builtin

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// view is a request as the planner reads it.
type view struct {
	// request is what the person asked for in this turn, files what came with it.
	request string
	files   []agent.FileRef
	// history is what was said before, without system messages.
	history []model.Message
	// trail is what was called in this turn, in order, with what came of it.
	trail []outcome
	// told is what was said in this turn beside the calls.
	told  []string
	tools map[string]bool
	// today is the zero time when the system message does not say it.
	today time.Time
	// person is the name of who asks; empty when unknown.
	person string
}

// outcome is one call of this turn. status is "" when no result was given.
type outcome struct {
	tool   string
	args   json.RawMessage
	key    string
	status string
	err    string
	result json.RawMessage
}

func (o outcome) done() bool { return o.status == "done" }

// into decodes the result as far as it fits; wrong fields stay empty.
func (o outcome) into(v any) {
	// A result of another shape leaves fields empty, and the answer then says
	// that nothing was found in it.
	_ = json.Unmarshal(o.result, v)
}

// why says for people why a call that is not done has no result.
func (o outcome) why() string {
	switch {
	case o.err != "":
		return inline(o.err)
	case o.status == "":
		return "no result came back"
	}
	return "no reason was given"
}

var (
	reToday  = regexp.MustCompile(`(?i)\btoday is (?:[a-z]+day,? )?(\d{4}-\d{2}-\d{2}|\d{1,2} [a-z]+ \d{4}|[a-z]+ \d{1,2}, \d{4})`)
	rePerson = regexp.MustCompile(`(?i)\byou are talking with ([^\n]+?)\.(?:\s|$)`)
)

func newView(req model.Request) view {
	v := view{tools: make(map[string]bool, len(req.Tools))}
	for _, t := range req.Tools {
		v.tools[t.Name] = true
	}
	last := lastRequest(req.Messages)
	for i, m := range req.Messages {
		switch {
		case m.Role == model.RoleSystem:
			v.readSystem(m.Text)
		case i < last && (m.Role == model.RoleUser || m.Role == model.RoleAssistant):
			v.history = append(v.history, m)
		case i == last:
			v.request, v.files = strings.TrimSpace(m.Text), m.Files
		case i > last && last >= 0:
			v.readTrail(m)
		}
	}
	return v
}

func (v *view) readSystem(text string) {
	if m := reToday.FindStringSubmatch(text); m != nil {
		for _, layout := range []string{time.DateOnly, "2 January 2006", "January 2, 2006", "2 Jan 2006", "Jan 2, 2006"} {
			if t, err := time.Parse(layout, m[1]); err == nil {
				v.today = t
				break
			}
		}
	}
	if m := rePerson.FindStringSubmatch(text); m != nil {
		v.person = m[1]
	}
}

// readTrail takes a plan or a result of this turn. Results are matched to
// calls by id; a result without its call is kept as a call without arguments.
func (v *view) readTrail(m model.Message) {
	switch m.Role {
	case model.RoleAssistant:
		if m.Text != "" {
			v.told = append(v.told, m.Text)
		}
		for _, c := range m.Calls {
			v.trail = append(v.trail, outcome{
				tool: c.Name, args: json.RawMessage(c.Args), key: c.ID,
			})
		}
	case model.RoleTool:
		var r struct {
			Status string          `json:"status"`
			Result json.RawMessage `json:"result"`
			Error  string          `json:"error"`
		}
		if err := json.Unmarshal([]byte(m.Text), &r); err != nil {
			r.Status, r.Error = "failed", "the result could not be read"
		}
		for i := range v.trail {
			if o := &v.trail[i]; o.key == m.CallID && o.tool == m.Tool && o.status == "" {
				o.status, o.result, o.err = r.Status, r.Result, r.Error
				return
			}
		}
	case model.RoleSystem, model.RoleUser:
	}
}

// said returns the text of the last message of the role in the history.
func (v *view) said(role model.Role) string {
	for _, m := range slices.Backward(v.history) {
		if m.Role == role {
			return m.Text
		}
	}
	return ""
}

// earlierFiles returns the files of the latest message that had any.
func (v *view) earlierFiles() []agent.FileRef {
	for _, m := range slices.Backward(v.history) {
		if len(m.Files) > 0 {
			return m.Files
		}
	}
	return nil
}
