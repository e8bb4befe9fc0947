package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Proposal is everything policy may look at when it rules on a call.
type Proposal struct {
	Call agent.Call
	Spec Spec
	// Context is the joined label of all the model saw when it planned the call.
	Context agent.Label
	// Request is the requester's own words in this turn.
	Request string
	Place   agent.Place
	// Texts are what the model saw when it planned the call, each with its own
	// label; where they are not known, nothing but Request can vouch for an argument.
	Texts []Labelled
	// InPlan says that the tool was planned before any external text was read.
	InPlan bool
	// Unattended says that a schedule or an event started this and nobody waits.
	Unattended bool
	// Digest is the call's digest over canonical arguments.
	Digest string
	// Definition and Version are what an approval is bound to besides: the tool's
	// definition, and the state of what the call touches, "" for none.
	Definition string
	Version    string
	// Editor is who wrote these arguments in place of those asked first, "" for
	// nobody.
	Editor agent.ActorID
}

// Labelled is one text a model saw.
type Labelled struct {
	Text  string
	Label agent.Label
}

// Gate rules on calls. An error means the call does not run.
type Gate interface {
	Rule(ctx context.Context, p Proposal) (agent.Verdict, error)
}

// Intent is the record made before an effect.
type Intent struct {
	// Key is the effect's idempotency key; one key has one record for ever.
	Key      string
	Proposal Proposal
	Verdict  agent.Verdict
	// Approval is the id of the approval to spend in the same transaction, ""
	// when policy allowed the call.
	Approval string
}

// EffectState is how far an effect got.
type EffectState string

// The states of an effect. It is planned, then allowed or approved, before the
// ledger has a row of it: those two are told from its approval. That a request
// was sent is not recorded apart: it would be one more commit for each effect,
// and what is right after a crash is the same.
const (
	// EffectPlanned waits for a yes, EffectApproved has it and has not begun.
	EffectPlanned  EffectState = "planned"
	EffectApproved EffectState = "approved"
	// EffectIntent means it was about to run; whether it did is not known.
	EffectIntent EffectState = "intent"
	// EffectDone and EffectFailed are final; the outcome is recorded.
	EffectDone   EffectState = "done"
	EffectFailed EffectState = "failed"
	// EffectUnknown is parked for a person.
	EffectUnknown EffectState = "unknown"
)

// Record is what the ledger knows of an effect.
type Record struct {
	State EffectState
	// Fresh says that Intend made the record just now: nothing has run yet.
	Fresh bool
	// Fence is the token of the attempt: higher than that of any attempt before.
	Fence int64
	// Attempts counts the times it was about to run.
	Attempts int
	// Paused says who stopped it and why; then Intend has recorded no intent,
	// and State is "" unless an earlier attempt had got that far.
	Paused string
	// Outcome is set when State is not EffectIntent.
	Outcome agent.Outcome
}

// Settlement is the record made after an effect.
type Settlement struct {
	Key string
	// Fence is the token that Intend gave the attempt.
	Fence   int64
	State   EffectState
	Outcome agent.Outcome
	// Undo is the prepared call that takes the effect back; nil when there is none.
	Undo *UndoCall
}

// Ledger records calls. Each method is one transaction together with its audit
// rows; when a method fails nothing of it is recorded and the call does not run.
type Ledger interface {
	// Refuse records that a call was denied.
	Refuse(ctx context.Context, p Proposal, v agent.Verdict) error
	// Ask records that a person must decide and returns the approval's id. The
	// same call asked twice is the same approval.
	Ask(ctx context.Context, p Proposal, v agent.Verdict) (approval string, err error)
	// Paused returns who has paused what the call is part of, and why, for
	// people; "" when nobody has. It may be behind by a few seconds. An error
	// counts as paused.
	Paused(ctx context.Context, c agent.Call) (why string, err error)
	// Intend records intent before an effect, spending the approval if one is
	// named. For a key whose effect has an outcome it returns the record; one
	// that has none is taken over: the attempts before it can no longer settle
	// it. Neither spends anything. What is paused at that moment is refused
	// instead, and stays as it is when an intent is known; see Record.Paused. An
	// approval that cannot be spent (not approved, other digest, expired,
	// already spent) is an error of kind Conflict, Expired or Forbidden.
	// One that no longer holds, because the tool, what it touches, the policy or
	// the standing of those who approved has changed, is closed and the error is a
	// Conflict with ErrAskAgain.
	Intend(ctx context.Context, i Intent) (Record, error)
	// Known returns the record of an effect, if there is one. It records nothing.
	Known(ctx context.Context, ws agent.WorkspaceID, key string) (rec Record, ok bool, err error)
	// Settle records the outcome after an effect. A final record stays as it is.
	// An attempt that was taken over changes nothing and gets a Conflict.
	Settle(ctx context.Context, s Settlement) error
}

