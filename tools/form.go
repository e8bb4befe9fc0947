package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// FieldKind is how people enter one argument.
type FieldKind string

// The kinds of fields.
const (
	// TextField is a text of any length.
	TextField FieldKind = "text"
	// ChoiceField is one of the field's choices.
	ChoiceField FieldKind = "choice"
	// NumberField is a number, WholeField one without a fraction.
	NumberField FieldKind = "number"
	WholeField  FieldKind = "whole"
	// FlagField is yes or no.
	FlagField FieldKind = "flag"
	// ListField is any number of texts, one a line.
	ListField FieldKind = "list"
	// JSONField is anything else, as JSON.
	JSONField FieldKind = "json"
)

// Field is one argument of a tool as a form asks for it.
type Field struct {
	Name string
	Kind FieldKind
	// Doc says what it is for.
	Doc      string
	Required bool
	// Choices are the values of a ChoiceField.
	Choices []string
}

// property is the part of a JSON Schema that a form needs.
type property struct {
	Type        any       `json:"type"`
	Description string    `json:"description"`
	Enum        []string  `json:"enum"`
	Items       *property `json:"items"`
}

// Fields reads the fields of a form from the schema of a tool's arguments, in the
// order of the schema.
func Fields(schema json.RawMessage) ([]Field, error) {
	var s struct {
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var all []Field
	for _, p := range (agent.Call{Args: s.Properties}).Arguments() {
		f := Field{Name: p.Name, Kind: JSONField, Required: slices.Contains(s.Required, p.Name)}
		var of property
		if json.Unmarshal(p.Value, &of) == nil {
			f.Kind, f.Doc, f.Choices = of.kind(), of.Description, of.Enum
		}
		all = append(all, f)
	}
	return all, nil
}

// kind is how a property is entered. One that may be null is left out instead.
func (p property) kind() FieldKind {
	var types []string
	switch t := p.Type.(type) {
	case string:
		types = []string{t}
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				types = append(types, name)
			}
		}
	}
	if len(types) != 1 {
		return JSONField
	}
	switch types[0] {
	case "string":
		if len(p.Enum) > 0 {
			return ChoiceField
		}
		return TextField
	case "number":
		return NumberField
	case "integer":
		return WholeField
	case "boolean":
		return FlagField
	case "array":
		if p.Items != nil && p.Items.kind() == TextField {
			return ListField
		}
	}
	return JSONField
}

// Text is a value as the form shows it; "" for one that is left out.
func (f Field) Text(value json.RawMessage) string {
	var one string
	var list []string
	switch raw := bytes.TrimSpace(value); {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case (f.Kind == TextField || f.Kind == ChoiceField) && json.Unmarshal(raw, &one) == nil:
		return one
	case f.Kind == ListField && json.Unmarshal(raw, &list) == nil:
		return strings.Join(list, "\n")
	case f.Kind == JSONField:
		var out bytes.Buffer
		if json.Indent(&out, raw, "", "  ") == nil {
			return out.String()
		}
	}
	return string(value)
}

// Value reads what was entered; nil leaves the argument out. The error is of kind
// Invalid and names the field.
func (f Field) Value(entered string) (json.RawMessage, error) {
	// A browser sends the lines of a form apart by CR LF, whatever they were.
	entered = strings.ReplaceAll(entered, "\r\n", "\n")
	blank := strings.TrimSpace(entered) == ""
	switch {
	case f.Kind == TextField && (f.Required || entered != ""):
		return plainJSON(entered)
	case blank && f.Required && f.Kind == ListField:
		return json.RawMessage("[]"), nil
	case blank && f.Required && f.Kind == FlagField:
		return json.RawMessage("false"), nil
	case blank && f.Required:
		return nil, agent.Errorf(agent.Invalid, "%s is required", f.Name)
	case blank:
		return nil, nil
	case f.Kind == ChoiceField:
		return plainJSON(entered)
	case f.Kind == ListField:
		var lines []string
		for line := range strings.Lines(entered) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		return plainJSON(lines)
	}
	raw := json.RawMessage(strings.TrimSpace(entered))
	if !json.Valid(raw) || !f.takes(raw) {
		return nil, agent.Errorf(agent.Invalid, "%s is %s, and %.80q is not", f.Name, f.is(), entered)
	}
	return raw, nil
}

// takes reports whether a JSON value is of the field's kind.
func (f Field) takes(raw json.RawMessage) bool {
	var n json.Number
	switch f.Kind {
	case NumberField:
		return json.Unmarshal(raw, &n) == nil && raw[0] != '"'
	case WholeField:
		return json.Unmarshal(raw, &n) == nil && raw[0] != '"' && !strings.ContainsAny(n.String(), ".eE")
	case FlagField:
		return string(raw) == "true" || string(raw) == "false"
	case TextField, ChoiceField, ListField, JSONField:
	}
	return true
}

func (f Field) is() string {
	switch f.Kind {
	case NumberField:
		return "a number"
	case WholeField:
		return "a whole number"
	case FlagField:
		return "true or false"
	case TextField, ChoiceField, ListField, JSONField:
	}
	return "JSON"
}

// Edit returns a call's arguments with what was entered by field. A field that
// still shows what it did keeps its very value; one that is not entered does too.
// Arguments that no field asks for stay as they are.
func Edit(fields []Field, args json.RawMessage, entered map[string]string) (json.RawMessage, error) {
	was := agent.Call{Args: args}.Arguments()
	now := make([]agent.Argument, 0, len(fields))
	for _, f := range fields {
		old := valueOf(was, f.Name)
		text, given := entered[f.Name]
		value := old
		if given && !sameText(text, f.Text(old)) {
			var err error
			if value, err = f.Value(text); err != nil {
				return nil, err
			}
		}
		if value != nil {
			now = append(now, agent.Argument{Name: f.Name, Value: value})
		}
	}
	for _, a := range was {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == a.Name }) {
			now = append(now, a)
		}
	}
	return objectOf(now)
}

func valueOf(all []agent.Argument, name string) json.RawMessage {
	for _, a := range all {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

func sameText(a, b string) bool {
	return strings.ReplaceAll(a, "\r\n", "\n") == strings.ReplaceAll(b, "\r\n", "\n")
}

// objectOf writes arguments as a JSON object, in their order.
func objectOf(all []agent.Argument) (json.RawMessage, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, a := range all {
		name, err := plainJSON(a.Name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(a.Value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// plainJSON writes a value without escaping what only HTML minds.
func plainJSON(v any) (json.RawMessage, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write a value: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
