package builtin

import (
	"context"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// Name is what the built-in model calls itself.
const Name = "built-in"

// Model is the built-in model. It is safe for concurrent use.
type Model struct {
	words *lexicon
}

// New returns the built-in model.
func New() *Model { return &Model{words: newLexicon()} }

// Name returns "built-in".
func (m *Model) Name() string { return Name }

// Complete answers the prompts the built-in model knows, "minutes" and "turn";
// others are refused with an error of kind Invalid.
func (m *Model) Complete(ctx context.Context, req model.Request, delta func(text string)) (model.Response, error) {
	switch name := model.PromptName(req.Prompt); name {
	case "minutes":
		return m.completeMinutes(ctx, req, delta)
	case "turn":
		return m.completeTurn(ctx, req, delta)
	default:
		return model.Response{}, agent.Errorf(agent.Invalid, "the built-in model has no answer to the prompt %q", name)
	}
}
