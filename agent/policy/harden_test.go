package policy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/sous-hq/sous/agent"
)

// wideOpen permits everything, so that only a forbid can deny.
const wideOpen = `@id("everything") permit (principal, action, resource);`

// forbidden returns, for each forbid of the standing rules, an action and what
// the rules see when that forbid applies.
func forbidden(s *Set) map[string]struct {
	action cedar.EntityUID
	env    *environment
} {
	type scene = struct {
		action cedar.EntityUID
		env    *environment
	}
	facts := func(change func(*Facts)) scene {
		f := Facts{
			By: ann(), Tool: "mail_send", Family: "mail", Mode: "strict", Tier: 1, Undoable: true, SinkClearance: 3,
			OwnToGive: true, InWords: true, InPlan: true, Origins: map[string]int{"to": 0},
		}
		change(&f)
		return scene{actionRun, s.environment(&f)}
	}
	decision := func(change func(*Decision)) scene {
		d := Decision{By: agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}, Requester: ann(), Tool: "mail_send", Tier: agent.TierOutward, Digest: "d", Shown: "d"}
		change(&d)
		return scene{actionApprove, d.environment(&s.parts)}
	}
	leak := func(f *Facts) { f.Egress, f.InWords, f.SinkClearance, f.Target = true, false, 0, 2 }
	return map[string]scene{
		"nobody":                   facts(func(f *Facts) { f.By.ID = "" }),
		"outsider-no-effects":      facts(func(f *Facts) { f.By.Kind = agent.Guest }),
		"critical-never-unasked":   facts(func(f *Facts) { f.Tier = 3 }),
		"external-text-never-acts": facts(func(f *Facts) { f.Integrity = 2 }),
		"private-read-never-unasked": facts(func(f *Facts) {
			f.Tier, f.Private, f.Integrity, f.InPlan, f.InWords = 0, true, 2, false, false
		}),
		"secrets-stay":                        facts(func(f *Facts) { leak(f); f.Data = []string{"secret"} }),
		"confidential-stays":                  facts(func(f *Facts) { leak(f); f.Confidentiality, f.OwnToGive = 3, false }),
		"inside-content-never-leaves-unasked": facts(func(f *Facts) { leak(f); f.Confidentiality = 1 }),
		"labelled-data-never-leaves-unasked":  facts(func(f *Facts) { leak(f); f.Data = []string{"pii"} }),
		"only-members-decide":                 decision(func(d *Decision) { d.By.Kind = agent.Guest }),
		"never-the-requester":                 decision(func(d *Decision) { d.By = ann() }),
		"confirmed-by-the-requester":          decision(func(d *Decision) { d.Confirmation = true }),
		"approved-as-shown":                   decision(func(d *Decision) { d.Digest = "e" }),
	}
}

