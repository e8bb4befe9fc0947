// Package feedback is what people thought of an answer: good or not, why, and in
// their own words. It is kept with the turn it is about, so that whoever improves
// prompts, rules or models sees which of them was at work.
package feedback

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// Reason is why an answer was no good, of a fixed list.
type Reason string

// The reasons, in the order in which they are offered.
const (
	Wrong      Reason = "wrong"
	Incomplete Reason = "incomplete"
	Unsourced  Reason = "unsourced"
	Unwanted   Reason = "unwanted"
	Slow       Reason = "slow"
	Other      Reason = "other"
)

// Reasons lists them with the words people choose by.
func Reasons() []struct {
	Reason Reason
	Words  string
} {
	return []struct {
		Reason Reason
		Words  string
	}{
		{Wrong, "It is wrong"}, {Incomplete, "Something is missing"}, {Unsourced, "I cannot see where it comes from"},
		{Unwanted, "It did or asked what I did not want"}, {Slow, "It took too long"}, {Other, "Something else"},
	}
}

// known reports whether a reason is on the list.
func (r Reason) known() bool {
	for _, k := range Reasons() {
		if k.Reason == r {
			return true
		}
	}
	return false
}

// MaxText is the longest comment, in characters.
const MaxText = 3000

// Rating is one person's word on one turn. A person has one a turn: the last.
type Rating struct {
	Workspace agent.WorkspaceID `json:"workspace"`
	Turn      string            `json:"turn"`
	By        agent.ActorID     `json:"by"`
	Name      string            `json:"name,omitempty"`
	Good      bool              `json:"good"`
	Reasons   []Reason          `json:"reasons,omitempty"`
	Text      string            `json:"text,omitempty"`
	// Model and Prompt are what answered.
	Model  string    `json:"model,omitempty"`
	Prompt string    `json:"prompt,omitempty"`
	At     time.Time `json:"at"`
}

// Opinion is what a person has to say of a turn.
type Opinion struct {
	Good    bool
	Reasons []Reason
	Text    string
}

// New returns the rating of a turn by somebody who may see it, else NotFound. A
// turn that has not ended is a Conflict; reasons nobody knows and a comment that is
// too long are Invalid.
func New(by agent.Actor, t agent.Turn, o Opinion, now time.Time) (Rating, error) {
	r := Rating{Workspace: t.Workspace, Turn: t.ID, By: by.ID, Name: by.Name, Good: o.Good, Model: t.Model, Prompt: t.Prompt, At: now}
	if by.ID == "" || by.Workspace != t.Workspace || !t.Place.Readers().Includes(by) {
		return Rating{}, agent.Errorf(agent.NotFound, "there is no turn %s", t.ID)
	}
	if !t.Status.Ended() {
		return Rating{}, agent.Errorf(agent.Conflict, "there is no answer yet")
	}
	for _, reason := range o.Reasons {
		if !reason.known() {
			return Rating{}, agent.Errorf(agent.Invalid, "there is no reason %.40q", string(reason))
		}
	}
	if utf8.RuneCountInString(o.Text) > MaxText || !utf8.ValidString(o.Text) {
		return Rating{}, agent.Errorf(agent.Invalid, "the comment is a text of at most %d characters", MaxText)
	}
	r.Text = strings.TrimSpace(strings.ReplaceAll(o.Text, "\x00", ""))
	r.Reasons = slices.Clone(o.Reasons)
	slices.Sort(r.Reasons)
	r.Reasons = slices.Compact(r.Reasons)
	return r, nil
}

// Verdict is "good" or "bad".
func (r Rating) Verdict() string {
	if r.Good {
		return "good"
	}
	return "bad"
}

// Filter selects ratings; empty fields select all.
type Filter struct {
	Turn string
	By   agent.ActorID
	// Bad leaves out the good ones.
	Bad   bool
	Since time.Time
	// Limit keeps the newest; 0 for as many as the store returns at once.
	Limit int
}

// Tally counts ratings.
type Tally struct {
	Good int `json:"good"`
	Bad  int `json:"bad"`
	// Reasons counts how often each was given.
	Reasons map[Reason]int `json:"reasons"`
}

// Store keeps ratings. A workspace never sees another's.
type Store interface {
	// Rate keeps a rating in place of the person's former one on the turn, in one
	// transaction with its audit row, which holds neither comment nor name.
	Rate(ctx context.Context, r Rating) error
	// Ratings lists them, newest first.
	Ratings(ctx context.Context, ws agent.WorkspaceID, f Filter) ([]Rating, error)
	// Tally counts those of the filter, whatever its limit.
	Tally(ctx context.Context, ws agent.WorkspaceID, f Filter) (Tally, error)
	// Forget takes the comments and names of a person away and leaves the verdicts.
	// It reports how many ratings that were.
	Forget(ctx context.Context, by agent.Actor, subject agent.ActorID) (int, error)
}
