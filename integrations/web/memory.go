package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// shownMemories is how much of memory one page shows.
const shownMemories = 60

type memoryView struct {
	frame
	Query string
	Items []Remembered
	// Forgotten is the id of what was just forgotten, to take it back.
	Forgotten string
	More      bool
}

func (s *Server) memoryPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	f, err := s.frame(r.Context(), by, "memory", "Memory")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := memoryView{frame: f, Query: clip(q.Get("q"), 300), Forgotten: clip(q.Get("forgotten"), 300)}
	if v.Items, err = s.Memory.Memories(r.Context(), by, v.Query, shownMemories); err != nil {
		return err
	}
	v.More = len(v.Items) == shownMemories
	s.render(w, r, http.StatusOK, "memory", v)
	return nil
}

type itemView struct {
	frame
	Item Remembered
}

func (s *Server) itemPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	m, err := s.Memory.Item(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := s.frame(r.Context(), by, "memory", clip(cmp.Or(visible(m.Title), "Remembered"), 60))
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "item", itemView{frame: f, Item: m})
	return nil
}

func (s *Server) forget(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.Memory.Forget(r.Context(), by, id); err != nil {
		return err
	}
	return s.back(w, r, "/memory?"+url.Values{"q": {r.PostForm.Get("q")}, "forgotten": {id}}.Encode(), map[string]any{"ok": true})
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	if err := s.Memory.Restore(r.Context(), by, r.PathValue("id")); err != nil {
		return err
	}
	return s.back(w, r, "/memory?"+url.Values{"q": {r.PostForm.Get("q")}}.Encode(), map[string]any{"ok": true})
}

// Outside reports whether it was written by outsiders, or nobody knows by whom.
func (m Remembered) Outside() bool { return m.Label.Integrity == agent.External }

// About is where it comes from, in one line.
func (m Remembered) About() string {
	var parts []string
	for _, p := range []string{m.Kind, m.Source} {
		if p != "" {
			parts = append(parts, visible(p))
		}
	}
	return strings.Join(parts, ", ")
}
