package openai

import (
	"encoding/json"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent/model"
)

// chatMessages renders the conversation. Messages that say nothing are left
// out: the API refuses them.
func chatMessages(in []model.Message) []openai.ChatCompletionMessage {
	out := make([]openai.ChatCompletionMessage, 0, len(in))
	for _, m := range in {
		msg := openai.ChatCompletionMessage{Role: string(m.Role), Content: model.Rendered(m)}
		switch m.Role {
		case model.RoleTool:
			msg.ToolCallID = m.CallID
			if msg.Content == "" {
				msg.Content = "(no output)"
			}
		case model.RoleAssistant:
			msg.ToolCalls = toolCalls(m.Calls)
		case model.RoleSystem, model.RoleUser:
		}
		if msg.Content != "" || len(msg.ToolCalls) > 0 {
			out = append(out, msg)
		}
	}
	return out
}

func toolCalls(calls []model.ToolCall) []openai.ToolCall {
	var out []openai.ToolCall
	for _, c := range calls {
		out = append(out, openai.ToolCall{
			ID: c.ID, Type: openai.ToolTypeFunction,
			Function: openai.FunctionCall{Name: c.Name, Arguments: sentArgs(c.Args)},
		})
	}
	return out
}

// sentArgs returns arguments as they go back into the conversation. Servers
// that fill chat templates parse them and fail on anything but an object, so
// what the model wrote wrongly is shown to it inside one.
func sentArgs(args string) string {
	if strings.TrimSpace(args) == "" {
		return "{}"
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(args), &object) == nil && object != nil {
		return args
	}
	wrapped, err := json.Marshal(map[string]string{"not_a_json_object": args})
	if err != nil { // a map of strings always marshals
		return "{}"
	}
	return string(wrapped)
}

// chatRequest builds the request in a dialect.
func (c *Client) chatRequest(req model.Request, messages []openai.ChatCompletionMessage, d dialect, stream bool) openai.ChatCompletionRequest {
	out := openai.ChatCompletionRequest{
		Model: c.c.Model, Messages: messages, ReasoningEffort: c.c.ReasoningEffort, Stream: stream,
	}
	if stream && !d.noUsage {
		out.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	}
	c.limitTokens(&out, req, d)
	if len(req.Schema) > 0 {
		askForJSON(&out, req, d.form)
	}
	return out
}

func parameters(schema json.RawMessage) json.RawMessage {
	if len(schema) == 0 {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return schema
}

// limitTokens sets the limit under the name the server most likely knows:
// OpenAI's newer models refuse max_tokens, many other servers know only that.
func (c *Client) limitTokens(out *openai.ChatCompletionRequest, req model.Request, d dialect) {
	limit := req.MaxTokens
	if limit <= 0 {
		limit = c.c.MaxTokens
	}
	if limit <= 0 {
		return
	}
	out.MaxTokens = limit //nolint:staticcheck // deprecated by OpenAI, the only name elsewhere
	newer := c.official || openai.NewReasoningValidator().Validate(*out) != nil
	if newer != d.swapTokens {
		out.MaxTokens, out.MaxCompletionTokens = 0, limit //nolint:staticcheck // as above
	}
}

// tokenLimit is the limit of tokens, under whichever name it was sent.
func tokenLimit(r openai.ChatCompletionRequest) int {
	return max(r.MaxTokens, r.MaxCompletionTokens) //nolint:staticcheck // as above
}

func askForJSON(out *openai.ChatCompletionRequest, req model.Request, f form) {
	switch f {
	case strictSchema, looseSchema:
		out.ResponseFormat = &openai.ChatCompletionResponseFormat{
			Type: openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{
				Name: schemaName(req.SchemaName), Schema: req.Schema, Strict: f == strictSchema,
			},
		}
		return
	case jsonObject:
		out.ResponseFormat = &openai.ChatCompletionResponseFormat{Type: openai.ChatCompletionResponseFormatTypeJSONObject}
	case plainText:
	}
	instruct(out, "Answer with one JSON value that is valid by this JSON Schema, and with nothing else:\n"+string(req.Schema))
}

// instruct adds text to the system message; many chat templates take only one,
// and only at the beginning.
func instruct(out *openai.ChatCompletionRequest, text string) {
	messages := append([]openai.ChatCompletionMessage(nil), out.Messages...)
	if len(messages) > 0 && messages[0].Role == openai.ChatMessageRoleSystem {
		messages[0].Content += "\n\n" + text
	} else {
		system := openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: text}
		messages = append([]openai.ChatCompletionMessage{system}, messages...)
	}
	out.Messages = messages
}

// schemaName keeps what the API allows in a name: 64 of a-z, A-Z, 0-9, _ and -.
func schemaName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if clean == "" {
		return "answer"
	}
	return clean[:min(len(clean), 64)]
}
