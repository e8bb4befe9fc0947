package slackfake

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The lengths Slack allows.
const (
	maxText       = 40000
	maxMarkdown   = 12000
	maxBlocks     = 50
	maxViewBlocks = 100
)

// place returns the channel a post may go to; a user id stands for the DM.
func (s *Server) place(id string) (*Channel, string) {
	if _, ok := s.users[id]; ok {
		return s.dm(id), ""
	}
	c := s.channels[id]
	switch {
	case c == nil || c.Other:
		return nil, "channel_not_found"
	case !c.IM && !slices.Contains(c.Members, s.BotUser):
		return nil, "not_in_channel"
	}
	return c, ""
}

// content checks what a message holds.
func content(a args) (text string, blocks json.RawMessage, meta Metadata, code string) {
	text, blocks = a.str("text"), a.raw("blocks")
	if md := a.str("markdown_text"); md != "" {
		if text != "" || len(blocks) > 0 {
			return "", nil, meta, "markdown_text_conflict"
		}
		if utf8.RuneCountInString(md) > maxMarkdown {
			return "", nil, meta, "msg_too_long"
		}
		text = md
	}
	if string(blocks) == "[]" || string(blocks) == "null" {
		blocks = nil
	}
	switch {
	case text == "" && len(blocks) == 0 && a.str("attachments") == "":
		return "", nil, meta, "no_text"
	case utf8.RuneCountInString(text) > maxText:
		return "", nil, meta, "msg_too_long"
	case CheckBlocks(blocks, MessageSurface) != nil:
		return "", nil, meta, "invalid_blocks"
	}
	if raw := a.raw("metadata"); len(raw) > 0 && string(raw) != "null" {
		if json.Unmarshal(raw, &meta) != nil || meta.EventType == "" && len(meta.EventPayload) > 0 {
			return "", nil, meta, "invalid_metadata_format"
		}
		for _, v := range meta.EventPayload {
			if _, deep := v.(map[string]any); deep {
				return "", nil, meta, "invalid_metadata_schema"
			}
		}
	}
	return text, blocks, meta, ""
}

func (s *Server) postMessage(a args) (answer, string) {
	c, code := s.place(a.str("channel"))
	if code != "" {
		return nil, code
	}
	text, blocks, meta, code := content(a)
	if code != "" {
		return nil, code
	}
	root := a.str("thread_ts")
	if root != "" && s.find(c.ID, root) == nil {
		return nil, "thread_not_found"
	}
	now := s.Clock()
	if rest := s.rested[c.ID].Sub(now); rest > time.Duration(max(s.Burst, 1)-1)*s.Pace {
		return nil, "ratelimited"
	}
	if s.rested[c.ID].Before(now) {
		s.rested[c.ID] = now
	}
	s.rested[c.ID] = s.rested[c.ID].Add(s.Pace)
	m := &Message{Channel: c.ID, TS: s.ts(), ThreadTS: root, User: s.BotUser, BotID: botID, Text: text, Blocks: blocks, Metadata: meta}
	s.messages[c.ID] = append(s.messages[c.ID], m)
	delete(s.status, c.ID+"/"+root)
	return answer{"channel": c.ID, "ts": m.TS, "message": s.json(m)}, ""
}

func (s *Server) postEphemeral(a args) (answer, string) {
	c, code := s.place(a.str("channel"))
	if code != "" {
		return nil, code
	}
	text, blocks, _, code := content(a)
	user := a.str("user")
	switch {
	case code != "":
		return nil, code
	case !slices.Contains(c.Members, user):
		return nil, "user_not_in_channel"
	}
	m := &Message{Channel: c.ID, TS: s.ts(), ThreadTS: a.str("thread_ts"), User: s.BotUser, BotID: botID, Text: text, Blocks: blocks, To: user}
	s.messages[c.ID] = append(s.messages[c.ID], m)
	return answer{"message_ts": m.TS}, ""
}

// own returns a message of the app that it may change.
func (s *Server) own(a args) (*Message, string) {
	c, code := s.place(a.str("channel"))
	if code != "" {
		return nil, code
	}
	m := s.find(c.ID, a.str("ts"))
	switch {
	case m == nil || m.Deleted:
		return nil, "message_not_found"
	case m.User != s.BotUser:
		return nil, "cant_update_message"
	}
	return m, ""
}

func (s *Server) update(a args) (answer, string) {
	m, code := s.own(a)
	if code != "" {
		return nil, code
	}
	if m.Streaming {
		return nil, "streaming_state_conflict"
	}
	text, blocks, meta, code := content(a)
	if code != "" {
		return nil, code
	}
	// Blocks that are not named stay; an empty list takes them away.
	if _, named := a["blocks"]; named {
		m.Blocks = blocks
	}
	m.Text, m.Edited = text, s.ts()
	m.Updates++
	if meta.EventType != "" {
		m.Metadata = meta
	}
	shown := s.json(m)
	delete(shown, "ts")
	delete(shown, "thread_ts")
	return answer{"channel": m.Channel, "ts": m.TS, "text": m.Text, "message": shown}, ""
}