// attributes lists what a rule reads, as "context.tier" and the like.
func attributes(r rule) []string {
	text := string(r.policy.MarshalCedar())
	found := regexp.MustCompile(`\b(context|principal|resource)\.([A-Za-z]+)`).FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// bend returns the environment with one attribute missing (value nil) or of
// another type.
func bend(env *environment, attribute string, value cedar.Value) *environment {
	out := *env
	out.checked = false
	owner, name, _ := strings.Cut(attribute, ".")
	change := func(r cedar.Record) cedar.Record {
		m := cedar.RecordMap{}
		for k, v := range r.All() {
			if string(k) != name {
				m[k] = v
			} else if value != nil {
				m[k] = value
			}
		}
		return cedar.NewRecord(m)
	}
	switch owner {
	case "context":
		out.context = change(out.context)
	case "principal":
		out.principal.Attributes = change(out.principal.Attributes)
	case "resource":
		out.resource.Attributes = change(out.resource.Attributes)
	}
	return &out
}

func TestAForbidThatCannotBeEvaluatedDenies(t *testing.T) {
	full, err := Parse("open.cedar", wideOpen, nil)
	if err != nil {
		t.Fatal(err)
	}
	scenes, tried := forbidden(full), 0
	for i, r := range full.rules {
		if r.permit {
			continue
		}
		scene, ok := scenes[r.id]
		if !ok {
			t.Errorf("the forbid %s has no scene here", r.id)
			continue
		}
		// The forbid alone beside a permit of everything, so that no other rule helps.
		s := &Set{rules: full.rules, guards: full.guards}
		s.by = map[cedar.EntityUID]*index{scene.action: {always: []int{i, len(full.rules) - 1}}}
		a, err := s.authorize(scene.env, scene.action)
		if err != nil || a.allowed || len(a.rules) != 1 || a.rules[0] != i {
			t.Errorf("%s does not apply in its scene: %+v, %v", r.id, a, err)
			continue
		}
		errored := 0
		for _, attribute := range attributes(r) {
			for _, value := range []cedar.Value{nil, cedar.String("x"), cedar.Long(7), cedar.True, uid("Person", "x"), cedar.NewSet(), cedar.NewRecord(nil)} {
				bent := bend(scene.env, attribute, value)
				a, err := s.authorize(bent, scene.action)
				if err != nil {
					errored++
				}
				lawful := full.validate(bent, scene.action) == nil
				if value == nil && lawful {
					t.Errorf("a request without %s passes the schema", attribute)
				}
				// Two values of different types are unequal, which is no error:
				// there the schema alone stands before the rule.
				if !lawful && a.allowed && attribute != "context.requester" {
					t.Errorf("%s with %s = %v is allowed", r.id, attribute, value)
				}
				if !lawful && full.decide(bent, &Explanation{}) == nil && scene.action == actionRun {
					t.Errorf("%s with %s = %v is ruled on", r.id, attribute, value)
				}
				if err != nil && a.allowed {
					t.Errorf("%s: allowed with an error", r.id)
				}
				tried++
			}
		}
		if errored == 0 {
			t.Errorf("%s never failed to evaluate, so this proves nothing", r.id)
		}
	}
	t.Logf("%d bent requests", tried)
}

func TestARuleThatCannotBeEvaluatedDeniesThoughAnotherPermits(t *testing.T) {
	// Past the schema, over a number that overflows: a mistake no type check sees.
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	overflow := `@id("overflow") forbid (principal, action == Action::"%s", resource) when { context.tier + 9223372036854775807 > 0 };`
	for _, action := range []string{"run", "ask", "balance"} {
		if err := e.Load("x.cedar", wideOpen+allBalanced+fmt.Sprintf(overflow, action)); err != nil {
			t.Fatal(err)
		}
		p := call(ticket(), "the build is red", `{"title":"the build is red"}`)
		if action == "ask" {
			p = call(ticket(), "the build is red", `{"title":"x"}`, saw("hello", outside()))
		}
		x := e.Explain(p)
		if x.Verdict.Ruling != agent.Deny || x.Verdict.Rule != RuleError || !strings.Contains(x.Error, "overflow") {
			t.Errorf("%s: got %+v, %s", action, x.Verdict, x.Error)
		}
	}
}

// token is a word of a policy text that means something.
var token = regexp.MustCompile(`//[^\n]*|@reason\("[^"]*"\)|@id\("[^"]*"\)|@approvers|::"[a-z_]+"|"requester"|[A-Za-z]{2,}`)

func TestTwoHundredMisspeltPoliciesAreRefusedAndTheOldSetStays(t *testing.T) {
	e := engine(t, "")
	e.Tools = []string{"ticket_create", "mail_send"}
	text := defaultText + allBalanced + `
@id("m") @approvers("sre") @ttl("30m") permit (principal in Group::"eng", action == Action::"ask", resource == Tool::"mail_send");
@id("f") forbid (principal is Person, action, resource in Family::"ticket") unless { principal.kind == Kind::"member" || context has mode };
@id("d") forbid (principal, action == Action::"run", resource) when { context.data.containsAny([Data::"pii", Data::"hr"]) && context.place.kind == PlaceKind::"shared" };`
	text = strings.ReplaceAll(text, "|| context has mode", "")
	if err := e.Load("good.cedar", text); err != nil {
		t.Fatal(err)
	}
	before := e.Set()
	var places [][]int
	for _, at := range token.FindAllStringIndex(text, -1) {
		if w := text[at[0]:at[1]]; !strings.HasPrefix(w, "//") && !strings.HasPrefix(w, "@reason") && !strings.HasPrefix(w, "@id") && w != `::"eng"` && !quotedWord(text, at) {
			places = append(places, at)
		}
	}
	rng := rand.New(rand.NewPCG(14, 200))
	for n := 0; n < 200; {
		at := places[rng.IntN(len(places))]
		bad := text[:at[0]] + misspell(rng, text[at[0]:at[1]]) + text[at[1]:]
		if bad == text {
			continue
		}
		n++
		if err := e.Load("bad.cedar", bad); agent.KindOf(err) != agent.Invalid {
			t.Errorf("accepted: %q became %q", text[at[0]:at[1]], bad[at[0]:min(at[1]+1, len(bad))])
		}
		if e.Set() != before {
			t.Fatal("the old set is gone")
		}
	}
}

// quotedWord reports whether a plain word stands inside an annotation's text.
func quotedWord(text string, at []int) bool {
	return !strings.HasPrefix(text[at[0]:], "::") && !strings.HasPrefix(text[at[0]:], `"`) && strings.Count(text[strings.LastIndexByte(text[:at[0]], '\n')+1:at[0]], `"`)%2 == 1
}

// misspell changes one letter of a word.
func misspell(rng *rand.Rand, w string) string {
	letters := []int{}
	for i := range len(w) {
		if w[i] >= 'a' && w[i] <= 'z' || w[i] >= 'A' && w[i] <= 'Z' {
			letters = append(letters, i)
		}
	}
	i := letters[rng.IntN(len(letters))]
	switch rng.IntN(4) {
	case 0:
		return w[:i] + w[i+1:]
	case 1:
		return w[:i] + w[i:i+1] + w[i:]
	case 2:
		return w[:i] + "z" + w[i+1:]
	}
	if i+1 < len(w) && w[i+1] >= 'a' {
		return w[:i] + w[i+1:i+2] + w[i:i+1] + w[i+2:]
	}
	return w[:i] + "q" + w[i:]
}

func FuzzParse(f *testing.F) {
	f.Add(defaultText)
	f.Add(standingText)
	f.Add(`@id("x") permit (principal, action, resource) when { "a;b" == "\"" }; // ; end`)
	f.Add("permit")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f", text, nil)
		if err != nil {
			if agent.KindOf(err) != agent.Invalid {
				t.Errorf("kind %v: %v", agent.KindOf(err), err)
			}
			return
		}
		// What is accepted is what Cedar reads, rule for rule.
		list, err := cedar.NewPolicyListFromBytes("f", []byte(text))
		if err != nil || len(list)+len(standing(t)) != len(s.rules) {
			t.Errorf("%d rules, Cedar reads %d: %v", len(s.rules)-len(standing(t)), len(list), err)
		}
	})
}

func standing(t *testing.T) cedar.PolicyList {
	list, err := cedar.NewPolicyListFromBytes(StandingName, []byte(standingText))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryShippedRuleHasAnIDAReasonAndAComment(t *testing.T) {
	for name, text := range map[string]string{StandingName: standingText, DefaultName: defaultText} {
		for _, st := range statements(text) {
			list, err := cedar.NewPolicyListFromBytes(name, []byte(st.text))
			if err != nil || len(list) != 1 {
				t.Fatalf("%s:%d: %v", name, st.line, err)
			}
			notes := list[0].Annotations()
			if notes[annotID] == "" || notes[annotReason] == "" || !strings.Contains(st.text, "//") {
				t.Errorf("%s:%d: id %q, reason %q", name, st.line, notes[annotID], notes[annotReason])
			}
			if (*ast.Policy)(list[0].AST()).Position.Line != st.line {
				t.Errorf("%s: Cedar counts line %d, we %d", name, (*ast.Policy)(list[0].AST()).Position.Line, st.line)
			}
		}
	}
}
