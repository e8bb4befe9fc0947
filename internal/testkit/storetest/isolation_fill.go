package storetest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

// approvalAt is where the approval is among the ids that fill returns.
const approvalAt = 6

// fill leaves something of acme's of every kind and returns the ids it has there.
func (w Whole) fill(t *testing.T) []string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, ann, now := t.Context(), acmeOwner(), w.Clock.Now()
	bob := agent.Actor{Workspace: "acme", ID: "bob", Name: marker, Kind: agent.Member}
	label := agent.Label{Readers: agent.Only("ann")}
	accept := func(event, conversation string) {
		t.Helper()
		turn := agent.Turn{ID: event, Workspace: "acme", Conversation: conversation, Actor: ann, Place: agent.Place{ID: "d", Kind: agent.DM, Members: []agent.ActorID{"ann"}}}
		_, err := w.Accept(ctx, turn, agent.Message{ID: "m-" + event, Author: ann, Text: marker, Label: label}, nil)
		must(err)
	}
	accept("e1", "c")
	must(w.Park(ctx, "acme", "e1", loop.Parked{Question: marker, Usage: agent.Usage{InputTokens: 1}, Model: marker, Steps: []agent.Step{{N: 1, Title: marker}}}))
	accept("e2", "c") // the answer to the question
	accept("e3", "c2")
	accept("e4", "c2")
	must(w.Park(ctx, "acme", "e3", loop.Parked{Answer: marker}))
	accept("e5", "c3")
	must(w.SetStatus(ctx, "acme", "e5", agent.TurnStopped))
	pending := &loop.Pending{Workspace: "acme", Turn: "e3"}
	pending.Add(checkpoint(1, marker, `{"n":1}`), now)
	must(w.Store.Record(ctx, []*loop.Pending{pending}))
	must(w.SaveFile(ctx, agent.File{FileRef: agent.FileRef{ID: "f1", Name: marker}, Workspace: "acme", Owner: "ann", Label: label, Content: []byte(marker)}))
	_, err := w.Control.Pause(ctx, ann, pause.Tool, "mail_send", marker)
	must(err)

	for _, key := range []string{"k1", "k2"} {
		rec, err := w.Ledger.Intend(ctx, tools.Intent{Key: key, Proposal: proposalOf(t, ann, "e1/"+key), Verdict: agent.Verdict{Ruling: agent.Allow}})
		must(err)
		if key == "k2" {
			must(w.Ledger.Settle(ctx, tools.Settlement{Key: key, State: tools.EffectUnknown, Fence: rec.Fence}))
		}
	}
	asked, err := w.Ledger.Ask(ctx, proposalOf(t, ann, "e1/2"), agent.Verdict{Ruling: agent.Ask, Quorum: 2, Reason: marker})
	must(err)
	_, err = w.Change(ctx, bob, asked, func(a approval.Approval) (approval.Approval, error) { return a.Approve(bob, now) })
	must(err)

	must(w.DB.SaveCheckpoint(ctx, audit.Checkpoint{Workspace: "acme", Size: 1, At: now}, marker))
	must(w.DB.SetToken(ctx, ann, "bob", "hash"))
	front := delivery.Front{Workspace: "acme", Source: "slack"}
	_, err = w.DB.Keep(ctx, front, []delivery.Delivery{{ID: "d1", Body: []byte(marker)}})
	must(err)
	must(w.DB.Settle(ctx, front, delivery.Settled{Posts: []delivery.Post{{About: "e1", Key: "k", Place: marker, Ref: "1"}}}))
	_, err = w.DB.Take(ctx, front, delivery.Lease{About: marker, Holder: "e1", For: time.Hour})
	must(err)
	must(w.Feedback.Rate(ctx, feedback.Rating{Workspace: "acme", Turn: "e1", By: "ann", Name: marker, Text: marker, At: now}))
	_, err = w.DB.OpenReview(ctx, review.Review{ID: "R1", Workspace: "acme", Turn: "e1", Reviewer: ann, State: review.Draft, Created: now})
	must(err)
	must(w.DB.Install(ctx, install.Installation{Workspace: "acme", System: "slack", Team: "T1", Token: marker, At: now}))
	_, err = w.DB.Hold(ctx, ann, "carol", marker)
	must(err)

	ticket, err := w.Tracker.Create(ctx, agent.Write{By: ann, Key: "w1", Label: label}, agent.TicketDraft{Title: marker, Body: marker})
	must(err)
	_, err = w.Tracker.Comment(ctx, agent.Write{By: ann, Key: "w2", Label: label}, ticket.ID, marker)
	must(err)
	routed, err := w.Cases.Record(ctx, agent.Write{By: ann, Key: "w3", Label: label}, marker, "it")
	must(err)
	for _, id := range []string{"i1", "i2"} {
		_, _, err = w.Memories.SaveItem(ctx, memory.Item{
			ID: id, Workspace: "acme", Kind: memory.Fact, Title: marker, Author: "ann", At: now, Remembered: now, Label: label,
			Chunks: []memory.Chunk{{Text: marker + " recipe"}},
		})
		must(err)
	}
	must(w.Memories.SetForgotten(ctx, ann, "i2", now))
	_, _, err = w.Memories.SaveItem(ctx, memory.Item{
		ID: "i3", Workspace: "acme", Kind: memory.Fact, Title: marker, Author: "ann", At: now, Remembered: now, Label: label,
		Supersedes: "i1", Chunks: []memory.Chunk{{Text: marker + " correction"}},
	})
	must(err)
	return []string{
		"e1", "e3", "c", "c2", "m-e1", "f1", asked, "k1", "k2", "e1/2", "mail_send", ticket.ID, "w1", routed.ID, "i1", "i2", "i3", "R1", "hash", "d1", "T1", "bob", "carol", "1",
	}
}

