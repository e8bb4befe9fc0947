package redact

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Hide replaces what is found in the text by its kind in brackets, for good: [EMAIL].
func (d *Directory) Hide(text string) string { return hide(text, d.Scan(text)) }

// Hide hides what needs no directory.
func Hide(text string) string { return (*Directory)(nil).Hide(text) }

func hide(text string, found []Finding) string {
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(text[at:f.Start])
		b.WriteString("[" + string(f.Kind) + "]")
		at = f.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// Handler hides personal data and secrets in all that a log record says: its message, and the names and
// values of its attributes, in groups, errors and structures too. What stands under a name like password or
// token is hidden whatever it is.
type Handler struct {
	next  slog.Handler
	names *Directory
}

// NewHandler returns a handler before next; names may be nil.
func NewHandler(next slog.Handler, names *Directory) *Handler { return &Handler{next, names} }

// Enabled asks next.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle gives next a record with nothing to hide.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.names.Hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs hides in the attributes at once.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(h.attrs(attrs)), h.names}
}

// WithGroup opens a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(h.names.Hide(name)), h.names}
}

func (h *Handler) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return clean
}

func (h *Handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = slog.StringValue(h.named(a.Key, v.String()))
	case slog.KindGroup:
		v = slog.GroupValue(h.attrs(v.Group())...)
	case slog.KindInt64:
		v = h.number(a.Key, strconv.FormatInt(v.Int64(), 10), v)
	case slog.KindUint64:
		v = h.number(a.Key, strconv.FormatUint(v.Uint64(), 10), v)
	case slog.KindAny:
		v = h.value(a.Key, v)
	default: // times, durations, truth values and fractions say nothing
	}
	return slog.Attr{Key: h.names.Hide(a.Key), Value: v}
}

// named hides in a text that stands under a name.
func (h *Handler) named(name, text string) string {
	if text != "" && isSecretName(name) {
		return "[" + string(Secret) + "]"
	}
	return hide(text, h.names.under(name, text))
}

func (h *Handler) number(name, digits string, v slog.Value) slog.Value {
	if len(digits) < 7 {
		return v
	}
	if clean := hide(digits, h.names.under(name, digits)); clean != digits {
		return slog.StringValue(clean)
	}
	return v
}

// value looks at anything else in the two ways handlers write it. It stays as it is when neither shows
// anything to hide.
func (h *Handler) value(name string, v slog.Value) (clean slog.Value) {
	x := v.Any()
	defer func() {
		if p := recover(); p != nil { // its own methods panicked; the record matters more
			clean = slog.StringValue(fmt.Sprintf("[%T]", x))
		}
	}()
	if isSecretName(name) && x != nil {
		return slog.StringValue("[" + string(Secret) + "]")
	}
	var shown string
	switch x := x.(type) {
	case error:
		shown = x.Error()
	case []byte:
		shown = string(x)
	case json.RawMessage:
		shown = string(x)
	default:
		shown = fmt.Sprintf("%+v", x)
	}
	if hidden := h.named(name, shown); hidden != shown {
		return slog.StringValue(hidden)
	}
	doc, err := json.Marshal(x)
	if err != nil {
		return v
	}
	hidden, err := rewrite(string(doc), func(member, text string) (string, error) { return h.named(member, text), nil })
	if err != nil || hidden == string(doc) {
		return v
	}
	return slog.StringValue(hidden)
}

// isSecretName reports whether what stands under the name is a secret whatever it looks like.
func isSecretName(name string) bool {
	lower := strings.ToLower(name)
	for _, end := range [...]string{
		"password", "passwd", "passwort", "passphrase", "passcode", "pwd", "secret", "token", "api_key", "apikey", "api-key",
		"authorization", "access_key", "accesskey", "secret_key", "secretkey", "private_key", "privatekey", "credential", "credentials", "cookie",
	} {
		if strings.HasSuffix(lower, end) {
			return true
		}
	}
	return false
}
