package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/internal/redact"
	"github.com/sous-hq/sous/tools"
)

// Keeper remembers what a turn produced, such as minutes. It is idempotent per
// turn and outcome.
type Keeper interface {
	Keep(ctx context.Context, t agent.Turn, o agent.Outcome) error
}

// Prompter renders the system prompt of a turn and names it.
type Prompter interface {
	TurnPrompt(t agent.Turn, now time.Time) (ref, text string, err error)
}

// Config is what the loop is made of; all fields but Keeper, Log, Clock and
// Observe are required.
type Config struct {
	Store    Store
	Model    model.Model
	Executor *tools.Executor
	Prompter Prompter
	Keeper   Keeper
	Hub      *Hub
	Limits   Limits
	Log      *slog.Logger
	Clock    func() time.Time
	// People is asked who somebody is before they decide; nil means that the
	// front end's word is all there is.
	People people.Source
	// May is policy's word on whether somebody may decide, an error of kind
	// Forbidden when not; nil leaves it to the approval alone.
	May func(by agent.Actor, a approval.Approval) error
	// Names, when set, are masked where a model outside sees a turn, beside what
	// is recognised by its form.
	Names func() *redact.Directory
	// Budget is asked before each request to a model; nil bounds nothing.
	Budget Budget
	// Gate decides whether new work is taken; nil takes all.
	Gate *admission.Gate
	// Observe is told of each outcome and each ended turn, for metrics.
	Observe Observer
}

// Observer is told what happened, for metrics. Its methods return at once.
type Observer interface {
	Called(o agent.Outcome)
	Ended(t agent.Turn)
}

// Effects does what a turn's Do names. Its methods may run again after a crash.
type Effects struct {
	Config
	// steady is the clock for what expires: it never goes back.
	steady func() time.Time
	// described are the tools as the model is told of them; never changed.
	described []model.Tool

	mu     sync.Mutex
	cancel map[string]context.CancelFunc
	vaults vaults
}

