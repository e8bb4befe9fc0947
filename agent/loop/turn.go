package loop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// Limits bound one turn. On a bound the turn says what it did and what is left.
type Limits struct {
	// Thinks is how often the model may be asked.
	Thinks int
	// Active is how long the turn may work, waiting for people not counted.
	Active time.Duration
	// Tokens is how many tokens it may consume, in and out.
	Tokens int
	// Failures is how many rounds in a row may fail completely.
	Failures int
	// Answer is how long it waits for an answer to its question.
	Answer time.Duration
}

// WithDefaults fills unset limits.
func (l Limits) WithDefaults() Limits {
	set := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&l.Thinks, 24)
	set(&l.Tokens, 200_000)
	set(&l.Failures, 3)
	if l.Active <= 0 {
		l.Active = 10 * time.Minute
	}
	if l.Answer <= 0 {
		l.Answer = 24 * time.Hour
	}
	return l
}

// Result is what a turn returns to its engine.
type Result struct {
	Status agent.TurnStatus `json:"status"`
}

// round is one plan and what came of its calls.
type round struct {
	Plan     plan            `json:"plan"`
	Outcomes []agent.Outcome `json:"outcomes,omitempty"`
}

// plan is what one think came to.
type plan struct {
	Text  string       `json:"text,omitempty"`
	Calls []agent.Call `json:"calls,omitempty"`
	// Question is set when the only call was ask_user.
	Question string `json:"question,omitempty"`
	// Prompt, Model, Degraded and Usage are of the model that answered.
	Prompt   string      `json:"prompt,omitempty"`
	Model    string      `json:"model,omitempty"`
	Degraded string      `json:"degraded,omitempty"`
	Usage    agent.Usage `json:"usage"`
	// Context is the joined label of all the model saw.
	Context agent.Label `json:"context"`
	// Warning says that most of a budget is used, Refused that Error says one is.
	Warning string `json:"warning,omitempty"`
	Refused bool   `json:"refused,omitempty"`
	// Stopped says that a person stopped the turn; Error that no model answered.
	Stopped bool          `json:"stopped,omitempty"`
	Error   string        `json:"error,omitempty"`
	Took    time.Duration `json:"took"`
	At      time.Time     `json:"at"`
}

type thinkIn struct {
	Start
	Trail []round `json:"trail,omitempty"`
	// Received counts the signals the turn has taken from its inbox.
	Received int `json:"received,omitempty"`
}

type callsIn struct {
	Start
	Calls   []agent.Call    `json:"calls"`
	Context agent.Label     `json:"context"`
	Prior   []agent.Outcome `json:"prior,omitempty"`
	// Planned are the tools planned before anything external was read.
	Planned []string `json:"planned,omitempty"`
	// Approvals are approved approvals by call id.
	Approvals map[string]string `json:"approvals,omitempty"`
	// Edit says that somebody wrote other arguments for the one call.
	Edit *edit `json:"edit,omitempty"`
	// Parked says that other calls still wait for a decision.
	Parked bool `json:"parked,omitempty"`
}

// edit is who wrote new arguments, and those before.
type edit struct {
	By  agent.ActorID   `json:"by"`
	Was json.RawMessage `json:"was"`
}

type callsOut struct {
	Outcomes []agent.Outcome `json:"outcomes"`
	// Effects says that not all of them only read: what the model said beside
	// them is part of the answer.
	Effects bool `json:"effects,omitempty"`
	// Until is when something happens first to the approvals that were asked.
	Until time.Time     `json:"until,omitzero"`
	Took  time.Duration `json:"took"`
	At    time.Time     `json:"at"`
}

type parkIn struct {
	Start
	Question string        `json:"question,omitempty"`
	Wait     time.Duration `json:"wait,omitempty"`
	// Until is when something happens first to what is asked, zero for a question.
	Until  time.Time    `json:"until,omitzero"`
	Answer string       `json:"answer,omitempty"`
	Trail  []round      `json:"trail"`
	Steps  []agent.Step `json:"steps"`
}

type parkOut struct {
	Until time.Time `json:"until"`
}

type expireIn struct {
	Start
	Approvals []string `json:"approvals"`
}

type expireOut struct {
	// States are the states the approvals are in now, by id, and Until when
	// something happens next to those still open.
	States map[string]approval.State `json:"states"`
	Until  time.Time                 `json:"until,omitzero"`
}

type finishIn struct {
	Start
	Status agent.TurnStatus `json:"status"`
	Answer string           `json:"answer"`
	// Asked says that the turn asked people, so that something may be open.
	Asked bool         `json:"asked,omitempty"`
	Trail []round      `json:"trail"`
	Steps []agent.Step `json:"steps"`
}

// The names of the effects behind a turn's Do.
const (
	effectThink    = "think"
	effectCalls    = "calls"
	effectPark     = "park"
	effectExpire   = "expire"
	effectRemember = "remember"
	effectFinish   = "finish"
)

