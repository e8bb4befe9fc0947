// Package approval is the decision of people about one call: a value with
// transitions. The clock is an argument and the store is elsewhere, so every
// path through it can be tested without either.
//
//	asked ──Decide(yes) × quorum──▶ approved ──Spend──▶ spent
//	  │                                └──Outdate──▶ superseded (asked anew)
//	  ├──Decide(no)──▶ denied
//	  ├──Edit────────▶ superseded (asked anew with other arguments)
//	  ├──Withdraw────▶ withdrawn (its turn is over)
//	  └──Expire──────▶ expired ◀── (approved, not run in time)
//
// While it is asked it may be handed to somebody else, escalated along its
// chain, talked about and reminded of. There is no way to say yes to calls that
// nobody has seen yet.
package approval

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// State is where an approval stands. The zero value is Asked, which runs nothing.
type State string

// The states. All but Asked and Approved are final.
const (
	Asked    State = "asked"
	Approved State = "approved"
	Denied   State = "denied"
	Expired  State = "expired"
	Spent    State = "spent"
	// Superseded means that the call is asked anew: somebody edited it, or what
	// the yes was given for has changed since.
	Superseded State = "superseded"
	// Withdrawn means that nothing waits for it any more.
	Withdrawn State = "withdrawn"
)

// States are all states, in the order in which an approval may come to them.
func States() []State {
	return []State{Asked, Approved, Denied, Expired, Spent, Superseded, Withdrawn}
}

// ParseStates reads names of states; "all" is every one of them, as no name is.
func ParseStates(names ...string) ([]State, error) {
	var all []State
	for _, name := range names {
		switch s := State(strings.ToLower(strings.TrimSpace(name))); {
		case s == "all":
			return nil, nil
		case slices.Contains(States(), s):
			all = append(all, s)
		default:
			return nil, agent.Errorf(agent.Invalid, "there is no state %.40q; the states are asked, approved, denied, expired, spent, superseded and withdrawn", name)
		}
	}
	return all, nil
}

// Kind says whose decision it takes. The zero value is ByAnother.
type Kind string

const (
	// ByAnother is an approval: another person than the requester decides.
	ByAnother Kind = "approval"
	// ByRequester is a confirmation: the requester's own yes is enough.
	ByRequester Kind = "confirmation"
)

// RunWithin is how long after a yes the call may still start, unless the
// approval has a time of its own.
const RunWithin = time.Hour

