package openaifake

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Chat is what the fake reads of a chat completions request.
type Chat struct {
	Model          string          `json:"model"`
	Messages       []Message       `json:"messages"`
	Tools          []Tool          `json:"tools"`
	Stream         bool            `json:"stream"`
	StreamOptions  *StreamOptions  `json:"stream_options"`
	ResponseFormat *ResponseFormat `json:"response_format"`
	MaxTokens      *int            `json:"max_tokens"`
	MaxCompletion  *int            `json:"max_completion_tokens"`
}

// StreamOptions are the options of a streamed answer.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// ResponseFormat is the form the answer is to have.
type ResponseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
		Strict bool            `json:"strict"`
	} `json:"json_schema"`
}

// Message is one message of a chat request.
type Message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"`
	ToolCallID string     `json:"tool_call_id"`
	ToolCalls  []ToolCall `json:"tool_calls"`
}

// ToolCall is a call in an assistant's message.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string  `json:"name"`
		Arguments *string `json:"arguments"`
	} `json:"function"`
}

// Tool is a function the model may call.
type Tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// check sets r.Problem to the first reason for which the real API would refuse
// the request.
func (r *Request) check(schemas map[string]validator) {
	var err error
	switch r.Path {
	case "/chat/completions":
		if err = checkFields(r.Body, chatFields()); err == nil {
			err = json.Unmarshal(r.Body, &r.Chat)
		}
		if err == nil {
			err = r.Chat.check()
		}
	case "/embeddings":
		err = checkFields(r.Body, []string{"dimensions", "encoding_format", "input", "model", "user"})
	}
	if v, ok := schemas[r.Path]; ok && err == nil {
		err = v(r.Body)
	}
	if err != nil {
		r.Problem = err.Error()
	}
}

// chatFields are the top-level fields of a chat completions request, from the
// OpenAI API reference.
func chatFields() []string {
	return strings.Fields(`audio frequency_penalty function_call functions logit_bias logprobs
		max_completion_tokens max_tokens messages metadata modalities model moderation n
		parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
		prompt_cache_retention reasoning_effort response_format safety_identifier seed
		service_tier stop store stream stream_options temperature tool_choice tools
		top_logprobs top_p user verbosity web_search_options`)
}

func checkFields(body []byte, known []string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return fmt.Errorf("the body is not a JSON object: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unrecognised request argument supplied: %s", name)
		}
	}
	return nil
}

func (c Chat) check() error {
	switch {
	case c.Model == "":
		return fmt.Errorf("you must provide a model parameter")
	case len(c.Messages) == 0:
		return fmt.Errorf("messages: too short, want at least one")
	case c.StreamOptions != nil && !c.Stream:
		return fmt.Errorf("stream_options is only allowed when stream is enabled")
	case c.ResponseFormat != nil:
		if err := c.ResponseFormat.check(c.Messages); err != nil {
			return err
		}
	}
	for i, t := range c.Tools {
		if !functionName().MatchString(t.Function.Name) || t.Type != "function" {
			return fmt.Errorf("tools[%d]: want a function with a name of letters, digits, _ and -, got %q", i, t.Function.Name)
		}
		if !isObject(t.Function.Parameters) {
			return fmt.Errorf("tools[%d].function.parameters: want an object", i)
		}
	}
	return checkMessages(c.Messages)
}

func functionName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) }

func isObject(raw json.RawMessage) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(raw, &m) == nil && m != nil
}

func (f ResponseFormat) check(messages []Message) error {
	switch f.Type {
	case "text":
		return nil
	case "json_object":
		for _, m := range messages {
			if m.Content != nil && strings.Contains(strings.ToLower(*m.Content), "json") {
				return nil
			}
		}
		return fmt.Errorf("messages must contain the word json to use response_format json_object")
	case "json_schema":
		if f.JSONSchema == nil || !functionName().MatchString(f.JSONSchema.Name) || !isObject(f.JSONSchema.Schema) {
			return fmt.Errorf("response_format.json_schema: want a name and a schema")
		}
		return nil
	}
	return fmt.Errorf("response_format.type: unknown %q", f.Type)
}

// checkMessages holds the rules between messages: every call is answered by a
// tool message right after it, and nothing else is answered.
func checkMessages(messages []Message) error {
	open := map[string]bool{}
	for i, m := range messages {
		if len(open) > 0 && m.Role != "tool" {
			return unanswered(open)
		}
		switch m.Role {
		case "system", "user", "developer":
			if m.Content == nil {
				return fmt.Errorf("messages[%d].content: missing", i)
			}
		case "tool":
			if m.Content == nil || !open[m.ToolCallID] {
				return fmt.Errorf("messages[%d]: a tool message needs content and must answer a call before it (%q)", i, m.ToolCallID)
			}
			delete(open, m.ToolCallID)
		case "assistant":
			if m.Content == nil && len(m.ToolCalls) == 0 {
				return fmt.Errorf("messages[%d]: an assistant message needs content or tool calls", i)
			}
			if err := openCalls(open, m.ToolCalls); err != nil {
				return fmt.Errorf("messages[%d]: %w", i, err)
			}
		default:
			return fmt.Errorf("messages[%d].role: unknown %q", i, m.Role)
		}
	}
	if len(open) > 0 {
		return unanswered(open)
	}
	return nil
}

func openCalls(open map[string]bool, calls []ToolCall) error {
	for _, c := range calls {
		if c.ID == "" || open[c.ID] || c.Type != "function" || c.Function.Name == "" || c.Function.Arguments == nil {
			return fmt.Errorf("a tool call needs its own id, type, name and arguments (%q)", c.ID)
		}
		open[c.ID] = true
	}
	return nil
}

func unanswered(open map[string]bool) error {
	return fmt.Errorf("tool calls must be followed by tool messages: %v have no answer", slices.Sorted(maps.Keys(open)))
}
