// Package check looks in a store for what must never be there: an event without
// its turn, a turn without an end or a reason to wait, an ask with no end or with
// two, an effect that lacks its ruling, its intent or its outcome. It reads what a
// store holds at one moment and trusts none of the code that wrote it.
package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/tools"
)

// Rule names a promise.
type Rule string

// The promises.
const (
	// EventTurn: every accepted event is one turn, or the answer to one.
	EventTurn Rule = "event-one-turn"
	// TurnEnd: every turn has one end, or a reason why it has none yet.
	TurnEnd Rule = "turn-end-or-reason"
	// AskEnd: every ask has one end, reached by the people it takes.
	AskEnd Rule = "ask-one-end"
	// ApprovalOnce: every approval is spent on one effect or on none.
	ApprovalOnce Rule = "approval-spent-once"
	// EffectStory: every effect has a ruling, an intent and, in the end, one outcome.
	EffectStory Rule = "effect-story"
	// EffectOnce: every call has one effect at most.
	EffectOnce Rule = "effect-once"
	// Belongs: nothing is left of a turn that is not there.
	Belongs Rule = "belongs-to-a-turn"
	// RecordHolds: the audit record verifies.
	RecordHolds Rule = "record-verifies"
)

// Rules lists all promises, in the order in which they are reported.
func Rules() []Rule {
	return []Rule{EventTurn, TurnEnd, AskEnd, ApprovalOnce, EffectStory, EffectOnce, Belongs, RecordHolds}
}