// Approval is one decision about one call. It is bound to the call's digest
// and can be spent once.
type Approval struct {
	ID        string            `json:"id"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Kind      Kind              `json:"kind"`
	State     State             `json:"state"`
	Call      agent.Call        `json:"call"`
	Digest    string            `json:"digest"`
	Tier      agent.Tier        `json:"tier"`
	Place     agent.Place       `json:"place"`
	// Definition and Version are the tool's definition and the state of what it
	// touches at the time of asking; "" where there is none.
	Definition string `json:"definition,omitempty"`
	Version    string `json:"version,omitempty"`
	// Reason and Rule say why it is asked; Undo what undoing would do.
	Reason string `json:"reason"`
	Rule   string `json:"rule"`
	Undo   string `json:"undo,omitempty"`
	// Marked names the arguments whose value came from untrusted text, Sources
	// where that text came from. Origins are the sources in which an argument
	// stands word for word; a marked one without any was put together from them.
	Marked  []string            `json:"marked,omitempty"`
	Sources []string            `json:"sources,omitempty"`
	Origins map[string][]string `json:"origins,omitempty"`
	// Approvers are the groups whose members may decide; none means any member.
	Approvers []string `json:"approvers,omitempty"`
	// Quorum is how many different people have to say yes; 0 means one.
	Quorum int `json:"quorum,omitempty"`
	// Sole says that the workspace had one person when it was asked.
	Sole bool `json:"sole,omitempty"`
	// Editor is the human who wrote these arguments in place of what was asked
	// first.
	Editor  agent.ActorID `json:"editor,omitempty"`
	Created time.Time     `json:"created"`
	Expires time.Time     `json:"expires"`
	// RunFor is how long after the yes the call may start; 0 means RunWithin.
	RunFor time.Duration `json:"run_for,omitempty"`

	// Votes are the yeses so far, oldest first.
	Votes []Vote `json:"votes,omitempty"`
	// Chain is to whom it goes when nobody has decided, Stage how far it went.
	Chain []Stage `json:"chain,omitempty"`
	Stage int     `json:"stage,omitempty"`
	// Handed are those who gave their say to somebody else.
	Handed []Delegation `json:"handed,omitempty"`
	// Notes are what was asked and answered about it.
	Notes []Note `json:"notes,omitempty"`
	// Reminded counts the reminders that were sent, RemindedAt is when the last was.
	Reminded   int       `json:"reminded,omitempty"`
	RemindedAt time.Time `json:"reminded_at,omitzero"`

	DecidedBy   agent.ActorID `json:"decided_by,omitempty"`
	DecidedName string        `json:"decided_name,omitempty"`
	DecidedAt   time.Time     `json:"decided_at,omitzero"`
	// Event is the id of the delivery that brought the decision or the edit, ""
	// for none.
	Event string `json:"event,omitempty"`
	// Comment is the decider's reason, which goes back to the model on a no.
	Comment string `json:"comment,omitempty"`
	// Edited are the arguments that are asked instead, EditedBy the human who
	// wrote them.
	Edited   json.RawMessage `json:"edited,omitempty"`
	EditedBy agent.ActorID   `json:"edited_by,omitempty"`
	SpentAt  time.Time       `json:"spent_at,omitzero"`
}

// Vote is one person's yes.
type Vote struct {
	By agent.ActorID `json:"by"`
	// Person is the human behind the account; each has one vote.
	Person agent.ActorID `json:"person"`
	Name   string        `json:"name,omitempty"`
	At     time.Time     `json:"at"`
	// Event is the id of the delivery that brought it, "" for none.
	Event string `json:"event,omitempty"`
}

// Delegation is one person's say given to another: the humans, whatever accounts
// they use.
type Delegation struct {
	From agent.ActorID `json:"from"`
	To   agent.ActorID `json:"to"`
	// Name is to's, for display, and Giver is from's.
	Name  string    `json:"name,omitempty"`
	Giver string    `json:"giver,omitempty"`
	At    time.Time `json:"at"`
	// Event is the id of the delivery that brought it, "" for none.
	Event string `json:"event,omitempty"`
}

// Note is something said about an approval.
type Note struct {
	By   agent.ActorID `json:"by"`
	Name string        `json:"name,omitempty"`
	Text string        `json:"text"`
	At   time.Time     `json:"at"`
	// Event is the id of the delivery that brought it, "" for none.
	Event string `json:"event,omitempty"`
}

// NewID returns the id of the approval for a call: eight letters that people
// can type, the same for the same call id and digest.
func NewID(call, digest string) string {
	sum := sha256.Sum256([]byte("approval\n" + call + "\n" + digest))
	return base32.StdEncoding.EncodeToString(sum[:5])
}

// Needs is how many different people have to say yes.
func (a Approval) Needs() int {
	if a.Sole || a.Kind == ByRequester {
		return 1
	}
	return max(a.Quorum, 1)
}

// Groups are the groups whose members may decide now; none means any member.
func (a Approval) Groups() []string {
	if len(a.Approvers) == 0 {
		return nil
	}
	all := slices.Clone(a.Approvers)
	for _, s := range a.Chain[:min(a.Stage, len(a.Chain))] {
		all = append(all, s.Groups...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// WithRequester returns the approval with the requester as a directory knows
// them now, so that an account linked since then is seen as theirs.
func (a Approval) WithRequester(now agent.Actor) Approval {
	if now.ID == a.Call.Actor.ID && now.Workspace == a.Workspace {
		a.Call.Actor.Person = now.Person
	}
	return a
}

// WithEditor is WithRequester for whoever wrote the arguments.
func (a Approval) WithEditor(now agent.Actor) Approval {
	if a.Editor != "" && now.ID == a.Editor && now.Workspace == a.Workspace {
		a.Editor = now.Human()
	}
	return a
}

// MayDecide returns nil when the actor may say yes or no, else an error of kind
// Forbidden that says why not. The requester never decides on an approval, nor
// whoever wrote its arguments; the sole person of a workspace is the exception.
func (a Approval) MayDecide(by agent.Actor) error {
	if err := a.member(by); err != nil {
		return err
	}
	requester := a.isRequester(by)
	switch {
	case a.Kind == ByRequester && !requester:
		return agent.Errorf(agent.Forbidden, "only %s can confirm this", display(a.Call.Actor))
	case a.Kind == ByRequester, a.Sole && by.Owner && requester:
		return nil
	case requester:
		return agent.Errorf(agent.Forbidden, "you cannot approve your own request; another person has to")
	case a.isEditor(by):
		return agent.Errorf(agent.Forbidden, "you wrote these arguments; another person has to approve them")
	}
	if d, gave := a.handedBy(by); gave {
		return agent.Errorf(agent.Forbidden, "you handed this to %s", or(d.Name, string(d.To)))
	}
	if a.inGroups(by) || slices.ContainsFunc(a.Handed, func(d Delegation) bool { return d.To == by.Human() }) {
		return nil
	}
	return agent.Errorf(agent.Forbidden, "only members of %s can decide this", strings.Join(a.Groups(), ", "))
}

// member refuses whoever is no full member of the workspace.
func (a Approval) member(by agent.Actor) error {
	switch {
	case by.Workspace != a.Workspace || by.ID == "":
		return agent.Errorf(agent.NotFound, "there is no approval %s", a.ID)
	case by.Kind != agent.Member:
		return agent.Errorf(agent.Forbidden, "only members of the workspace can decide")
	}
	return nil
}

func (a Approval) isRequester(by agent.Actor) bool {
	return by.ID == a.Call.Actor.ID || by.Human() == a.Call.Actor.Human()
}

func (a Approval) isEditor(by agent.Actor) bool {
	return a.Editor != "" && (a.Editor == by.ID || a.Editor == by.Human())
}

func (a Approval) inGroups(by agent.Actor) bool {
	groups := a.Groups()
	return len(groups) == 0 || slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(by.Groups, g) })
}

// handedBy is to whom somebody gave their say, by whatever account.
func (a Approval) handedBy(by agent.Actor) (Delegation, bool) {
	for _, d := range a.Handed {
		if d.From == by.Human() {
			return d, true
		}
	}
	return Delegation{}, false
}

// Waits reports whether it is this actor's turn to decide.
func (a Approval) Waits(by agent.Actor, now time.Time) bool {
	return a.State == Asked && now.Before(a.Expires) && a.MayDecide(by) == nil && !a.voted(by)
}

func (a Approval) voted(by agent.Actor) bool {
	return slices.ContainsFunc(a.Votes, func(v Vote) bool { return v.By == by.ID || v.Person == by.Human() })
}

// open is nil while the approval can still be decided.
func (a Approval) open(now time.Time) error {
	switch {
	case a.State != Asked:
		return a.closed()
	case !now.Before(a.Expires):
		return agent.Errorf(agent.Expired, "approval %s expired at %s", a.ID, stamp(a.Expires))
	}
	return nil
}

// closed says what became of the approval, by whom and when.
func (a Approval) closed() error {
	who, at := or(a.DecidedName, string(a.DecidedBy)), stamp(a.DecidedAt)
	switch a.State {
	case Approved, Spent:
		return agent.Errorf(agent.Conflict, "%s already approved this, at %s", who, at)
	case Denied:
		return agent.Errorf(agent.Conflict, "%s already denied this, at %s", who, at)
	case Expired:
		return agent.Errorf(agent.Expired, "approval %s has expired", a.ID)
	case Superseded:
		if len(a.Edited) > 0 {
			return agent.Errorf(agent.Conflict, "%s already changed this, at %s; it is asked anew", who, at)
		}
		return agent.Errorf(agent.Conflict, "approval %s no longer holds: %s", a.ID, a.Comment)
	case Withdrawn:
		return agent.Errorf(agent.Conflict, "nothing waits for approval %s any more", a.ID)
	case Asked:
		return agent.Errorf(agent.Conflict, "approval %s has not been decided", a.ID)
	}
	return agent.Errorf(agent.Conflict, "approval %s is in no known state", a.ID)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func display(a agent.Actor) string { return or(a.Name, string(a.ID)) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
