package slackfake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// triggerFor is how long a trigger_id opens a view.
const triggerFor = 3 * time.Second

// View is a modal or a home tab as the app made it.
type View struct {
	ID, Type, User, CallbackID, PrivateMetadata string
	Raw                                         json.RawMessage
	Blocks                                      json.RawMessage
	Closed                                      bool
	Errors                                      map[string]string
	hash                                        string
}

// Buttons lists the buttons of the view.
func (v View) Buttons() []Button { return buttonsOf(v.Blocks) }

func (v *View) set(raw json.RawMessage) string {
	if CheckView(raw) != nil {
		return "invalid_arguments"
	}
	var parts struct {
		Type            string          `json:"type"`
		Blocks          json.RawMessage `json:"blocks"`
		PrivateMetadata string          `json:"private_metadata"`
		CallbackID      string          `json:"callback_id"`
	}
	_ = json.Unmarshal(raw, &parts)
	v.Type, v.Blocks, v.PrivateMetadata, v.CallbackID, v.Raw = parts.Type, parts.Blocks, parts.PrivateMetadata, parts.CallbackID, raw
	return ""
}

func (s *Server) viewJSON(v *View) map[string]any {
	out := map[string]any{}
	_ = json.Unmarshal(v.Raw, &out)
	for k, value := range out {
		if value == nil {
			delete(out, k)
		}
	}
	out["id"], out["team_id"], out["hash"], out["app_id"], out["bot_id"] = v.ID, s.Team, v.hash, appID, botID
	return out
}

// trigger makes a trigger id; the lock is held.
func (s *Server) trigger() string {
	id := fmt.Sprintf("%d.%d.%s", s.ids.next(), s.Clock().Unix(), "trigger")
	s.triggers[id] = s.Clock()
	return id
}

func (s *Server) viewOpen(a args) (answer, string) {
	made, ok := s.triggers[a.str("trigger_id")]
	switch {
	case !ok:
		return nil, "invalid_trigger_id"
	case s.Clock().Sub(made) > triggerFor:
		return nil, "expired_trigger_id"
	}
	v := &View{ID: fmt.Sprintf("V%08d", s.ids.next()), User: ""}
	if code := v.set(a.raw("view")); code != "" || v.Type != "modal" {
		return nil, "invalid_arguments"
	}
	delete(s.triggers, a.str("trigger_id"))
	v.hash = s.ts()
	s.views[v.ID] = v
	return answer{"view": s.viewJSON(v)}, ""
}

func (s *Server) viewUpdate(a args) (answer, string) {
	v := s.views[a.str("view_id")]
	switch {
	case v == nil || v.Closed:
		return nil, "not_found"
	case a.str("hash") != "" && a.str("hash") != v.hash:
		return nil, "hash_conflict"
	}
	if code := v.set(a.raw("view")); code != "" {
		return nil, code
	}
	v.hash = s.ts()
	return answer{"view": s.viewJSON(v)}, ""
}

func (s *Server) viewPublish(a args) (answer, string) {
	user := a.str("user_id")
	if s.users[user].ID == "" {
		return nil, "invalid_arguments"
	}
	v := s.views["home/"+user]
	if v == nil {
		v = &View{ID: fmt.Sprintf("V%08d", s.ids.next()), User: user}
	}
	if hash := a.str("hash"); hash != "" && hash != v.hash {
		return nil, "hash_conflict"
	}
	if code := v.set(a.raw("view")); code != "" || v.Type != "home" {
		return nil, "invalid_arguments"
	}
	v.hash = s.ts()
	s.views["home/"+user] = v
	return answer{"view": s.viewJSON(v)}, ""
}

// Home is a user's home tab, if it was published.
func (s *Server) Home(user string) (View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views["home/"+user]
	if v == nil {
		return View{}, false
	}
	return *v, true
}

// Modals lists the open modals, in no order.
func (s *Server) Modals() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []View
	for _, v := range s.views {
		if v.Type == "modal" && !v.Closed {
			all = append(all, *v)
		}
	}
	return all
}

// responseURL takes an answer to a slash command or a shortcut.
func (s *Server) responseURL(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var m struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if json.Unmarshal(b, &m) != nil || CheckBlocks(m.Blocks, MessageSurface) != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user, channel := r.PathValue("user"), r.URL.Query().Get("channel")
	s.messages[channel] = append(s.messages[channel], &Message{Channel: channel, TS: s.ts(), User: s.BotUser, BotID: botID, Text: m.Text, Blocks: m.Blocks, To: user})
	_, _ = io.WriteString(w, "ok")
}
