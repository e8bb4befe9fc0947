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
	// Fail, when set, is asked before each method ("refuse", "ask", "paused",
	// "intend", "known", "settle"); its error is returned and nothing is recorded.
	Fail func(ctx context.Context, method string) error

	mu        sync.Mutex
	log       []string
	paused    string
	approvals map[string]approval.Approval
	effects   map[string]*entry
}

// entry is one effect: of which workspace, how far it got and how to take it back.
type entry struct {
	ws     agent.WorkspaceID
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

// Pause has somebody stop every call, until why is "".
func (l *Ledger) Pause(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = why
}

// Paused implements tools.Ledger.
func (l *Ledger) Paused(ctx context.Context, _ agent.Call) (string, error) {
	unlock, err := l.begin(ctx, "paused")
	if err != nil {
		return "", err
	}
	defer unlock()
	return l.paused, nil
}

// Intend implements tools.Ledger.
func (l *Ledger) Intend(ctx context.Context, i tools.Intent) (tools.Record, error) {
	unlock, err := l.begin(ctx, "intend")
	if err != nil {
		return tools.Record{}, err
	}
	defer unlock()
	e, known := l.effects[i.Key]
	switch {
	case known && e.record.State != tools.EffectIntent:
		return e.record, nil
	case known && l.paused != "":
		return tools.Record{State: tools.EffectIntent, Paused: l.paused}, nil
	case known:
		e.record.Fence++
		e.record.Attempts++
		l.log = append(l.log, "takes over "+i.Proposal.Call.Tool)
		return e.record, nil
	case l.paused != "":
		l.log = append(l.log, "refused "+i.Proposal.Call.Tool+" by "+tools.RulePaused)
		return tools.Record{Paused: l.paused}, nil
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
	fresh := tools.Record{State: tools.EffectIntent, Fence: 1, Attempts: 1}
	l.effects[i.Key] = &entry{ws: i.Proposal.Call.Actor.Workspace, record: fresh}
	l.log = append(l.log, "intends "+i.Proposal.Call.Tool)
	fresh.Fresh = true
	return fresh, nil
}

// Known implements tools.Ledger.
func (l *Ledger) Known(ctx context.Context, ws agent.WorkspaceID, key string) (tools.Record, bool, error) {
	unlock, err := l.begin(ctx, "known")
	if err != nil {
		return tools.Record{}, false, err
	}
	defer unlock()
	e, known := l.effects[key]
	if !known || e.ws != ws {
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
	if s.Fence < e.record.Fence {
		return agent.Errorf(agent.Conflict, "another attempt took this over")
	}
	if e.record.State == tools.EffectIntent {
		e.record.State, e.record.Outcome = s.State, s.Outcome
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