func (s *Server) deleteMessage(a args) (answer, string) {
	m, code := s.own(a)
	switch {
	case code == "cant_update_message":
		return nil, "cant_delete_message"
	case code != "":
		return nil, code
	}
	m.Deleted, m.Streaming = true, false
	return answer{"channel": m.Channel, "ts": m.TS}, ""
}

func (s *Server) permalink(a args) (answer, string) {
	c := s.channels[a.str("channel")]
	if c == nil || c.Other {
		return nil, "channel_not_found"
	}
	m := s.find(c.ID, a.str("message_ts"))
	if m == nil {
		return nil, "message_not_found"
	}
	return answer{"channel": c.ID, "permalink": "https://fake.slack.com/archives/" + c.ID + "/p" + strings.ReplaceAll(m.TS, ".", "")}, ""
}

// chunk is a piece of a stream.
type chunk struct {
	Type   string          `json:"type"`
	Text   string          `json:"text"`
	ID     string          `json:"id"`
	Title  string          `json:"title"`
	Status string          `json:"status"`
	Blocks json.RawMessage `json:"blocks"`
}

// fine reports whether a chunk that is no text is whole.
func (c chunk) fine() bool {
	switch c.Type {
	case "task_update":
		return c.ID != "" && c.Title != "" && slices.Contains([]string{"pending", "in_progress", "complete", "error"}, c.Status)
	case "plan_update":
		return c.Title != ""
	case "blocks":
		return CheckBlocks(c.Blocks, MessageSurface) == nil
	}
	return false
}

// tasksOf notes the tasks a stream call brings on the message.
func (m *Message) tasksOf(a args) {
	var chunks []chunk
	if json.Unmarshal(a.raw("chunks"), &chunks) != nil {
		return
	}
	for _, c := range chunks {
		if c.Type == "task_update" {
			if m.Tasks == nil {
				m.Tasks = map[string]string{}
			}
			m.Tasks[c.Title] = c.Status
		}
	}
}

// streamed is the text of a stream call: markdown_text or markdown chunks.
func streamed(a args) (string, string) {
	text := a.str("markdown_text")
	var chunks []chunk
	if raw := a.raw("chunks"); len(raw) > 0 {
		if text != "" || json.Unmarshal(raw, &chunks) != nil {
			return "", "invalid_chunks"
		}
	}
	for _, c := range chunks {
		switch c.Type {
		case "markdown_text":
			text += c.Text
		default:
			if !c.fine() {
				return "", "invalid_chunks"
			}
		}
	}
	if utf8.RuneCountInString(text) > maxMarkdown {
		return "", "msg_too_long"
	}
	return text, ""
}

func (s *Server) startStream(a args) (answer, string) {
	c, code := s.place(a.str("channel"))
	if code != "" {
		return nil, code
	}
	text, code := streamed(a)
	root := a.str("thread_ts")
	switch {
	case code != "":
		return nil, code
	case root == "":
		return nil, "invalid_arguments"
	case s.find(c.ID, root) == nil:
		return nil, "thread_not_found"
	case !c.IM && a.str("recipient_user_id") == "":
		return nil, "missing_recipient_user_id"
	case !c.IM && a.str("recipient_team_id") == "":
		return nil, "missing_recipient_team_id"
	}
	m := &Message{Channel: c.ID, TS: s.ts(), ThreadTS: root, User: s.BotUser, BotID: botID, Text: text, Streaming: true, Started: s.Clock()}
	m.tasksOf(a)
	s.messages[c.ID] = append(s.messages[c.ID], m)
	delete(s.status, c.ID+"/"+root)
	return answer{"channel": c.ID, "ts": m.TS}, ""
}

// open returns a message whose stream is open.
func (s *Server) open(a args) (*Message, string) {
	m, code := s.own(a)
	switch {
	case code == "cant_update_message":
		return nil, "message_not_owned_by_app"
	case code != "":
		return nil, code
	case m.Streaming && s.Clock().Sub(m.Started) > s.StreamFor:
		m.Streaming = false
	}
	if !m.Streaming {
		return nil, "message_not_in_streaming_state"
	}
	return m, ""
}

func (s *Server) appendStream(a args) (answer, string) {
	m, code := s.open(a)
	if code != "" {
		return nil, code
	}
	text, code := streamed(a)
	if code == "" && text == "" && a.str("chunks") == "" {
		code = "no_text"
	}
	if code != "" {
		return nil, code
	}
	m.Text += text
	m.tasksOf(a)
	return answer{"channel": m.Channel, "ts": m.TS}, ""
}

func (s *Server) stopStream(a args) (answer, string) {
	m, code := s.open(a)
	if code != "" {
		return nil, code
	}
	text, code := streamed(a)
	if code != "" {
		return nil, code
	}
	if blocks := a.raw("blocks"); len(blocks) > 0 {
		if CheckBlocks(blocks, MessageSurface) != nil {
			return nil, "invalid_blocks"
		}
		m.Blocks = blocks
	}
	if raw := a.raw("metadata"); len(raw) > 0 {
		if json.Unmarshal(raw, &m.Metadata) != nil {
			return nil, "invalid_metadata_format"
		}
	}
	m.Text += text
	m.Streaming = false
	if len(m.Blocks) == 0 {
		m.Blocks, _ = json.Marshal([]any{map[string]any{"type": "markdown", "text": m.Text}})
	}
	return nil, ""
}