// NewEffects checks the config and fills what may be left out.
func NewEffects(c Config) (*Effects, error) {
	if c.Store == nil || c.Model == nil || c.Executor == nil || c.Prompter == nil || c.Hub == nil {
		return nil, errors.New("loop: Store, Model, Executor, Prompter and Hub are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now //nolint:forbidigo // the one place the loop gets its clock
	}
	c.Limits = c.Limits.WithDefaults()
	return &Effects{Config: c, steady: approval.Steady(c.Clock), described: described(c.Executor.Tools()), cancel: map[string]context.CancelFunc{}}, nil
}

// Funcs returns the effects by name, for an engine's adapter.
func (e *Effects) Funcs() EffectFuncs {
	return EffectFuncs{
		effectThink:    over(e.think),
		effectCalls:    over(e.calls),
		effectPark:     over(e.park),
		effectExpire:   over(e.expire),
		effectRemember: over(e.remember),
		effectFinish:   over(e.finish),
		EffectRest:     over(e.rest),
		EffectBury:     over(e.bury),
	}
}

// over lifts a typed function to an EffectFunc.
func over[In, Out any](f func(context.Context, In) (Out, error)) EffectFunc {
	return func(ctx context.Context, in, out any) error {
		var typed In
		switch v := in.(type) {
		case In:
			typed = v
		case json.RawMessage:
			if err := json.Unmarshal(v, &typed); err != nil {
				return fmt.Errorf("decode effect input: %w", err)
			}
		default:
			return fmt.Errorf("an effect that takes %T was given %T", typed, in)
		}
		got, err := f(ctx, typed)
		if err != nil {
			return err
		}
		switch v := out.(type) {
		case nil:
		case *Out:
			*v = got
		case *json.RawMessage:
			*v, err = json.Marshal(got)
		default:
			err = fmt.Errorf("an effect that returns %T is asked for %T", got, out)
		}
		return err
	}
}

// turn returns the turn, what asked for it and what was ordered.
func (e *Effects) turn(ctx context.Context, s Start) (agent.Turn, agent.Message, *Ordered, error) {
	if r := s.Request; r != nil && r.known {
		return r.turn, r.message, r.ordered, nil
	}
	t, m, o, err := e.Store.Turn(ctx, agent.WorkspaceID(s.Workspace), s.Turn)
	if r := s.Request; err == nil && r != nil {
		r.known, r.turn, r.message, r.ordered = true, t, m, o
	}
	return t, m, o, err
}

// calls executes a plan's calls: neighbouring reads at once, effects one by one.
func (e *Effects) calls(ctx context.Context, in callsIn) (callsOut, error) {
	t, request, ordered, err := e.turn(ctx, in.Start)
	if err != nil {
		return callsOut{}, err
	}
	// A turn that was stopped while it was held runs nothing: what paused it
	// still does, and the executor says so of each call.
	if _, err := e.hold(ctx, t, in.Start); err != nil {
		return callsOut{}, err
	}
	began := e.Clock()
	if (len(in.Approvals) > 0 || in.Edit != nil) && !in.Parked {
		if err := e.status(ctx, in.Start, t, agent.TurnRunning); err != nil {
			return callsOut{}, err
		}
	}
	asker, err := e.caller(ctx, t.Actor)
	if err != nil {
		return callsOut{}, err
	}
	words, editor := in.said(t, request, ordered)
	texts, err := e.texts(ctx, t, request, in)
	if err != nil {
		return callsOut{}, err
	}
	outs := make([]agent.Outcome, len(in.Calls))
	for i := 0; i < len(in.Calls); {
		n := e.readsFrom(in.Calls[i:])
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(4)
		for j := i; j < i+max(n, 1); j++ {
			call := in.Calls[j]
			call.Actor = asker
			plan := tools.Plan{
				Call: call, Place: t.Place, Context: in.Context, Request: words,
				Texts: texts, InPlan: slices.Contains(in.Planned, in.Calls[j].Tool),
				Prior:    append(in.Prior[:len(in.Prior):len(in.Prior)], outs[:i]...),
				Approval: in.Approvals[in.Calls[j].ID], Editor: editor, Made: ordered.made(t.Place),
			}
			g.Go(func() error {
				e.begin(t.ID, plan.Call)
				o, err := e.Executor.Execute(gctx, plan)
				if err != nil {
					return err
				}
				outs[j] = o
				e.spent(t, o.Model, o.Usage)
				e.tell(t.ID, o)
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return callsOut{}, err
		}
		i += max(n, 1)
	}
	out := callsOut{Outcomes: outs, At: e.Clock(), Took: e.Clock().Sub(began), Effects: e.readsFrom(in.Calls) < len(in.Calls)}
	if in.Edit != nil {
		if err := e.confirmEdit(ctx, t, editor, outs[0]); err != nil {
			return callsOut{}, err
		}
	}
	out.Until, err = e.earliest(ctx, t, outs)
	return out, err
}

// said are the requester's own words for the calls, and who edited them, if
// anybody did.
func (in callsIn) said(t agent.Turn, request agent.Message, ordered *Ordered) (words string, editor agent.ActorID) {
	words = request.Text
	if ordered != nil {
		// A button press is the requester's order of exactly these arguments.
		words += "\n" + string(ordered.Args)
	}
	if in.Edit == nil {
		return words, ""
	}
	if in.Edit.By == t.Actor.Human() {
		words += in.Edit.words(in.Calls[0].Args)
	}
	return words, in.Edit.By
}

// readsFrom counts the calls at the head of the list that only read.
func (e *Effects) readsFrom(calls []agent.Call) int {
	for i, c := range calls {
		tool, known := e.Executor.Tools().Get(c.Tool)
		if !known || tool.Spec().Tier != agent.TierRead {
			return i
		}
	}
	return len(calls)
}

// begin tells who watches that a call is under way.
func (e *Effects) begin(turn string, c agent.Call) {
	now := e.Clock()
	e.Hub.Publish(Event{
		Turn: turn, Type: EventCall, Call: c.ID, At: now,
		Step: &agent.Step{Turn: turn, Kind: "call", Title: toolTitle(c.Tool), Tool: c.Tool, Status: "running", At: now},
	})
}

func (e *Effects) tell(turn string, o agent.Outcome) {
	ev := Event{
		Turn: turn, Type: EventStep, Call: o.Call, At: e.Clock(),
		Step: &agent.Step{Turn: turn, Kind: "call", Title: toolTitle(o.Tool), Tool: o.Tool, Status: o.Status.String(), Detail: o.Error, At: e.Clock()},
	}
	if o.Status == agent.Waiting {
		ev.Type, ev.Approval = EventApproval, o.Approval
	}
	e.Hub.Publish(ev)
	if e.Observe != nil {
		e.Observe.Called(o)
	}
}

// park records that the turn waits for people, with what it has to show them.
func (e *Effects) park(ctx context.Context, in parkIn) (parkOut, error) {
	ws := agent.WorkspaceID(in.Workspace)
	t, _, _, err := e.turn(ctx, in.Start)
	if err != nil {
		return parkOut{}, err
	}
	out := parkOut{Until: e.Clock().Add(in.Wait)}
	wake := in.Until
	if wake.IsZero() {
		wake = out.Until
	}
	if err := Seal(ctx, out); err != nil {
		return parkOut{}, err
	}
	usage, model := used(in.Trail)
	err = e.Store.Park(ctx, ws, in.Turn, Parked{
		Question: in.Question, Answer: in.Answer, Artifacts: artifacts(in.Trail), Steps: in.Steps, Wake: wake,
		Usage: usage, Model: model,
	})
	if err != nil {
		return parkOut{}, err
	}
	e.kept(t)
	if in.Request != nil {
		in.Request.turn.Status = agent.TurnWaiting
	}
	if in.Question != "" {
		e.Hub.Publish(Event{Turn: in.Turn, Type: EventQuestion, Text: in.Question, At: e.Clock()})
	}
	e.Hub.Publish(Event{Turn: in.Turn, Type: EventStatus, Status: agent.TurnWaiting.String(), At: e.Clock()})
	e.Hub.Park(t)
	return out, nil
}

// artifacts collects the structured results of a trail by kind; the last of a
// kind counts.
func artifacts(trail []round) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	for _, r := range trail {
		for _, o := range r.Outcomes {
			if o.Status != agent.Done || o.Artifact == "" {
				continue
			}
			if all == nil {
				all = map[string]json.RawMessage{}
			}
			all[o.Artifact] = o.Result
		}
	}
	return all
}

// remember keeps the turn's artifacts.
func (e *Effects) remember(ctx context.Context, in finishIn) (struct{}, error) {
	if e.Keeper == nil {
		return struct{}{}, nil
	}
	t, _, _, err := e.turn(ctx, in.Start)
	if err != nil {
		return struct{}{}, err
	}
	for _, r := range in.Trail {
		for _, o := range r.Outcomes {
			if o.Artifact == "" || o.Status != agent.Done {
				continue
			}
			if err := e.Keeper.Keep(ctx, t, o); err != nil {
				return struct{}{}, fmt.Errorf("keep %s: %w", o.Artifact, err)
			}
		}
	}
	return struct{}{}, nil
}

// finish records the end of the turn.
func (e *Effects) finish(ctx context.Context, in finishIn) (struct{}, error) {
	t, request, _, err := e.turn(ctx, in.Start)
	if err != nil {
		return struct{}{}, err
	}
	queued := true
	var whole *Shown
	if !t.Status.Ended() {
		if err := e.withdraw(ctx, t, in); err != nil {
			return struct{}{}, err
		}
		f := e.ending(t, request, in)
		// Nothing of the turn is run again after this.
		f.Kept = PendingOf(ctx).Kept
		if queued, err = e.Store.Finish(WithPending(ctx, nil), f); err != nil {
			return struct{}{}, err
		}
		t, whole = f.Turn, e.left(f, in)
		e.kept(t)
		if e.Observe != nil {
			e.Observe.Ended(t)
		}
	}
	e.vaults.drop(t.ID)
	e.Hub.end(t, whole, queued)
	return struct{}{}, nil
}

// left is all that is stored of a turn that ended, nil when more may be than is known
// here: approvals, effects.
func (e *Effects) left(f Finish, in finishIn) *Shown {
	if in.Asked || in.Request == nil {
		return nil
	}
	for _, r := range in.Trail {
		if e.readsFrom(r.Plan.Calls) < len(r.Plan.Calls) {
			return nil
		}
	}
	return &Shown{Turn: f.Turn, Steps: f.Steps, AnswerLabel: f.Answer.Label}
}

// ending gathers what the turn came to.
func (e *Effects) ending(t agent.Turn, request agent.Message, in finishIn) Finish {
	now := e.Clock()
	t.Status, t.Answer, t.Ended, t.Artifacts = in.Status, in.Answer, now, artifacts(in.Trail)
	label := request.Label
	var reads []audit.Entry
	for _, r := range in.Trail {
		p := r.Plan
		if p.Model != "" {
			t.Prompt, t.Model, t.Degraded = p.Prompt, p.Model, p.Degraded
			label = label.Join(p.Context)
		}
		t.Usage = t.Usage.Add(r.usage())
		for _, o := range r.Outcomes {
			if o.Status != agent.Done && !o.Label.IsZero() {
				// The answer may say why it did not work, in the tool's words.
				label = label.Join(o.Label)
			}
			if tool, ok := e.Executor.Tools().Get(o.Tool); ok && tool.Spec().Tier == agent.TierRead {
				tier := agent.TierRead
				reads = append(reads, audit.Entry{
					Kind: audit.CallRead, Actor: t.Actor.ID, Turn: t.ID, Call: o.Call,
					Tool: o.Tool, Tier: &tier, Status: o.Status.String(),
				})
			}
		}
	}
	answer := agent.Message{
		ID: AnswerID(t.ID), Conversation: t.Conversation, Turn: t.ID, Text: in.Answer, At: now,
		Author: agent.Actor{Workspace: t.Workspace, ID: "sous", Kind: agent.System, Name: "Sous"},
		Label:  label,
	}
	return Finish{Turn: t, Answer: answer, Steps: in.Steps, Reads: reads, Refused: overBudget(in.Trail)}
}

func (e *Effects) status(ctx context.Context, in Start, t agent.Turn, s agent.TurnStatus) error {
	if t.Status == s {
		return nil
	}
	if err := e.Store.SetStatus(ctx, t.Workspace, t.ID, s); err != nil {
		return err
	}
	if in.Request != nil {
		in.Request.turn.Status = s
	}
	e.Hub.Publish(Event{Turn: t.ID, Type: EventStatus, Status: s.String(), At: e.Clock()})
	return nil
}
