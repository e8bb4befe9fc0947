package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/tools"
)

// AskUser is the name of the tool by which a model asks the person a question.
// It is the loop's own: it changes nothing and needs no gate.
const AskUser = "ask_user"

const (
	historyMessages = 20
	historyRunes    = 4_000
	resultBytes     = 96 << 10
	callsPerPlan    = 64
)

var askUserTool = model.Tool{
	Name:        AskUser,
	Description: "Ask the person one short question and wait for the answer. Use it only when something you must know is missing.",
	Schema:      json.RawMessage(`{"type":"object","properties":{"question":{"type":"string","description":"The question, in one sentence."}},"required":["question"],"additionalProperties":false}`),
}

// think asks the model what to do next.
func (e *Effects) think(ctx context.Context, in thinkIn) (plan, error) {
	began := e.Clock()
	ws := agent.WorkspaceID(in.Workspace)
	t, request, ordered, err := e.turn(ctx, in.Start)
	if err != nil {
		return plan{}, err
	}
	if err := e.status(ctx, in.Start, t, agent.TurnRunning); err != nil {
		return plan{}, err
	}
	if stopped, err := e.hold(ctx, t, in.Start); err != nil || stopped {
		return plan{Stopped: stopped, At: began}, err
	}
	if stopped, err := e.stopped(ctx, ws, in); err != nil || stopped {
		return plan{Stopped: stopped, At: began}, err
	}
	// The time it was held is not time it worked.
	began = e.Clock()
	if ordered != nil {
		return e.followOrder(t, request, ordered, in, began), nil
	}
	history, err := e.history(ctx, t, in.Start)
	if err != nil {
		return plan{}, err
	}
	req, label := e.request(request, history, in.Trail)
	if !mayHear(label, t) {
		return plan{Context: label, At: began, Text: cannotSay}, nil
	}
	p := plan{Context: label, At: began}
	if refused, err := e.afford(ctx, t, &p); err != nil || refused {
		return p, err
	}
	ref, system, err := e.Prompter.TurnPrompt(t, began)
	if err != nil {
		return plan{}, err
	}
	req.Prompt = ref
	req.Messages = append([]model.Message{{Role: model.RoleSystem, Text: system}}, req.Messages...)

	req.Vault, req.Restore = e.vaults.of(in.Turn, e.names()), e.mayRestore(label, request.Text)
	req.Restart = func() { e.Hub.Publish(Event{Turn: in.Turn, Type: EventReset, At: began}) }
	modelCtx, release := e.stoppable(ctx, in.Turn)
	defer release()
	resp, err := e.Model.Complete(modelCtx, req, func(text string) {
		if text != "" {
			e.Hub.Publish(Event{Turn: in.Turn, Type: EventDelta, Text: text, At: began})
		}
	})
	p.Prompt, p.Took = ref, e.Clock().Sub(began)
	e.spent(t, resp.Model, resp.Usage)
	switch {
	case err != nil && ctx.Err() != nil:
		// The process is going down; the turn goes on in the next one.
		return plan{}, ctx.Err()
	case err != nil && modelCtx.Err() != nil:
		p.Stopped = true
		return p, nil
	case err != nil:
		e.Log.WarnContext(ctx, "no model answered", slog.String("turn", in.Turn), slog.Any("err", err))
		p.Error = "I could not get an answer from a language model: " + agent.PublicText(err)
		return p, nil
	}
	p.Model, p.Degraded, p.Usage = resp.Model, resp.Degraded, resp.Usage
	p.Text = strings.TrimSpace(resp.Text)
	e.adopt(&p, t, in.Trail, resp)
	return p, nil
}

// cannotSay is the answer in a place that may not hear all of it.
const cannotSay = "What I found may not be seen by everybody here, so I do not answer in this place. Ask me in a direct message."

