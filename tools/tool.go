package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/sous-hq/sous/agent"
)

// Class says what can be known about an effect whose outcome was lost. The
// zero value is the most careful one.
type Class uint8

const (
	// Neither says that the tool takes no key and offers no look-up. After a lost
	// outcome it is never repeated; a person has to look.
	Neither Class = iota
	// Lookup says that the effect can be found by the key it was made with.
	Lookup
	// Keyed says that the tool takes an idempotency key, so repeating with the same key
	// has no second effect.
	Keyed
)

// String returns the class's name.
func (c Class) String() string {
	return [...]string{"neither", "lookup", "keyed"}[min(int(c), 2)]
}

// Spec declares a tool.
type Spec struct {
	// Name is lower_snake_case and unique.
	Name string
	// Doc is what the model and people read; it lives in a .md file beside the
	// tool's code.
	Doc string
	// Tier is the risk; it must be set.
	Tier agent.Tier
	// Timeout bounds one run; it must be set.
	Timeout time.Duration
	// Class is required to be meaningful above TierRead.
	Class Class
	// Control names the arguments that say where an effect goes or what it
	// touches (recipient, id, url, path, amount, role). Above TierRead nil counts
	// as every argument; a tool that has none says so with an empty list.
	Control []string
	// Egress marks tools whose use sends something outside, reads included.
	Egress bool
	// Private marks tools that read what only some people may see, such as a
	// mailbox.
	Private bool
	// Artifact keeps the result in the turn under this kind, e.g. "minutes".
	Artifact string
	// Undo says for people what undoing would do; empty when it cannot be undone.
	Undo string
}

// Invocation is what a tool is told beside its arguments.
type Invocation struct {
	// By is who asked; never who the model claims.
	By    agent.Actor
	Place agent.Place
	Turn  string
	// Call is the id of the call.
	Call string
	// Key is the idempotency key: the same for every attempt of this call.
	Key string
	// Context is the joined label of all the model saw when it planned the
	// call: what is written from it inherits it.
	Context agent.Label
	// Prior are the outcomes of earlier calls in the same turn, as recorded.
	Prior []agent.Outcome
	// Edited says that a person wrote these arguments in place of the model's.
	Edited bool
	// Used, when not nil, is told what the tool itself used of a language model, of
	// which the last to answer is named.
	Used func(model string, u agent.Usage)
}

// Funcs are the functions behind a tool. Run and Label are required.
type Funcs[In, Out any] struct {
	// Run does it. It returns an error of kind Invalid, NotFound, Forbidden,
	// Conflict or TooLarge only when nothing happened; after any other error
	// the effect is treated as possibly done.
	Run func(ctx context.Context, inv Invocation, in In) (Out, error)
	// Label says where the result came from and who may see it.
	Label func(inv Invocation, in In, out Out) agent.Label
	// Check refuses a call that cannot run, before anybody is asked.
	Check func(ctx context.Context, inv Invocation, in In) error
	// Version names the state of what the call touches, such as an etag or a
	// revision. When it is another at the time of running than at the time of
	// asking, people are asked again. Its errors are like those of Check.
	Version func(ctx context.Context, inv Invocation, in In) (string, error)
	// About says for people what the call touches, such as the text that would be
	// forgotten, as far as this person may see it. It changes nothing.
	About func(ctx context.Context, by agent.Actor, in In) ([]agent.Note, error)
	// Find looks for an effect made with inv.Key; required for class Lookup.
	Find func(ctx context.Context, inv Invocation, in In) (out Out, found bool, err error)
	// Undo returns the call that takes the effect back. ok is false when this
	// very effect cannot be undone.
	Undo func(in In, out Out) (tool string, args any, ok bool)
}

// Tool is a declared tool. It can only be run by an Executor.
type Tool struct {
	spec       Spec
	schema     json.RawMessage
	definition string
	bind       func(args json.RawMessage) (*bound, error)
}

// Spec returns the tool's declaration.
func (t Tool) Spec() Spec { return t.spec }

// Schema returns the JSON Schema of the arguments.
func (t Tool) Schema() json.RawMessage { return t.schema }

// Bind checks arguments without running anything and returns them as they will be
// used, in the order of the schema; for previews and tests.
func (t Tool) Bind(args json.RawMessage) (json.RawMessage, error) {
	b, err := t.bind(args)
	if err != nil {
		return nil, err
	}
	return b.args, nil
}

// bound is a call with checked arguments. Nothing has run yet.
type bound struct {
	args    json.RawMessage
	check   func(ctx context.Context, inv Invocation) error
	version func(ctx context.Context, inv Invocation) (string, error)
	run     func(ctx context.Context, inv Invocation) (result, error)
	find    func(ctx context.Context, inv Invocation) (result, bool, error)
	about   func(ctx context.Context, by agent.Actor) ([]agent.Note, error)
}

type result struct {
	json  json.RawMessage
	label agent.Label
	undo  *UndoCall
}

// UndoCall is the prepared call that takes an effect back.
type UndoCall struct {
	Tool string          `json:"tool"`
	Args json.RawMessage `json:"args"`
}

var nameShape = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// maxArgs bounds the arguments of one call, in bytes.
const maxArgs = 256 << 10

