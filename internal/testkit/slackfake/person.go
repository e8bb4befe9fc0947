package slackfake

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Drop is a file a person drops.
type Drop struct {
	Name, Media, Content   string
	External, Hidden, Only bool
}

// Said is what a person says besides the text.
type Said struct {
	// Thread is the time stamp of the thread to say it in.
	Thread string
	Files  []Drop
}

// Post says something as a person and delivers the events the app is subscribed
// to. It returns the message's time stamp.
func (s *Server) Post(user, channel, text string, said ...Said) string {
	var with Said
	if len(said) > 0 {
		with = said[0]
	}
	s.mu.Lock()
	m := &Message{Channel: channel, TS: s.ts(), ThreadTS: with.Thread, User: user, Text: text}
	for _, d := range with.Files {
		if d.Media == "" {
			d.Media = "text/plain"
		}
		f := &File{ID: fmt.Sprintf("F%08d", s.ids.next()), Name: d.Name, Title: d.Name, Media: d.Media, User: user, Content: []byte(d.Content), External: d.External, Hidden: d.Hidden, Only: d.Only, Channel: channel, Thread: with.Thread}
		s.files[f.ID] = f
		m.Files, m.Subtype = append(m.Files, f.ID), "file_share"
	}
	s.messages[channel] = append(s.messages[channel], m)
	events := s.events(m)
	s.mu.Unlock()
	for _, e := range events {
		s.Emit(e)
	}
	return m.TS
}

// Mention has a person mention the app in a channel, and returns the thread and the
// event with its id, which nobody has delivered: see Redeliver.
func (s *Server) Mention(user, channel, text string) (root, id string, body []byte) {
	s.mu.Lock()
	text = "<@" + s.BotUser + "> " + text
	root = s.ts()
	s.messages[channel] = append(s.messages[channel], &Message{Channel: channel, TS: root, User: user, Text: text})
	s.mu.Unlock()
	id, body = s.Event(map[string]any{"type": "app_mention", "user": user, "text": text, "ts": root, "channel": channel, "event_ts": root})
	return root, id, body
}

// events are what the app hears of a message; the lock is held.
func (s *Server) events(m *Message) []map[string]any {
	c := s.channels[m.Channel]
	if c == nil || !slices.Contains(c.Members, s.BotUser) {
		return nil
	}
	e := s.json(m)
	e["channel"], e["event_ts"] = m.Channel, m.TS
	e["channel_type"] = map[string]string{"im": "im", "mpim": "mpim", "groups": "group", "channels": "channel"}[c.kind()]
	all := []map[string]any{e}
	if !c.IM && strings.Contains(m.Text, "<@"+s.BotUser+">") {
		mention := map[string]any{}
		for k, v := range e {
			if k != "channel_type" && k != "subtype" {
				mention[k] = v
			}
		}
		mention["type"] = "app_mention"
		all = append(all, mention)
	}
	return all
}

// Edit changes a person's message.
func (s *Server) Edit(channel, ts, text string) {
	s.mu.Lock()
	m := s.find(channel, ts)
	if m == nil {
		s.mu.Unlock()
		return
	}
	before := s.json(m)
	m.Text, m.Edited = text, s.ts()
	e := map[string]any{
		"type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "ts": s.ts(), "event_ts": s.ts(),
		"channel_type": "channel", "message": s.json(m), "previous_message": before,
	}
	s.mu.Unlock()
	s.Emit(e)
}

// Delete takes a person's message back.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	m := s.find(channel, ts)
	if m == nil {
		s.mu.Unlock()
		return
	}
	m.Deleted = true
	e := map[string]any{
		"type": "message", "subtype": "message_deleted", "hidden": true, "channel": channel, "ts": s.ts(), "event_ts": s.ts(),
		"channel_type": "channel", "deleted_ts": ts, "previous_message": s.json(m),
	}
	s.mu.Unlock()
	s.Emit(e)
}

// who is a person as interactions name them; the lock is held.
func (s *Server) who(user string) map[string]any {
	u := s.users[user]
	return map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.Team}
}

func (s *Server) interaction(kind, user string) (map[string]any, string) {
	trigger := s.trigger()
	return map[string]any{
		"type": kind, "team": map[string]any{"id": s.Team, "domain": "fake"}, "user": s.who(user), "api_app_id": appID,
		"token": "deprecated", "trigger_id": trigger, "is_enterprise_install": false,
	}, trigger
}

func (s *Server) send(p map[string]any, id string) Delivery {
	body, _ := json.Marshal(p)
	return s.deliver(payload{"interactions", id, body})
}

// Press presses a button of a message.
func (s *Server) Press(user string, m Message, b Button) Delivery {
	s.mu.Lock()
	p, trigger := s.interaction("block_actions", user)
	shown := s.json(&m)
	p["container"] = map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "thread_ts": m.ThreadTS, "is_ephemeral": m.To != ""}
	p["channel"] = map[string]any{"id": m.Channel, "name": "fake"}
	p["message"] = shown
	p["response_url"] = s.http.URL + "/response/" + user + "?channel=" + url.QueryEscape(m.Channel)
	p["actions"] = []any{s.action(b)}
	s.mu.Unlock()
	return s.send(p, trigger)
}

