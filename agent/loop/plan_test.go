package loop

import (
	"slices"
	"testing"

	"github.com/sous-hq/sous/agent"
)

func TestOnlyThePersonWhoAsksSpeaksAsTheRequester(t *testing.T) {
	t.Parallel()
	ann, bob := agent.Actor{Workspace: "w", ID: "ann"}, agent.Actor{Workspace: "w", ID: "bob"}
	for _, c := range []struct {
		by   agent.Actor
		was  agent.Integrity
		want agent.Integrity
	}{
		{ann, agent.Requester, agent.Requester},
		{bob, agent.Requester, agent.Organisation},
		{agent.Actor{Workspace: "v", ID: "ann"}, agent.Requester, agent.Organisation},
		{agent.Actor{Workspace: "w", ID: "sous", Kind: agent.System}, agent.Requester, agent.Organisation},
		{ann, agent.External, agent.External},
		{bob, agent.External, agent.External},
	} {
		m := agent.Message{Author: c.by, Label: agent.Label{Integrity: c.was}}
		if got := heard(m, ann).Integrity; got != c.want {
			t.Errorf("%+v, %s: got %s, want %s", c.by, c.was, got, c.want)
		}
	}
}

func TestThePlanIsWhatWasPlannedBeforeAnythingExternalWasRead(t *testing.T) {
	t.Parallel()
	step := func(i agent.Integrity, tools ...string) round {
		r := round{Plan: plan{Context: agent.Label{Integrity: i}}}
		for _, name := range tools {
			r.Plan.Calls = append(r.Plan.Calls, agent.Call{Tool: name})
		}
		return r
	}
	in := &turn{trail: []round{
		step(agent.Requester, "page_read", "ticket_create"), step(agent.Organisation, "people_find", "page_read"),
		step(agent.External, "mail_send"), step(agent.Requester, "file_delete"),
	}}
	if got := in.planned(); !slices.Equal(got, []string{"page_read", "people_find", "ticket_create"}) {
		t.Errorf("got %v", got)
	}
}