// New declares a tool over typed arguments. In must be a struct whose JSON
// Schema can be inferred; unknown fields in a call's arguments are refused.
func New[In, Out any](spec Spec, f Funcs[In, Out]) (Tool, error) {
	if err := spec.validate(); err != nil {
		return Tool{}, err
	}
	if f.Run == nil || f.Label == nil {
		return Tool{}, fmt.Errorf("tool %s: Run and Label are required", spec.Name)
	}
	if spec.Class == Lookup && f.Find == nil {
		return Tool{}, fmt.Errorf("tool %s: class lookup needs Find", spec.Name)
	}
	if (spec.Undo != "") != (f.Undo != nil) {
		return Tool{}, fmt.Errorf("tool %s: Spec.Undo and Funcs.Undo go together", spec.Name)
	}
	schema, err := jsonschema.For[In](nil)
	if err != nil {
		return Tool{}, fmt.Errorf("tool %s: schema: %w", spec.Name, err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return Tool{}, fmt.Errorf("tool %s: schema: %w", spec.Name, err)
	}
	raw, err := json.Marshal(schema)
	if err != nil {
		return Tool{}, fmt.Errorf("tool %s: schema: %w", spec.Name, err)
	}
	definition, err := define(spec, raw)
	if err != nil {
		return Tool{}, err
	}
	return Tool{spec: spec, schema: raw, definition: definition, bind: func(args json.RawMessage) (*bound, error) {
		in, typed, err := decode[In](resolved, args)
		if err != nil {
			return nil, agent.Errorf(agent.Invalid, "%s: %w", spec.Name, err)
		}
		return f.bound(in, typed), nil
	}}, nil
}

// Must returns the tool or panics; for declarations that tests cover.
func Must(t Tool, err error) Tool {
	if err != nil {
		panic(err)
	}
	return t
}

func (s Spec) validate() error {
	switch {
	case !nameShape.MatchString(s.Name) || len(s.Name) > 64:
		return fmt.Errorf("tool name %q is not lower_snake_case of at most 64 letters", s.Name)
	case strings.TrimSpace(s.Doc) == "":
		return fmt.Errorf("tool %s has no doc", s.Name)
	case s.Tier == agent.TierUnset || s.Tier > agent.TierCritical:
		return fmt.Errorf("tool %s has no risk tier", s.Name)
	case s.Timeout <= 0:
		return fmt.Errorf("tool %s has no timeout", s.Name)
	}
	return nil
}

// decode checks args against the schema and decodes them strictly. What it
// returns has gone through the Go type, so 1 and 1.0 are the same number and
// people see the arguments in the order in which the tool declares them.
func decode[In any](schema *jsonschema.Resolved, args json.RawMessage) (In, json.RawMessage, error) {
	var in In
	if len(args) > maxArgs {
		return in, nil, fmt.Errorf("the arguments are larger than %d KiB", maxArgs>>10)
	}
	if len(bytes.TrimSpace(args)) == 0 {
		args = json.RawMessage("{}")
	}
	var loose any
	if err := json.Unmarshal(args, &loose); err != nil {
		return in, nil, fmt.Errorf("the arguments are not JSON")
	}
	if err := schema.Validate(loose); err != nil {
		return in, nil, fmt.Errorf("the arguments do not fit: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, nil, fmt.Errorf("the arguments do not fit: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return in, nil, fmt.Errorf("the arguments are more than one JSON value")
	}
	var typed bytes.Buffer
	enc := json.NewEncoder(&typed)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		return in, nil, fmt.Errorf("the arguments cannot be written back: %w", err)
	}
	return in, bytes.TrimRight(typed.Bytes(), "\n"), nil
}

func (f Funcs[In, Out]) bound(in In, args json.RawMessage) *bound {
	finish := func(inv Invocation, out Out) (result, error) {
		raw, err := json.Marshal(out)
		if err != nil {
			return result{}, fmt.Errorf("encode result: %w", err)
		}
		r := result{json: raw, label: f.Label(inv, in, out)}
		if f.Undo != nil {
			if tool, undoArgs, ok := f.Undo(in, out); ok {
				raw, err := json.Marshal(undoArgs)
				if err != nil {
					return result{}, fmt.Errorf("encode undo: %w", err)
				}
				r.undo = &UndoCall{Tool: tool, Args: raw}
			}
		}
		return r, nil
	}
	return &bound{
		args: args,
		check: func(ctx context.Context, inv Invocation) error {
			if f.Check == nil {
				return nil
			}
			return f.Check(ctx, inv, in)
		},
		about: func(ctx context.Context, by agent.Actor) ([]agent.Note, error) {
			if f.About == nil {
				return nil, nil
			}
			return f.About(ctx, by, in)
		},
		version: func(ctx context.Context, inv Invocation) (string, error) {
			if f.Version == nil {
				return "", nil
			}
			return f.Version(ctx, inv, in)
		},
		run: func(ctx context.Context, inv Invocation) (result, error) {
			out, err := f.Run(ctx, inv, in)
			if err != nil {
				return result{}, err
			}
			return finish(inv, out)
		},
		find: func(ctx context.Context, inv Invocation) (result, bool, error) {
			if f.Find == nil {
				return result{}, false, nil
			}
			out, found, err := f.Find(ctx, inv, in)
			if err != nil || !found {
				return result{}, false, err
			}
			r, err := finish(inv, out)
			return r, err == nil, err
		},
	}
}
