// Package pause is the kill switch: a person stops a turn, a tool, a workspace
// or everything, and lets it go on. What is paused begins nothing new; what was
// under way already is recorded as ever.
package pause

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// Scope is how much a pause stops.
type Scope string

// The scopes, from all to one.
const (
	// Everything is every workspace of this installation.
	Everything Scope = "everything"
	// Workspace is all that happens in the workspace of whoever paused it.
	Workspace Scope = "workspace"
	// Tool is one tool in that workspace; the target is its name.
	Tool Scope = "tool"
	// Turn is one turn of that workspace; the target is its id.
	Turn Scope = "turn"
)

// Administrators are the groups whose members may pause and resume.
func Administrators() []string { return []string{"owners", "administrators"} }

const (
	// maxReason and maxTarget bound what a person writes, in bytes.
	maxReason = 500
	maxTarget = 300
)

// Pause is one stop that is in force until somebody lifts it. Workspace, scope
// and target name it.
type Pause struct {
	Workspace agent.WorkspaceID `json:"workspace"`
	Scope     Scope             `json:"scope"`
	// Target is a tool's name or a turn's id; "" for the wider scopes.
	Target string `json:"target,omitempty"`
	// By and Name say who paused it; the name is for display.
	By     agent.ActorID `json:"by"`
	Name   string        `json:"name,omitempty"`
	Reason string        `json:"reason"`
	At     time.Time     `json:"at"`
}

// New returns the pause that a person asks for. It is Forbidden to all but
// owners and administrators, and Invalid without a reason or with a target that
// does not go with the scope.
func New(by agent.Actor, s Scope, target, reason string, now time.Time) (Pause, error) {
	reason = strings.Join(strings.Fields(reason), " ")
	p, err := Named(by, s, target)
	switch {
	case err != nil:
		return Pause{}, err
	case reason == "":
		return Pause{}, agent.Errorf(agent.Invalid, "say why: the reason is shown to everybody whose work stops")
	case len(reason) > maxReason || !utf8.ValidString(reason):
		return Pause{}, agent.Errorf(agent.Invalid, "the reason is a text of at most %d bytes", maxReason)
	}
	p.By, p.Name, p.Reason, p.At = by.ID, by.Name, reason, now
	return p, nil
}

// Named returns a pause of the actor's workspace by its name alone, as is
// enough for lifting it. The errors are those of New.
func Named(by agent.Actor, s Scope, target string) (Pause, error) {
	if err := May(by, s); err != nil {
		return Pause{}, err
	}
	switch s {
	case Everything, Workspace:
		if target != "" {
			return Pause{}, agent.Errorf(agent.Invalid, "pausing %s needs no target", s.text(""))
		}
	case Tool, Turn:
		if target == "" || len(target) > maxTarget || !utf8.ValidString(target) {
			return Pause{}, agent.Errorf(agent.Invalid, "say which %s", s)
		}
	default:
		return Pause{}, agent.Errorf(agent.Invalid, "there is no scope %q: it is everything, workspace, tool or turn", s)
	}
	return Pause{Workspace: by.Workspace, Scope: s, Target: target}, nil
}

// May reports whether the actor may set or lift a pause of the scope, else
// Forbidden. Programs and Sous itself never may. Everything stops other
// workspaces too and is for an owner alone.
func May(by agent.Actor, s Scope) error {
	administers := slices.ContainsFunc(Administrators(), func(g string) bool { return slices.Contains(by.Groups, g) })
	switch {
	case by.Kind != agent.Member || by.ID == "" || by.Workspace == "":
		return agent.Errorf(agent.Forbidden, "only people of the workspace can pause or resume")
	case s == Everything && !by.Owner:
		return agent.Errorf(agent.Forbidden, "only an owner can pause or resume everything")
	case !by.Owner && !administers:
		return agent.Errorf(agent.Forbidden, "only owners and administrators can pause or resume")
	}
	return nil
}

// Subject is what is about to happen: a call of a tool, or a turn that goes on,
// which has no tool.
type Subject struct {
	Workspace agent.WorkspaceID
	Turn      string
	Tool      string
}

// Covers reports whether the pause stops the subject. A scope nobody knows
// stops everything: it was written by a newer version, and meant to stop.
func (p Pause) Covers(s Subject) bool {
	here := p.Workspace == s.Workspace
	switch p.Scope {
	case Workspace:
		return here
	case Tool:
		return here && p.Target == s.Tool
	case Turn:
		return here && p.Target == s.Turn
	case Everything:
		return true
	}
	return true
}

// Over returns the widest pause that stops the subject.
func Over(all []Pause, s Subject) (Pause, bool) {
	rank := func(p Pause) int { return slices.Index([]Scope{Everything, Workspace, Tool, Turn}, p.Scope) }
	var over Pause
	found := false
	for _, p := range all {
		if p.Covers(s) && (!found || rank(p) < rank(over)) {
			over, found = p, true
		}
	}
	return over, found
}

// String says what is paused, by whom, when and why, for people.
func (p Pause) String() string {
	who := p.Name
	if who == "" {
		who = string(p.By)
	}
	what := p.Scope.text(p.Target)
	return fmt.Sprintf("%s%s is paused by %s since %s: %s",
		strings.ToUpper(what[:1]), what[1:], who, p.At.UTC().Format("2006-01-02 15:04 MST"), p.Reason)
}

// What names what is paused: "everything", "the tool ticket_create".
func (p Pause) What() string { return p.Scope.text(p.Target) }

func (s Scope) text(target string) string {
	switch s {
	case Everything:
		return "everything"
	case Workspace:
		return "this workspace"
	case Tool, Turn:
		return "the " + string(s) + " " + target
	}
	return "what only a newer version of Sous knows"
}
