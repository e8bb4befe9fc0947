package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sous-hq/sous/agent"
)

// ErrAskAgain is in the chain of Ledger.Intend's error when an approval no longer
// holds and was closed: the call has to be asked anew.
var ErrAskAgain = errors.New("the approval no longer holds")

// Definition is the digest of what the tool declares: SHA-256, hex. People
// approve a call of a tool as it is then; with another definition they are asked
// again.
func (t Tool) Definition() string { return t.definition }

// define digests a declaration.
func define(s Spec, schema json.RawMessage) (string, error) {
	raw, err := json.Marshal([]any{
		s.Name, s.Doc, s.Tier.Number(), s.Class.String(), s.Control, s.Egress, s.Private, s.Undo, string(schema),
	})
	if err != nil {
		return "", fmt.Errorf("tool %s: definition: %w", s.Name, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// identify checks the call and finds out what an approval of it is bound to
// beside its arguments.
func (x *execution) identify(ctx context.Context, t Tool) error {
	if err := x.bound.check(ctx, x.inv); err != nil {
		return err
	}
	x.Definition = t.Definition()
	if t.spec.Tier == agent.TierRead {
		return nil
	}
	var err error
	x.Version, err = x.bound.version(ctx, x.inv)
	return err
}

// askAgain asks anew for a call whose approval no longer holds, or runs it when
// policy by now allows it without.
func (e *Executor) askAgain(ctx context.Context, x *execution, v agent.Verdict, why error) (agent.Outcome, error) {
	x.approval = ""
	if v.Ruling == agent.Ask {
		v.Reason += " It is asked again: " + agent.PublicText(why) + "."
	}
	return e.obey(ctx, x, v)
}
