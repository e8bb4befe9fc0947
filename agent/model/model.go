// Package model says what Sous needs of a language model, and holds the
// behaviours that wrap any model: fallback, retry, breaker, time limit. Vendors
// are adapters under integrations; the built-in model, which needs no network,
// is agent/model/builtin.
package model

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/redact"
)

// Model completes conversations. Implementations are safe for concurrent use,
// honour ctx, and return errors of kind agent.Unavailable when trying later or
// elsewhere may help, agent.Invalid when the request itself is refused.
type Model interface {
	// Name identifies the model, e.g. "gpt-x" or "built-in".
	Name() string
	// Complete answers the request. When delta is not nil it is called with
	// pieces of the answer's text as they come, from one goroutine, and never
	// after Complete returned; the pieces together are Response.Text. An empty
	// piece is a sign of life while no text is coming. See Request.Restart for
	// answers that have to begin again.
	Complete(ctx context.Context, req Request, delta func(text string)) (Response, error)
}

// Embedder turns texts into vectors. A model that can embed implements it too.
type Embedder interface {
	// Embed returns one vector a text, all of the same dimension.
	Embed(ctx context.Context, texts []string) (Embeddings, error)
}

// Embeddings are vectors with the model that made them, so that vectors of
// different models are never compared.
type Embeddings struct {
	Model   string
	Vectors [][]float32
	Usage   agent.Usage
}

// Role says who speaks in a conversation with a model.
type Role string

// The roles.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one entry of the conversation given to a model.
type Message struct {
	Role Role   `json:"role"`
	Text string `json:"text,omitempty"`
	// Files are attachments of a user message; adapters that cannot pass files
	// render their ids and names as text (see Rendered).
	Files []agent.FileRef `json:"files,omitempty"`
	// Calls are the tool calls an assistant message asked for.
	Calls []ToolCall `json:"calls,omitempty"`
	// CallID and Tool say which call a tool message answers.
	CallID string `json:"call_id,omitempty"`
	Tool   string `json:"tool,omitempty"`
}

// ToolCall is a call as the model wrote it: Args may be anything, even not JSON.
type ToolCall struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Args string `json:"args"`
}

// Tool is a tool as the model sees it.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
}

// Request is one request to a model.
type Request struct {
	// Prompt is the name@digest of the prompt the system message came from. The
	// built-in model chooses what to do by its name.
	Prompt   string    `json:"prompt"`
	Messages []Message `json:"messages"`
	Tools    []Tool    `json:"tools,omitempty"`
	// Schema asks for an answer that is JSON of this schema; SchemaName names it.
	Schema     json.RawMessage `json:"schema,omitempty"`
	SchemaName string          `json:"schema_name,omitempty"`
	// MaxTokens bounds the answer; 0 leaves it to the model.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Restart, when not nil, is called between two pieces, from their goroutine,
	// when every piece given so far must be thrown away because another attempt
	// starts. Pieces since the last Restart together are Response.Text. A caller
	// that cannot take back what it showed leaves it nil: then an attempt that
	// may still be replaced gives its text only once it has succeeded.
	Restart func() `json:"-"`
	// Vault, when not nil, keeps the placeholders of the turn the request belongs to, so that all its
	// requests have the same. Redact uses it; no vendor sees it.
	Vault *redact.Vault `json:"-"`
	// Restore, when not nil, says whether a value may be put back into the text of the answer (tool is "") or
	// into the arguments of a call of the tool. Redact asks it.
	Restore func(tool string, kind redact.Kind, value string) bool `json:"-"`
}

// Finish says why a model stopped.
type Finish string

// The reasons to finish.
const (
	FinishStop   Finish = "stop"
	FinishCalls  Finish = "calls"
	FinishLength Finish = "length"
	FinishFilter Finish = "filter"
)

// Response is what a model answered.
type Response struct {
	Text   string      `json:"text,omitempty"`
	Calls  []ToolCall  `json:"calls,omitempty"`
	Finish Finish      `json:"finish"`
	Usage  agent.Usage `json:"usage"`
	// Model is the name of the model that answered in the end.
	Model string `json:"model"`
	// Degraded says why another model than the first choice answered; empty
	// when the first choice did.
	Degraded string        `json:"degraded,omitempty"`
	Latency  time.Duration `json:"latency"`
}

// PromptName returns the name part of a Request.Prompt: "minutes" of
// "minutes/v1@bba81f23a9dd".
func PromptName(prompt string) string {
	for i, c := range prompt {
		if c == '/' || c == '@' {
			return prompt[:i]
		}
	}
	return prompt
}
