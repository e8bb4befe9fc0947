// Package review is a person's word on minutes before others see them. Whoever
// asked for the minutes reads the draft, changes it, publishes or discards it;
// published, everybody who sees them says which action is theirs and which is not.
// It is a value with transitions: the store applies them, the clock is an argument.
package review

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// State is where a review stands.
type State string

// The states.
//
//	draft ──Publish──▶ published
//	  └────Discard──▶ discarded
const (
	Draft     State = "draft"
	Published State = "published"
	Discarded State = "discarded"
)

// Form is how minutes are published.
type Form string

// The forms.
const (
	Message Form = "message"
	Canvas  Form = "canvas"
	// List is the action items alone, as a list of tasks.
	List Form = "list"
)

// Review is one set of minutes and what people did about it.
type Review struct {
	ID        string            `json:"id"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Turn      string            `json:"turn"`
	// Conversation is where the turn belongs.
	Conversation string `json:"conversation,omitempty"`
	// Place is where the minutes were asked for, Reviewer who asked.
	Place    agent.Place `json:"place"`
	Reviewer agent.Actor `json:"reviewer"`
	State    State       `json:"state"`
	// Minutes are the minutes as they are now, claims not applied.
	Minutes agent.Minutes `json:"minutes"`
	// Edits counts how often the reviewer changed them.
	Edits   int       `json:"edits,omitempty"`
	Outlets []Outlet  `json:"outlets,omitempty"`
	Claims  []Claim   `json:"claims,omitempty"`
	Created time.Time `json:"created"`
	// Decided is when it was published first or discarded.
	Decided time.Time `json:"decided,omitzero"`
}

// Outlet is one place the minutes are published in, in one form.
type Outlet struct {
	Form Form `json:"form"`
	// To names the place in its own system, such as a channel, and Under a thread
	// in it.
	To    string        `json:"to"`
	Under string        `json:"under,omitempty"`
	By    agent.ActorID `json:"by"`
	At    time.Time     `json:"at"`
	// Tried says that somebody set out to make it; Refs are what was made, empty as
	// long as nobody knows. Failed says why it was not.
	Tried  bool     `json:"tried,omitempty"`
	Refs   []string `json:"refs,omitempty"`
	URL    string   `json:"url,omitempty"`
	Failed string   `json:"failed,omitempty"`
}

// Open reports whether it is still to be made.
func (o Outlet) Open() bool { return len(o.Refs) == 0 && o.Failed == "" }

// same reports whether both are the same form in the same place.
func (o Outlet) same(p Outlet) bool { return o.Form == p.Form && o.To == p.To && o.Under == p.Under }

// Claim is what a person said of an action item. Of an item the last of each
// person counts.
type Claim struct {
	// Action is the item's index.
	Action int           `json:"action"`
	By     agent.ActorID `json:"by"`
	Name   string        `json:"name,omitempty"`
	// Mine is “that's mine”; else it is “not me”.
	Mine bool      `json:"mine"`
	At   time.Time `json:"at"`
}

// NewID is the id of the review of the minutes a turn made: the same for the same.
func NewID(turn string, artifact json.RawMessage) string {
	sum := sha256.Sum256(append([]byte("review\n"+turn+"\n"), artifact...))
	return "R" + hex.EncodeToString(sum[:8])
}

// New is the draft of the minutes a turn made.
func New(t agent.Turn, artifact json.RawMessage, now time.Time) (Review, error) {
	r := Review{
		ID: NewID(t.ID, artifact), Workspace: t.Workspace, Turn: t.ID, Conversation: t.Conversation, Place: t.Place, Reviewer: t.Actor, State: Draft, Created: now,
	}
	if err := json.Unmarshal(artifact, &r.Minutes); err != nil {
		return Review{}, agent.WrapError(agent.Invalid, err, "these are no minutes")
	}
	return r, nil
}

// MayReview is nil for whoever asked for the minutes, else Forbidden.
func (r Review) MayReview(by agent.Actor) error {
	switch {
	case by.Workspace != r.Workspace || by.ID == "":
		return agent.Errorf(agent.NotFound, "there are no minutes %s", r.ID)
	case by.ID != r.Reviewer.ID && by.Human() != r.Reviewer.Human():
		return agent.Errorf(agent.Forbidden, "%s asked for these minutes and decides about them", or(r.Reviewer.Name, string(r.Reviewer.ID)))
	}
	return nil
}

// Edit puts other minutes in place of the draft. Published ones are a Conflict:
// people have read them.
func (r Review) Edit(by agent.Actor, m agent.Minutes) (Review, error) {
	if err := r.MayReview(by); err != nil {
		return r, err
	}
	if r.State != Draft {
		return r, r.decided()
	}
	if strings.TrimSpace(m.Title) == "" {
		return r, agent.Errorf(agent.Invalid, "minutes need a title")
	}
	m.Source, m.Model, m.Dropped, m.Participants = r.Minutes.Source, r.Minutes.Model, r.Minutes.Dropped, r.Minutes.Participants
	r.Minutes, r.Edits = m, r.Edits+1
	return r, nil
}

// Publish orders the minutes to be shown in one more place or form. The same again
// changes nothing, unless it failed before: then it is tried anew. Discarded ones
// are a Conflict.
func (r Review) Publish(by agent.Actor, o Outlet, now time.Time) (Review, error) {
	if err := r.MayReview(by); err != nil {
		return r, err
	}
	if r.State == Discarded {
		return r, r.decided()
	}
	if o.To == "" || o.Form != Message && o.Form != Canvas && o.Form != List {
		return r, agent.Errorf(agent.Invalid, "say where to publish the minutes, and how")
	}
	o = Outlet{Form: o.Form, To: o.To, Under: o.Under, By: by.ID, At: now}
	if r.State == Draft {
		r.State, r.Decided = Published, now
	}
	r.Outlets = slices.Clone(r.Outlets)
	for i, had := range r.Outlets {
		if had.same(o) {
			if had.Failed != "" {
				r.Outlets[i] = o
			}
			return r, nil
		}
	}
	r.Outlets = append(r.Outlets, o)
	return r, nil
}

// Try takes an outlet on, so that one process makes it. One that is made, failed or
// taken on already is a Conflict.
func (r Review) Try(i int) (Review, error) {
	if i < 0 || i >= len(r.Outlets) || !r.Outlets[i].Open() || r.Outlets[i].Tried {
		return r, agent.Errorf(agent.Conflict, "this is done already, or is being done")
	}
	r.Outlets = slices.Clone(r.Outlets)
	r.Outlets[i].Tried = true
	return r, nil
}

// Made records what became of an outlet that was taken on: what was made, or why
// it was not.
func (r Review) Made(i int, refs []string, url, failed string) (Review, error) {
	if i < 0 || i >= len(r.Outlets) || !r.Outlets[i].Open() || !r.Outlets[i].Tried || (len(refs) == 0) == (failed == "") {
		return r, agent.Errorf(agent.Conflict, "nobody set out to do this")
	}
	r.Outlets = slices.Clone(r.Outlets)
	r.Outlets[i].Refs, r.Outlets[i].URL, r.Outlets[i].Failed = refs, url, failed
	return r, nil
}

// Discard ends a draft that nobody is to see.
func (r Review) Discard(by agent.Actor, now time.Time) (Review, error) {
	if err := r.MayReview(by); err != nil {
		return r, err
	}
	if r.State != Draft {
		return r, r.decided()
	}
	r.State, r.Decided = Discarded, now
	return r, nil
}

// Say records that a member of the workspace takes an action item or says that it
// is not theirs. Whether they see the minutes is the caller's to check. What
// somebody else took is a Conflict, and so is disowning what is not one's own.
func (r Review) Say(by agent.Actor, action int, mine bool, now time.Time) (Review, error) {
	switch {
	case by.Workspace != r.Workspace || by.ID == "":
		return r, agent.Errorf(agent.NotFound, "there are no minutes %s", r.ID)
	case by.Kind != agent.Member:
		return r, agent.Errorf(agent.Forbidden, "only members of the workspace can take an action item")
	case r.State != Published:
		return r, agent.Errorf(agent.Conflict, "these minutes are not published")
	case action < 0 || action >= len(r.Minutes.Actions):
		return r, agent.Errorf(agent.NotFound, "there is no such action item")
	}
	owner, known := r.Owner(action)
	switch {
	case mine && known && owner.By == by.ID:
		return r, nil
	case mine && known && owner.By != "":
		return r, agent.Errorf(agent.Conflict, "%s took this already", or(owner.Name, string(owner.By)))
	case !mine && !known:
		return r, agent.Errorf(agent.Conflict, "nobody is named for this")
	case !mine && owner.By != by.ID && !(owner.By == "" && named(owner.Name, by.Name)):
		return r, agent.Errorf(agent.Conflict, "this is %s's, not yours", or(owner.Name, string(owner.By)))
	}
	r.Claims = append(slices.Clone(r.Claims), Claim{Action: action, By: by.ID, Name: by.Name, Mine: mine, At: now})
	return r, nil
}

// Owner is whose an action item is: who took it, or by name alone whom the minutes
// name. known is false when nobody is.
func (r Review) Owner(action int) (owner Claim, known bool) {
	if action < 0 || action >= len(r.Minutes.Actions) {
		return Claim{}, false
	}
	if o := r.Minutes.Actions[action].Owner; o != nil && *o != "" {
		owner, known = Claim{Action: action, Name: *o, Mine: true}, true
	}
	for _, c := range r.Claims {
		switch {
		case c.Action != action:
		case c.Mine:
			owner, known = c, true
		default:
			owner, known = Claim{}, false
		}
	}
	return owner, known
}

// named reports whether a name in the minutes may be this person's: the whole name
// or its first word, which is how people are spoken of.
func named(inMinutes, person string) bool {
	a, b := strings.Fields(strings.ToLower(inMinutes)), strings.Fields(strings.ToLower(person))
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return slices.Equal(a, b) || (len(a) == 1 || len(b) == 1) && a[0] == b[0]
}

func (r Review) decided() error {
	return agent.Errorf(agent.Conflict, "these minutes are %s already", r.State)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Store keeps reviews. A workspace never sees another's.
type Store interface {
	// OpenReview keeps a draft and returns it; the same id again returns what is kept
	// and changes nothing.
	OpenReview(ctx context.Context, r Review) (Review, error)
	// Review returns one, else NotFound.
	Review(ctx context.Context, ws agent.WorkspaceID, id string) (Review, error)
	// Reviews lists those of a turn, oldest first; turn "" means the newest of all.
	Reviews(ctx context.Context, ws agent.WorkspaceID, turn string) ([]Review, error)
	// ChangeReview applies a transition in one transaction with its audit row. Of
	// many at once each sees what the one before it did. An error of the transition
	// changes nothing and is returned.
	ChangeReview(ctx context.Context, by agent.Actor, id string, f func(Review) (Review, error)) (Review, error)
}

// Change says in a word and a remark what a transition did, for the record; ""
// when it did nothing that is recorded. The remark holds no content of minutes.
func Change(was, now Review) (word, remark string) {
	switch {
	case now.Edits > was.Edits:
		return "edited", ""
	case now.State == Discarded && was.State != Discarded:
		return "discarded", ""
	case len(now.Claims) > len(was.Claims):
		c := now.Claims[len(now.Claims)-1]
		return map[bool]string{true: "taken", false: "disowned"}[c.Mine], "action " + strconv.Itoa(c.Action+1)
	}
	for i, o := range now.Outlets {
		what := string(o.Form) + " in " + o.To
		switch {
		case i >= len(was.Outlets), was.Outlets[i].Failed != "" && o.Open():
			return "published", what
		case was.Outlets[i].Open() && o.Failed != "":
			return "failed", what + ": " + o.Failed
		case was.Outlets[i].Open() && !o.Open():
			return "made", what
		}
	}
	return "", ""
}
