package policy_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/tools"
)

func TestDefaultRules(t *testing.T) {
	engine, err := policy.New(policy.Config{Sole: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	ann := agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}
	trusted := agent.Label{Integrity: agent.Requester}
	read := agent.Label{Integrity: agent.External, Sources: []string{"notes.vtt"}}
	create := tools.Spec{Name: "ticket_create", Tier: agent.TierWrite, Undo: "The ticket is closed."}
	for _, c := range []struct {
		name        string
		by          agent.Actor
		spec        tools.Spec
		context     agent.Label
		said, args  string
		want        agent.Ruling
		rule        string
		byRequester bool
		marked      []string
	}{
		{name: "a read runs", by: ann, spec: tools.Spec{Tier: agent.TierRead}, context: read, want: agent.Allow, rule: policy.RuleReads},
		{name: "a read that sends something outside asks once external text was read", by: ann, spec: tools.Spec{Tier: agent.TierRead, Egress: true}, context: read, want: agent.Ask, rule: policy.RuleEgress, byRequester: true},
		{name: "what was ordered in so many words runs", by: ann, spec: create, context: trusted, said: "Open a ticket: the build is red!", args: `{"title":"The build is red"}`, want: agent.Allow, rule: policy.RuleInWords},
		{name: "an argument nobody said asks", by: ann, spec: create, context: trusted, said: "Open a ticket: the build is red", args: `{"title":"The build is red","assignee":"bob"}`, want: agent.Ask, rule: policy.RuleNotInWords, byRequester: true},
		{name: "a number nobody said asks", by: ann, spec: create, context: trusted, said: "pay it", args: `{"amount":500}`, want: agent.Ask, rule: policy.RuleNotInWords, byRequester: true},
		{name: "text nested in the arguments counts", by: ann, spec: create, context: trusted, said: "label it", args: `{"add":["label","secret"]}`, want: agent.Ask, rule: policy.RuleNotInWords, byRequester: true},
		{name: "what derives from content that was read asks even when said", by: ann, spec: create, context: read, said: "open the build is red", args: `{"title":"the build is red","body":"call 555"}`, want: agent.Ask, rule: policy.RuleDerived, byRequester: true, marked: []string{"body"}},
		{name: "the zero label is content that was read", by: ann, spec: create, said: "x", args: `{"title":"x"}`, want: agent.Ask, rule: policy.RuleDerived, byRequester: true},
		{name: "a change that cannot be undone asks", by: ann, spec: tools.Spec{Tier: agent.TierWrite}, context: trusted, said: "x", args: `{"title":"x"}`, want: agent.Ask, rule: policy.RuleNoUndo, byRequester: true},
		{name: "an outward call asks another person", by: ann, spec: tools.Spec{Tier: agent.TierOutward, Undo: "u"}, context: trusted, said: "x", args: `{"title":"x"}`, want: agent.Ask, rule: policy.RuleOutward},
		{name: "a critical call asks another person", by: ann, spec: tools.Spec{Tier: agent.TierCritical}, context: trusted, want: agent.Ask, rule: policy.RuleCritical},
		{name: "a forgotten tier counts as critical", by: ann, spec: tools.Spec{}, context: trusted, want: agent.Ask, rule: policy.RuleCritical},
		{name: "a guest changes nothing", by: agent.Actor{Workspace: "w", ID: "g", Kind: agent.Guest}, spec: create, context: trusted, want: agent.Deny, rule: policy.RuleOutsider},
		{name: "an unknown kind of actor changes nothing", by: agent.Actor{Workspace: "w", ID: "g"}, spec: create, context: trusted, want: agent.Deny, rule: policy.RuleOutsider},
		{name: "nobody does nothing", spec: tools.Spec{Tier: agent.TierRead}, context: trusted, want: agent.Deny, rule: policy.RuleNobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.args == "" {
				c.args = "{}"
			}
			v, err := engine.Rule(t.Context(), tools.Proposal{
				Call: agent.Call{Actor: c.by, Args: json.RawMessage(c.args)},
				Spec: c.spec, Context: c.context, Request: c.said,
			})
			if err != nil {
				t.Fatal(err)
			}
			if v.Ruling != c.want || v.Rule != c.rule || v.ByRequester != c.byRequester || !slices.Equal(v.Marked, c.marked) {
				t.Errorf("got %+v", v)
			}
			if v.Reason == "" {
				t.Error("no reason given")
			}
		})
	}
}
