package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/cedar-policy/cedar-go"

	"github.com/sous-hq/sous/agent"
)

// guarded are rules that start with every kind of condition a guard can be, and
// with some that it cannot.
const guarded = `
@id("g1") forbid (principal, action, resource) when { principal.owner && context.tier + 9223372036854775807 > 0 };
permit (principal, action in [Action::"run", Action::"ask"], resource);
@id("g2") forbid (principal, action == Action::"run", resource) when { !principal.owner && context.tier == 2 && context.egress };
@id("g3") forbid (principal, action == Action::"run", resource) when { principal.kind != Kind::"member" && resource.private };
@id("g4") forbid (principal, action == Action::"run", resource) when { context.mode == Mode::"balanced" && (context.tier <= 1 && context.inPlan) };
@id("g5") forbid (principal, action == Action::"run", resource) when { context.integrity >= 2 } unless { context.target < 2 && context.inPlan };
@id("g6") forbid (principal, action == Action::"run", resource) when { context.integrity < 2 } when { context.confidentiality > context.sinkClearance };
@id("g7") forbid (principal, action == Action::"run", resource) when { context.tier > context.integrity && context.egress };
@id("g8") forbid (principal, action == Action::"run", resource) when { 2 <= context.tier && context.unattended };
@id("g9") forbid (principal in Group::"g7", action in [Action::"run", Action::"ask"], resource) when { context.egress == false && context.target != 1 && context.foreignTargets.contains("to") };
@id("g10") forbid (principal, action, resource) unless { context.tier < 3 && context.place.kind != PlaceKind::"shared" };
@id("g11") forbid (principal, action in [Action::"run", Action::"ask"], resource) when { resource.tier > 2 && (context.egress || context.tier + 9223372036854775807 > 0) };
`

// TestWhatIsLeftOutChangesNoRuling: what selection and guards leave out changes
// neither a decision, nor who made it, nor whether something could not be
// evaluated, also where attributes are missing or of other types.
func TestWhatIsLeftOutChangesNoRuling(t *testing.T) {
	small, err := Parse("guarded.cedar", guarded, nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	failed, allowed := 0, 0
	for name, s := range map[string]*Set{"crowd": crowd(t), "guarded": small} {
		all := cedar.NewPolicySet()
		for i, r := range s.rules {
			all.Add(policyID(i), r.policy)
		}
		for range 300 {
			env := s.environment(anything(rng))
			if rng.IntN(2) > 0 {
				env = bend(env, pick(rng, bendable()...), pick(rng, bends()...))
			}
			for _, action := range []cedar.EntityUID{actionRun, actionAsk} {
				decision, diag := cedar.Authorize(all, env, env.request(action))
				a, err := s.authorize(env, action)
				switch {
				case (err != nil) != (len(diag.Errors) > 0):
					t.Fatalf("%s: %+v: got error %v; all rules say %v", name, env, err, diag.Errors)
				case err != nil:
					failed++
				case a.allowed != (decision == cedar.Allow) || len(a.rules) != len(diag.Reasons):
					t.Fatalf("%s: %+v: got %+v; all rules say %v by %v", name, env, a, decision, diag.Reasons)
				case a.allowed:
					allowed++
				}
			}
		}
	}
	if failed < 50 || allowed < 50 {
		t.Errorf("%d failed and %d were allowed, so this proves little", failed, allowed)
	}
}

// anything is a call with facts of every kind, those together that never are, too.
func anything(rng *rand.Rand) *Facts {
	f := FactsOf(somebody(rng))
	yes := func() bool { return rng.IntN(2) > 0 }
	f.By.Owner, f.By.Kind = yes(), pick(rng, agent.Member, agent.Guest, agent.Program)
	f.Place.Kind = pick(rng, agent.DM, agent.Private, agent.Shared)
	f.Egress, f.Private, f.InPlan, f.InWords, f.Unattended = yes(), yes(), yes(), yes(), yes()
	f.Tier, f.Target, f.SinkClearance = rng.IntN(4), rng.IntN(3), rng.IntN(4)
	f.Mode = pick(rng, "strict", "balanced")
	return &f
}

func pick[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

func bendable() []string {
	return []string{
		"context.tier", "context.integrity", "context.egress", "context.mode", "context.target", "context.inPlan", "context.place",
		"principal.owner", "principal.kind", "resource.tier", "resource.private",
	}
}

func bends() []cedar.Value {
	return []cedar.Value{nil, cedar.String("x"), cedar.Long(7), cedar.True, uid("Person", "x"), cedar.NewSet()}
}

// TestOnlyWhatRulesLookAtTellsContextsApart: a call's digest, place and foreign
// arguments are in its context when a rule may look at them, in whatever way.
func TestOnlyWhatRulesLookAtTellsContextsApart(t *testing.T) {
	for when, want := range map[string]attention{
		`context.tier > 1`:                                       {},
		`context.place.kind == PlaceKind::"dm"`:                  {},
		`context.place == Place::"c1"`:                           {place: true},
		`context.place == Place::"c1" || context.egress`:         {place: true},
		`context.digest == "x"`:                                  {digest: true},
		`context has digest && context.egress`:                   {digest: true},
		`context.egress && context.digest like "0*"`:             {digest: true},
		`context.foreignTargets.contains("to")`:                  {targets: true},
		`if context.egress then context.digest == "x" else true`: {digest: true},
	} {
		s, err := Parse("x.cedar", `permit (principal, action == Action::"run", resource) when { `+when+` };`, nil)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if s.seen != want {
			t.Errorf("%s: looks at %+v; want %+v", when, s.seen, want)
		}
		f := FactsOf(call(mail(), "x", `{"to":"eve@evil.example"}`, saw("y", outside())))
		f.Digest, f.Place.ID = "d", "c1"
		record := s.environment(&f).context
		digest, _ := record.Get("digest")
		place, _ := record.Get("place")
		targets, _ := record.Get("foreignTargets")
		if want.digest != (digest == cedar.String("d")) || want.place != (place == uid("Place", "c1")) || want.targets != targets.Equal(cedar.NewSet(cedar.String("to"))) {
			t.Errorf("%s: the context holds %v, %v, %v", when, digest, place, targets)
		}
	}
}

func TestRulesOnTheDigestOrThePlaceOfACallHold(t *testing.T) {
	e := engine(t, `
@id("this-call") @reason("x") forbid (principal, action, resource) when { context.digest == "bad" };
@id("this-place") @reason("x") forbid (principal, action, resource) when { context.place == Place::"c-1" };`)
	for range 3 {
		p := call(ticket(), "the build is red", `{"title":"the build is red"}`)
		p.Digest, p.Place = "good", agent.Place{ID: "c-2", Kind: agent.Private}
		if v := ruling(t, e, p); v.Ruling != agent.Allow {
			t.Errorf("got %+v", v)
		}
		p.Digest = "bad"
		if v := ruling(t, e, p); v.Rule != "this-call" {
			t.Errorf("got %+v", v)
		}
		p.Digest, p.Place.ID = "good", "c-1"
		if v := ruling(t, e, p); v.Rule != "this-place" {
			t.Errorf("got %+v", v)
		}
	}
}