// action is a pressed button or a chosen option as an interaction names it.
func (s *Server) action(b Button) map[string]any {
	text := map[string]any{"type": "plain_text", "text": b.Text}
	out := map[string]any{"type": b.Type, "action_id": b.ActionID, "block_id": b.BlockID, "action_ts": s.ts()}
	if b.Type == "static_select" {
		out["selected_option"] = map[string]any{"text": text, "value": b.Value}
		return out
	}
	out["value"], out["text"] = b.Value, text
	return out
}

// PressView presses a button of a view, such as the home tab.
func (s *Server) PressView(user string, v View, b Button) Delivery {
	s.mu.Lock()
	p, trigger := s.interaction("block_actions", user)
	p["container"] = map[string]any{"type": "view", "view_id": v.ID}
	p["view"] = s.viewJSON(&v)
	p["actions"] = []any{s.action(b)}
	s.mu.Unlock()
	return s.send(p, trigger)
}

// Submit sends a modal with values by block id and action id: a text, the value of a
// choice, those of ticked boxes with commas between, or a conversation's id, as the
// field's element has it. The answer's errors keep it open.
func (s *Server) Submit(user string, v View, values map[string]map[string]string) Delivery {
	s.mu.Lock()
	p, trigger := s.interaction("view_submission", user)
	state := map[string]any{}
	for block, fields := range values {
		one := map[string]any{}
		for action, value := range fields {
			one[action] = entered(v.field(block), value)
		}
		state[block] = one
	}
	view := s.viewJSON(&v)
	view["state"] = map[string]any{"values": state}
	p["view"] = view
	s.mu.Unlock()
	d := s.send(p, trigger)
	var out struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
	}
	_ = json.Unmarshal(d.Answer, &out)
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.views[v.ID]; kept != nil {
		kept.Errors = out.Errors
		kept.Closed = d.Status == 200 && out.Action != "errors" && out.Action != "update" && out.Action != "push"
	}
	return d
}

// field is the type of the element of an input block.
func (v View) field(block string) string {
	var all []struct {
		BlockID string                `json:"block_id"`
		Element struct{ Type string } `json:"element"`
	}
	_ = json.Unmarshal(v.Blocks, &all)
	for _, b := range all {
		if b.BlockID == block {
			return b.Element.Type
		}
	}
	return ""
}

// entered is a field's value as an interaction carries it.
func entered(kind, value string) map[string]any {
	out := map[string]any{"type": kind}
	switch kind {
	case "checkboxes":
		chosen := []any{}
		for one := range strings.SplitSeq(value, ",") {
			chosen = append(chosen, map[string]any{"value": one})
		}
		out["selected_options"] = chosen
	case "static_select", "radio_buttons":
		out["selected_option"] = map[string]any{"value": value}
	case "conversations_select":
		out["selected_conversation"] = value
	default:
		out["type"], out["value"] = "plain_text_input", value
	}
	return out
}

// Shortcut runs a message shortcut on a message.
func (s *Server) Shortcut(user, callback string, m Message) Delivery {
	s.mu.Lock()
	p, trigger := s.interaction("message_action", user)
	p["callback_id"], p["message_ts"], p["action_ts"] = callback, m.TS, s.ts()
	p["channel"] = map[string]any{"id": m.Channel, "name": "fake"}
	p["message"] = s.json(&m)
	p["response_url"] = s.http.URL + "/response/" + user + "?channel=" + url.QueryEscape(m.Channel)
	s.mu.Unlock()
	return s.send(p, trigger)
}

// GlobalShortcut runs a shortcut that belongs to no message.
func (s *Server) GlobalShortcut(user, callback string) Delivery {
	s.mu.Lock()
	p, trigger := s.interaction("shortcut", user)
	p["callback_id"], p["action_ts"] = callback, s.ts()
	s.mu.Unlock()
	return s.send(p, trigger)
}

// Look tells the app which channel a person has open beside it; "" is none.
func (s *Server) Look(user, channel string) string {
	context := map[string]any{}
	if channel != "" {
		context["entities"] = []any{map[string]any{"type": "slack#/types/channel_id", "value": channel, "team_id": s.Team}}
	}
	return s.Emit(map[string]any{"type": "app_context_changed", "user": user, "channel": s.DM(user), "context": context, "event_ts": "1700000000.000003"})
}

// Command types a slash command in a channel; the answer is what the app said to it.
func (s *Server) Command(user, channel, command, text string) Delivery {
	s.mu.Lock()
	trigger := s.trigger()
	body, _ := json.Marshal(map[string]string{
		"token": "deprecated", "team_id": s.Team, "team_domain": "fake", "channel_id": channel, "channel_name": "fake", "user_id": user,
		"user_name": s.users[user].Name, "command": command, "text": text, "api_app_id": appID, "is_enterprise_install": "false",
		"response_url": s.http.URL + "/response/" + user + "?channel=" + url.QueryEscape(channel), "trigger_id": trigger,
	})
	s.mu.Unlock()
	return s.deliver(payload{"commands", trigger, body})
}

// OpenHome opens a tab of the app: "home" or "messages".
func (s *Server) OpenHome(user, tab string) string {
	return s.Emit(map[string]any{"type": "app_home_opened", "user": user, "channel": s.DM(user), "tab": tab, "event_ts": "1700000000.000001"})
}

// PressStop presses the stop button of an agent session.
func (s *Server) PressStop(user, channel, thread string) string {
	return s.Emit(map[string]any{"type": "agent_session_stopped", "user": user, "channel": channel, "thread_ts": thread, "event_ts": "1700000000.000002"})
}

// Trigger returns a fresh trigger_id, as a click would bring.
func (s *Server) Trigger() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trigger()
}