// Violation is one promise that was not kept.
type Violation struct {
	Rule      Rule              `json:"rule"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Turn      string            `json:"turn,omitempty"`
	// About is the approval, call or row in question, if it is one of those.
	About string `json:"about,omitempty"`
	// Text says what is wrong; it holds ids and states, nothing that was said.
	Text string `json:"text"`
	// Brief says that a store at work may look like this for a moment: it counts
	// when it is still there in a later look; see Confirm.
	Brief bool `json:"-"`
}

// Facts is what a store tells of itself, all at one moment.
type Facts interface {
	// TurnWorkspaces lists the workspaces that have turns.
	TurnWorkspaces(ctx context.Context) ([]agent.WorkspaceID, error)
	// TurnFacts returns the next turns in the order in which they were accepted.
	TurnFacts(ctx context.Context, ws agent.WorkspaceID, p Page) ([]Turn, error)
	// Strays lists at most limit rows that name a turn which is not there.
	Strays(ctx context.Context, ws agent.WorkspaceID, limit int) ([]Stray, error)
	// Size is the number of the last row of the record.
	Size(ctx context.Context, ws agent.WorkspaceID) (int64, error)
}

// Page selects turns.
type Page struct {
	// After is the Seq of the last turn that was read, 0 at first.
	After int64
	// Since, when it is not 0, leaves out the turns that have ended and have no
	// row in the record after this one.
	Since int64
	Limit int
}

// Turn is what a store holds of one turn.
type Turn struct {
	// Seq orders the turns of a workspace.
	Seq    int64
	ID     string
	Status agent.TurnStatus
	// Asking says that it has put a question to its actor, Held that somebody has
	// paused it, Blocked that another turn of its conversation runs.
	Asking, Held, Blocked bool
	Created, Ended        time.Time
	// Carried says that a process has it, Stuck that it was set aside.
	Carried, Stuck bool
	// Steps counts the steps in its journal.
	Steps int
	// Requests and Answers count its messages: the one that asked and the answer.
	Requests, Answers int
	// Replies counts the events that answered its questions.
	Replies   int
	Signals   []Signal
	Approvals []approval.Approval
	Effects   []Effect
	// Rows are its rows in the record, in order.
	Rows []Row
}

// Signal is a message to a parked turn.
type Signal struct {
	Type     string
	Approval string
	State    approval.State
}

// Effect is a row of the ledger.
type Effect struct {
	Key, Call, Digest string
	State             tools.EffectState
	Approval          string
	Attempts          int
}

// Row is a row of the record.
type Row struct {
	Seq                    int64
	Kind                   audit.Kind
	Call, Ruling, Approval string
	Status                 string
}

// Stray is a row that belongs to no turn.
type Stray struct {
	// Table says what kind of row it is, ID which one.
	Table, ID, Turn string
}

// Config says what to look at, and how.
type Config struct {
	Facts Facts
	// Live says that a process works on the store: then turns move, and what waits
	// for somebody to start it is no excuse.
	Live bool
	// Since bounds the look by the record, as Page.Since does, a number for each
	// workspace; nil looks at everything.
	Since map[agent.WorkspaceID]int64
	// Now is the time of the look.
	Now time.Time
}

// Report is what a look came to.
type Report struct {
	At time.Time `json:"at"`
	// Turns, Approvals, Effects and Rows count what was looked at.
	Turns      int         `json:"turns"`
	Approvals  int         `json:"approvals"`
	Effects    int         `json:"effects"`
	Rows       int64       `json:"rows"`
	Violations []Violation `json:"violations"`
	// More counts violations beyond those that are listed.
	More int `json:"more,omitempty"`
	// Seen is how long the record of each workspace was, for the next Config.Since.
	Seen map[agent.WorkspaceID]int64 `json:"-"`
}

// maxViolations bounds how many violations a report lists.
const maxViolations = 500

// OK reports whether every promise was kept.
func (r *Report) OK() bool { return len(r.Violations) == 0 }

// Count returns how many of the listed violations break a rule.
func (r *Report) Count(rule Rule) int {
	n := 0
	for _, v := range r.Violations {
		if v.Rule == rule {
			n++
		}
	}
	return n
}

// Add puts violations into the report.
func (r *Report) Add(all ...Violation) {
	room := max(maxViolations-len(r.Violations), 0)
	r.Violations = append(r.Violations, all[:min(room, len(all))]...)
	r.More += max(len(all)-room, 0)
}

// pageTurns is how many turns are read at once.
const pageTurns = 200

// Run looks once. What is wrong is in the report; an error means that the store
// could not be read.
func Run(ctx context.Context, c Config) (*Report, error) {
	r := &Report{At: c.Now, Violations: []Violation{}, Seen: map[agent.WorkspaceID]int64{}}
	all, err := c.Facts.TurnWorkspaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	for _, ws := range all {
		if err := c.workspace(ctx, ws, r); err != nil {
			return nil, fmt.Errorf("check workspace %s: %w", ws, err)
		}
	}
	order := Rules()
	slices.SortStableFunc(r.Violations, func(a, b Violation) int {
		return cmp.Compare(slices.Index(order, a.Rule), slices.Index(order, b.Rule))
	})
	return r, nil
}

func (c Config) workspace(ctx context.Context, ws agent.WorkspaceID, r *Report) error {
	size, err := c.Facts.Size(ctx, ws)
	if err != nil {
		return err
	}
	r.Seen[ws] = size
	p := Page{Since: c.Since[ws], Limit: pageTurns}
	for {
		turns, err := c.Facts.TurnFacts(ctx, ws, p)
		if err != nil {
			return err
		}
		for _, t := range turns {
			r.Turns++
			r.Approvals += len(t.Approvals)
			r.Effects += len(t.Effects)
			r.Rows += int64(len(t.Rows))
			l := look{Turn: t, ws: ws, live: c.Live, now: c.Now}
			l.all()
			r.Add(l.found...)
			p.After = t.Seq
		}
		if len(turns) < pageTurns {
			break
		}
	}
	if p.Since > 0 {
		return nil
	}
	strays, err := c.Facts.Strays(ctx, ws, maxViolations)
	for _, s := range strays {
		r.Add(Violation{Rule: Belongs, Workspace: ws, Turn: s.Turn, About: s.ID, Text: fmt.Sprintf("%s %s belongs to turn %s, which is not there", s.Table, s.ID, s.Turn)})
	}
	return err
}

// Confirm leaves of a report what was there in an earlier one too, where a store
// at work may look like that for a moment.
func Confirm(earlier, later *Report) *Report {
	out := *later
	out.Violations = slices.DeleteFunc(slices.Clone(later.Violations), func(v Violation) bool {
		return v.Brief && !slices.Contains(earlier.Violations, v)
	})
	return &out
}

// Verified puts what verifying a record came to into the report.
func (r *Report) Verified(a *audit.Report) {
	for _, p := range a.Problems {
		v := Violation{Rule: RecordHolds, Workspace: a.Workspace, Text: p.What}
		if p.Seq > 0 {
			v.About = fmt.Sprintf("row %d", p.Seq)
		}
		r.Add(v)
	}
	r.More += a.More
}
