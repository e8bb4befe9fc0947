package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// RuleRef names a rule that took part in a ruling.
type RuleRef struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Effect string `json:"effect"`
	Reason string `json:"reason,omitempty"`
}

// Explanation is a ruling with all it stands on.
type Explanation struct {
	Verdict agent.Verdict `json:"verdict"`
	Facts   Facts         `json:"facts"`
	// Rules are those that determined the ruling; Unasked those that kept the
	// call from running without asking.
	Rules   []RuleRef `json:"rules"`
	Unasked []RuleRef `json:"unasked,omitempty"`
	// Set is the hash of the policy set.
	Set string `json:"set"`
	// Error says what could not be evaluated.
	Error string `json:"error,omitempty"`
}

// Explain rules on a proposal and says why. sole says that the workspace has one
// person, who decides alone.
func (s *Set) Explain(p tools.Proposal, sole bool) Explanation {
	x := s.ExplainFacts(FactsOf(p), sole)
	x.Verdict.Reason = fill(x.Verdict.Reason, "{sources}", p.Context.Sources, 3)
	return x
}

// ExplainFacts rules on facts, such as those of a recorded call.
func (s *Set) ExplainFacts(f Facts, sole bool) Explanation {
	x := Explanation{Set: s.Hash}
	var err error
	if f.Mode, err = s.mode(&f); err == nil {
		err = s.decide(s.environment(&f), &x)
	}
	x.Facts = f
	if err != nil {
		x.Error, x.Rules, x.Unasked = err.Error(), nil, nil
		x.Verdict = agent.Verdict{Rule: RuleError, Reason: "The policy could not be evaluated, so the call does not run."}
	}
	v := &x.Verdict
	v.Reason = fill(v.Reason, "{arguments}", f.Unsaid, len(f.Unsaid))
	v.Sole = sole
	if f.Tier > 0 || v.Ruling != agent.Allow {
		v.Note = f.Note() + " set=" + s.Hash[:12]
	}
	if v.Ruling != agent.Ask {
		return x
	}
	if sole {
		v.Approvers, v.Quorum = nil, 1
	}
	if f.Integrity == level(agent.External) {
		v.Marked = f.Unsaid
	}
	return x
}

// mode asks the rules whether balanced mode is on.
func (s *Set) mode(f *Facts) (string, error) {
	if !s.balances {
		return "strict", nil
	}
	env := s.environment(f)
	if err := s.validate(env, actionBalance); err != nil {
		return "strict", err
	}
	a, err := s.authorize(env, actionBalance)
	if err != nil || !a.allowed {
		return "strict", err
	}
	return "balanced", nil
}

// decide asks for run, then for ask. Whatever cannot be evaluated is an error,
// and an error is a denial.
func (s *Set) decide(env *environment, x *Explanation) error {
	if err := s.validate(env, actionRun); err != nil {
		return err
	}
	run, err := s.authorize(env, actionRun)
	if err != nil {
		return err
	}
	if run.allowed {
		x.Rules = s.refs(run)
		x.Verdict = agent.Verdict{Ruling: agent.Allow, Rule: x.Rules[0].ID, Reason: x.Rules[0].Reason}
		return nil
	}
	ask, err := s.authorize(env, actionAsk)
	if err != nil {
		return err
	}
	x.Unasked = s.refs(run)
	if ask.allowed {
		s.ask(ask, x)
		return nil
	}
	if x.Rules = s.refs(ask); len(x.Rules) == 0 {
		x.Rules = x.Unasked
	}
	x.Verdict = agent.Verdict{Rule: RuleNone, Reason: "No rule permits it."}
	if len(x.Rules) > 0 {
		x.Verdict.Rule, x.Verdict.Reason = x.Rules[0].ID, x.Rules[0].Reason
	}
	return nil
}

