package web

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// maxForm is the largest form but for the composer's, in bytes.
const maxForm = 1 << 20

// deliveryID is the id of a form, so that sending it twice is doing it once.
func deliveryID() string { return rand.Text() }

// delivery is the id of the form that was sent, within those of the web.
func delivery(r *http.Request) string {
	if id := clip(r.PostForm.Get("event"), 100); id != "" {
		return "web/" + id
	}
	return ""
}

// readForm reads a form; one that is too large is refused.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return agent.WrapError(agent.Invalid, err, "the form could not be read")
	}
	return nil
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	return s.answer(w, r, by, true)
}

func (s *Server) deny(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	return s.answer(w, r, by, false)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, by agent.Actor, yes bool) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	a := loop.Answer{Approval: r.PathValue("id"), Yes: yes, Event: delivery(r)}
	if !yes {
		a.Comment = clip(unix(r.PostForm.Get("comment")), 1000)
	}
	got, err := s.Decisions.Answer(r.Context(), by, a)
	return s.did(w, r, got, err)
}

// did answers what was done to one approval.
func (s *Server) did(w http.ResponseWriter, r *http.Request, a approval.Approval, err error) error {
	if err != nil {
		return err
	}
	return s.back(w, r, r.PostForm.Get("back"), map[string]any{"ok": true, "approval": a.ID, "state": a.State})
}

// approveAll says yes to exactly the approvals the form names: those the person
// saw, not those that came since. Ones that are decided already are left.
func (s *Server) approveAll(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	var done []string
	for _, id := range r.PostForm["id"] {
		if slices.Contains(done, id) {
			continue
		}
		done = append(done, id)
		_, err := s.Decisions.Answer(r.Context(), by, loop.Answer{Approval: id, Yes: true, Event: delivery(r)})
		if err != nil && agent.KindOf(err) != agent.Conflict {
			return err
		}
	}
	return s.back(w, r, r.PostForm.Get("back"), map[string]any{"ok": true})
}

func (s *Server) hand(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	to := strings.TrimSpace(r.PostForm.Get("to"))
	if to == "" {
		return agent.Errorf(agent.Invalid, "say to whom you hand it")
	}
	a, err := s.Decisions.Delegate(r.Context(), by, r.PathValue("id"), agent.ActorID(to), delivery(r))
	return s.did(w, r, a, err)
}

func (s *Server) note(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	a, err := s.Decisions.Note(r.Context(), by, r.PathValue("id"), unix(r.PostForm.Get("text")), delivery(r))
	return s.did(w, r, a, err)
}

// entry is one argument as the edit form asks for it.
type entry struct {
	tools.Field
	// Input is the name of its input, Text what it holds.
	Input, Text string
	Marked      bool
	From        string
}

type editView struct {
	frame
	approval.Approval
	Entries []entry
	// Raw is set instead where the tool asks for no single arguments.
	Raw         string
	Event, Back string
	Error       string
	// Others says that another person has to approve what is written here.
	Others bool
}

// argPrefix sets the inputs of arguments apart from the form's own.
const argPrefix = "arg."

// editPage shows the form that asks for a call with other arguments.
func (s *Server) editPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	a, err := s.Approvals.ShowApproval(r.Context(), by, r.PathValue("id"))
	switch {
	case err != nil:
		return err
	case a.State != approval.Asked:
		return agent.Errorf(agent.Conflict, "this is not asked any more: %s", strings.ToLower(word(a)))
	}
	back := local(r.URL.Query().Get("back"))
	return s.showEdit(w, r, by, editView{Approval: a, Event: deliveryID(), Back: back}, nil, nil)
}

// showEdit writes the form with what was entered, nil for nothing yet, and why
// that was refused.
func (s *Server) showEdit(w http.ResponseWriter, r *http.Request, by agent.Actor, v editView, entered map[string]string, refused error) error {
	var err error
	if v.frame, err = s.frame(r.Context(), by, "approvals", "Change "+strings.ToLower(toolTitle(v.Call.Tool))); err != nil {
		return err
	}
	fields, err := s.fields(r, v.Call.Tool)
	if err != nil {
		return err
	}
	args := arguments(v.Approval)
	for _, f := range fields {
		e := entry{Field: f, Input: argPrefix + f.Name}
		for _, a := range v.Call.Arguments() {
			if a.Name == f.Name {
				e.Text = f.Text(a.Value)
			}
		}
		for _, a := range args {
			if a.Name == f.Name {
				e.Marked, e.From = a.Marked, a.From
			}
		}
		if text, ok := entered[f.Name]; ok {
			e.Text = text
		}
		v.Entries = append(v.Entries, e)
	}
	code := http.StatusOK
	if refused != nil {
		v.Error, code = sentence(agent.PublicText(refused)), status(agent.KindOf(refused))
	}
	v.Others = v.Kind != approval.ByRequester && !v.Sole
	name := "edit"
	if r.Header.Get("Sous-Part") == "form" {
		name = "edit-form"
	}
	s.render(w, r, code, name, v)
	return nil
}

func (s *Server) fields(r *http.Request, tool string) ([]tools.Field, error) {
	schema, err := s.Approvals.Schema(r.Context(), tool)
	if err != nil {
		return nil, err
	}
	return tools.Fields(schema)
}

// edit asks for the call with what the form holds. Without the script, a refusal
// is the form again, with all that was entered.
func (s *Server) edit(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	a, err := s.Approvals.ShowApproval(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	fields, err := s.fields(r, a.Call.Tool)
	if err != nil {
		return err
	}
	entered := map[string]string{}
	for _, f := range fields {
		// Of a flag the browser sends nothing when it is not set.
		if f.Kind == tools.FlagField || r.PostForm.Has(argPrefix+f.Name) {
			entered[f.Name] = r.PostForm.Get(argPrefix + f.Name)
		}
	}
	got, err := s.edited(r, by, a, fields, entered)
	switch {
	case err == nil:
		return s.did(w, r, got, nil)
	case wantsJSON(r) || agent.KindOf(err) == agent.NotFound || a.State != approval.Asked:
		return err
	}
	v := editView{Approval: a, Event: r.PostForm.Get("event"), Back: local(r.PostForm.Get("back"))}
	return s.showEdit(w, r, by, v, entered, err)
}

func (s *Server) edited(r *http.Request, by agent.Actor, a approval.Approval, fields []tools.Field, entered map[string]string) (approval.Approval, error) {
	var args json.RawMessage
	args, err := tools.Edit(fields, a.Call.Args, entered)
	if err != nil {
		return a, err
	}
	return s.Decisions.Edit(r.Context(), by, a.ID, args, delivery(r))
}

// unix ends lines as everybody but browsers does.
func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// back returns to the page a form came from; the script needs no page.
func (s *Server) back(w http.ResponseWriter, r *http.Request, path string, said map[string]any) error {
	if wantsJSON(r) {
		s.json(w, r, http.StatusOK, said)
		return nil
	}
	http.Redirect(w, r, local(path), http.StatusSeeOther) //nolint:gosec // local keeps it on this server
	return nil
}
