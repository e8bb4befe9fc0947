package meetings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// utterance is one object of a JSON transcript, under the names the exporters use.
type utterance struct {
	Speaker     json.RawMessage `json:"speaker"`
	SpeakerName string          `json:"speaker_name"`
	Name        string          `json:"name"`
	User        json.RawMessage `json:"user"`
	Text        string          `json:"text"`
	Content     string          `json:"content"`
	Message     string          `json:"message"`
	Sentence    string          `json:"sentence"`
	Start       json.RawMessage `json:"start"`
	StartTime   json.RawMessage `json:"start_time"`
	Time        json.RawMessage `json:"time"`
	Timestamp   json.RawMessage `json:"timestamp"`
}

// isJSON reports whether the text is a JSON value or begins with a JSON line.
func isJSON(text string) bool {
	s := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(s, "["):
		rest := strings.TrimSpace(s[1:])
		return strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, "]")
	case strings.HasPrefix(s, "{"):
		rest := strings.TrimSpace(s[1:])
		return strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "}")
	}
	return false
}

// parseJSON reads an array of utterances, an object that holds such an array,
// or one object a line.
func parseJSON(text string) (document, error) {
	var d document
	var list []json.RawMessage
	trimmed := []byte(strings.TrimSpace(text))
	switch {
	case json.Unmarshal(trimmed, &list) == nil:
	case d.wrapped(trimmed, &list):
	default:
		list = jsonLines(text)
	}
	bad := 0
	for _, raw := range list {
		cue, ok := cueOf(raw)
		if !ok {
			bad++
			continue
		}
		d.cues = append(d.cues, cue)
	}
	if len(d.cues) == 0 {
		return document{}, agent.Errorf(agent.Invalid,
			`the JSON holds no utterances. Expected one object a line like {"speaker":"Ann","text":"Hello"}`)
	}
	if bad > 0 {
		d.warnings = append(d.warnings, fmt.Sprintf("%d JSON entries could not be read as utterances and were left out", bad))
	}
	return d, nil
}

// jsonLines takes each line as a value; a broken last line of a cut file and
// the commas of a broken array do no harm.
func jsonLines(text string) []json.RawMessage {
	var list []json.RawMessage
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if line == "" || line == "[" || line == "]" {
			continue
		}
		list = append(list, json.RawMessage(line))
	}
	return list
}

// wrapped finds the array inside one object, and its title and date.
func (d *document) wrapped(text []byte, list *[]json.RawMessage) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return false
	}
	for _, key := range [...]string{
		"transcript", "utterances", "segments", "cues", "entries", "sentences", "messages", "meeting_transcripts", "results",
	} {
		if raw, ok := object[key]; ok && json.Unmarshal(raw, list) == nil {
			d.title = oneLine(stringOf(object["title"]))
			d.date = dateInText(stringOf(object["date"]))
			return true
		}
	}
	*list = []json.RawMessage{text}
	return true
}

func cueOf(raw json.RawMessage) (agent.Cue, bool) {
	var u utterance
	if json.Unmarshal(raw, &u) != nil {
		return agent.Cue{}, false
	}
	c := agent.Cue{Start: -1}
	for _, s := range [...]string{u.Text, u.Content, u.Message, u.Sentence} {
		c.Text = firstNonEmpty(c.Text, strings.TrimSpace(s))
	}
	for _, s := range [...]string{stringOf(u.Speaker), u.SpeakerName, u.Name, stringOf(u.User)} {
		c.Speaker = firstNonEmpty(c.Speaker, strings.TrimSpace(s))
	}
	c.Speaker = oneLine(c.Speaker)
	for _, t := range [...]json.RawMessage{u.Start, u.StartTime, u.Time, u.Timestamp} {
		if c.Start < 0 {
			c.Start = startOf(t)
		}
	}
	return c, c.Text != ""
}

// stringOf reads a string, a number, or an object with a name.
func stringOf(raw json.RawMessage) string {
	var s string
	var n json.Number
	var o struct {
		Name string `json:"name"`
	}
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	case json.Unmarshal(raw, &n) == nil:
		return "Speaker " + n.String()
	case json.Unmarshal(raw, &o) == nil:
		return o.Name
	}
	return ""
}

// startOf reads seconds as a number, or a clock as text; -1 when it is neither.
func startOf(raw json.RawMessage) float64 {
	var f float64
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return -1
	}
	if json.Unmarshal(raw, &f) == nil {
		if f < 0 || f > 1e6 {
			return -1
		}
		return f
	}
	var s string
	if json.Unmarshal(raw, &s) == nil && onlyTime.MatchString(strings.TrimSpace(s)) {
		return seconds(s)
	}
	return -1
}