// Plan is a call to execute with what surrounds it.
type Plan struct {
	Call    agent.Call
	Place   agent.Place
	Context agent.Label
	Request string
	Prior   []agent.Outcome
	// Texts, InPlan and Unattended are for the gate; see Proposal.
	Texts      []Labelled
	InPlan     bool
	Unattended bool
	// Approval is the id of an approved approval for this call; "" at first.
	Approval string
	// Editor is who wrote the arguments in place of those asked first.
	Editor agent.ActorID
	// Made is the label of what the arguments were made from, where that is not
	// Context alone, such as those of a call that a button orders: what is written
	// inherits it too. The zero label adds nothing.
	Made agent.Label
}

// Executor is the one path to an effect: check → gate → record intent → run →
// record outcome. Any error before "run" stops the call.
type Executor struct {
	tools  *Registry
	gate   Gate
	ledger Ledger
	// settleTime bounds the recording of an outcome.
	settleTime time.Duration
}

// NewExecutor returns an executor; all parts are required.
func NewExecutor(r *Registry, g Gate, l Ledger) (*Executor, error) {
	if r == nil || g == nil || l == nil {
		return nil, errors.New("executor: registry, gate and ledger are required")
	}
	return &Executor{tools: r, gate: g, ledger: l, settleTime: 30 * time.Second}, nil
}

// Tools returns the registry.
func (e *Executor) Tools() *Registry { return e.tools }

// About says for people what a call touches, as far as this person may see it;
// nothing for a call that no tool would take. It changes nothing.
func (e *Executor) About(ctx context.Context, by agent.Actor, c agent.Call) ([]agent.Note, error) {
	tool, known := e.tools.Get(c.Tool)
	if !known {
		return nil, nil
	}
	b, err := tool.bind(c.Args)
	if err != nil {
		return nil, nil //nolint:nilerr // that it does not fit is said where it runs
	}
	ctx, cancel := context.WithTimeout(ctx, tool.spec.Timeout)
	defer cancel()
	return b.about(ctx, by)
}

// Check returns the arguments of a call that a person wrote as they would be used,
// or why they would be refused before anybody is asked. It changes nothing.
func (e *Executor) Check(ctx context.Context, c agent.Call, place agent.Place) (json.RawMessage, error) {
	tool, known := e.tools.Get(c.Tool)
	if !known {
		return nil, agent.Errorf(agent.Conflict, "there is no tool %s any more", c.Tool)
	}
	b, err := tool.bind(c.Args)
	if err != nil {
		return nil, err
	}
	c.Args = b.args
	digest, err := c.Digest()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tool.spec.Timeout)
	defer cancel()
	return b.args, b.check(ctx, Invocation{
		By: c.Actor, Place: place, Turn: c.Turn, Call: c.ID, Key: effectKey(c, digest), Edited: true,
		Context: agent.Label{Integrity: agent.Requester, Readers: place.Readers(), Scanned: true},
	})
}

