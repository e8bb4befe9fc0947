package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// The views of the approvals page.
const (
	viewMine  = "mine"  // those on which it is the reader's turn
	viewAsked = "asked" // those the reader asked for and somebody has to decide
	viewOpen  = "open"  // all that wait and the reader may see
	viewPast  = "past"  // those that are decided
)

// shownPast is how many decided approvals one page shows.
const shownPast = 50

// late is what presses among the decisions that wait for a person.
type late struct {
	// Text says what, and is "" when nothing does.
	Text string `json:"text,omitempty"`
	// Approval is the one that presses most.
	Approval string `json:"approval,omitempty"`
}

// waiting returns the approvals on which it is this person's turn, and what
// presses among them: those of which they were reminded.
func (s *Server) waiting(ctx context.Context, by agent.Actor) ([]approval.Approval, late, error) {
	all, err := s.Approvals.ListApprovals(ctx, by, loop.ApprovalQuery{Waiting: true})
	if err != nil {
		return nil, late{}, err
	}
	var l late
	var first approval.Approval
	n := 0
	for _, a := range all {
		if a.Reminded == 0 {
			continue
		}
		if n++; first.ID == "" || a.Expires.Before(first.Expires) {
			first = a
		}
	}
	switch {
	case n == 1:
		l.Text = fmt.Sprintf("%s still waits for your decision and expires %s.", toolTitle(first.Call.Tool), s.in(first.Expires))
	case n > 1:
		l.Text = fmt.Sprintf("%d decisions still wait for you; the first expires %s.", n, s.in(first.Expires))
	}
	l.Approval = first.ID
	return all, l, nil
}

// in is how far off a time is, for people: "in 20 min".
func (s *Server) in(at time.Time) string {
	left := leftText(at.Sub(s.Now()))
	if left == "" {
		return "now"
	}
	return "in " + left
}

// leftText is a span of time as people say it, "" when there is none left. The
// script says it in the same words.
func leftText(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// filters narrow what the approvals page lists.
type filters struct {
	Tool  string
	Tier  int
	State string
}

// Any reports whether something is filtered.
func (f filters) Any() bool { return f.Tool != "" || f.Tier > 0 || f.State != "" }

func (f filters) query(view string) url.Values {
	q := url.Values{"view": {view}}
	if f.Tool != "" {
		q.Set("tool", f.Tool)
	}
	if f.Tier > 0 {
		q.Set("tier", strconv.Itoa(f.Tier))
	}
	if f.State != "" && view == viewPast {
		q.Set("state", f.State)
	}
	return q
}

// tab is one view of the approvals page.
type tab struct {
	View, Name, URL string
	// Count is how many there are, -1 where they are not counted.
	Count int
	Here  bool
}

type approvalsView struct {
	frame
	// Single is set where the page is one approval's own.
	Single bool
	Tabs   []tab
	View   string
	Filter filters
	Tools  []string
	States []approval.State
	Cards  []cardView
	// Open are those this reader can decide at once.
	Open []string
	// Empty is what to say when there is none, Others how many wait for others.
	Empty  string
	Others int
	// Event is the id of the form that decides all of them, More says that there
	// are more than are shown.
	Event string
	More  bool
}

func (s *Server) approvalsPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	q := r.URL.Query()
	v := approvalsView{View: q.Get("view"), States: approval.States()[1:], Event: deliveryID()}
	v.Filter = filters{Tool: clip(q.Get("tool"), 100), State: clip(q.Get("state"), 40)}
	v.Filter.Tier, _ = strconv.Atoi(q.Get("tier"))
	v.Filter.Tier = min(max(v.Filter.Tier, 0), 3)
	if !slices.Contains([]string{viewAsked, viewOpen, viewPast}, v.View) {
		v.View = viewMine
	}
	all, err := s.listed(r.Context(), by, &v)
	if err != nil {
		return err
	}
	return s.showApprovals(w, r, by, v, all)
}

