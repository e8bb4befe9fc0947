package slackfake

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Message is something posted.
type Message struct {
	Channel, TS, ThreadTS, User, BotID, Text, Subtype string
	Blocks                                            json.RawMessage
	Metadata                                          Metadata
	// Edited is the time stamp of the last edit, Files what hangs on it.
	Edited string
	Files  []string
	// Deleted messages stay, marked. To is who alone sees an ephemeral one.
	Deleted bool
	To      string
	// Streaming says that a stream is open, since Started.
	Streaming bool
	Started   time.Time
	// Tasks are the tasks a stream showed, by title, with their last status.
	Tasks   map[string]string
	Updates int
}

// Metadata is what an app hangs on a message, unseen by people.
type Metadata struct {
	EventType    string         `json:"event_type"`
	EventPayload map[string]any `json:"event_payload"`
}

// Root is the time stamp of the thread the message belongs to: its own when it
// begins one.
func (m Message) Root() string {
	if m.ThreadTS != "" {
		return m.ThreadTS
	}
	return m.TS
}

// Button is a button of a message.
type Button struct {
	BlockID, ActionID, Text, Value, Style, URL string
	// Type is the element's: "button", "feedback_buttons" for one of the two, or
	// "static_select" for one of its options.
	Type string
	// Visible are the people who see it; none means everybody.
	Visible []string
}

// Buttons lists the buttons of a message in order.
func (m Message) Buttons() []Button { return buttonsOf(m.Blocks) }

func buttonsOf(blocks json.RawMessage) []Button {
	type element struct {
		Type     string `json:"type"`
		ActionID string `json:"action_id"`
		Text     struct {
			Text string `json:"text"`
		} `json:"text"`
		Value    string         `json:"value"`
		Style    string         `json:"style"`
		URL      string         `json:"url"`
		Visible  []string       `json:"visible_to_user_ids"`
		Positive *thumb         `json:"positive_button"`
		Negative *thumb         `json:"negative_button"`
		Options  []selectOption `json:"options"`
	}
	var all []struct {
		BlockID   string    `json:"block_id"`
		Elements  []element `json:"elements"`
		Accessory *element  `json:"accessory"`
	}
	_ = json.Unmarshal(blocks, &all)
	var out []Button
	for _, b := range all {
		if b.Accessory != nil {
			b.Elements = append(b.Elements, *b.Accessory)
		}
		for _, e := range b.Elements {
			one := Button{BlockID: b.BlockID, ActionID: e.ActionID, Text: e.Text.Text, Value: e.Value, Style: e.Style, URL: e.URL, Type: e.Type, Visible: e.Visible}
			switch e.Type {
			case "button":
				out = append(out, one)
			case "feedback_buttons":
				for _, t := range []*thumb{e.Positive, e.Negative} {
					one.Text, one.Value = t.Text.Text, t.Value
					out = append(out, one)
				}
			case "static_select":
				for _, o := range e.Options {
					one.Text, one.Value = o.Text.Text, o.Value
					out = append(out, one)
				}
			}
		}
	}
	return out
}

// Shown is what people see of a message: the words of its blocks or, when it has
// none, its text.
func (m Message) Shown() string {
	var words []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range []string{"text", "fields", "elements", "accessory", "label", "element"} {
				if t, ok := v[k].(string); ok {
					words = append(words, t)
				} else {
					walk(v[k])
				}
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	var blocks any
	_ = json.Unmarshal(m.Blocks, &blocks)
	walk(blocks)
	if len(words) == 0 {
		return m.Text
	}
	return strings.Join(words, "\n")
}

// Thread lists what stands in a thread, the root first, without what was deleted
// or only one person saw.
func (s *Server) Thread(channel, root string) []Message {
	return s.list(channel, func(m *Message) bool { return m.Root() == root && !m.Deleted && m.To == "" })
}

// Channel lists what stands in a channel, threads included.
func (s *Server) Channel(channel string) []Message {
	return s.list(channel, func(m *Message) bool { return !m.Deleted && m.To == "" })
}

// Ephemeral lists what one person alone was shown in a channel.
func (s *Server) Ephemeral(channel, user string) []Message {
	return s.list(channel, func(m *Message) bool { return m.To == user })
}

// Message returns one message.
func (s *Server) Message(channel, ts string) (Message, bool) {
	all := s.list(channel, func(m *Message) bool { return m.TS == ts })
	if len(all) == 0 {
		return Message{}, false
	}
	return all[0], true
}

func (s *Server) list(channel string, want func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages[channel] {
		if want(m) {
			c := *m
			c.Blocks = slices.Clone(m.Blocks)
			all = append(all, c)
		}
	}
	return all
}

// find returns a message; the lock is held.
func (s *Server) find(channel, ts string) *Message {
	for _, m := range s.messages[channel] {
		if m.TS == ts && m.To == "" {
			return m
		}
	}
	return nil
}

// json is the message as the API shows it; the lock is held.
func (s *Server) json(m *Message) map[string]any {
	out := map[string]any{"type": "message", "user": m.User, "ts": m.TS, "text": m.Text, "team": s.users[m.User].Team}
	if m.Subtype != "" {
		out["subtype"] = m.Subtype
	}
	if m.BotID != "" {
		out["bot_id"] = m.BotID
		out["app_id"] = appID
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	if len(m.Blocks) > 0 {
		out["blocks"] = m.Blocks
	}
	if m.Edited != "" {
		out["edited"] = map[string]any{"user": m.User, "ts": m.Edited}
	}
	if m.Metadata.EventType != "" {
		out["metadata"] = m.Metadata
	}
	if len(m.Files) > 0 {
		var files []any
		for _, id := range m.Files {
			files = append(files, s.fileJSON(s.files[id]))
		}
		out["files"] = files
	}
	return out
}
