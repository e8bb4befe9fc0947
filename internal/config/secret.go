package config

import (
	"fmt"
	"log/slog"
)

// redacted is all that a secret ever shows.
const redacted = "[secret]"

// Secret is a value that must not be seen: printing, logging or marshalling it gives "[secret]", or
// nothing when it is unset. Reveal is the one way to the value. The zero Secret is unset.
//
// The value is behind a pointer because fmt prints the unexported fields of other people's structs
// without asking their methods: what it finds there is an address.
type Secret struct{ value *string }

// NewSecret keeps value; an empty value gives the unset Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value itself, or "" when unset. Call it only where the value is handed to the
// outside system it belongs to.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// String returns "[secret]", or "" when unset.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// GoString keeps %#v from looking inside.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format answers every verb of fmt with the same text.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = f.Write([]byte(text)) // a fmt.State keeps its own errors
}

// LogValue is what slog writes.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText covers JSON keys, XML and whatever else asks for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns the redacted text as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML returns the redacted text.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
