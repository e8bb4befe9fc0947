package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/tools"
)

var _ tools.Ledger = (*Ledger)(nil)

// LedgerConfig holds the ledger's settings.
type LedgerConfig struct {
	// ApprovalTTL is how long people have to decide where policy does not say; it
	// is required.
	ApprovalTTL time.Duration
	// RunFor is how long after a yes a call may start; 0 is approval.RunWithin.
	RunFor time.Duration
	// Escalation says where approvals go that nobody has decided, soonest first;
	// nil means nowhere.
	Escalation func() []approval.Stage
	// People is asked whether those on whose word a call runs still have a say;
	// nil means that there is no directory.
	People people.Source
	// May is policy's word on whether somebody may decide; see approval.Check.
	May func(by agent.Actor, a approval.Approval) error
	// UndoTTL is how long an effect can be taken back; 0 for a quarter of an hour.
	UndoTTL time.Duration
	// Clock says when; nil is the store's clock.
	Clock func() time.Time
}

// Ledger records calls in the store. It is safe for concurrent use.
type Ledger struct {
	LedgerConfig
	db  *DB
	now func() time.Time
}

// NewLedger returns the ledger of the store.
func NewLedger(db *DB, c LedgerConfig) (*Ledger, error) {
	if db == nil || c.ApprovalTTL <= 0 {
		return nil, errors.New("ledger: a store and a positive ApprovalTTL are required")
	}
	if c.UndoTTL <= 0 {
		c.UndoTTL = 15 * time.Minute
	}
	if c.Clock == nil {
		c.Clock = db.clock
	}
	// Whoever sets the clock back brings no yes back to life.
	steady := approval.Steady(c.Clock)
	return &Ledger{LedgerConfig: c, db: db, now: func() time.Time { return stored(steady()) }}, nil
}

// Refuse implements tools.Ledger.
func (l *Ledger) Refuse(ctx context.Context, p tools.Proposal, v agent.Verdict) error {
	e := l.entry(audit.CallRefused, p, v)
	e.Ruling, e.Args = agent.Deny.String(), p.Call.Args
	err := l.db.write(ctx, e.Workspace, func(tx pgx.Tx) error { return l.db.record(ctx, tx, e) })
	if err != nil {
		return fmt.Errorf("record refusal: %w", err)
	}
	return nil
}

// Ask implements tools.Ledger.
func (l *Ledger) Ask(ctx context.Context, p tools.Proposal, v agent.Verdict) (string, error) {
	if err := bound(p); err != nil {
		return "", err
	}
	var id string
	err := l.db.write(ctx, p.Call.Actor.Workspace, func(tx pgx.Tx) error {
		a, known, err := place(ctx, tx, l.question(p, v))
		id = a.ID
		if err != nil || known {
			return err
		}
		storeApproval(tx, a)
		e := l.entry(audit.CallAsked, p, v)
		e.Approval, e.Args = a.ID, p.Call.Args
		return l.db.record(ctx, tx, e)
	})
	if err != nil {
		return "", fmt.Errorf("record question: %w", err)
	}
	return id, nil
}

// question is the approval to ask for; place gives it its id.
func (l *Ledger) question(p tools.Proposal, v agent.Verdict) approval.Approval {
	kind := approval.ByAnother
	if v.ByRequester {
		kind = approval.ByRequester
	}
	ttl := l.ApprovalTTL
	if v.TTL > 0 {
		ttl = v.TTL
	}
	now := l.now()
	a := approval.Approval{
		Workspace: p.Call.Actor.Workspace, Kind: kind, State: approval.Asked, Call: p.Call, Digest: p.Digest,
		Definition: p.Definition, Version: p.Version, Editor: p.Editor,
		Tier: p.Spec.Tier, Place: p.Place, Reason: v.Reason, Rule: v.Rule, Undo: p.Spec.Undo,
		Marked: v.Marked, Sources: p.Context.Sources, Origins: p.Origins(v.Marked), Approvers: v.Approvers, Quorum: v.Quorum, Sole: v.Sole,
		Created: now, Expires: stored(now.Add(ttl)), RunFor: l.RunFor,
	}
	if kind == approval.ByAnother && !v.Sole && l.Escalation != nil {
		a.Chain = l.Escalation()
	}
	return a
}

// place returns the approval with its id, or the one the same call already has.
// Ids are short enough to type, so two calls may come to share one: then the
// later call moves on, always along the same path, as does a call that is asked
// again after its approval was superseded.
func place(ctx context.Context, tx pgx.Tx, a approval.Approval) (approval.Approval, bool, error) {
	call := a.Call.ID
	for n := range 256 {
		if n > 0 {
			call = fmt.Sprintf("%s\n%d", a.Call.ID, n)
		}
		a.ID = approval.NewID(call, a.Digest)
		was, taken, err := approvalByID(ctx, tx, a.Workspace, a.ID)
		switch {
		case err != nil || !taken:
			return a, false, err
		case was.Call.ID == a.Call.ID && was.Digest == a.Digest && was.State != approval.Superseded:
			return was, true, nil
		}
	}
	return a, false, errors.New("no free approval id")
}