// mayHear reports whether everybody who sees the turn's place may see content
// of the label. It is asked before a model sees the content, so that neither an
// answer nor a call made from it can reach the wrong people.
func mayHear(l agent.Label, t agent.Turn) bool {
	return l.Readers.Includes(t.Actor) && l.Readers.Covers(t.Place.Readers())
}

// adopt turns the model's calls into ours: our actor, our ids, its arguments.
func (e *Effects) adopt(p *plan, t agent.Turn, trail []round, resp model.Response) {
	n := 0
	for _, r := range trail {
		n += len(r.Plan.Calls)
	}
	for _, c := range resp.Calls[:min(len(resp.Calls), callsPerPlan)] {
		args := json.RawMessage(c.Args)
		if strings.TrimSpace(c.Args) == "" {
			args = json.RawMessage("{}")
		} else if !json.Valid(args) {
			// Kept as a JSON string: it fails the schema and the model is told.
			args, _ = json.Marshal(strings.ToValidUTF8(c.Args, "�"))
		}
		if c.Name == AskUser {
			var q struct{ Question string }
			if json.Unmarshal(args, &q) == nil && strings.TrimSpace(q.Question) != "" && len(resp.Calls) == 1 {
				p.Question = strings.TrimSpace(q.Question)
				return
			}
		}
		n++
		p.Calls = append(p.Calls, agent.Call{
			ID: fmt.Sprintf("%s/%d", t.ID, n), Turn: t.ID, Actor: t.Actor, Tool: c.Name, Args: args,
		})
	}
	if len(p.Calls) == 0 && p.Text == "" {
		p.Error = "The language model answered nothing."
	}
}

// followOrder plans a call that a person ordered by a button, then reports it.
func (e *Effects) followOrder(t agent.Turn, request agent.Message, o *Ordered, in thinkIn, began time.Time) plan {
	p := plan{Context: request.Label, At: began}
	if len(in.Trail) == 0 {
		p.Calls = []agent.Call{{ID: t.ID + "/1", Turn: t.ID, Actor: t.Actor, Tool: o.Tool, Args: o.Args}}
		return p
	}
	out := in.Trail[0].Outcomes[0]
	if out.Status == agent.Done {
		p.Text = "Done: " + o.Why + "."
	} else {
		p.Text = "That did not work: " + out.Error
	}
	return p
}

// stopped reports whether a stop lies among the signals not yet received.
func (e *Effects) stopped(ctx context.Context, ws agent.WorkspaceID, in thinkIn) (bool, error) {
	if in.Request != nil && !in.Request.News.Swap(false) {
		return false, nil
	}
	for n := in.Received + 1; ; n++ {
		s, ok, err := e.Store.Received(ctx, ws, in.Turn, InboxTopic, n)
		if err != nil || !ok {
			return false, err
		}
		if s.Type == SignalStop {
			return true, nil
		}
	}
}

// history is what was said in the conversation last; what comes after the request
// is not part of what the model sees, so it is read once.
func (e *Effects) history(ctx context.Context, t agent.Turn, s Start) ([]agent.Message, error) {
	if r := s.Request; r != nil && r.read {
		return r.history, nil
	}
	all, err := e.Store.Messages(ctx, t.Workspace, t.Conversation, historyMessages+8)
	if r := s.Request; err == nil && r != nil {
		r.read, r.history = true, all
	}
	return all, err
}

// request builds what the model sees, and the label of all of it.
func (e *Effects) request(asked agent.Message, history []agent.Message, trail []round) (model.Request, agent.Label) {
	label := asked.Label
	var req model.Request
	for _, m := range before(history, asked) {
		label = label.Join(heard(m, asked.Author))
		role := model.RoleUser
		if m.Author.Kind == agent.System {
			role = model.RoleAssistant
		}
		req.Messages = append(req.Messages, model.Message{Role: role, Text: clipRunes(m.Text, historyRunes), Files: m.Files})
	}
	req.Messages = append(req.Messages, model.Message{Role: model.RoleUser, Text: asked.Text, Files: asked.Files})
	for _, f := range asked.Files {
		if f.Name != "" {
			label = label.Join(fileName(f, asked))
		}
	}
	for _, r := range trail {
		label = appendRound(&req, r, label)
	}
	req.Tools = e.described
	return req, label
}

