package builtin

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// The tools the planner knows how to use.
const (
	toolMinutes    = "meeting_minutes"
	toolSearch     = "ticket_search"
	toolGet        = "ticket_get"
	toolCreate     = "ticket_create"
	toolComment    = "ticket_comment"
	toolAssign     = "ticket_assign"
	toolLabel      = "ticket_label"
	toolTransition = "ticket_transition"
	toolClose      = "ticket_close"
	toolReopen     = "ticket_reopen"
	toolRoute      = "route_request"
	toolRecord     = "route_record"
	toolRemember   = "remember"
	toolKeepFile   = "remember_file"
	toolKeepThread = "remember_thread"
	toolRecall     = "recall"
	toolForget     = "forget"
	toolAsk        = "ask_user"
)

// callsAtOnce bounds the calls of one plan; what is left comes in the next one.
const callsAtOnce = 48

// args are the arguments of a call; empty values are left out by set.
type args map[string]any

// set puts a value that is not empty.
func (a args) set(name string, value any) args {
	switch v := value.(type) {
	case string:
		if v == "" {
			return a
		}
	case []string:
		if len(v) == 0 {
			return a
		}
	}
	a[name] = value
	return a
}

// call is one planned use of a tool.
type call struct {
	tool string
	args args
}

func (c call) json() json.RawMessage {
	b, err := json.Marshal(c.args)
	if err != nil {
		return json.RawMessage("{}") // strings and lists of them always encode
	}
	return b
}

// step is what to do next: calls, with what to say beside them, or else the
// answer.
type step struct {
	calls []call
	text  string
}

func say(text string) step { return step{text: text} }

// planner plans the next step of one turn. It keeps nothing between steps: each
// step is worked out anew from the request and the trail.
type planner struct {
	view

	commands []command
}

func newPlanner(v view) *planner {
	in := setting{
		files: len(v.files) > 0, dates: dates{v.today},
		inMinutes: strings.Contains(v.said(model.RoleAssistant), headActions),
	}
	if len(v.history) > 0 && short(v.request) {
		in.routed = parse(v.said(model.RoleUser), setting{})[0].intent == intentRoute
	}
	return &planner{view: v, commands: parse(v.request, in)}
}

// planned counts the calls of the trail.
func (p *planner) planned() int { return len(p.trail) }

// next returns the next step. A question to the person goes alone.
func (p *planner) next() step {
	var calls []call
	var texts, beside []string
	var question *call
	for _, c := range p.commands {
		s := p.plan(c)
		if len(s.calls) > 0 && s.text != "" {
			beside = append(beside, s.text)
			s.text = ""
		}
		for _, c := range s.calls {
			if c.tool == toolAsk {
				question = &c
			} else {
				calls = append(calls, c)
			}
		}
		if s.text != "" && !slices.Contains(texts, s.text) {
			texts = append(texts, s.text)
		}
	}
	switch {
	case len(calls) > 0:
		return step{calls: calls[:min(len(calls), callsAtOnce)], text: strings.Join(beside, "\n\n")}
	case question != nil:
		return step{calls: []call{*question}}
	}
	return say(p.signed(strings.Join(texts, "\n\n")))
}

func (p *planner) plan(c command) step {
	switch c.intent {
	case intentMinutes, intentFileTickets:
		return p.planMinutes(c)
	case intentRecall:
		return p.planRecall(c)
	case intentRemember:
		return p.planRemember(c)
	case intentForget:
		return p.planForget(c)
	case intentKeepFile:
		return p.planKeepFile()
	case intentKeepThread:
		return p.planKeepThread()
	case intentCorrect:
		return p.planCorrect(c)
	case intentRoute:
		return p.planRoute(c)
	case intentRouteRecord:
		return p.planRouteRecord(c)
	case intentTicketList:
		return p.planTicketList(c)
	case intentTicketGet:
		return p.planTicketGet(c)
	case intentCreate, intentCreateSame:
		return p.planCreate(c)
	case intentComment, intentAssign, intentLabel, intentTransition, intentClose, intentReopen:
		return p.planEdit(c)
	case intentUnknown, intentGreeting, intentThanks, intentHelp, intentDeclined, intentConditional:
	}
	return say(social(c.intent))
}

// outcomeOf returns what became of a call of this turn.
func (p *planner) outcomeOf(c call) (outcome, bool) {
	want := canonical(c.json())
	for _, o := range p.trail {
		if o.tool == c.tool && canonical(o.args) == want {
			return o, true
		}
	}
	return outcome{}, false
}

func canonical(raw json.RawMessage) string {
	b, err := agent.CanonicalJSON(raw)
	if err != nil {
		return string(raw)
	}
	return string(b)
}

// need returns the step that makes those of the calls that were not made yet;
// wait is false when all have been. No call is ever planned twice in a turn.
func (p *planner) need(calls ...call) (s step, wait bool) {
	planned := map[string]bool{}
	for _, c := range calls {
		key := c.tool + canonical(c.json())
		if _, made := p.outcomeOf(c); made || planned[key] || !p.tools[c.tool] {
			continue
		}
		planned[key] = true
		s.calls = append(s.calls, c)
	}
	return s, len(s.calls) > 0
}

// do makes one call that everything depends on. ready is false when s is what
// to do instead: the call itself, or to say that it cannot be made.
func (p *planner) do(c call) (o outcome, s step, ready bool) {
	if s, wait := p.need(c); wait {
		return outcome{}, s, false
	}
	o, made := p.outcomeOf(c)
	if !made {
		return outcome{}, say("I cannot do that here: the tool `" + c.tool + "` is not available."), false
	}
	return o, step{}, true
}

// ask puts a question to the person. ready is false when s is what to do: ask,
// or say that nothing was done.
func (p *planner) ask(question string) (answer string, s step, ready bool) {
	c := call{toolAsk, args{"question": question}}
	if !p.tools[toolAsk] {
		return "", say(question + " Nothing was done yet."), false
	}
	o, s, ready := p.do(c)
	if !ready {
		return "", s, false
	}
	var r struct {
		Answer string `json:"answer"`
	}
	o.into(&r)
	if answer = strings.TrimSpace(r.Answer); !o.done() || answer == "" {
		return "", say("I asked “" + question + "” and got no answer, so nothing was done."), false
	}
	if reDeclined.MatchString(strip(answer)) || isNo(answer) {
		return "", say("All right, nothing was done."), false
	}
	return answer, step{}, true
}

func isNo(s string) bool {
	switch strings.ToLower(strings.Trim(s, " .!")) {
	case "no", "nope", "none", "nothing", "cancel", "stop", "neither":
		return true
	}
	return false
}
