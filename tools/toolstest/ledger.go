package toolstest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/tools"
)

// Ledger keeps the promises of tools.Ledger in memory and shows what was
// recorded. It is safe for concurrent use.
type Ledger struct {
	// Fail, when set, is asked before each method ("refuse", "ask", "intend",
	// "known", "settle"); its error is returned and nothing is recorded.
	Fail func(ctx context.Context, method string) error

	mu        sync.Mutex
	log       []string
	approvals map[string]approval.Approval
	effects   map[string]*entry
}

// entry is one effect: how far it got and how to take it back.
type entry struct {
	record tools.Record
	undo   *tools.UndoCall
}

var _ tools.Ledger = (*Ledger)(nil)

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{approvals: map[string]approval.Approval{}, effects: map[string]*entry{}}
}

// decidedAt stands for all times: approvals of this ledger never grow old.
func decidedAt() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// begin locks the ledger unless the method is to fail.
func (l *Ledger) begin(ctx context.Context, method string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.Fail != nil {
		if err := l.Fail(ctx, method); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	return l.mu.Unlock, nil
}

// Refuse implements tools.Ledger.
func (l *Ledger) Refuse(ctx context.Context, p tools.Proposal, v agent.Verdict) error {
	unlock, err := l.begin(ctx, "refuse")
	if err != nil {
		return err
	}
	defer unlock()
	l.log = append(l.log, "refused "+p.Call.Tool+" by "+v.Rule)
	return nil
}

// Ask implements tools.Ledger.
func (l *Ledger) Ask(ctx context.Context, p tools.Proposal, v agent.Verdict) (string, error) {
	unlock, err := l.begin(ctx, "ask")
	if err != nil {
		return "", err
	}
	defer unlock()
	id := approval.NewID(p.Call.ID, p.Digest)
	if _, known := l.approvals[id]; !known {
		kind := approval.ByAnother
		if v.ByRequester {
			kind = approval.ByRequester
		}
		l.approvals[id] = approval.Approval{
			ID: id, Workspace: p.Call.Actor.Workspace, Kind: kind, State: approval.Asked, Call: p.Call,
			Digest: p.Digest, Created: decidedAt(), Expires: decidedAt().Add(time.Hour),
		}
		l.log = append(l.log, "asked for "+p.Call.Tool)
	}
	return id, nil
}

// Intend implements tools.Ledger.
func (l *Ledger) Intend(ctx context.Context, i tools.Intent) (tools.Record, error) {
	unlock, err := l.begin(ctx, "intend")
	if err != nil {
		return tools.Record{}, err
	}
	defer unlock()
	if e, known := l.effects[i.Key]; known {
		return e.record, nil
	}
	if i.Approval != "" {
		a, known := l.approvals[i.Approval]
		if !known {
			return tools.Record{}, agent.Errorf(agent.Forbidden, "there is no approval %s", i.Approval)
		}
		spent, err := a.Spend(i.Proposal.Digest, decidedAt())
		if err != nil {
			return tools.Record{}, err
		}
		l.approvals[i.Approval] = spent
	}
	l.effects[i.Key] = &entry{record: tools.Record{State: tools.EffectIntent}}
	l.log = append(l.log, "intends "+i.Proposal.Call.Tool)
	return tools.Record{State: tools.EffectIntent, Fresh: true}, nil
}

// Known implements tools.Ledger.
func (l *Ledger) Known(ctx context.Context, _ agent.WorkspaceID, key string) (tools.Record, bool, error) {
	unlock, err := l.begin(ctx, "known")
	if err != nil {
		return tools.Record{}, false, err
	}
	defer unlock()
	e, known := l.effects[key]
	if !known {
		return tools.Record{}, false, nil
	}
	return e.record, true, nil
}

// Settle implements tools.Ledger.
func (l *Ledger) Settle(ctx context.Context, s tools.Settlement) error {
	unlock, err := l.begin(ctx, "settle")
	if err != nil {
		return err
	}
	defer unlock()
	e, known := l.effects[s.Key]
	if !known {
		return agent.Errorf(agent.NotFound, "no intent was recorded under this key")
	}
	if e.record.State == tools.EffectIntent {
		e.record = tools.Record{State: s.State, Outcome: s.Outcome}
		e.undo = s.Undo
		l.log = append(l.log, string(s.State)+" "+s.Outcome.Tool)
	}
	return nil
}

// Decide has somebody else than the requester say yes or no.
func (l *Ledger) Decide(id string, yes bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.approvals[id]
	by := agent.Actor{Workspace: a.Workspace, ID: "decider", Kind: agent.Member}
	if a.Kind == approval.ByRequester {
		by = a.Call.Actor
	}
	decide := func() (approval.Approval, error) { return a.Deny(by, "", decidedAt()) }
	if yes {
		decide = func() (approval.Approval, error) { return a.Approve(by, decidedAt()) }
	}
	next, err := decide()
	if err == nil {
		l.approvals[id] = next
	}
	return err
}

// Log returns what was recorded, such as "intends ticket_create", in order.
func (l *Ledger) Log() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.log)
}

// undo returns the prepared call that takes back the effect of a call.
func (l *Ledger) undo(call string) *tools.UndoCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.effects {
		if e.record.Outcome.Call == call {
			return e.undo
		}
	}
	return nil
}