// listed reads what the view lists, and counts the others.
func (s *Server) listed(ctx context.Context, by agent.Actor, v *approvalsView) ([]approval.Approval, error) {
	open := []approval.State{approval.Asked}
	all, err := s.Approvals.ListApprovals(ctx, by, loop.ApprovalQuery{States: open})
	if err != nil {
		return nil, err
	}
	mine, _, err := s.waiting(ctx, by)
	if err != nil {
		return nil, err
	}
	asked, err := s.Approvals.ListApprovals(ctx, by, loop.ApprovalQuery{States: open, Mine: true})
	if err != nil {
		return nil, err
	}
	for _, t := range []tab{
		{View: viewMine, Name: "Waiting for you", Count: len(mine)}, {View: viewAsked, Name: "Asked by you", Count: len(asked)},
		{View: viewOpen, Name: "All open", Count: len(all)}, {View: viewPast, Name: "Decided", Count: -1},
	} {
		t.Here, t.URL = t.View == v.View, "/approvals?"+v.Filter.query(t.View).Encode()
		v.Tabs = append(v.Tabs, t)
	}
	v.Others = len(all) - len(mine)
	v.Empty = "Nothing waits for a decision."
	var list []approval.Approval
	switch v.View {
	case viewMine:
		list = mine
		v.Empty = "Nothing waits for you."
	case viewAsked:
		list = asked
		v.Empty = "Nothing that you asked for waits for a decision."
	case viewOpen:
		list = all
	case viewPast:
		v.Empty = "Nothing has been decided yet."
		if list, err = s.past(ctx, by, v); err != nil {
			return nil, err
		}
	}
	for _, a := range list {
		if !slices.Contains(v.Tools, a.Call.Tool) {
			v.Tools = append(v.Tools, a.Call.Tool)
		}
	}
	slices.Sort(v.Tools)
	if v.Filter.Any() {
		v.Empty = "Nothing fits the filter."
	}
	return slices.DeleteFunc(slices.Clone(list), func(a approval.Approval) bool {
		return v.Filter.Tool != "" && a.Call.Tool != v.Filter.Tool || a.Tier.Number() < v.Filter.Tier
	}), nil
}

// past reads what was decided, newest first.
func (s *Server) past(ctx context.Context, by agent.Actor, v *approvalsView) ([]approval.Approval, error) {
	q := loop.ApprovalQuery{States: approval.States()[1:], Tool: v.Filter.Tool, Limit: shownPast}
	if v.Filter.State != "" {
		states, err := approval.ParseStates(v.Filter.State)
		if err != nil {
			return nil, err
		}
		q.States = states
	}
	if v.Filter.Tier > 0 {
		q.Tier = agent.TierRead + agent.Tier(v.Filter.Tier)
	}
	list, err := s.Approvals.ListApprovals(ctx, by, q)
	v.More = len(list) == shownPast
	slices.Reverse(list)
	return list, err
}

func (s *Server) approvalPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	a, err := s.Approvals.ShowApproval(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.showApprovals(w, r, by, approvalsView{Single: true}, []approval.Approval{a})
}

// showApprovals writes the page, or only the list for the script that asks for it.
func (s *Server) showApprovals(w http.ResponseWriter, r *http.Request, by agent.Actor, v approvalsView, all []approval.Approval) error {
	title := "Approvals"
	if v.Single {
		title = "Approval " + all[0].ID
	}
	var err error
	if v.frame, err = s.frame(r.Context(), by, "approvals", title); err != nil {
		return err
	}
	for _, a := range all {
		c := s.card(r.Context(), by, a)
		c.Alone, c.Single, c.Back = true, v.Single, r.URL.RequestURI()
		if v.Cards = append(v.Cards, c); c.CanDecide {
			v.Open = append(v.Open, c.ID)
		}
	}
	name := "approvals"
	if r.Header.Get("Sous-Part") == "list" {
		name = "approvals-list"
	}
	s.render(w, r, http.StatusOK, name, v)
	return nil
}

// queue answers how much waits for the reader, for pages nobody looks at now.
func (s *Server) queue(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	all, l, err := s.waiting(r.Context(), by)
	if err != nil {
		return err
	}
	s.json(w, r, http.StatusOK, queueState{Waiting: len(all), Late: l})
	return nil
}

// queueState is how much waits for a person.
type queueState struct {
	Waiting int  `json:"waiting"`
	Late    late `json:"late"`
}
