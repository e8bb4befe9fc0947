// Package policy rules on calls: allow, ask or deny. This is the default rule
// set, in code:
//
//	reads run; what the requester ordered in so many words and can be undone
//	runs; whatever derives from content that was read asks the requester;
//	what leaves the organisation or is critical asks another person.
//
// Who may decide is part of the ruling, and so is the rule that made it.
package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// The ids of the default rules, as the audit shows them.
const (
	RuleNobody     = "nobody"
	RuleOutsider   = "outsider-no-effects"
	RuleReads      = "reads-run"
	RuleEgress     = "egress-after-external-text-asks"
	RuleInWords    = "ordered-in-words-runs"
	RuleDerived    = "derived-from-content-asks"
	RuleNotInWords = "not-in-words-asks"
	RuleNoUndo     = "cannot-be-undone-asks"
	RuleOutward    = "outward-asks-another"
	RuleCritical   = "critical-asks-another"
)

// Default is the built-in rule set. It implements tools.Gate.
type Default struct {
	// Sole says that the workspace has one person, who then decides alone.
	Sole bool
}

// Rule implements tools.Gate. It never fails.
func (d Default) Rule(_ context.Context, p tools.Proposal) (agent.Verdict, error) {
	v := d.rule(p)
	v.Sole = d.Sole
	if v.Ruling == agent.Ask && p.Context.Integrity == agent.External {
		v.Marked = foreign(p)
	}
	return v, nil
}

func (d Default) rule(p tools.Proposal) agent.Verdict {
	by, read := p.Call.Actor, p.Spec.Tier == agent.TierRead
	switch {
	case by.ID == "" || by.Workspace == "":
		return agent.Verdict{Rule: RuleNobody, Reason: "Nobody is named who asks for this."}
	case !read && by.Kind != agent.Member:
		return agent.Verdict{Rule: RuleOutsider, Reason: "Only members of the workspace can have Sous change things."}
	case read && p.Spec.Egress && p.Context.Integrity == agent.External:
		return ask(RuleEgress, "This sends something outside after text from outside was read.", true)
	case read:
		return agent.Verdict{Ruling: agent.Allow, Rule: RuleReads, Reason: "It changes nothing."}
	}
	switch p.Spec.Tier {
	case agent.TierWrite:
		return write(p)
	case agent.TierOutward:
		return ask(RuleOutward, "It leaves the organisation, changes access or is hard to undo.", false)
	case agent.TierUnset, agent.TierRead, agent.TierCritical:
	}
	return ask(RuleCritical, "It concerns money, deletion, credentials or production.", false)
}

// write rules on reversible changes inside the organisation.
func write(p tools.Proposal) agent.Verdict {
	switch {
	case p.Spec.Undo == "":
		return ask(RuleNoUndo, "It cannot be taken back.", true)
	case p.Context.Integrity == agent.External:
		return ask(RuleDerived, "It derives from content that was read"+from(p.Context.Sources)+", not only from your words.", true)
	}
	if args := foreign(p); len(args) > 0 {
		return ask(RuleNotInWords, fmt.Sprintf("You did not say this in so many words (%s).", strings.Join(args, ", ")), true)
	}
	return agent.Verdict{Ruling: agent.Allow, Rule: RuleInWords, Reason: "You ordered it in so many words and it can be undone."}
}

func ask(rule, reason string, byRequester bool) agent.Verdict {
	return agent.Verdict{Ruling: agent.Ask, Rule: rule, Reason: reason, ByRequester: byRequester}
}

func from(sources []string) string {
	if len(sources) == 0 {
		return ""
	}
	shown := sources[:min(3, len(sources))]
	return " (" + strings.Join(shown, ", ") + ")"
}

// foreign names the arguments that hold text the requester did not say.
func foreign(p tools.Proposal) []string {
	var args map[string]json.RawMessage
	if json.Unmarshal(p.Call.Args, &args) != nil {
		return []string{"arguments"}
	}
	said := words(p.Request)
	var out []string
	for name, raw := range args {
		if slices.ContainsFunc(texts(raw), func(s string) bool { return !contains(said, words(s)) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// texts returns the strings anywhere inside a JSON value. Numbers count as
// text, so that an amount nobody said is seen; booleans and null carry nothing
// that could be said.
func texts(raw json.RawMessage) []string {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return []string{string(raw)}
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for k, x := range v {
				out = append(out, k)
				walk(x)
			}
		}
	}
	walk(v)
	return out
}

// words splits text into lower-case words, so that case, punctuation, white
// space and underscores make no difference.
func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// contains reports whether needle's words stand in hay's, together and in order.
func contains(hay, needle []string) bool {
	if len(needle) == 0 {
		return true
	}
	for i := 0; i+len(needle) <= len(hay); i++ {
		if slices.Equal(hay[i:i+len(needle)], needle) {
			return true
		}
	}
	return false
}
