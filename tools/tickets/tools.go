package tickets

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

//go:embed *.md
var docs embed.FS

// Config is what the ticket tools need; all of it is required.
type Config struct {
	Tracker Tracker
	// Now is the clock; it says which ended tickets ended recently.
	Now func() time.Time
}

// New returns the ticket tools.
func New(c Config) ([]tools.Tool, error) {
	if c.Tracker == nil || c.Now == nil {
		return nil, errors.New("tickets: tracker and clock are required")
	}
	f := family{tracker: c.Tracker, now: c.Now}
	var all []tools.Tool
	for _, declare := range []func() (tools.Tool, error){
		f.search, f.get, f.create, f.comment, f.retract, f.assign, f.label, f.transition, f.close, f.reopen,
	} {
		t, err := declare()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

type family struct {
	tracker Tracker
	now     func() time.Time
}

// timeout bounds one use of the tracker.
const timeout = 20 * time.Second

// spec fills in what all tools of the family share; above tier 0 it names the
// arguments that say what is touched.
func spec(name string, tier agent.Tier, undo string, control ...string) (tools.Spec, error) {
	doc, err := docs.ReadFile(name + ".md")
	if err != nil {
		return tools.Spec{}, fmt.Errorf("tool %s: %w", name, err)
	}
	return tools.Spec{
		Name: name, Doc: string(doc), Tier: tier, Timeout: timeout,
		Class: tools.Keyed, Control: control, Undo: undo,
	}, nil
}

// workspace is who may read a tracker: every full member, nobody else.
func workspace() agent.Readers { return agent.Readers{Scope: agent.WholeWorkspace} }

// member refuses those who may not read the tracker.
func member(inv tools.Invocation) error {
	if inv.By.Kind == agent.System || workspace().Includes(inv.By) {
		return nil
	}
	return agent.Errorf(agent.Forbidden, "only members of the workspace can use its tickets")
}

// write says who writes under which key. What is written inherits the label of
// what the model saw, but is for the workspace to read, and one person's words
// are a colleague's words to the next reader.
func write(inv tools.Invocation) agent.Write {
	l := inv.Context.Kept()
	l.Integrity = min(l.Integrity, agent.Organisation)
	l.Readers = workspace()
	return agent.Write{By: inv.By, Key: inv.Key, Label: l}
}

// named is the label of what is read from a ticket: its own, with the ticket as
// the source. Where the ticket came from stays with the ticket; carried along,
// the sources of every ticket would come to name all others.
func named(t agent.Ticket) agent.Label {
	l := t.Label
	l.Sources = []string{t.ID}
	return l
}

// exists refuses a call about a ticket that is not there, before anybody is asked.
func (f family) exists(ctx context.Context, inv tools.Invocation, id string) error {
	if err := member(inv); err != nil {
		return err
	}
	_, err := f.tracker.Ticket(ctx, inv.By.Workspace, id)
	return err
}

// about names the ticket that a call touches, for those who may read it.
func (f family) about(ctx context.Context, by agent.Actor, id string) ([]agent.Note, error) {
	if !workspace().Includes(by) {
		return nil, nil
	}
	t, err := f.tracker.Ticket(ctx, by.Workspace, id)
	switch {
	case agent.KindOf(err) == agent.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	text := fmt.Sprintf("%s\n%s", t.Title, strings.ReplaceAll(string(t.Status), "_", " "))
	if t.Assignee != "" {
		text += ", with " + t.Assignee
	}
	return []agent.Note{{Title: "Ticket " + t.ID, Text: text}}, nil
}

// view is a ticket as the model and people see it.
type view struct {
	ID        string             `json:"id"`
	Title     string             `json:"title"`
	Status    agent.TicketStatus `json:"status"`
	Assignee  string             `json:"assignee,omitempty"`
	Labels    []string           `json:"labels,omitempty"`
	Due       string             `json:"due,omitempty"`
	CreatedBy agent.ActorID      `json:"created_by,omitempty"`
	Created   time.Time          `json:"created,omitzero"`
	Updated   time.Time          `json:"updated,omitzero"`
	URL       string             `json:"url,omitempty"`
}

func viewOf(t agent.Ticket) view {
	return view{
		ID: t.ID, Title: t.Title, Status: t.Status, Assignee: t.Assignee, Labels: t.Labels, Due: t.Due,
		CreatedBy: t.CreatedBy, Created: t.Created, Updated: t.Updated, URL: t.URL,
	}
}

// editOut is the result of a change to one ticket.
type editOut struct {
	view
	// Changed is false when the ticket was so already.
	Changed bool `json:"changed"`
	// Was is the status before, when the status changed.
	Was    agent.TicketStatus `json:"was,omitempty"`
	before agent.Ticket
	label  agent.Label
}

func editOf(e agent.TicketEdit, err error) (editOut, error) {
	out := editOut{view: viewOf(e.After), before: e.Before, label: named(e.After)}
	out.Changed = e.Before.Assignee != e.After.Assignee || e.Before.Status != e.After.Status ||
		strings.Join(e.Before.Labels, "\n") != strings.Join(e.After.Labels, "\n")
	if e.Before.Status != e.After.Status {
		out.Was = e.Before.Status
	}
	return out, err
}

func editLabel[In any](_ tools.Invocation, _ In, out editOut) agent.Label { return out.label }

// The bounds of what people write, in bytes unless said otherwise.
const (
	maxTitle  = 200
	maxBody   = 64 << 10
	maxName   = 200
	maxLabels = 20 // labels of one call
	maxLabel  = 50
	maxSource = 4 << 10
)

// line checks a short text of one line and returns it trimmed.
func line(what, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case strings.ContainsAny(s, "\r\n\x00"):
		return "", agent.Errorf(agent.Invalid, "%s must be one line", what)
	case len(s) > limit:
		return "", agent.Errorf(agent.Invalid, "%s is longer than %d bytes", what, limit)
	}
	return s, nil
}

// labels checks labels and returns them trimmed and in lower case.
func labels(given []string) ([]string, error) {
	if len(given) > maxLabels {
		return nil, agent.Errorf(agent.Invalid, "more than %d labels", maxLabels)
	}
	var all []string
	for _, l := range given {
		l, err := line("a label", strings.ToLower(l), maxLabel)
		if err != nil {
			return nil, err
		}
		if l == "" {
			return nil, agent.Errorf(agent.Invalid, "a label is empty")
		}
		all = append(all, l)
	}
	return all, nil
}