// described are the tools and asking the user, as a model is told of them.
func described(r *tools.Registry) []model.Tool {
	var all []model.Tool
	for _, t := range r.All() {
		s := t.Spec()
		all = append(all, model.Tool{Name: s.Name, Description: s.Doc, Schema: t.Schema()})
	}
	return slices.Clip(append(all, askUserTool))
}

// appendRound adds one plan and its outcomes to what the model sees.
func appendRound(req *model.Request, r round, label agent.Label) agent.Label {
	said := model.Message{Role: model.RoleAssistant, Text: r.Plan.Text}
	if q := r.Plan.Question; q != "" {
		args, _ := json.Marshal(map[string]string{"question": q})
		said.Calls = append(said.Calls, model.ToolCall{ID: r.Outcomes[0].Call, Name: AskUser, Args: string(args)})
	}
	for _, c := range r.Plan.Calls {
		said.Calls = append(said.Calls, model.ToolCall{ID: c.ID, Name: c.Tool, Args: string(c.Args)})
	}
	req.Messages = append(req.Messages, said)
	for _, o := range r.Outcomes {
		// What Sous itself says of a call has no label; what a tool says of its
		// failure has.
		if o.Status == agent.Done || !o.Label.IsZero() {
			label = label.Join(o.Label)
		}
		req.Messages = append(req.Messages, model.Message{
			Role: model.RoleTool, CallID: o.Call, Tool: o.Tool, Text: resultText(o),
		})
	}
	return label
}

// resultText is an outcome as a model reads it.
func resultText(o agent.Outcome) string {
	shown := struct {
		Status    string          `json:"status"`
		Untrusted bool            `json:"untrusted_data,omitempty"`
		Result    json.RawMessage `json:"result,omitempty"`
		Error     string          `json:"error,omitempty"`
	}{Status: o.Status.String(), Result: o.Result, Error: o.Error}
	shown.Untrusted = o.Status == agent.Done && o.Label.Integrity == agent.External
	if len(o.Result) > resultBytes {
		shown.Result, _ = json.Marshal(strings.ToValidUTF8(string(o.Result[:resultBytes]), "") + "… (cut)")
	}
	b, err := json.Marshal(shown)
	if err != nil {
		return `{"status":"failed","error":"the result could not be shown"}`
	}
	return string(b)
}

// before returns the last messages that came before the one asked.
func before(history []agent.Message, asked agent.Message) []agent.Message {
	if i := slices.IndexFunc(history, func(m agent.Message) bool { return m.ID == asked.ID }); i >= 0 {
		history = history[:i]
	}
	return history[max(0, len(history)-historyMessages):]
}

func clipRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

// reply is the outcome of a question that was answered.
func reply(p plan, call string, sig Signal) agent.Outcome {
	integrity := agent.Requester
	if sig.Outside {
		integrity = agent.External
	}
	result, _ := json.Marshal(map[string]string{"answer": sig.Text})
	return agent.Outcome{
		Call: call, Tool: AskUser, Status: agent.Done, Result: result,
		Label: tools.Scanned(agent.Label{Integrity: integrity, Readers: p.Context.Readers}, sig.Text),
	}
}

// stoppable returns a context that Stop cancels.
func (e *Effects) stoppable(ctx context.Context, turn string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	e.mu.Lock()
	e.cancel[turn] = cancel
	e.mu.Unlock()
	return ctx, func() {
		e.mu.Lock()
		delete(e.cancel, turn)
		e.mu.Unlock()
		cancel()
	}
}

// interrupt cancels the model call the turn is in, if it is in one here.
func (e *Effects) interrupt(turn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if cancel := e.cancel[turn]; cancel != nil {
		cancel()
	}
}