// Execute takes one call as far as it may go. Denials, waits, bad arguments and
// a tool's own failure are outcomes. An error means that the records could not
// be read or written; nothing ran that is not recorded as intent, and executing
// the same plan again is safe.
func (e *Executor) Execute(ctx context.Context, p Plan) (agent.Outcome, error) {
	tool, known := e.tools.Get(p.Call.Tool)
	if !known {
		return e.refuseUnknown(ctx, p)
	}
	b, err := tool.bind(p.Call.Args)
	if err != nil {
		return failed(p.Call, agent.Failed, err), nil
	}
	p.Call.Args = b.args
	digest, err := p.Call.Digest()
	if err != nil {
		return agent.Outcome{}, err
	}
	x := &execution{
		Proposal: Proposal{
			Call: p.Call, Spec: tool.spec, Context: p.Context,
			Request: p.Request, Place: p.Place, Digest: digest,
			Texts: p.Texts, InPlan: p.InPlan, Unattended: p.Unattended, Editor: p.Editor,
		},
		inv: Invocation{
			By: p.Call.Actor, Place: p.Place, Turn: p.Call.Turn, Call: p.Call.ID,
			Key: effectKey(p.Call, digest), Context: p.Context, Prior: p.Prior, Edited: p.Editor != "",
		},
		bound: b, approval: p.Approval,
	}
	if !p.Made.IsZero() {
		x.inv.Context = p.Context.Join(p.Made)
	}
	if why, err := e.ledger.Paused(ctx, x.Call); err != nil {
		return agent.Outcome{}, fmt.Errorf("check %s: %w", p.Call.Tool, err)
	} else if why != "" {
		return e.paused(ctx, x, why)
	}
	if err := x.identify(ctx, tool); err != nil {
		if k := agent.KindOf(err); k == agent.Internal || k == agent.Unavailable {
			return agent.Outcome{}, fmt.Errorf("check %s: %w", p.Call.Tool, err)
		}
		return e.unless(ctx, x, func() (agent.Outcome, error) { return x.failed(agent.Failed, err), nil })
	}
	verdict, err := e.gate.Rule(ctx, x.Proposal)
	if err != nil {
		verdict = agent.Verdict{Rule: "policy-error", Reason: "The policy could not be evaluated, so the call does not run."}
	}
	return e.obey(ctx, x, verdict)
}

// execution is one call on its way through the executor.
type execution struct {
	Proposal
	inv      Invocation
	bound    *bound
	approval string
	// fence is the token of this attempt.
	fence int64
}

// obey does what the verdict says. Anything but a clear yes runs nothing.
func (e *Executor) obey(ctx context.Context, x *execution, v agent.Verdict) (agent.Outcome, error) {
	switch {
	case v.Ruling == agent.Allow && x.Spec.Tier == agent.TierRead:
		return e.read(ctx, x)
	case v.Ruling == agent.Allow, v.Ruling == agent.Ask && x.approval != "":
		return e.effect(ctx, x, v)
	case v.Ruling == agent.Ask:
		return e.unless(ctx, x, func() (agent.Outcome, error) { return e.ask(ctx, x, v) })
	}
	return e.unless(ctx, x, func() (agent.Outcome, error) { return e.refuse(ctx, x.Proposal, v) })
}

func (e *Executor) ask(ctx context.Context, x *execution, v agent.Verdict) (agent.Outcome, error) {
	id, err := e.ledger.Ask(ctx, x.Proposal, v)
	if err != nil {
		return agent.Outcome{}, fmt.Errorf("ask for %s: %w", x.Call.Tool, err)
	}
	return agent.Outcome{Call: x.Call.ID, Tool: x.Call.Tool, Status: agent.Waiting, Approval: id, Undo: x.Spec.Undo}, nil
}

// unless takes the other way, except when an earlier attempt at this very call
// got as far as its intent: then what became of that is the outcome, and an
// intent that must not be repeated now is left to a person.
func (e *Executor) unless(ctx context.Context, x *execution, otherwise func() (agent.Outcome, error)) (agent.Outcome, error) {
	if x.Spec.Tier == agent.TierRead {
		return otherwise()
	}
	rec, known, err := e.ledger.Known(ctx, x.Call.Actor.Workspace, x.inv.Key)
	switch {
	case err != nil:
		return agent.Outcome{}, fmt.Errorf("look up %s: %w", x.Call.Tool, err)
	case !known:
		return otherwise()
	case rec.State != EffectIntent:
		return rec.Outcome, nil
	}
	x.fence = rec.Fence
	return e.settle(ctx, x, unknown(x, errLost))
}

