package loop

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/people"
)

// ApprovalQuery selects approvals for a person; its zero value selects all that
// the person may see.
type ApprovalQuery struct {
	// Waiting keeps those on which it is this person's turn to decide, Mine those
	// that this person asked for, by whatever account.
	Waiting, Mine bool
	States        []approval.State
	Tool          string
	// Tier keeps those of this risk and above.
	Tier agent.Tier
	// Limit keeps the newest; 0 for as many as the store returns at once.
	Limit int
}

// Pending lists the approvals that still wait and that the actor may see, oldest
// first.
func (a *Assistant) Pending(ctx context.Context, by agent.Actor) ([]approval.Approval, error) {
	all, err := a.open(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p approval.Approval) bool {
		return !sees(by, p)
	}), nil
}

// ListApprovals lists the approvals that the query selects and the actor may see
// or decide, oldest first. Somebody whom the directory does not know has none.
func (a *Assistant) ListApprovals(ctx context.Context, by agent.Actor, q ApprovalQuery) ([]approval.Approval, error) {
	by, err := a.known(ctx, by)
	switch {
	case agent.KindOf(err) == agent.Forbidden:
		return nil, nil
	case err != nil:
		return nil, err
	}
	f := ApprovalFilter{States: q.States, Tool: q.Tool, Limit: q.Limit, Newest: q.Limit > 0}
	if q.Waiting {
		// Who may decide is not for the store to say, so the limit comes later.
		f.States, f.Limit, f.Newest = []approval.State{approval.Asked}, 0, false
	}
	if q.Mine {
		f.Requester = by.Human()
	}
	all, err := a.Store.Approvals(ctx, by.Workspace, f)
	if err != nil {
		return nil, err
	}
	now := a.steady()
	all = slices.DeleteFunc(all, func(p approval.Approval) bool {
		switch {
		case p.Tier.Number() < q.Tier.Number() && q.Tier != agent.TierUnset:
			return true
		case q.Waiting:
			return !a.awaits(ctx, by, p, now)
		}
		return !sees(by, p)
	})
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[len(all)-q.Limit:]
	}
	return all, nil
}

// awaits reports whether it is this person's turn to decide.
func (a *Assistant) awaits(ctx context.Context, by agent.Actor, p approval.Approval, now time.Time) bool {
	requester, err := a.known(ctx, p.Call.Actor)
	if err != nil {
		return false
	}
	p = p.WithRequester(requester).WithEditor(a.linked(ctx, p))
	return p.Waits(by, now) && a.may(by, p) == nil
}

// sees reports whether somebody may look at an approval: they read its place, may
// decide it, asked for it, or had a part in it.
func sees(by agent.Actor, p approval.Approval) bool {
	if by.Workspace != p.Workspace || by.ID == "" {
		return false
	}
	me := func(id agent.ActorID) bool { return id != "" && (id == by.ID || id == by.Human()) }
	return p.Place.Readers().Includes(by) || p.MayDecide(by) == nil || p.Call.Actor.Human() == by.Human() ||
		me(p.Editor) || me(p.EditedBy) || me(p.DecidedBy) ||
		slices.ContainsFunc(p.Votes, func(v approval.Vote) bool { return v.Person == by.Human() }) ||
		slices.ContainsFunc(p.Handed, func(d approval.Delegation) bool { return me(d.From) || me(d.To) }) ||
		slices.ContainsFunc(p.Notes, func(n approval.Note) bool { return me(n.By) })
}

func noApproval(id string) error { return agent.Errorf(agent.NotFound, "there is no approval %s", id) }

// ShowApproval returns an approval in any state that the actor may see or decide,
// else NotFound.
func (a *Assistant) ShowApproval(ctx context.Context, by agent.Actor, id string) (approval.Approval, error) {
	p, err := a.Store.Approval(ctx, by.Workspace, strings.ToUpper(strings.TrimSpace(id)))
	if err != nil {
		return p, err
	}
	if !sees(by, p) {
		return approval.Approval{}, noApproval(id)
	}
	return p, nil
}

// About says what the call of an approval touches, as far as this person may see
// it: nothing once the approval is no longer open.
func (a *Assistant) About(ctx context.Context, by agent.Actor, id string) ([]agent.Note, error) {
	p, err := a.ShowApproval(ctx, by, id)
	if err != nil || p.State != approval.Asked {
		return nil, err
	}
	by, err = a.known(ctx, by)
	if err != nil {
		return nil, nil //nolint:nilerr // somebody unknown sees nothing of it
	}
	return a.Executor.About(ctx, by, p.Call)
}

// Schema is the JSON Schema of a tool's arguments, for forms; an unknown tool is
// NotFound.
func (a *Assistant) Schema(_ context.Context, tool string) (json.RawMessage, error) {
	t, known := a.Executor.Tools().Get(tool)
	if !known {
		return nil, agent.Errorf(agent.NotFound, "there is no tool %s", tool)
	}
	return t.Schema(), nil
}

// Colleagues lists those to whom this person could hand an approval: of the members
// that the directory can list, those at work, each human once, by name.
func (a *Assistant) Colleagues(ctx context.Context, by agent.Actor, id string) ([]agent.Actor, error) {
	p, err := a.ShowApproval(ctx, by, id)
	lister, ok := a.People.(people.Lister)
	if err != nil || !ok {
		return nil, err
	}
	by, err = a.known(ctx, by)
	if err != nil {
		return nil, nil //nolint:nilerr // somebody unknown has no colleagues here
	}
	everybody, err := lister.List(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	var to []agent.Actor
	now := a.steady()
	for _, o := range everybody {
		_, err := p.Delegate(approval.Change{By: by, At: now}, o.Actor)
		if err == nil && o.Active && !o.Away(now) && o.ID == o.Human() {
			to = append(to, o.Actor)
		}
	}
	slices.SortFunc(to, func(a, b agent.Actor) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return to, nil
}

// Queue lists the approvals on which it is this person's turn to decide, oldest
// first.
func (a *Assistant) Queue(ctx context.Context, by agent.Actor) ([]approval.Approval, error) {
	return a.ListApprovals(ctx, by, ApprovalQuery{Waiting: true})
}

func (a *Assistant) open(ctx context.Context, ws agent.WorkspaceID) ([]approval.Approval, error) {
	return a.Store.Approvals(ctx, ws, ApprovalFilter{States: []approval.State{approval.Asked}})
}
