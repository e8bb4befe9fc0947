package loop

import (
	"context"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
)

// Budget says whether a model may be asked in somebody's name, and hears what was
// used. *budget.Meter is one.
type Budget interface {
	Check(ctx context.Context, by agent.Actor) (budget.Ruling, error)
	Used(by agent.Actor, turn, model string, u agent.Usage)
	// Kept says that the store was given all that the turn used until now.
	Kept(ws agent.WorkspaceID, turn string)
}

// afford asks whether a model may be asked for the turn; what it says goes into p.
func (e *Effects) afford(ctx context.Context, t agent.Turn, p *plan) (refused bool, err error) {
	if e.Budget == nil {
		return false, nil
	}
	r, err := e.Budget.Check(ctx, t.Actor)
	if err != nil {
		return false, err
	}
	p.Warning = r.Warning
	if r.Refused != "" {
		p.Error, p.Refused = r.Refused, true
	}
	return p.Refused, nil
}

// spent notes what models were used for the turn.
func (e *Effects) spent(t agent.Turn, model string, u agent.Usage) {
	if e.Budget != nil {
		e.Budget.Used(t.Actor, t.ID, model, u)
	}
}

// kept says that what the turn used is in the store.
func (e *Effects) kept(t agent.Turn) {
	if e.Budget != nil {
		e.Budget.Kept(t.Workspace, t.ID)
	}
}

// usage is what a round used of models, the tools' own requests included.
func (r round) usage() agent.Usage {
	u := r.Plan.Usage
	for _, o := range r.Outcomes {
		u = u.Add(o.Usage)
	}
	return u
}

// used is what a trail used of models, and the last that answered.
func used(trail []round) (u agent.Usage, model string) {
	for _, r := range trail {
		u = u.Add(r.usage())
		if r.Plan.Model != "" {
			model = r.Plan.Model
		}
	}
	return u, model
}

// overBudget is why a budget kept a turn from asking, "" when none did.
func overBudget(trail []round) string {
	for _, r := range trail {
		if r.Plan.Refused {
			return r.Plan.Error
		}
	}
	return ""
}

// warned is an answer with the warnings that came up on the way to it.
func warned(answer string, trail []round) string {
	parts := []string{answer}
	for _, r := range trail {
		if r.Plan.Warning != "" {
			parts = append(parts, "_"+r.Plan.Warning+"_")
		}
	}
	return strings.TrimSpace(strings.Join(parts, "\n\n"))
}