// EffectRest is the effect by which an engine says that a turn waits again which was
// run again from its journal: what said so first is not repeated. It is given a Start.
const EffectRest = "rest"

// EffectBury is the effect by which an engine sets aside a turn that cannot go on.
// What it is given is a Burial.
const EffectBury = "bury"

// Turn answers one request: think, act, think again, until there is an answer
// or a bound is met. It is deterministic over run.
func Turn(run Run, in Start, limits Limits) (Result, error) {
	t := &turn{run: run, start: in, limits: limits.WithDefaults()}
	for {
		var p plan
		if err := run.Do(effectThink, thinkIn{Start: in, Trail: t.trail, Received: t.received}, &p); err != nil {
			return Result{}, fmt.Errorf("think: %w", err)
		}
		t.trail = append(t.trail, round{Plan: p})
		t.active += p.Took
		switch {
		case p.Stopped:
			return t.finish(agent.TurnStopped, "Stopped. "+t.account())
		case p.Error != "":
			return t.finish(agent.TurnFailed, p.Error+" "+t.account())
		case len(p.Calls) == 0 && p.Question == "":
			return t.finish(agent.TurnDone, p.Text)
		}
		ended, err := t.act(p)
		if err != nil || ended {
			return Result{Status: agent.TurnStopped}, err
		}
		if why := t.bound(); why != "" {
			return t.finish(agent.TurnDone, why+" "+t.account())
		}
	}
}

// turn is the state of Turn between effects; all of it follows from the
// recorded results, so a replay rebuilds it.
type turn struct {
	run      Run
	start    Start
	limits   Limits
	trail    []round
	steps    []agent.Step
	received int
	active   time.Duration
	// kept counts the artifacts that are remembered.
	kept int
	// asked says that calls were asked for.
	asked bool
	// said is what the model said beside calls that did more than read.
	said []string
}

// act carries out one plan: its calls, the decisions on them, its question.
// ended says that the turn was stopped and finished.
func (t *turn) act(p plan) (ended bool, err error) {
	if p.Question != "" {
		return t.ask(p)
	}
	var out callsOut
	in := callsIn{Start: t.start, Calls: p.Calls, Context: p.Context, Prior: t.prior(), Planned: t.planned()}
	if err := t.run.Do(effectCalls, in, &out); err != nil {
		return false, fmt.Errorf("calls: %w", err)
	}
	t.active += out.Took
	last := &t.trail[len(t.trail)-1]
	last.Outcomes = out.Outcomes
	if out.Effects {
		t.said = append(t.said, p.Text)
	}
	t.note(out)
	if !slices.ContainsFunc(out.Outcomes, isWaiting) {
		return false, nil
	}
	t.asked = true
	return t.decide(p, last, out.Until)
}

// ask puts the plan's question to the person and waits for the answer.
func (t *turn) ask(p plan) (ended bool, err error) {
	t.step("question", p.Question, "", "", "")
	var until time.Time
	if err := t.park(p.Question, &until); err != nil {
		return false, err
	}
	last := &t.trail[len(t.trail)-1]
	call := fmt.Sprintf("%s/q%d", t.run.ID(), len(t.trail))
	for {
		sig, err := t.await(until)
		if err != nil {
			return false, err
		}
		switch sig.Type {
		case SignalReply:
			last.Outcomes = []agent.Outcome{reply(p, call, sig)}
			return false, nil
		case SignalTimeout:
			last.Outcomes = []agent.Outcome{{Call: call, Tool: AskUser, Status: agent.Denied, Error: "Nobody answered in time."}}
			_, err := t.finish(agent.TurnDone, "I asked “"+p.Question+"” and got no answer in time. "+t.account())
			return true, err
		case SignalStop:
			_, err := t.finish(agent.TurnStopped, "Stopped. "+t.account())
			return true, err
		case SignalDecided:
			// A late decision on a call that has its end already.
		}
	}
}

// park records that the turn waits, and until when.
func (t *turn) park(question string, until *time.Time) error {
	if err := t.keep(); err != nil {
		return err
	}
	in := parkIn{Start: t.start, Question: question, Until: *until, Answer: t.answer(""), Trail: t.trail, Steps: t.steps}
	if question != "" {
		in.Wait = t.limits.Answer
	}
	var out parkOut
	if err := t.run.Do(effectPark, in, &out); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	if until.IsZero() {
		*until = out.Until
	}
	return nil
}

func (t *turn) await(until time.Time) (Signal, error) {
	sig, err := t.run.Await(InboxTopic, until)
	if err != nil {
		return sig, fmt.Errorf("await: %w", err)
	}
	if sig.Type != SignalTimeout {
		t.received++
	}
	return sig, nil
}