// proposalOf is a call of ticket_create by somebody.
func proposalOf(t *testing.T, by agent.Actor, id string) tools.Proposal {
	t.Helper()
	turn, _, _ := strings.Cut(id, "/")
	c := agent.Call{ID: id, Turn: turn, Actor: by, Tool: "ticket_create", Args: []byte(`{"title":"` + string(by.Workspace) + `"}`)}
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tools.Proposal{Call: c, Digest: digest, Spec: tools.Spec{Name: c.Tool, Tier: agent.TierWrite}}
}

// moreTexts are the texts a method takes in order, where they are not all the id;
// "" is the id.
var moreTexts = map[string][]string{
	"DB.Send":        {"", loop.InboxTopic},
	"DB.Received":    {"", loop.InboxTopic},
	"DB.Uninstall":   {"slack", "", "why"},
	"DB.Unshown":     {"c3"},
	"Ledger.Resolve": {"", "I looked"},
}

// arguments makes values of any type for a call by somebody about something.
type arguments struct {
	t      *testing.T
	method string
	by     agent.Actor
	id     string
	texts  []string
	heard  *[]any
}

func (a *arguments) of(typ reflect.Type, depth int) reflect.Value {
	if v, ok := a.known(typ); ok {
		return reflect.ValueOf(v)
	}
	switch typ.Kind() {
	case reflect.String:
		text := a.id
		if depth == 0 && typ == reflect.TypeFor[string]() && len(a.texts) > 0 {
			if a.texts[0] != "" {
				text = a.texts[0]
			}
			a.texts = a.texts[1:]
		}
		return reflect.ValueOf(text).Convert(typ)
	case reflect.Bool:
		return reflect.ValueOf(true).Convert(typ)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint8, reflect.Float64, reflect.Float32:
		return reflect.ValueOf(1).Convert(typ)
	case reflect.Slice:
		if depth > 0 {
			return reflect.Zero(typ)
		}
		one := reflect.MakeSlice(typ, 1, 1)
		one.Index(0).Set(a.of(typ.Elem(), depth+1))
		return one
	case reflect.Func:
		return a.callback(typ)
	case reflect.Struct:
		return a.fields(typ, depth)
	default:
		return reflect.Zero(typ)
	}
}

