package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Story explains what a turn did, from the request to what came of it.
type Story struct {
	Workspace agent.WorkspaceID `json:"workspace"`
	Turn      string            `json:"turn"`
	Request   StoryRequest      `json:"request"`
	// Reads are the calls that only read.
	Reads []StoryRead `json:"reads"`
	Calls []StoryCall `json:"calls"`
	// Status is where the turn stands, Model and Prompt what answered it.
	Status string `json:"status"`
	Model  string `json:"model,omitempty"`
	Prompt string `json:"prompt,omitempty"`
}

// StoryRequest is who asked for what, where and with which files.
type StoryRequest struct {
	By    agent.ActorID `json:"by"`
	Name  string        `json:"name,omitempty"`
	At    time.Time     `json:"at"`
	Place string        `json:"place"`
	Text  string        `json:"text"`
	Files []string      `json:"files"`
	// Ordered is set when a person ordered the call by a button.
	Ordered string `json:"ordered,omitempty"`
}

// StoryRead is a call that only read.
type StoryRead struct {
	Seq    int64  `json:"seq"`
	Tool   string `json:"tool"`
	Status string `json:"status"`
}

// StoryCall is a call that changed something, or was to.
type StoryCall struct {
	Call   string          `json:"call"`
	Tool   string          `json:"tool"`
	Tier   *agent.Tier     `json:"tier,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
	Digest string          `json:"digest,omitempty"`
	// Ruling and Rule are what policy said, Reason in words.
	Ruling string `json:"ruling,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Marked names the arguments that came from untrusted text, Sources where
	// that text came from.
	Marked  []string `json:"marked,omitempty"`
	Sources []string `json:"sources,omitempty"`
	// Decisions are the people's, in order.
	Approval  string          `json:"approval,omitempty"`
	Decisions []StoryDecision `json:"decisions,omitempty"`
	Effect    *StoryEffect    `json:"effect,omitempty"`
	// Rows are the numbers of the rows of the record that say all this.
	Rows []int64 `json:"rows"`
	// Payload says why arguments are not shown, "" when they are.
	Payload string `json:"payload,omitempty"`
}

// StoryDecision is what a person said, or that nobody did in time.
type StoryDecision struct {
	By      agent.ActorID `json:"by,omitempty"`
	At      time.Time     `json:"at"`
	What    string        `json:"what"`
	Note    string        `json:"note,omitempty"`
	Comment string        `json:"comment,omitempty"`
}