// keep remembers what the turn has made since it last did: before it parks,
// which may be for days, and before it ends.
func (t *turn) keep() error {
	made := 0
	for _, o := range t.prior() {
		if o.Artifact != "" && o.Status == agent.Done {
			made++
		}
	}
	if made == t.kept {
		return nil
	}
	t.kept = made
	if err := t.run.Do(effectRemember, finishIn{Start: t.start, Trail: t.trail}, nil); err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	return nil
}

// finish records the answer; what is worth keeping is remembered first, so that
// the answer may say so.
func (t *turn) finish(s agent.TurnStatus, answer string) (Result, error) {
	in := finishIn{Start: t.start, Status: s, Answer: warned(t.answer(answer), t.trail), Asked: t.asked, Trail: t.trail, Steps: t.steps}
	if err := t.keep(); err != nil {
		return Result{}, err
	}
	if err := t.run.Do(effectFinish, in, nil); err != nil {
		return Result{}, fmt.Errorf("finish: %w", err)
	}
	return Result{Status: s}, nil
}

// answer is what the turn has said to the person: what accompanied its effects,
// then the last words.
func (t *turn) answer(last string) string {
	var parts []string
	for _, said := range append(slices.Clip(t.said), last) {
		if said = strings.TrimSpace(said); said != "" {
			parts = append(parts, said)
		}
	}
	return strings.Join(parts, "\n\n")
}

// bound says which limit the turn has met, "" for none.
func (t *turn) bound() string {
	var used agent.Usage
	failures := 0
	for _, r := range t.trail {
		used = used.Add(r.usage())
		failures++
		if slices.ContainsFunc(r.Outcomes, func(o agent.Outcome) bool { return o.Status != agent.Failed }) {
			failures = 0
		}
	}
	switch {
	case len(t.trail) >= t.limits.Thinks:
		return fmt.Sprintf("I stopped after %d rounds, the most one request may take.", t.limits.Thinks)
	case t.active >= t.limits.Active:
		return fmt.Sprintf("I stopped after working for %s, the longest one request may take.", t.limits.Active)
	case used.InputTokens+used.OutputTokens >= t.limits.Tokens:
		return fmt.Sprintf("I stopped after %d tokens, the most one request may use.", used.InputTokens+used.OutputTokens)
	case failures >= t.limits.Failures:
		return fmt.Sprintf("I stopped because my last %d attempts all failed.", failures)
	}
	return ""
}

// account says what was done and what was not, from the record alone.
func (t *turn) account() string {
	var did, left []string
	for _, o := range t.prior() {
		switch o.Status {
		case agent.Done:
			did = append(did, toolTitle(o.Tool))
		case agent.Failed, agent.Denied, agent.Unknown:
			left = append(left, toolTitle(o.Tool)+": "+o.Error)
		case agent.Waiting:
			left = append(left, toolTitle(o.Tool)+": not decided")
		}
	}
	var s strings.Builder
	if len(did) > 0 {
		fmt.Fprintf(&s, "Done: %s.", strings.Join(tally(did), ", "))
	} else {
		s.WriteString("Nothing was changed.")
	}
	if len(left) > 0 {
		fmt.Fprintf(&s, " Left undone:\n- %s", strings.Join(tally(left), "\n- "))
	}
	return s.String()
}

// prior returns all outcomes so far, in order.
func (t *turn) prior() []agent.Outcome {
	var all []agent.Outcome
	for _, r := range t.trail {
		all = append(all, r.Outcomes...)
	}
	return all
}

// planned names the tools the model planned while nothing external was in its
// context; what it comes upon later is no part of the plan.
func (t *turn) planned() []string {
	var names []string
	for _, r := range t.trail {
		if r.Plan.Context.Integrity == agent.External {
			break
		}
		for _, c := range r.Plan.Calls {
			names = append(names, c.Tool)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// note keeps visible steps for a plan's outcomes.
func (t *turn) note(out callsOut) {
	for _, o := range out.Outcomes {
		t.step("call", toolTitle(o.Tool), o.Tool, o.Status.String(), o.Error)
		t.steps[len(t.steps)-1].At = out.At
	}
}

func (t *turn) step(kind, title, tool, status, detail string) {
	at := time.Time{}
	if n := len(t.trail); n > 0 {
		at = t.trail[n-1].Plan.At
	}
	t.steps = append(t.steps, agent.Step{
		Turn: t.start.Turn, N: len(t.steps) + 1, Kind: kind, Title: title,
		Tool: tool, Status: status, Detail: detail, At: at,
	})
}

func isWaiting(o agent.Outcome) bool { return o.Status == agent.Waiting }

// toolTitle turns "ticket_create" into "ticket create".
func toolTitle(tool string) string { return strings.ReplaceAll(tool, "_", " ") }

// tally folds equal entries into "entry (3×)".
func tally(all []string) []string {
	count := map[string]int{}
	var order []string
	for _, s := range all {
		if count[s] == 0 {
			order = append(order, s)
		}
		count[s]++
	}
	for i, s := range order {
		if n := count[s]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d×)", s, n)
		}
	}
	return order
}
