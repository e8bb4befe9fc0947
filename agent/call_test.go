package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
)

func digest(t interface{ Fatal(...any) }, c agent.Call) string {
	d, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDigestIgnoresFormAndSeesEveryByte(t *testing.T) {
	base := agent.Call{Actor: agent.Actor{Workspace: "w", ID: "ann"}, Tool: "pay", Args: json.RawMessage(`{"to":"bob","amount":10}`)}
	same := base
	same.Args = json.RawMessage("{ \"amount\" : 10,\n \"to\":\"bob\" }")
	same.Actor.Name, same.Turn, same.ID = "Ann", "t", "t/1"
	if digest(t, base) != digest(t, same) {
		t.Error("order, space or names changed the digest")
	}
	for name, change := range map[string]func(*agent.Call){
		"amount":    func(c *agent.Call) { c.Args = json.RawMessage(`{"to":"bob","amount":11}`) },
		"receiver":  func(c *agent.Call) { c.Args = json.RawMessage(`{"to":"bob ","amount":10}`) },
		"extra":     func(c *agent.Call) { c.Args = json.RawMessage(`{"to":"bob","amount":10,"x":null}`) },
		"type":      func(c *agent.Call) { c.Args = json.RawMessage(`{"to":"bob","amount":"10"}`) },
		"tool":      func(c *agent.Call) { c.Tool = "pay2" },
		"actor":     func(c *agent.Call) { c.Actor.ID = "eve" },
		"workspace": func(c *agent.Call) { c.Actor.Workspace = "v" },
	} {
		other := base
		change(&other)
		if digest(t, base) == digest(t, other) {
			t.Errorf("a changed %s has the same digest", name)
		}
	}
	// Parts must not run into each other.
	a := agent.Call{Actor: agent.Actor{Workspace: "w", ID: "an"}, Tool: "npay"}
	b := agent.Call{Actor: agent.Actor{Workspace: "w", ID: "ann"}, Tool: "pay"}
	if digest(t, a) == digest(t, b) {
		t.Error("actor and tool run into each other")
	}
}

func TestCanonicalJSONIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{
			rapid.String().Draw(t, "key"):   rapid.Float64Range(-1e9, 1e9).Draw(t, "number"),
			rapid.String().Draw(t, "other"): []any{rapid.String().Draw(t, "text"), nil, true},
		}
		raw, err := json.MarshalIndent(v, " ", "  ")
		if err != nil {
			t.Fatal(err)
		}
		once, err := agent.CanonicalJSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := agent.CanonicalJSON(once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
	})
	for _, bad := range []string{`{`, `{} {}`, `nul`, `{"a":1}x`} {
		if _, err := agent.CanonicalJSON(json.RawMessage(bad)); err == nil {
			t.Errorf("%q is no single JSON value", bad)
		}
	}
	if got, err := agent.CanonicalJSON(nil); err != nil || string(got) != "{}" {
		t.Errorf("nothing became %s, %v", got, err)
	}
}

func TestZeroValuesRunNothing(t *testing.T) {
	if agent.Ruling(0) != agent.Deny || agent.Status(0) != agent.Failed || agent.Kind(0) != agent.Internal || agent.ActorKind(0) != agent.Stranger {
		t.Error("a zero value is not the careful one")
	}
	if agent.TierUnset.Number() != 3 || agent.Tier(200).Number() != 3 {
		t.Error("an unset tier is not the riskiest")
	}
	var tier agent.Tier
	for raw, want := range map[string]agent.Tier{"0": agent.TierRead, "2": agent.TierOutward, "3": agent.TierCritical, "9": agent.TierCritical, "-1": agent.TierCritical} {
		if err := json.Unmarshal([]byte(raw), &tier); err != nil || tier != want {
			t.Errorf("%s was read as %v, %v", raw, tier, err)
		}
	}
	if (agent.Place{}).Readers().Scope != agent.Everybody {
		t.Error("an unknown place is not treated as shared with outsiders")
	}
}

func TestPeopleSeeOnlyTextThatWasWrittenForThem(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7:5432: connection refused")
	for _, c := range []struct {
		err  error
		kind agent.Kind
		text string
	}{
		{agent.Errorf(agent.Invalid, "the date %q is none", "x"), agent.Invalid, `the date "x" is none`},
		{fmt.Errorf("save: %w", agent.WrapError(agent.Unavailable, secret, "the store is away")), agent.Unavailable, "the store is away"},
		{fmt.Errorf("save: %w", secret), agent.Internal, "Something went wrong on our side; the log has the details."},
		{agent.WrapError(agent.Internal, secret, "odd"), agent.Internal, "Something went wrong on our side; the log has the details."},
		{context.Canceled, agent.Cancelled, "It was stopped."},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), agent.Unavailable, "It took too long and was given up."},
	} {
		if got := agent.KindOf(c.err); got != c.kind {
			t.Errorf("%v is %s; want %s", c.err, got, c.kind)
		}
		if got := agent.PublicText(c.err); got != c.text || strings.Contains(got, "10.0.0.7") {
			t.Errorf("people see %q; want %q", got, c.text)
		}
	}
	wrapped := agent.Errorf(agent.Conflict, "taken: %w", secret)
	if !errors.Is(wrapped, secret) || wrapped.Error() != "taken: "+secret.Error() {
		t.Errorf("%v lost or repeats its cause", wrapped)
	}
}

func TestArgumentsAreListedAsTheyWillBeUsed(t *testing.T) {
	for raw, want := range map[string]string{
		`{"to":"bob","amount":1,"to":"eve"}`: `amount=1 to="eve"`,
		`{"b":{"x":[1,2]},"a":null}`:         `b={"x":[1,2]} a=null`,
		`{}`:                                 ``,
		`[1]`:                                `no object`,
		`{"a":1`:                             `no object`,
		``:                                   `no object`,
	} {
		all := agent.Call{Args: json.RawMessage(raw)}.Arguments()
		var parts []string
		for _, a := range all {
			parts = append(parts, a.Name+"="+string(a.Value))
		}
		if all == nil {
			parts = []string{"no object"}
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("%s: %s; want %s", raw, got, want)
		}
	}
}
