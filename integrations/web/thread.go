package web

import (
	"cmp"
	"context"
	"encoding/json"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// How much of a conversation a page shows.
const (
	shownTurns    = 40
	shownMessages = 200
	shownThreads  = 50
	shownSources  = 5
)

// turnView is a turn as the thread shows it.
type turnView struct {
	loop.View
	Asked agent.Message
	// Exchanges are its questions with the replies to them.
	Exchanges []exchange
	Answer    template.HTML
	// Sources are where the answer's outside material came from, the first few;
	// MoreSources counts the others.
	Sources     []string
	MoreSources int
	Cards       []cardView
	Changes     []changeView
	Minutes     *minutesView
	// Open are the approvals this reader can decide now, Event the id of the form
	// that decides all of them.
	Open  []string
	Event string
	// Owner says that the reader may read the record.
	Owner   bool
	CanStop bool
	// Note says, for people, why there is no answer, or what was odd about it.
	Note string
}

// exchange is a question of the turn and what was said to it; a reply without a
// question is something said meanwhile.
type exchange struct {
	Question string
	Reply    *agent.Message
}

// Busy reports whether something is going on right now.
func (t turnView) Busy() bool {
	return t.Status == agent.TurnQueued || t.Status == agent.TurnRunning
}

// changeView is an effect as the thread shows it.
type changeView struct {
	loop.Effect
	// Ticket is the id of the ticket it changed, when there is one.
	Ticket, TicketTitle string
	CanUndo, Undone     bool
}

// Word is the state in words.
func (c changeView) Word() string {
	switch c.State {
	case "intent":
		return "under way"
	case "unknown":
		return "not known whether it happened; somebody has to look"
	}
	return c.State
}

// turn builds the view of one turn the actor may see.
func (s *Server) turn(ctx context.Context, by agent.Actor, id string, messages []agent.Message) (turnView, error) {
	v, err := s.Desk.View(ctx, by, id)
	if err != nil {
		return turnView{}, err
	}
	t := turnView{View: v, Event: deliveryID(), Owner: by.Owner, Note: note(v), CanStop: !v.Status.Ended() && (v.Actor.ID == by.ID || by.Owner)}
	for _, step := range v.Steps {
		if step.Kind == "question" {
			t.Exchanges = append(t.Exchanges, exchange{Question: step.Title})
		}
	}
	from := t.listen(by, messages)
	answer := v.Answer
	t.Answer = s.markdown(answer, from)
	for _, a := range v.Approvals {
		c := s.card(ctx, by, a)
		c.Back = "/turns/" + pathEscape(id)
		if c.CanDecide {
			t.Open = append(t.Open, a.ID)
		}
		t.Cards = append(t.Cards, c)
	}
	for _, e := range v.Effects {
		t.Changes = append(t.Changes, s.change(ctx, by, e))
	}
	if raw := v.Artifacts["minutes"]; raw != nil {
		var m agent.Minutes
		if json.Unmarshal(raw, &m) == nil {
			t.Minutes = &minutesView{Minutes: m, Open: !repeats(answer, m)}
		}
	}
	return t, nil
}

// listen takes from the conversation what was said in the turn, and returns how
// far its answer can be trusted.
func (t *turnView) listen(by agent.Actor, messages []agent.Message) agent.Integrity {
	from := agent.External
	for _, m := range messages {
		switch {
		case m.Turn != t.ID || !m.Label.Readers.Includes(by) && m.Author.ID != by.ID:
		case m.ID == t.Request:
			t.Asked = m
		case m.Author.Kind != agent.System:
			t.reply(m)
		default:
			if from = m.Label.Integrity; from == agent.External {
				t.Sources = m.Label.Sources
			}
		}
	}
	if over := len(t.Sources) - shownSources; over > 0 {
		t.Sources, t.MoreSources = t.Sources[:shownSources], over
	}
	return from
}

// reply puts what was said beside the first question that has no reply yet.
func (t *turnView) reply(m agent.Message) {
	for i := range t.Exchanges {
		if t.Exchanges[i].Reply == nil {
			t.Exchanges[i].Reply = &m
			return
		}
	}
	t.Exchanges = append(t.Exchanges, exchange{Reply: &m})
}

// minutesView is minutes as the thread shows them.
type minutesView struct {
	agent.Minutes
	// Open shows them at once; when the answer says the same they are folded.
	Open bool
}

// Count says how much there is in them.
func (m minutesView) Count() string {
	return strings.Join([]string{
		counted(len(m.Decisions), "decision"), counted(len(m.Actions), "action"), counted(len(m.Questions), "open question"),
	}, ", ")
}

// repeats reports whether an answer holds every point of the minutes.
func repeats(answer string, m agent.Minutes) bool {
	var points []string
	for _, i := range slices.Concat(m.Decisions, m.Questions) {
		points = append(points, i.Text)
	}
	for _, a := range m.Actions {
		points = append(points, a.Text)
	}
	return answer != "" && !slices.ContainsFunc(points, func(p string) bool { return !strings.Contains(answer, p) })
}

func note(v loop.View) string {
	switch {
	case v.Status == agent.TurnQueued:
		return "Waiting for the request before it."
	case v.Status == agent.TurnFailed && v.Answer == "":
		return "This could not be finished."
	case v.Status == agent.TurnStopped && v.Answer == "":
		return "Stopped."
	case v.Degraded != "":
		return sentence(v.Degraded)
	}
	return ""
}

// ticketID is how a ticket is named in a result.
var ticketID = regexp.MustCompile(`^[A-Z]+-\d+$`)

func (s *Server) change(ctx context.Context, by agent.Actor, e loop.Effect) changeView {
	c := changeView{Effect: e}
	type named struct{ ID, Title string }
	var result struct {
		named
		Ticket named
	}
	if json.Unmarshal(e.Outcome.Result, &result) == nil {
		t := result.named
		if t.ID == "" {
			t = result.Ticket
		}
		if strings.HasPrefix(e.Call.Tool, "ticket_") && ticketID.MatchString(t.ID) {
			c.Ticket, c.TicketTitle = t.ID, t.Title
		}
	}
	if e.UndoTool != "" && e.State == "done" {
		undo, err := s.Desk.View(ctx, by, "undo-"+e.Key)
		c.Undone = err == nil && undo.Status != agent.TurnFailed
		c.CanUndo = err != nil && e.CanUndo(s.Now())
	}
	return c
}

// thread builds what a conversation's page shows: its turns, oldest first.
func (s *Server) thread(ctx context.Context, by agent.Actor, conversation string) ([]turnView, error) {
	turns, err := s.Threads.Recent(ctx, by.Workspace, conversation, shownTurns)
	if err != nil {
		return nil, err
	}
	turns = slices.DeleteFunc(turns, func(t agent.Turn) bool { return !t.Place.Readers().Includes(by) })
	if len(turns) == 0 {
		return nil, agent.Errorf(agent.NotFound, "there is no such conversation")
	}
	slices.Reverse(turns)
	messages, err := s.said(ctx, by, conversation, turns)
	if err != nil {
		return nil, err
	}
	views := make([]turnView, 0, len(turns))
	for _, t := range turns {
		v, err := s.turn(ctx, by, t.ID, messages)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// said reads a conversation's messages. A message that made no turn of its own,
// the answer to a question, is given to the turn that had last begun.
func (s *Server) said(ctx context.Context, by agent.Actor, conversation string, turns []agent.Turn) ([]agent.Message, error) {
	messages, err := s.Threads.Messages(ctx, by.Workspace, conversation, shownMessages)
	if err != nil {
		return nil, err
	}
	begun := slices.Clone(turns)
	slices.SortStableFunc(begun, func(a, b agent.Turn) int { return a.Created.Compare(b.Created) })
	known := func(id string) bool { return slices.ContainsFunc(begun, func(t agent.Turn) bool { return t.ID == id }) }
	for i, m := range messages {
		if known(m.Turn) || len(begun) == 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(begun, m.At, func(t agent.Turn, at time.Time) int {
			return cmp.Or(t.Created.Compare(at), -1)
		})
		if at > 0 {
			messages[i].Turn = begun[at-1].ID
		}
	}
	return messages, nil
}

// alone builds one turn with what was said in it.
func (s *Server) alone(ctx context.Context, by agent.Actor, id string) (turnView, error) {
	v, err := s.Desk.View(ctx, by, id)
	if err != nil {
		return turnView{}, err
	}
	turns, err := s.Threads.Recent(ctx, by.Workspace, v.Conversation, shownTurns)
	if err != nil {
		return turnView{}, err
	}
	messages, err := s.said(ctx, by, v.Conversation, turns)
	if err != nil {
		return turnView{}, err
	}
	return s.turn(ctx, by, id, messages)
}
