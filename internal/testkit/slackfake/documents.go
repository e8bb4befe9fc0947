package slackfake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// documentMethods are those of canvases and lists.
func documentMethods() map[string]method {
	return map[string]method{
		"canvases.create":         {scopes: []string{"canvases:write"}, known: []string{"title", "document_content", "channel_id"}, run: (*Server).canvasCreate},
		"slackLists.create":       {scopes: []string{"lists:write"}, known: []string{"name", "description_blocks", "schema", "copy_from_list_id", "include_copied_list_records", "todo_mode"}, run: (*Server).listCreate},
		"slackLists.items.create": {scopes: []string{"lists:write"}, known: []string{"list_id", "duplicated_item_id", "parent_item_id", "initial_fields"}, run: (*Server).listItem},
		"slackLists.access.set":   {scopes: []string{"lists:write"}, known: []string{"list_id", "access_level", "channel_ids", "user_ids"}, run: (*Server).listAccess},
		"agents.sessions.setStatus": {
			scopes: []string{"chat:write"}, known: []string{"status", "channel_id", "thread_ts", "title", "initiator_user_id", "icon_emoji", "icon_url", "username"}, run: (*Server).sessionStatus,
		},
	}
}

// Document is a canvas or a list.
type Document struct {
	ID, Title, Channel string
	// Markdown is a canvas's content; Rows are a list's, each by column name.
	Markdown string
	Rows     []map[string]string
	List     bool
	// Shared are the channels that may open a list.
	Shared []string
}

// Documents lists canvases and lists in the order in which they were made.
func (s *Server) Documents() []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Document
	for _, d := range s.documents {
		all = append(all, *d)
	}
	return all
}

func (s *Server) document(id string) *Document {
	for _, d := range s.documents {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// keepDocument makes it a file as well, since that is how Slack hands out its address.
func (s *Server) keepDocument(d *Document) {
	d.ID = fmt.Sprintf("F%08d", s.ids.next())
	s.documents = append(s.documents, d)
	s.files[d.ID] = &File{ID: d.ID, Name: d.Title, Title: d.Title, Media: "application/vnd.slack-docs", User: s.BotUser}
}

func (s *Server) canvasCreate(a args) (answer, string) {
	var content struct{ Type, Markdown string }
	if raw := a.raw("document_content"); len(raw) > 0 {
		if json.Unmarshal(raw, &content) != nil || content.Type != "markdown" {
			return nil, "invalid_arguments"
		}
	}
	channel := a.str("channel_id")
	switch c := s.channels[channel]; {
	case channel == "" && s.Free:
		return nil, "free_teams_cannot_create_non_tabbed_canvases"
	case channel != "" && (c == nil || c.Other):
		return nil, "channel_not_found"
	case c != nil && !slices.Contains(c.Members, s.BotUser):
		return nil, "restricted_action"
	case runes(content.Markdown) > 1<<20:
		return nil, "canvas_creation_failed"
	}
	d := &Document{Title: a.str("title"), Markdown: content.Markdown, Channel: channel}
	s.keepDocument(d)
	return answer{"canvas_id": d.ID}, ""
}

// The columns of a list that tracks tasks.
func columns() []answer {
	return []answer{
		{"id": "Col1", "key": "name", "name": "Name", "type": "text", "is_primary_column": true},
		{"id": "Col2", "key": "todo_completed", "name": "Completed", "type": "todo_completed"},
		{"id": "Col3", "key": "todo_assignee", "name": "Assignee", "type": "todo_assignee"},
		{"id": "Col4", "key": "todo_due_date", "name": "Due date", "type": "todo_due_date"},
	}
}

func (s *Server) listCreate(a args) (answer, string) {
	if s.Free {
		return nil, "feature_not_enabled"
	}
	if a.str("name") == "" {
		return nil, "invalid_arguments"
	}
	d := &Document{Title: a.str("name"), List: true}
	s.keepDocument(d)
	schema := columns()[:1]
	if a.yes("todo_mode") {
		schema = columns()
	}
	return answer{"list_id": d.ID, "list_metadata": answer{"schema": schema, "todo_mode": a.yes("todo_mode")}}, ""
}

func (s *Server) listItem(a args) (answer, string) {
	d := s.document(a.str("list_id"))
	if d == nil || !d.List {
		return nil, "list_not_found"
	}
	var fields []struct {
		Column   string          `json:"column_id"`
		RichText json.RawMessage `json:"rich_text"`
		User     []string        `json:"user"`
		Date     []string        `json:"date"`
	}
	if json.Unmarshal(a.raw("initial_fields"), &fields) != nil {
		return nil, "invalid_arguments"
	}
	row := map[string]string{}
	for _, f := range fields {
		i := slices.IndexFunc(columns(), func(c answer) bool { return c["id"] == f.Column })
		if i < 0 {
			return nil, "invalid_column_id"
		}
		name, _ := columns()[i]["name"].(string)
		switch name {
		case "Name":
			if len(f.RichText) == 0 {
				return nil, "invalid_arguments"
			}
			row[name] = Message{Blocks: f.RichText}.Shown()
		case "Assignee":
			row[name] = strings.Join(f.User, ",")
			for _, u := range f.User {
				if s.users[u].ID == "" {
					return nil, "user_not_found"
				}
			}
		case "Due date":
			row[name] = strings.Join(f.Date, ",")
		}
	}
	d.Rows = append(d.Rows, row)
	return answer{"item": answer{"id": fmt.Sprintf("Rec%08d", s.ids.next()), "list_id": d.ID}}, ""
}

func (s *Server) listAccess(a args) (answer, string) {
	d := s.document(a.str("list_id"))
	if d == nil || !d.List {
		return nil, "list_not_found"
	}
	var channels []string
	if json.Unmarshal(a.raw("channel_ids"), &channels) != nil {
		channels = strings.Split(a.str("channel_ids"), ",")
	}
	if !slices.Contains([]string{"read", "write"}, a.str("access_level")) || len(channels) == 0 {
		return nil, "invalid_arguments"
	}
	d.Shared = append(d.Shared, channels...)
	return nil, ""
}

func (s *Server) sessionStatus(a args) (answer, string) {
	c, code := s.place(a.str("channel_id"))
	switch {
	case code != "":
		return nil, code
	case !slices.Contains([]string{"active", "processing", "suspended", "closed"}, a.str("status")):
		return nil, "invalid_arguments"
	case a.str("thread_ts") == "" || s.find(c.ID, a.str("thread_ts")) == nil:
		return nil, "thread_not_found"
	case runes(a.str("title")) > 200:
		return nil, "invalid_arguments"
	}
	key := c.ID + "/" + a.str("thread_ts")
	had, there := s.sessions[key]
	if !there {
		had.title = a.str("title")
	}
	had.status = a.str("status")
	s.sessions[key] = had
	return answer{"status": had.status, "agent_status": had.status, "title": had.title}, ""
}

// Session is an agent session's status, "" when there is none.
func (s *Server) Session(channel, thread string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[channel+"/"+thread].status
}

// Title is what an assistant thread is called.
func (s *Server) Title(channel, thread string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.titles[channel+"/"+thread]
}

// SessionTitle is what an agent session is called.
func (s *Server) SessionTitle(channel, thread string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[channel+"/"+thread].title
}

// session is an agent session; its title is that of its first call.
type session struct{ status, title string }
