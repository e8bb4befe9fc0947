package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Tier is a tool's risk. The zero value is unset and counts as TierCritical,
// so a forgotten tier can only make a tool harder to run.
type Tier uint8

const (
	// TierUnset is a forgotten tier; treat it as TierCritical.
	TierUnset Tier = iota
	// TierRead changes nothing (tier 0).
	TierRead
	// TierWrite is reversible and stays inside the organisation (tier 1).
	TierWrite
	// TierOutward leaves the organisation, changes access or is hard to undo (tier 2).
	TierOutward
	// TierCritical is money, deletion, credentials or production (tier 3).
	TierCritical
)

// Number returns the tier as people write it: 0 to 3; an unset tier is 3.
func (t Tier) Number() int {
	if t == TierUnset || t > TierCritical {
		return 3
	}
	return int(t) - 1
}

// String returns "tier 0 (read)" and the like.
func (t Tier) String() string {
	return [...]string{
		"tier 0 (read)", "tier 1 (reversible, inside)",
		"tier 2 (leaves the organisation or is hard to undo)", "tier 3 (critical)",
	}[t.Number()]
}

// MarshalJSON writes the tier's number.
func (t Tier) MarshalJSON() ([]byte, error) { return json.Marshal(t.Number()) }

// UnmarshalJSON reads the tier's number; anything unknown becomes TierCritical.
func (t *Tier) UnmarshalJSON(b []byte) error {
	var n int
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("tier: %w", err)
	}
	*t = TierCritical
	if n >= 0 && n < 3 {
		*t = Tier(n) + TierRead
	}
	return nil
}

// Call is one planned use of a tool with exact arguments.
type Call struct {
	// ID is unique in the workspace: turn id, "/", position in the turn. It is
	// the root of the idempotency key.
	ID    string `json:"id"`
	Turn  string `json:"turn"`
	Actor Actor  `json:"actor"`
	Tool  string `json:"tool"`
	// Args is a JSON object.
	Args json.RawMessage `json:"args"`
}

// Argument is one argument of a call.
type Argument struct {
	Name  string
	Value json.RawMessage
}

// Arguments lists the arguments in the order they are written, as they will be
// used: of a repeated name the last value counts, as it does for a tool. It
// returns nil when they are no object.
func (c Call) Arguments() []Argument {
	dec := json.NewDecoder(bytes.NewReader(c.Args))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	all := []Argument{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		a := Argument{Name: fmt.Sprint(name)}
		if err := dec.Decode(&a.Value); err != nil {
			return nil
		}
		all = append(slices.DeleteFunc(all, func(o Argument) bool { return o.Name == a.Name }), a)
	}
	if _, err := dec.Token(); err != nil {
		return nil
	}
	return all
}

// Note is something about a call that people see beside its arguments.
type Note struct {
	// Title says what it is, such as "Ticket T-7"; Text is plain text, and may
	// have been written by outsiders.
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Digest binds actor, tool and canonical arguments: SHA-256, hex. Two calls
// with the same digest ask for the same thing; one changed byte changes it.
func (c Call) Digest() (string, error) {
	args, err := CanonicalJSON(c.Args)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", c.Tool, err)
	}
	head, err := json.Marshal([]string{string(c.Actor.Workspace), string(c.Actor.ID), c.Tool})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", c.Tool, err)
	}
	h := sha256.New()
	h.Write(head)
	h.Write([]byte{'\n'})
	h.Write(args)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// CanonicalJSON rewrites one JSON value with sorted object keys and no white
// space. Numbers keep their literal form, so callers that want 1 and 1.0 to be
// equal normalise through a Go type first. Empty input is the empty object.
func CanonicalJSON(raw []byte) ([]byte, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return []byte("{}"), nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("canonical json: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("canonical json: data after the value")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("canonical json: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// Ruling is what policy says of a call. The zero value is Deny.
type Ruling uint8

const (
	// Deny means the call must not run.
	Deny Ruling = iota
	// Ask means a person decides.
	Ask
	// Allow means the call may run now.
	Allow
)

var rulingNames = []string{"deny", "ask", "allow"}

// String returns the name used in JSON.
func (r Ruling) String() string { return nameOf(rulingNames, int(r)) }

// MarshalText implements encoding.TextMarshaler.
func (r Ruling) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (r *Ruling) UnmarshalText(b []byte) error {
	n, err := indexOf(rulingNames, string(b), "ruling")
	*r = Ruling(n)
	return err
}

// Verdict is a ruling with the rule that said so and, for Ask, who decides.
type Verdict struct {
	Ruling Ruling `json:"ruling"`
	// Rule is the id of the rule that decided.
	Rule string `json:"rule"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
	// ByRequester says that the requester's own confirmation is enough
	// (tier 1); otherwise another person must approve.
	ByRequester bool `json:"by_requester,omitempty"`
	// Approvers are the groups whose members may decide; none means any member.
	Approvers []string `json:"approvers,omitempty"`
	// Quorum is how many different people have to say yes; 0 means one.
	Quorum int `json:"quorum,omitempty"`
	// TTL is how long there is to decide; 0 means the store's own time.
	TTL time.Duration `json:"ttl,omitempty"`
	// Note is what the ruling stood on, in one line for the record; it holds no
	// content.
	Note string `json:"note,omitempty"`
	// Sole says that the workspace has one person, who decides alone.
	Sole bool `json:"sole,omitempty"`
	// Marked names the arguments whose value came from untrusted text.
	Marked []string `json:"marked,omitempty"`
}

// Status is what became of a call. The zero value is Failed.
type Status uint8

const (
	// Failed means the tool ran or was about to run and reported an error.
	Failed Status = iota
	// Done means it ran and succeeded.
	Done
	// Denied means policy or a person said no; nothing ran.
	Denied
	// Waiting means a person has to decide first; nothing ran.
	Waiting
	// Unknown means it may or may not have happened; a person has to look.
	Unknown
)

var statusNames = []string{"failed", "done", "denied", "waiting", "unknown"}

// String returns the name used in JSON.
func (s Status) String() string { return nameOf(statusNames, int(s)) }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (s *Status) UnmarshalText(b []byte) error {
	n, err := indexOf(statusNames, string(b), "status")
	*s = Status(n)
	return err
}

// Outcome is the result of one call. Waiting is an outcome, not an error.
type Outcome struct {
	Call   string `json:"call"`
	Tool   string `json:"tool"`
	Status Status `json:"status"`
	// Result is the tool's JSON result when Status is Done.
	Result json.RawMessage `json:"result,omitempty"`
	// Artifact is the kind under which the turn keeps the result, "" for none.
	Artifact string `json:"artifact,omitempty"`
	// Error is the public text when Status is Failed, Denied or Unknown.
	Error string `json:"error,omitempty"`
	// Kind is the kind of Error.
	Kind string `json:"kind,omitempty"`
	// Approval is the id of the approval when Status is Waiting.
	Approval string `json:"approval,omitempty"`
	// Label is where the result came from and who may see it.
	Label Label `json:"label"`
	// Undo says, for people, how to take the effect back; empty when it cannot be.
	Undo string `json:"undo,omitempty"`
	// Usage is what the call itself used of a language model, and Model the one that
	// answered last.
	Usage Usage  `json:"usage,omitzero"`
	Model string `json:"model,omitempty"`
}
