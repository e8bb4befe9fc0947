package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// frame is what every page of a signed-in person has around its content.
type frame struct {
	Title string
	// Here is the section of the navigation the page belongs to.
	Here string
	By   agent.Actor
	Info Info
	// Pending counts the approvals that wait for this person, Late is what presses
	// among them.
	Pending int
	Late    late
	// Follow is the conversation whose events the page shows, "" for none.
	Follow string
	// Paused says that everything here is stopped, by whom and why.
	Paused string
	// Reload is where browsers without JavaScript look again soon, "" for nowhere.
	Reload string
}

func (s *Server) frame(ctx context.Context, by agent.Actor, here, title string) (frame, error) {
	pending, l, err := s.waiting(ctx, by)
	if err != nil {
		return frame{}, err
	}
	paused, err := s.paused(ctx, by)
	return frame{Title: title, Here: here, By: by, Info: s.Info(), Pending: len(pending), Late: l, Paused: paused}, err
}

// render writes a page. It is made in full first, so that a failure becomes an
// error page and not half of one.
func (s *Server) render(w http.ResponseWriter, r *http.Request, code int, name string, data any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		s.Log.ErrorContext(r.Context(), "page not rendered", slog.String("page", name), slog.Any("err", err))
		http.Error(w, agent.PublicText(err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = page.WriteTo(w)
}

// chatView is the chat page: the conversations, one of them open, the composer.
type chatView struct {
	frame
	Conversations []loop.Conversation
	Conversation  string
	Turns         []turnView
	Draft         draft
}

// draft is what the composer holds.
type draft struct {
	// Event is the id the next message will have, so that sending it twice is
	// sending it once.
	Event, Text, Error string
	Files              []agent.FileRef
	// refused is why the message was not accepted.
	refused error
}

func (s *Server) newChat(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if r.URL.Query().Has("token") {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.chat(w, r, by, "", draft{})
}

func (s *Server) conversation(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	return s.chat(w, r, by, r.PathValue("conversation"), draft{})
}

// chat writes the chat page; conversation "" is a new one.
func (s *Server) chat(w http.ResponseWriter, r *http.Request, by agent.Actor, conversation string, d draft) error {
	ctx, code := r.Context(), http.StatusOK
	f, err := s.frame(ctx, by, "chat", "New conversation")
	if err != nil {
		return err
	}
	f.Follow = conversation
	v := chatView{frame: f, Conversation: conversation, Draft: d}
	v.Draft.Event = rand.Text()
	if v.Conversations, err = s.Threads.Conversations(ctx, by, shownThreads); err != nil {
		return err
	}
	if conversation != "" {
		if v.Turns, err = s.thread(ctx, by, conversation); err != nil {
			return err
		}
		v.Title = clip(v.Turns[0].Asked.Text, 60)
		if i := slices.IndexFunc(v.Conversations, func(c loop.Conversation) bool { return c.ID == conversation }); i >= 0 {
			v.Title = clip(v.Conversations[i].Title, 60)
		}
		if slices.ContainsFunc(v.Turns, turnView.Busy) {
			v.Reload = reloadURL(r, v.Turns[len(v.Turns)-1].Turn)
		}
	}
	if d.refused != nil {
		v.Draft.Error, code = sentence(agent.PublicText(d.refused)), status(agent.KindOf(d.refused))
	}
	s.render(w, r, code, "chat", v)
	return nil
}

// turnPage leads to a turn within its conversation.
func (s *Server) turnPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	v, err := s.Desk.View(r.Context(), by, r.PathValue("turn"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, turnURL(v.Turn), http.StatusSeeOther)
	return nil
}

func turnURL(t agent.Turn) string {
	return "/c/" + pathEscape(t.Conversation) + "#t-" + url.PathEscape(t.ID)
}

// reloadURL leads to the same page at its newest turn. A browser that is sent to
// the address it is at only scrolls, so the query alternates.
func reloadURL(r *http.Request, t agent.Turn) string {
	round := "1"
	if r.URL.Query().Get("round") == "1" {
		round = "2"
	}
	return "/c/" + pathEscape(t.Conversation) + "?round=" + round + "#t-" + url.PathEscape(t.ID)
}

func pathEscape(s string) string { return url.PathEscape(s) }

// turnFragment is a turn without the page around it, for the script.
func (s *Server) turnFragment(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	v, err := s.alone(r.Context(), by, r.PathValue("turn"))
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "turn", v)
	return nil
}

type ticketsView struct {
	frame
	Query   string
	Tickets []agent.Ticket
}

func (s *Server) ticketsPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	f, err := s.frame(r.Context(), by, "tickets", "Tickets")
	if err != nil {
		return err
	}
	v := ticketsView{frame: f, Query: clip(r.URL.Query().Get("q"), 200)}
	if v.Tickets, err = s.Tickets.Tickets(r.Context(), by, agent.TicketQuery{Text: v.Query, Limit: 200}); err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "tickets", v)
	return nil
}

type ticketView struct {
	frame
	Ticket
}

func (s *Server) ticketPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	t, err := s.Tickets.Ticket(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := s.frame(r.Context(), by, "tickets", t.ID)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "ticket", ticketView{frame: f, Ticket: t})
	return nil
}

// shownRows is how many rows of the record one page shows.
const shownRows = 200

type auditView struct {
	frame
	Filter audit.Filter
	Rows   []auditRow
	// More says that there are older rows than those shown.
	More bool
}

type auditRow struct {
	audit.Entry
	Args []argument
}

func (s *Server) auditPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if !by.Owner {
		return agent.Errorf(agent.Forbidden, "only an owner may read the record")
	}
	f, err := s.frame(r.Context(), by, "audit", "Audit")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := auditView{frame: f, Filter: audit.Filter{
		Turn: q.Get("turn"), Tool: q.Get("tool"), Approval: strings.ToUpper(q.Get("approval")), Limit: shownRows, Newest: true,
	}}
	if k := q.Get("kind"); k != "" {
		v.Filter.Kinds = []audit.Kind{audit.Kind(k)}
	}
	rows, err := s.Audit.Audit(r.Context(), by.Workspace, v.Filter)
	if err != nil {
		return err
	}
	v.More = len(rows) == shownRows
	for _, e := range slices.Backward(rows) {
		row := auditRow{Entry: e}
		if len(e.Args) > 0 {
			row.Args = marked(e.Args, nil)
		}
		v.Rows = append(v.Rows, row)
	}
	s.render(w, r, http.StatusOK, "audit", v)
	return nil
}

// clip shortens a text to n runes.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.TrimSpace(string(r[:n])) + "…"
}
