package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

func ann() agent.Actor {
	return agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member, Groups: []string{"eng"}}
}

// said is the label of Ann's own words.
func said() agent.Label {
	return agent.Label{Integrity: agent.Requester, Readers: agent.Only("ann"), Scanned: true}
}

// outside is the label of a stranger's text that Ann may read.
func outside() agent.Label {
	return agent.Label{Integrity: agent.External, Readers: agent.Only("ann"), Scanned: true}
}

// call is a proposal by Ann over trusted context; change bends it.
func call(spec tools.Spec, request, args string, change ...func(*tools.Proposal)) tools.Proposal {
	p := tools.Proposal{
		Call: agent.Call{ID: "t/1", Turn: "t", Actor: ann(), Tool: spec.Name, Args: json.RawMessage(args)},
		Spec: spec, Context: said(), Request: request,
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

// saw puts a text into the model's context.
func saw(text string, l agent.Label) func(*tools.Proposal) {
	return func(p *tools.Proposal) {
		if p.Texts == nil {
			p.Texts = []tools.Labelled{{Text: p.Request, Label: said()}}
		}
		p.Texts = append(p.Texts, tools.Labelled{Text: text, Label: l})
		p.Context = p.Context.Join(l)
	}
}

func planned(p *tools.Proposal) { p.InPlan = true }

func ticket() tools.Spec {
	return tools.Spec{Name: "ticket_create", Tier: agent.TierWrite, Undo: "It is closed.", Control: []string{"assignee"}}
}

func mail() tools.Spec {
	return tools.Spec{Name: "mail_send", Tier: agent.TierOutward, Egress: true, Control: []string{"to"}}
}

func engine(t testing.TB, extra string) *Engine {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if extra != "" {
		if err := e.Load("test.cedar", defaultText+"\n"+extra); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

const allBalanced = `@id("all-balanced") permit (principal, action == Action::"balance", resource);`

func ruling(t testing.TB, e *Engine, p tools.Proposal) agent.Verdict {
	t.Helper()
	v, err := e.Rule(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(v.Reason) == "" {
		t.Errorf("no reason given: %+v", v)
	}
	return v
}

// crowd is a set of 200 rules beside the standing ones: a quarter for all, the
// rest for groups, tools and families.
func crowd(t testing.TB) *Set {
	t.Helper()
	var b strings.Builder
	b.WriteString(defaultText)
	have := strings.Count(defaultText, "@id(") - 1 // one stands in a comment
	for i := have; i < 200; i++ {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "@id(\"r%d\") @approvers(\"g%d\") permit (principal in Group::\"g%d\", action == Action::\"ask\", resource) when { context.tier == 2 && context.integrity < 2 };\n", i, i%100, i%100)
		case 1:
			fmt.Fprintf(&b, "@id(\"r%d\") forbid (principal, action, resource == Tool::\"tool%d_do\") when { !principal.owner };\n", i, i)
		case 2:
			fmt.Fprintf(&b, "@id(\"r%d\") permit (principal in Group::\"g%d\", action == Action::\"run\", resource in Family::\"ticket\") when { context.tier <= 1 && context.integrity < 2 };\n", i, i%100)
		case 3:
			fmt.Fprintf(&b, "@id(\"r%d\") forbid (principal, action in [Action::\"run\", Action::\"ask\"], resource) when { context.egress && context.confidentiality > %d && context.foreignTargets.contains(\"x%d\") };\n", i, i%3, i)
		}
	}
	s, err := Parse("crowd.cedar", b.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Len() - strings.Count(standingText, "@id("); n != 200 {
		t.Fatalf("%d rules", n)
	}
	return s
}

// somebody is one of 10,000 people, each in 3 of 100 groups, with some call.
func somebody(rng *rand.Rand) tools.Proposal {
	n := rng.IntN(10_000)
	by := agent.Actor{Workspace: "w", ID: agent.ActorID(fmt.Sprintf("u%d", n)), Kind: agent.Member}
	for i := range 3 {
		by.Groups = append(by.Groups, fmt.Sprintf("g%d", (n*7+i*31)%100))
	}
	specs := []tools.Spec{ticket(), mail(), {Name: "tool21_do", Tier: agent.TierCritical}, {Name: "page_read", Tier: agent.TierRead, Egress: true, Control: []string{"to"}}}
	p := tools.Proposal{
		Call: agent.Call{ID: "t/1", Turn: "t", Actor: by}, Spec: specs[rng.IntN(len(specs))],
		Context: said(), Request: "open a ticket for robert: the build is red since yesterday",
		Digest: "6f1ed002ab5595859014ebf0951522d9",
	}
	p.Call.Tool = p.Spec.Name
	p.Call.Args = json.RawMessage(`{"title":"the build is red","assignee":"robert","to":"robert@example.com","body":"it is red since yesterday"}`)
	saw("The build on main is red since 14:00, says Robert.", agent.Label{Integrity: agent.Integrity(rng.IntN(3)), Readers: agent.Only(by.ID, "ann"), Scanned: true})(&p)
	return p
}