// read runs a call that changes nothing; its failure is an outcome, except when what
// Sous itself keeps things in is away: then the call waits for it, as effects do.
func (e *Executor) read(ctx context.Context, x *execution) (agent.Outcome, error) {
	if why, err := e.ledger.Paused(ctx, x.Call); err != nil {
		return agent.Outcome{}, fmt.Errorf("read %s: %w", x.Call.Tool, err)
	} else if why != "" {
		return e.paused(ctx, x, why)
	}
	ctx, cancel := context.WithTimeout(ctx, x.Spec.Timeout)
	defer cancel()
	var used agent.Usage
	var model string
	inv := x.inv
	inv.Used = func(name string, u agent.Usage) { used, model = used.Add(u), name }
	r, err := x.bound.run(ctx, inv)
	if errors.Is(err, ErrAgain) && ctx.Err() == nil {
		return agent.Outcome{}, fmt.Errorf("read %s: %w", x.Call.Tool, err)
	}
	o := done(x.Proposal, r)
	if err != nil {
		o = x.failed(agent.Failed, err)
	}
	o.Usage, o.Model = used, model
	return o, nil
}

// effect records intent, runs, and records the outcome.
func (e *Executor) effect(ctx context.Context, x *execution, v agent.Verdict) (agent.Outcome, error) {
	rec, err := e.ledger.Intend(ctx, Intent{Key: x.inv.Key, Proposal: x.Proposal, Verdict: v, Approval: x.approval})
	if err != nil {
		if errors.Is(err, ErrAskAgain) {
			return e.askAgain(ctx, x, v, err)
		}
		switch agent.KindOf(err) {
		case agent.Conflict, agent.Expired, agent.Forbidden:
			return failed(x.Call, agent.Denied, err), nil
		}
		return agent.Outcome{}, fmt.Errorf("record intent of %s: %w", x.Call.Tool, err)
	}
	switch {
	case rec.Paused != "" && rec.State == "":
		return denied(x.Call, rec.Paused), nil
	case rec.Paused != "" && rec.State == EffectIntent:
		return agent.Outcome{}, waits(x.Call, rec.Paused)
	case rec.State != EffectIntent:
		return rec.Outcome, nil
	}
	x.fence = rec.Fence
	// From here on a stopped turn must not lose the outcome.
	ctx = context.WithoutCancel(ctx)
	if ready, o, err := e.begin(ctx, x, rec.Fresh); !ready {
		return o, err
	}
	s, err := attempt(ctx, x, rec.Fresh)
	if err != nil {
		return agent.Outcome{}, fmt.Errorf("run %s: %w", x.Call.Tool, err)
	}
	return e.settle(ctx, x, s)
}

// settle records an outcome. An attempt that was taken over has none of its own:
// what counts is what became of the other.
func (e *Executor) settle(ctx context.Context, x *execution, s Settlement) (agent.Outcome, error) {
	s.Key, s.Fence = x.inv.Key, x.fence
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.settleTime)
	defer cancel()
	err := e.ledger.Settle(ctx, s)
	switch {
	case agent.KindOf(err) == agent.Conflict:
		return e.overtaken(ctx, x)
	case err != nil:
		return agent.Outcome{}, fmt.Errorf("record outcome of %s: %w", x.Call.Tool, err)
	}
	return s.Outcome, nil
}