// Intend implements tools.Ledger.
func (l *Ledger) Intend(ctx context.Context, i tools.Intent) (tools.Record, error) {
	if err := bound(i.Proposal); err != nil {
		return tools.Record{}, err
	}
	standing, err := l.standing(ctx, i)
	if err != nil {
		return tools.Record{}, err
	}
	ws := i.Proposal.Call.Actor.Workspace
	var rec tools.Record
	var refused error
	err = l.db.intend(ctx, ws, func(tx pgx.Tx) error {
		refused = nil
		e, known, err := effectByKey(ctx, tx, ws, i.Key)
		switch {
		case err != nil:
			return err
		case known && e.Digest != i.Proposal.Digest:
			return errAnotherCall()
		}
		if rec, err = l.again(ctx, tx, i, e); err != nil || known || rec.Paused != "" {
			return err
		}
		// A yes that no longer holds is closed, so what refuses it is recorded too.
		if refused, err = l.permit(ctx, tx, i, standing); err != nil || refused != nil {
			return err
		}
		rec = tools.Record{State: tools.EffectIntent, Fresh: true, Fence: 1, Attempts: 1}
		return l.storeIntent(ctx, tx, i, rec)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return tools.Record{}, fmt.Errorf("record intent: %w", err)
	}
	return rec, nil
}

// storeIntent writes the row of the effect and the one that records it.
func (l *Ledger) storeIntent(ctx context.Context, tx pgx.Tx, i tools.Intent, rec tools.Record) error {
	p := i.Proposal
	_, err := tx.Exec(ctx, `INSERT INTO effects
		(workspace, key, seq, turn, call, digest, tier, state, approval, intended, fence, attempts)
		VALUES ($1, $2, (SELECT COALESCE(MAX(seq), 0) + 1 FROM effects WHERE workspace = $1 AND turn = $3), $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.Call.Actor.Workspace, i.Key, p.Call.Turn, jsonOf(p.Call), p.Digest, p.Spec.Tier.Number(), rec.State, i.Approval,
		l.now(), rec.Fence, rec.Attempts)
	if broken(err, "effects_key") {
		return errAnotherCall()
	}
	if err != nil {
		return fmt.Errorf("store effect: %w", err)
	}
	entry := l.entry(audit.CallIntent, p, i.Verdict)
	entry.Approval, entry.Args = i.Approval, p.Call.Args
	return l.db.record(ctx, tx, entry)
}

// Known implements tools.Ledger.
func (l *Ledger) Known(ctx context.Context, ws agent.WorkspaceID, key string) (tools.Record, bool, error) {
	e, known, err := l.db.effectIn(ctx, ws, key)
	if err != nil || !known {
		return tools.Record{}, false, err
	}
	return e.record(), true, nil
}

// standing is what the directory says now of those on whose word the call would
// run. It is asked before the transaction, which waits for nobody outside.
func (l *Ledger) standing(ctx context.Context, i tools.Intent) (map[agent.ActorID]agent.Actor, error) {
	if l.People == nil || i.Approval == "" {
		return nil, nil
	}
	ws := i.Proposal.Call.Actor.Workspace
	a, err := l.db.Approval(ctx, ws, i.Approval)
	switch {
	case agent.KindOf(err) == agent.NotFound:
		return map[agent.ActorID]agent.Actor{}, nil
	case err != nil:
		return nil, err
	}
	known := map[agent.ActorID]agent.Actor{}
	for _, id := range a.People() {
		p, err := people.Known(ctx, l.People, agent.Actor{Workspace: ws, ID: id}, l.Clock())
		switch {
		case err == nil:
			known[id] = p.Actor
		case agent.KindOf(err) != agent.Forbidden:
			return nil, err
		}
	}
	return known, nil
}

// permit spends the approval, or makes sure that none is needed. An approval that
// was given but no longer holds is closed; then refused says why.
func (l *Ledger) permit(ctx context.Context, tx pgx.Tx, i tools.Intent, standing map[agent.ActorID]agent.Actor) (refused, err error) {
	if i.Approval == "" {
		if i.Verdict.Ruling != agent.Allow {
			return nil, agent.Errorf(agent.Forbidden, "this call has not been allowed")
		}
		return nil, nil
	}
	p := i.Proposal
	a, ok, err := approvalByID(ctx, tx, p.Call.Actor.Workspace, i.Approval)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, noApproval(agent.Forbidden, i.Approval)
	case a.Outdated():
		return askAgain(a.Comment), nil
	}
	spent, err := a.Spend(p.Digest, l.now())
	if err != nil {
		return nil, err
	}
	stands := a.Stands(approval.Check{Definition: p.Definition, Version: p.Version, Verdict: i.Verdict, People: standing, May: l.May})
	if stands == nil {
		storeApproval(tx, spent)
		return nil, nil
	}
	return l.close(ctx, tx, a, stands)
}

// close closes an approval whose yes does not stand and returns why: to be asked
// again, or not to run at all.
func (l *Ledger) close(ctx context.Context, tx pgx.Tx, a approval.Approval, stands error) (refused, err error) {
	why := agent.PublicText(stands)
	var closed approval.Approval
	if errors.Is(stands, approval.ErrOutdated) {
		closed, err = a.Outdate(why)
		refused = askAgain(why)
	} else {
		closed, err = a.Withdraw(why, l.now())
		refused = stands
	}
	if err != nil {
		return nil, err
	}
	storeApproval(tx, closed)
	e := approvalEntry(closed)
	e.Kind, e.Actor, e.Status, e.Note, e.At = audit.ApprovalClosed, a.Call.Actor.ID, string(closed.State), why, l.now()
	return refused, l.db.record(ctx, tx, e)
}

func errAnotherCall() error { return agent.Errorf(agent.Conflict, "this key belongs to another call") }

func noEffect(key string) error { return agent.Errorf(agent.NotFound, "there is no effect %s", key) }

func askAgain(why string) error { return agent.WrapError(agent.Conflict, tools.ErrAskAgain, why) }

// Settle implements tools.Ledger. An unknown outcome may still become known.
func (l *Ledger) Settle(ctx context.Context, s tools.Settlement) error {
	switch s.State {
	case tools.EffectDone, tools.EffectFailed, tools.EffectUnknown:
	case tools.EffectPlanned, tools.EffectApproved, tools.EffectIntent:
		return agent.Errorf(agent.Invalid, "an effect cannot be settled as %s", s.State)
	default:
		return agent.Errorf(agent.Invalid, "there is no effect state %q", s.State)
	}
	ws, err := l.db.workspaceOfKey(ctx, s.Key)
	if err != nil || ws == "" {
		if err == nil {
			err = noEffect(s.Key)
		}
		return fmt.Errorf("record outcome: %w", err)
	}
	err = l.db.write(ctx, ws, func(tx pgx.Tx) error {
		e, ok, err := effectByKey(ctx, tx, ws, s.Key)
		switch {
		case err != nil:
			return err
		case !ok:
			return noEffect(s.Key)
		case e.fence != s.Fence:
			return agent.Errorf(agent.Conflict, "another attempt has taken this over")
		case e.final() || e.State == string(s.State):
			return nil
		}
		return l.settle(ctx, tx, e, s)
	})
	if err != nil {
		return fmt.Errorf("record outcome: %w", err)
	}
	return nil
}

func (l *Ledger) settle(ctx context.Context, tx pgx.Tx, e effect, s tools.Settlement) error {
	now := l.now()
	var undo tools.UndoCall
	var until time.Time
	if s.Undo != nil {
		undo, until = *s.Undo, stored(now.Add(l.UndoTTL))
	}
	later(tx, `UPDATE effects SET state = $1, outcome = $2, undo_tool = $3, undo_args = $4, undo_until = $5, settled = $6
		WHERE workspace = $7 AND key = $8 AND fence = $9`,
		s.State, jsonOf(s.Outcome), undo.Tool, rawColumn{&undo.Args}, timeOf(&until), now, e.ws, e.Key, s.Fence)
	entry := e.entry(audit.CallOutcome)
	entry.At, entry.Status = now, string(s.State)
	if s.State != tools.EffectDone {
		entry.Note = s.Outcome.Kind
	}
	return l.db.record(ctx, tx, entry)
}

// entry is the part the audit rows about a proposal have.
func (l *Ledger) entry(k audit.Kind, p tools.Proposal, v agent.Verdict) audit.Entry {
	tier := p.Spec.Tier
	return audit.Entry{
		At: l.now(), Workspace: p.Call.Actor.Workspace, Kind: k, Actor: p.Call.Actor.ID, Turn: p.Call.Turn, Call: p.Call.ID,
		Tool: p.Call.Tool, Tier: &tier, Digest: p.Digest, Ruling: v.Ruling.String(), Rule: v.Rule, Note: v.Note,
	}
}

// bound makes sure that the digest is the call's own: approvals and keys hang
// on it, so it is not taken on trust.
func bound(p tools.Proposal) error {
	switch {
	case p.Call.ID == "" || p.Call.Actor.Workspace == "":
		return agent.Errorf(agent.Invalid, "a call needs an id and a workspace")
	case !json.Valid(p.Call.Args):
		return agent.Errorf(agent.Invalid, "a call's arguments are JSON")
	}
	digest, err := p.Call.Digest()
	if err != nil {
		return err
	}
	if digest != p.Digest {
		return agent.Errorf(agent.Conflict, "the digest is not the one of the call")
	}
	return nil
}
