package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent/model"
)

// form is how an answer in JSON is asked for, from the best to what every
// server understands.
type form uint8

const (
	strictSchema form = iota // response_format json_schema, strict
	looseSchema              // response_format json_schema
	jsonObject               // response_format json_object, schema in the prompt
	plainText                // schema in the prompt alone
)

// dialect is what of the API a server understands; the zero value is all of it.
type dialect struct {
	form form
	// noUsage leaves stream_options out.
	noUsage bool
	// swapTokens uses the other name of the limit of tokens.
	swapTokens bool
}

// after returns what to try after the server refused sent with err; ok is false
// when the refusal is about something else.
func (d dialect) after(err error, sent openai.ChatCompletionRequest) (dialect, bool) {
	var e *statusError
	if !errors.As(err, &e) || e.status != http.StatusBadRequest && e.status != http.StatusUnprocessableEntity || tooLong(e) {
		return d, false
	}
	switch {
	case sent.StreamOptions != nil && e.says("stream_options", "include_usage"):
		d.noUsage = true
		return d, true
	case tokenLimit(sent) > 0 && !d.swapTokens && e.says("max_tokens", "max_completion_tokens"):
		d.swapTokens = true
		return d, true
	case sent.ResponseFormat != nil && !e.says("content_filter", "content_policy"):
		d.form++
		return d, true
	}
	return d, false
}

// memory is what a client has learned of its server. Forms are kept by name of
// schema, since one schema may be refused where another is taken.
type memory struct {
	mu    sync.Mutex
	all   dialect
	forms map[string]form
}

// dialect returns what to try first for a request.
func (m *memory) dialect(req model.Request) dialect {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.all
	if f, ok := m.forms[req.SchemaName]; ok {
		d.form = f
	} else if !strictReady(req.Schema) {
		d.form = looseSchema
	}
	return d
}

// learn remembers a dialect that was understood.
func (m *memory) learn(req model.Request, d dialect) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all.noUsage = m.all.noUsage || d.noUsage
	m.all.swapTokens = d.swapTokens
	if len(req.Schema) == 0 {
		return
	}
	if m.forms == nil {
		m.forms = map[string]form{}
	}
	m.forms[req.SchemaName] = d.form
}

// strictReady reports whether a schema keeps to the part of JSON Schema that
// strict mode takes: objects list all their properties as required and allow no
// others, and the words left out of it do not occur. Source: OpenAI's guide to
// structured outputs, "supported schemas".
func strictReady(raw json.RawMessage) bool {
	var root map[string]any
	if json.Unmarshal(raw, &root) != nil || root["type"] != "object" {
		return false
	}
	return strictNode(root)
}

func strictNode(node any) bool {
	s, ok := node.(map[string]any)
	if !ok {
		return false
	}
	for _, word := range []string{
		"oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
		"patternProperties", "prefixItems", "propertyNames", "contains", "unevaluatedProperties",
	} {
		if _, has := s[word]; has {
			return false
		}
	}
	if _, has := s["properties"]; (has || s["type"] == "object") && !strictObject(s) {
		return false
	}
	if items, has := s["items"]; has && !strictNode(items) {
		return false
	}
	for _, inner := range []string{"properties", "$defs"} {
		named, _ := s[inner].(map[string]any)
		for _, p := range named {
			if !strictNode(p) {
				return false
			}
		}
	}
	anyOf, _ := s["anyOf"].([]any)
	for _, p := range anyOf {
		if !strictNode(p) {
			return false
		}
	}
	return true
}

func strictObject(s map[string]any) bool {
	if s["additionalProperties"] != false {
		return false
	}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	listed := map[string]bool{}
	for _, r := range required {
		if name, ok := r.(string); ok {
			listed[name] = true
		}
	}
	for name := range properties {
		if !listed[name] {
			return false
		}
	}
	return true
}