// attempt runs the effect once. When an earlier attempt may already have
// happened (fresh is false) the tool's class says what is safe. An error means
// that the intent stays and is to be attempted again.
func attempt(ctx context.Context, x *execution, fresh bool) (Settlement, error) {
	ctx, cancel := context.WithTimeout(ctx, x.Spec.Timeout)
	defer cancel()
	var r result
	var err error
	switch {
	case fresh || x.Spec.Class == Keyed:
		r, err = x.bound.run(ctx, x.inv)
	case x.Spec.Class == Lookup:
		var found bool
		r, found, err = x.bound.find(ctx, x.inv)
		if err == nil && !found {
			r, err = x.bound.run(ctx, x.inv)
		}
	default:
		err = errLost
	}
	switch {
	case err == nil:
		return Settlement{State: EffectDone, Outcome: done(x.Proposal, r), Undo: r.undo}, nil
	case nothingHappened(err):
		return Settlement{State: EffectFailed, Outcome: x.failed(agent.Failed, err)}, nil
	case errors.Is(err, ErrAgain) && x.Spec.Class == Keyed:
		return Settlement{}, err
	}
	return unknown(x, err), nil
}

// unknown settles an effect of which nobody can say whether it happened.
func unknown(x *execution, err error) Settlement {
	o := x.failed(agent.Unknown, err)
	o.Error = "It is not known whether this happened: " + o.Error + " Please look before trying again."
	return Settlement{State: EffectUnknown, Outcome: o}
}

var errLost = agent.Errorf(agent.Unavailable, "Sous was interrupted while it ran.")

// nothingHappened reports whether the error says that the effect did not take
// place; see Funcs.Run.
func nothingHappened(err error) bool {
	switch agent.KindOf(err) {
	case agent.Invalid, agent.NotFound, agent.Forbidden, agent.Conflict, agent.TooLarge:
		return true
	case agent.Internal, agent.Expired, agent.Unavailable, agent.Cancelled:
		return false
	}
	return false
}

func (e *Executor) refuseUnknown(ctx context.Context, p Plan) (agent.Outcome, error) {
	if !json.Valid(p.Call.Args) {
		p.Call.Args = nil
	}
	prop := Proposal{Call: p.Call, Spec: Spec{Name: p.Call.Tool, Tier: agent.TierCritical}, Context: p.Context, Place: p.Place}
	return e.refuse(ctx, prop, agent.Verdict{
		Rule: "unknown-tool", Reason: fmt.Sprintf("There is no tool named %q.", clip(p.Call.Tool, 64)),
	})
}

func (e *Executor) refuse(ctx context.Context, p Proposal, v agent.Verdict) (agent.Outcome, error) {
	v.Ruling = agent.Deny
	if err := e.ledger.Refuse(ctx, p, v); err != nil {
		return agent.Outcome{}, fmt.Errorf("record refusal of %s: %w", p.Call.Tool, err)
	}
	return denied(p.Call, v.Reason), nil
}

// effectKey is the idempotency key of a call: SHA-256 of call id and digest.
// The call id holds turn and step, so the same words in another turn are
// another effect, and a replayed step is the same one.
func effectKey(c agent.Call, digest string) string {
	sum := sha256.Sum256([]byte(c.ID + "\n" + digest))
	return hex.EncodeToString(sum[:16])
}

func done(p Proposal, r result) agent.Outcome {
	o := agent.Outcome{
		Call: p.Call.ID, Tool: p.Call.Tool, Status: agent.Done,
		Result: r.json, Artifact: p.Spec.Artifact, Label: ScannedJSON(r.label, r.json),
	}
	if r.undo != nil {
		o.Undo = p.Spec.Undo
	}
	return o
}

func failed(c agent.Call, s agent.Status, err error) agent.Outcome {
	return agent.Outcome{
		Call: c.ID, Tool: clip(c.Tool, 64), Status: s,
		Error: agent.PublicText(err), Kind: agent.KindOf(err).String(),
	}
}

// failed is the outcome of a tool's own failure. Its text is the tool's, which
// may repeat what another system or a file said, so it counts as written by
// outsiders, for the eyes of those who may see what the call was made from.
func (x *execution) failed(s agent.Status, err error) agent.Outcome {
	o := failed(x.Call, s, err)
	o.Label = Scanned(agent.Label{Integrity: agent.External, Readers: x.Context.Readers}, o.Error)
	return o
}

// denied is the outcome of a call that must not run.
func denied(c agent.Call, why string) agent.Outcome {
	return agent.Outcome{Call: c.ID, Tool: c.Tool, Status: agent.Denied, Error: why, Kind: agent.Forbidden.String()}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