// ask fills in who decides. The rule that is named is the strictest: one that
// needs other people before a confirmation, more of them before fewer.
func (s *Set) ask(a answer, x *Explanation) {
	demands := make([]obligations, len(a.rules))
	for i, n := range a.rules {
		demands[i] = s.rules[n].obligations
	}
	slices.SortStableFunc(a.rules, func(i, j int) int {
		p, q := s.rules[i], s.rules[j]
		return cmp.Or(btoi(p.confirm)-btoi(q.confirm), q.quorum-p.quorum)
	})
	x.Rules = s.refs(a)
	first := x.Rules[0]
	o, possible := strictest(demands)
	if !possible {
		x.Verdict = agent.Verdict{Rule: RuleNoApprover, Reason: "The rules that ask for it name no group of approvers in common."}
		return
	}
	x.Verdict = agent.Verdict{
		Ruling: agent.Ask, Rule: first.ID, Reason: first.Reason,
		ByRequester: o.confirm, Approvers: o.approvers, Quorum: o.quorum, TTL: o.ttl,
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *Set) refs(a answer) []RuleRef {
	if len(a.rules) == 0 {
		return nil
	}
	out := make([]RuleRef, 0, len(a.rules))
	for _, i := range a.rules {
		r := s.rules[i]
		effect := "forbid"
		if r.permit {
			effect = "permit"
		}
		out = append(out, RuleRef{ID: r.id, File: r.file, Line: r.line, Effect: effect, Reason: cmp.Or(r.reason, "The rule "+r.id+" says so.")})
	}
	return out
}

// fill puts up to limit names in the place of a word in a reason.
func fill(reason, word string, names []string, limit int) string {
	if !strings.Contains(reason, word) {
		return reason
	}
	text := ""
	if len(names) > 0 {
		text = " (" + strings.Join(names[:min(limit, len(names))], ", ") + ")"
	}
	return strings.ReplaceAll(reason, word, text)
}

// Decision is a yes or no somebody wants to give to a call.
type Decision struct {
	By        agent.Actor
	Requester agent.Actor
	Tool      string
	Tier      agent.Tier
	Place     agent.Place
	// Confirmation says that the requester's own yes is asked for.
	Confirmation bool
	Sole         bool
	// Approvers are the groups of the ruling that asked; none means any member.
	Approvers []string
	// Digest is of the call as it would run, Shown of the call people were shown.
	Digest, Shown string
}

// environment returns what rules on a decision see.
func (d Decision) environment(p *parts) *environment {
	f := Facts{Tool: d.Tool, Family: family(d.Tool), Tier: d.Tier.Number()}
	where := p.place(d.Place)
	env := &environment{principal: p.person(d.By), resource: p.tool(&f), others: []cedar.Entity{where, p.person(d.Requester)}}
	env.context = cedar.NewRecord(cedar.RecordMap{
		"requester": uid("Person", string(d.Requester.ID)), "place": where.UID, "tier": cedar.Long(d.Tier.Number()),
		"confirmation": cedar.Boolean(d.Confirmation), "sole": cedar.Boolean(d.Sole),
		"digest": cedar.String(d.Digest), "shownDigest": cedar.String(d.Shown),
	})
	return env
}

// MayDecide returns nil when the rules let a person decide, else an error of
// kind Forbidden that says why not.
func (s *Set) MayDecide(d Decision) error {
	env := d.environment(&s.parts)
	if err := s.validate(env, actionApprove); err != nil {
		return agent.WrapError(agent.Forbidden, err, "The policy could not be evaluated, so the decision does not count.")
	}
	a, err := s.authorize(env, actionApprove)
	switch {
	case err != nil:
		return agent.WrapError(agent.Forbidden, err, "The policy could not be evaluated, so the decision does not count.")
	case a.allowed && !d.Confirmation && !d.Sole && len(d.Approvers) > 0 && !inGroup(d.By, d.Approvers):
		return agent.Errorf(agent.Forbidden, "Only members of %s can decide this.", strings.Join(d.Approvers, ", "))
	case a.allowed:
		return nil
	}
	why := "No rule lets you decide this."
	if refs := s.refs(a); len(refs) > 0 {
		why = refs[0].Reason
	}
	return agent.Errorf(agent.Forbidden, "%s", why)
}

func inGroup(a agent.Actor, groups []string) bool {
	return slices.ContainsFunc(a.Groups, func(g string) bool { return slices.Contains(groups, g) })
}
