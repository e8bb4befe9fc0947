package slackfake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

// File is something people dropped or the app uploaded.
type File struct {
	ID, Name, Title, Media, User string
	Content                      []byte
	// External files live elsewhere; Hidden ones the app may not read.
	External, Hidden bool
	// Only makes events show the id alone, as for Slack Connect.
	Only bool
	// Channel and Thread are where it was shared.
	Channel, Thread string
}

func (s *Server) fileJSON(f *File) map[string]any {
	if f == nil {
		return nil
	}
	if f.Only {
		return map[string]any{"id": f.ID, "file_access": "check_file_info", "mode": "file_access"}
	}
	mode, url := "hosted", s.http.URL+"/files/"+f.ID+"/"+f.Name
	if f.External {
		mode, url = "external", "https://docs.example/"+f.ID
	}
	return map[string]any{
		"id": f.ID, "name": f.Name, "title": f.Title, "mimetype": f.Media, "filetype": strings.TrimPrefix(filepath.Ext(f.Name), "."),
		"user": f.User, "mode": mode, "is_external": f.External, "size": len(f.Content), "created": 1700000000,
		"url_private": url, "url_private_download": url, "file_access": "visible", "permalink": s.http.URL + "/files/" + f.ID,
	}
}

func (s *Server) fileInfo(a args) (answer, string) {
	f := s.files[a.str("file")]
	switch {
	case f == nil:
		return nil, "file_not_found"
	case f.Hidden:
		return nil, "access_denied"
	}
	shown := *f
	shown.Only = false
	return answer{"file": s.fileJSON(&shown)}, ""
}

// download serves url_private; without the token it shows a sign-in page, as Slack does.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	refused := s.admits(botToken, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	s.mu.Lock()
	f, down := s.files[r.PathValue("id")], s.down
	s.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case refused != "" || f == nil || f.Hidden || !s.hasScope("files:read"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Sign in to Slack</body></html>")
	default:
		w.Header().Set("Content-Type", f.Media)
		_, _ = w.Write(f.Content)
	}
}

func (s *Server) uploadURL(a args) (answer, string) {
	n := a.num("length", 0)
	if a.str("filename") == "" || n == 0 {
		return nil, "invalid_arguments"
	}
	id := fmt.Sprintf("F%08d", s.ids.next())
	s.uploads[id] = &File{ID: id, Name: a.str("filename"), Media: "application/octet-stream", User: s.BotUser}
	return answer{"upload_url": s.http.URL + "/upload/" + id, "file_id": id}, ""
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	var content []byte
	if err := r.ParseMultipartForm(64 << 20); err == nil && r.MultipartForm != nil {
		for _, all := range r.MultipartForm.File {
			if part, err := all[0].Open(); err == nil {
				content, _ = io.ReadAll(part)
			}
		}
	} else {
		content, _ = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.uploads[r.PathValue("id")]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	f.Content = content
	_, _ = fmt.Fprintf(w, "OK - %d", len(content))
}

func (s *Server) completeUpload(a args) (answer, string) {
	var list []struct{ ID, Title string }
	if json.Unmarshal(a.raw("files"), &list) != nil || len(list) == 0 {
		return nil, "invalid_arguments"
	}
	channel := a.str("channel_id")
	if channel != "" {
		c, code := s.place(channel)
		if code != "" {
			return nil, code
		}
		channel = c.ID
	}
	out := []answer{}
	m := &Message{Channel: channel, TS: s.ts(), ThreadTS: a.str("thread_ts"), User: s.BotUser, BotID: botID, Text: a.str("initial_comment"), Subtype: "file_share"}
	for _, item := range list {
		f := s.uploads[item.ID]
		if f == nil || f.Content == nil {
			return nil, "file_not_found"
		}
		delete(s.uploads, item.ID)
		f.Title, f.Channel, f.Thread = item.Title, channel, a.str("thread_ts")
		s.files[f.ID] = f
		m.Files = append(m.Files, f.ID)
		out = append(out, answer{"id": f.ID, "title": f.Title})
	}
	if channel != "" {
		s.messages[channel] = append(s.messages[channel], m)
	}
	return answer{"files": out}, ""
}

// Files lists what was uploaded or dropped, with content.
func (s *Server) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []File
	for _, f := range s.files {
		all = append(all, *f)
	}
	return all
}