// StoryEffect is what came of the call.
type StoryEffect struct {
	Key     string          `json:"key"`
	State   string          `json:"state"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended,omitzero"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
	// Undo says how it can be taken back, UndoTool and UndoArgs with which call;
	// UndoneBy is the turn that did.
	Undo     string          `json:"undo,omitempty"`
	UndoTool string          `json:"undo_tool,omitempty"`
	UndoArgs json.RawMessage `json:"undo_args,omitempty"`
	UndoneBy string          `json:"undone_by,omitempty"`
}

// AddRow tells one row of the turn; rows come in order.
func (s *Story) AddRow(e Entry) {
	if e.Kind == CallRead {
		s.Reads = append(s.Reads, StoryRead{e.Seq, e.Tool, e.Status})
		return
	}
	if e.Call == "" {
		return
	}
	c := s.call(e.Call)
	c.Rows = append(c.Rows, e.Seq)
	c.Tool, c.Tier = e.Tool, e.Tier
	for _, set := range []struct {
		to   *string
		from string
	}{{&c.Digest, e.Digest}, {&c.Approval, e.Approval}, {&c.Payload, e.Payload}} {
		if set.from != "" {
			*set.to = set.from
		}
	}
	if len(e.Args) > 0 {
		c.Args = e.Args
	}
	switch {
	case (e.Kind == CallAsked || e.Kind == CallRefused || e.Kind == CallIntent) && c.Ruling == "":
		// The first ruling is why a person was asked; what came after hangs on it.
		c.Ruling, c.Rule = e.Ruling, e.Rule
	case strings.HasPrefix(string(e.Kind), "approval."):
		c.Decisions = append(c.Decisions, StoryDecision{By: e.Actor, At: e.At, What: e.Status, Note: e.Note})
	}
}

func (s *Story) call(id string) *StoryCall {
	for i := range s.Calls {
		if s.Calls[i].Call == id {
			return &s.Calls[i]
		}
	}
	s.Calls = append(s.Calls, StoryCall{Call: id, Rows: []int64{}})
	return &s.Calls[len(s.Calls)-1]
}

// Tell writes the story for people.
func (s *Story) Tell(w io.Writer, zone *time.Location) error {
	var b strings.Builder
	when := func(t time.Time) string { return t.In(zone).Format(time.DateTime) }
	who := string(s.Request.By)
	if s.Request.Name != "" && s.Request.Name != who {
		who = fmt.Sprintf("%s (%s)", s.Request.Name, s.Request.By)
	}
	fmt.Fprintf(&b, "Request   %s, %s asked in %s:\n%s\n", when(s.Request.At), who, s.Request.Place, indented(s.Request.Text))
	if s.Request.Ordered != "" {
		fmt.Fprintf(&b, "          It was ordered by a button: %s\n", s.Request.Ordered)
	}
	if len(s.Request.Files) > 0 {
		fmt.Fprintf(&b, "Files     %s\n", strings.Join(s.Request.Files, ", "))
	}
	for _, r := range s.Reads {
		fmt.Fprintf(&b, "Read      %s: %s (row %d)\n", r.Tool, r.Status, r.Seq)
	}
	for i := range s.Calls {
		s.Calls[i].tell(&b, when)
	}
	fmt.Fprintf(&b, "\nTurn      %s is %s", s.Turn, s.Status)
	if s.Model != "" {
		fmt.Fprintf(&b, "; answered by %s", s.Model)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *StoryCall) tell(b *strings.Builder, when func(time.Time) string) {
	tier := ""
	if c.Tier != nil {
		tier = ", " + c.Tier.String()
	}
	fmt.Fprintf(b, "\nCall      %s: %s%s\n", c.Call, c.Tool, tier)
	switch {
	case len(c.Args) > 0:
		fmt.Fprintf(b, "  with      %s\n", c.Args)
	case c.Payload != "":
		fmt.Fprintf(b, "  with      (%s)\n", c.Payload)
	}
	if len(c.Marked)+len(c.Sources) > 0 {
		fmt.Fprintf(b, "  from      untrusted text of %s: %s\n", orNone(c.Sources), orNone(c.Marked))
	}
	if c.Ruling != "" {
		fmt.Fprintf(b, "  ruling    %s, by rule %s%s\n", c.Ruling, c.Rule, prefixed(" — ", c.Reason))
	}
	for _, d := range c.Decisions {
		by := "nobody in time"
		if d.By != "" {
			by = "by " + string(d.By)
		}
		fmt.Fprintf(b, "  decision  %s %s, %s (approval %s)%s%s\n", d.What, by, when(d.At), c.Approval, prefixed("; ", d.Note), prefixed(": ", d.Comment))
	}
	if c.Effect == nil {
		b.WriteString("  effect    none: it never ran\n")
	} else {
		c.Effect.tell(b, when)
	}
	fmt.Fprintf(b, "  record    rows %s\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Rows), " ", ", "), "[]"))
}

func (e *StoryEffect) tell(b *strings.Builder, when func(time.Time) string) {
	fmt.Fprintf(b, "  effect    %s, started %s", e.State, when(e.Started))
	if !e.Ended.IsZero() {
		fmt.Fprintf(b, ", ended %s", when(e.Ended))
	}
	fmt.Fprintf(b, " (key %s)\n", e.Key)
	if len(e.Result) > 0 {
		fmt.Fprintf(b, "  result    %s\n", e.Result)
	}
	if e.Error != "" {
		fmt.Fprintf(b, "  error     %s\n", e.Error)
	}
	switch {
	case e.UndoneBy != "":
		fmt.Fprintf(b, "  undo      it was taken back by turn %s\n", e.UndoneBy)
	case e.UndoTool != "":
		fmt.Fprintf(b, "  undo      sous undo %s (%s %s)\n", e.Key, e.UndoTool, e.UndoArgs)
	case e.Undo != "":
		fmt.Fprintf(b, "  undo      %s\n", e.Undo)
	}
}

func prefixed(by, s string) string {
	if s == "" {
		return ""
	}
	return by + s
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}

// indented sets a text off; it is shown as it was written, but for control
// characters, which a terminal might obey.
func indented(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
	return "          " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n          ")
}
