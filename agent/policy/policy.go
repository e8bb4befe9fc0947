// Package policy rules on calls: allow, ask or deny, and says which rule did.
//
// Rules are written in Cedar and checked against a schema when they are loaded.
// Two sets of them hold together: the standing rules, which no file can take
// away, and the rules of a file, by default these:
//
//	reads run; what the requester ordered in so many words and can be undone
//	runs; whatever derives from content that was read asks the requester;
//	what leaves the organisation asks another person, what is critical two.
//
// Who may decide, how many and how long is read from the rules that asked. What
// cannot be evaluated is denied.
package policy

// The ids of the default and standing rules, as the audit shows them.
const (
	RuleNobody     = "nobody"
	RuleOutsider   = "outsider-no-effects"
	RuleReads      = "reads-run"
	RuleEgress     = "egress-after-external-text-asks"
	RuleInWords    = "ordered-in-words-runs"
	RuleBalanced   = "balanced-runs"
	RuleDerived    = "derived-from-content-asks"
	RuleNotInWords = "not-in-words-asks"
	RuleNoUndo     = "cannot-be-undone-asks"
	RuleOutward    = "outward-asks-another"
	RuleCritical   = "critical-asks-another"
	RulePrivate    = "private-read-after-external-text-asks"
	RuleInside     = "egress-of-inside-content-asks"
	RuleUnattended = "unattended-asks-the-owners"
	RuleSecrets    = "secrets-stay"
	RulePrivacy    = "confidential-stays"
)

// The ids of rulings no rule made.
const (
	// RuleNone means that no rule permits the call.
	RuleNone = "no-rule-permits"
	// RuleError means that a rule could not be evaluated.
	RuleError = "policy-error"
	// RuleNoApprover means that the rules that ask name no group in common.
	RuleNoApprover = "nobody-may-decide"
)