// known are values that have to fit together.
func (a *arguments) known(typ reflect.Type) (any, bool) {
	ws, now := a.by.Workspace, NewClock().Now()
	who := agent.ActorID("ann")
	if slices.Contains([]string{"bob", "carol"}, a.id) {
		who = agent.ActorID(a.id)
	}
	// Most ask for what was before; these for what has been since.
	when := now.Add(time.Hour)
	if a.method == "DB.Spent" || a.method == "DB.Unshown" {
		when = now.Add(-time.Hour)
	}
	mine := agent.Label{Readers: agent.Only("ann")}
	pending := &loop.Pending{Workspace: ws, Turn: a.id}
	pending.Add(checkpoint(9, "x", `{"n":9}`), now)
	for _, v := range []any{
		ws, a.by, who, when, time.Hour, json.RawMessage(`{}`), mine,
		agent.Write{By: a.by, Key: a.method + " of " + a.id, Label: mine},
		agent.Place{ID: "d", Kind: agent.DM, Members: []agent.ActorID{"ann"}},
		delivery.Front{Workspace: ws, Source: "slack"},
		proposalOf(a.t, a.by, a.id+"/9"),
		tools.Intent{Key: "key of " + string(ws), Proposal: proposalOf(a.t, a.by, a.id+"/9"), Verdict: agent.Verdict{Ruling: agent.Allow}},
		agent.Call{ID: a.id + "/9", Turn: a.id, Actor: a.by, Tool: "mail_send", Args: []byte(`{}`)},
		loop.Finish{Turn: agent.Turn{ID: a.id, Workspace: ws, Status: agent.TurnDone}},
		loop.Start{Workspace: string(ws), Turn: a.id}, pending,
		loop.Parked{Answer: "x"}, loop.Signal{Type: loop.SignalStop}, agent.TurnWaiting, agent.TicketStatus("closed"), pause.Tool,
		feedback.Rating{Workspace: ws, Turn: a.id, By: "ann", Name: "x", Text: "x", At: now},
		review.Review{ID: "R9", Workspace: ws, Turn: a.id, Reviewer: a.by, State: review.Draft, Created: now},
		memory.Item{ID: "i9", Workspace: ws, Kind: memory.Fact, Author: "ann", At: now, Remembered: now, Label: mine, Chunks: []memory.Chunk{{Text: "x"}}},
		agent.File{FileRef: agent.FileRef{ID: a.id}, Workspace: ws, Owner: "ann", Label: mine},
		audit.Checkpoint{Workspace: ws, Size: 2, At: now},
		privacy.Purge{By: a.by, Rule: privacy.Rule{What: privacy.Files}, Before: now.Add(time.Hour), Limit: 10},
	} {
		if reflect.TypeOf(v) == typ {
			return v, true
		}
	}
	return nil, false
}

// fields fills a struct; one that only narrows down what is listed is left as wide
// as it is, but for whose it is.
func (a *arguments) fields(typ reflect.Type, depth int) reflect.Value {
	v := reflect.New(typ).Elem()
	if depth > 3 {
		return v
	}
	narrows := slices.ContainsFunc([]string{"Filter", "Query", "Search", "Page"}, func(s string) bool { return strings.HasSuffix(typ.Name(), s) })
	for i := range typ.NumField() {
		f := typ.Field(i)
		whose := f.Type == reflect.TypeFor[agent.WorkspaceID]() || f.Type == reflect.TypeFor[agent.Actor]() || f.Name == "Limit"
		if f.IsExported() && (whose || !narrows) {
			v.Field(i).Set(a.of(f.Type, depth+1))
		}
	}
	return v
}

// callback gives back what it is given, where it has to return that, and notes it.
func (a *arguments) callback(typ reflect.Type) reflect.Value {
	return reflect.MakeFunc(typ, func(in []reflect.Value) []reflect.Value {
		out := make([]reflect.Value, typ.NumOut())
		for i := range out {
			out[i] = reflect.Zero(typ.Out(i))
			for _, v := range in {
				if v.Type() == typ.Out(i) {
					out[i] = v
				}
			}
		}
		for _, v := range in {
			switch x := v.Interface().(type) {
			case approval.Approval:
				x.State, x.Comment = approval.Withdrawn, "x"
				out[0] = reflect.ValueOf(x)
			case review.Review:
				x.State = review.Discarded
				out[0] = reflect.ValueOf(x)
			}
			*a.heard = append(*a.heard, v.Interface())
		}
		return out
	})
}
