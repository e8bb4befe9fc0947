package approval

import (
	"errors"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
)

// ErrOutdated is in the chain of a Conflict that says why a yes no longer holds;
// the call has to be asked anew.
var ErrOutdated = errors.New("approval is outdated")

// Check is what is known of a call and of its people when it is about to run.
type Check struct {
	// Definition and Version are the tool's definition and the state of what it
	// touches, now.
	Definition, Version string
	// Verdict is what policy says of the call now.
	Verdict agent.Verdict
	// People are those of Approval.People as the directory knows them now; who is
	// unknown or deactivated is missing. nil means there is no directory.
	People map[agent.ActorID]agent.Actor
	// May is policy's word on whether somebody may decide; nil leaves it to the
	// approval.
	May func(by agent.Actor, a Approval) error
}

// People lists on whose standing the yes rests: the requester, those who said
// yes, those who gave them their say, and who wrote the arguments.
func (a Approval) People() []agent.ActorID {
	all := []agent.ActorID{a.Call.Actor.ID}
	for _, v := range a.yeses() {
		all = append(all, v.By)
	}
	for _, d := range a.Handed {
		all = append(all, d.From, d.To)
	}
	if a.Editor != "" {
		all = append(all, a.Editor)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// yeses are the votes; one decided before votes were kept has that decision.
func (a Approval) yeses() []Vote {
	if len(a.Votes) == 0 && a.DecidedBy != "" {
		return []Vote{{By: a.DecidedBy, Person: a.DecidedBy, Name: a.DecidedName, At: a.DecidedAt}}
	}
	return a.Votes
}

// Stands returns nil when the yes still holds for the call as it is now. It is a
// Conflict with ErrOutdated when the call has to be asked anew: its tool, what it
// touches or the policy has changed, or somebody who said yes may no longer. It
// is Forbidden when the requester is gone.
func (a Approval) Stands(c Check) error {
	switch {
	case a.Definition != c.Definition:
		return outdated("the tool's definition has changed since it was approved")
	case a.Version != c.Version:
		return outdated("what it touches has changed since it was approved")
	}
	if err := a.satisfies(c.Verdict); err != nil {
		return err
	}
	if c.People == nil {
		return nil
	}
	requester, ok := c.People[a.Call.Actor.ID]
	if !ok || requester.Kind != agent.Member {
		return agent.Errorf(agent.Forbidden, "%s, who asked for this, is no longer a member of the workspace", display(a.Call.Actor))
	}
	return a.WithRequester(requester).WithEditor(c.People[a.Editor]).stillMay(c)
}

// satisfies makes sure that policy does not ask for more by now than it was given.
func (a Approval) satisfies(v agent.Verdict) error {
	if v.Ruling != agent.Ask {
		return nil
	}
	needs := max(v.Quorum, 1)
	if v.Sole || v.ByRequester {
		needs = 1
	}
	switch {
	case a.Kind == ByRequester && !v.ByRequester:
		return outdated("policy now asks for another person's approval")
	case a.Sole && !v.Sole && !v.ByRequester:
		return outdated("the workspace has more people by now")
	case needs > a.Needs():
		return outdated("policy now asks for more approvals")
	case !v.Sole && len(v.Approvers) > 0 && !sameSet(v.Approvers, a.Approvers):
		return outdated("policy now asks other people")
	}
	return nil
}

// stillMay counts the different people who said yes and still might.
func (a Approval) stillMay(c Check) error {
	humans := map[agent.ActorID]bool{}
	lost := ""
	for _, v := range a.yeses() {
		by, ok := c.People[v.By]
		if ok && a.MayDecide(by) == nil && a.authority(by, c.People) && (c.May == nil || c.May(by, a) == nil) {
			humans[by.Human()] = true
			continue
		}
		lost = or(v.Name, string(v.By))
	}
	switch {
	case len(humans) >= a.Needs():
		return nil
	case lost != "":
		return outdated(lost + ", who approved it, may no longer do so")
	}
	return outdated("too few different people approved it")
}

// authority reports whether the say is by's own or came, from hand to hand, from
// somebody who still has it to give.
func (a Approval) authority(by agent.Actor, people map[agent.ActorID]agent.Actor) bool {
	if a.inGroups(by) || a.isRequester(by) {
		return true
	}
	for _, d := range a.Handed {
		if d.To != by.Human() {
			continue
		}
		if from, ok := people[d.From]; ok && from.Kind == agent.Member && a.authority(from, people) {
			return true
		}
	}
	return false
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func outdated(why string) error { return agent.WrapError(agent.Conflict, ErrOutdated, why) }

// Outdate closes an approved approval whose yes no longer holds.
func (a Approval) Outdate(why string) (Approval, error) {
	if a.State != Approved {
		return a, a.closed()
	}
	a.State, a.Comment = Superseded, why
	return a, nil
}

// Outdated reports whether the yes was found to hold no longer, so that the call
// is asked anew.
func (a Approval) Outdated() bool { return a.State == Superseded && len(a.Edited) == 0 }

// Spend uses the approval up for a call with this digest. It succeeds once.
func (a Approval) Spend(digest string, now time.Time) (Approval, error) {
	switch {
	case a.State != Approved:
		return a, a.closed()
	case digest != a.Digest:
		return a, agent.Errorf(agent.Forbidden, "approval %s was given for another call", a.ID)
	case !now.Before(a.RunBefore()):
		return a, agent.Errorf(agent.Expired, "approval %s was not used in time", a.ID)
	}
	a.State, a.SpentAt = Spent, now
	return a, nil
}
