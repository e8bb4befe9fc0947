package model

import (
	"context"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/redact"
)

// RedactConfig adjusts Redact; the zero value masks everything and restores whatever may be restored.
type RedactConfig struct {
	// Vault gives the vault of the request's turn. Nil takes Request.Vault; where that is nil too, the
	// request has a vault of its own.
	Vault func(Request) *redact.Vault
	// Allow says whether a value may be put back into the answer's text (tool is "") or into the arguments
	// of a call of the tool. Nil leaves it to Request.Restore; where that is nil too, it is allowed: the gate
	// judges the call with its real arguments.
	Allow func(req Request, tool string, kind redact.Kind, value string) bool
}

// Redact keeps personal data and secrets from m. Every message, call, tool result and file's name is masked
// before m sees it; in the answer's text, streamed or not, and in the arguments of calls the values are put
// back. Secrets stay masked, and so does whatever would end up in a URL.
//
// A call with a placeholder that the vault never gave keeps its name and id and has, instead of its
// arguments, a sentence that says so: that is no JSON, so no tool accepts it and the model is told.
//
// Descriptions and schemas of tools are passed on as they are: they are ours, not people's.
func Redact(m Model, c RedactConfig) Model {
	if c.Vault == nil {
		c.Vault = func(req Request) *redact.Vault { return req.Vault }
	}
	if c.Allow == nil {
		c.Allow = func(req Request, tool string, kind redact.Kind, value string) bool {
			return req.Restore == nil || req.Restore(tool, kind, value)
		}
	}
	return &redacted{m, c}
}

type redacted struct {
	Model

	c RedactConfig
}

// placeholderNote is what a model must know to work with masked text.
const placeholderNote = "\n\nValues such as addresses, numbers and keys are replaced by placeholders in « ». " +
	"Where you mean such a value, copy its placeholder exactly, brackets included. Never make one up and never put one into a link."

func (r *redacted) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	vault := r.c.Vault(req)
	if vault == nil {
		vault = redact.NewVault(nil)
	}
	may := func(tool string) func(redact.Kind, string) bool {
		return func(k redact.Kind, value string) bool { return r.c.Allow(req, tool, k, value) }
	}
	restorer := func() *redact.Restorer {
		text := vault.Restorer(may(""))
		text.Quote = len(req.Schema) > 0
		return text
	}
	masked := mask(vault, req)
	stream := restorer()
	if req.Restart != nil {
		masked.Restart = func() {
			stream = restorer()
			req.Restart()
		}
	}
	var pieces func(string)
	if delta != nil {
		pieces = func(text string) { delta(stream.Write(text)) } // "" while a placeholder is incomplete: a sign of life
	}
	resp, err := r.Model.Complete(ctx, masked, pieces)
	if err != nil {
		return resp, err
	}
	if delta != nil {
		if rest := stream.Flush(); rest != "" {
			delta(rest)
		}
	}
	text := restorer()
	resp.Text = text.Write(resp.Text) + text.Flush()
	if len(resp.Calls) > 0 {
		resp.Calls = append([]ToolCall(nil), resp.Calls...)
	}
	for i, call := range resp.Calls {
		args, err := vault.RestoreJSON(call.Args, may(call.Name))
		if err != nil {
			args = "refused: a placeholder in these arguments was never given; copy placeholders exactly or ask the person"
		}
		resp.Calls[i].Args = args
	}
	return resp, nil
}

// mask returns the request as the model may see it; the one given stays as it is. The vault learns all
// texts first: what one gives away by a word beside it may stand bare in another.
func mask(v *redact.Vault, req Request) Request {
	for _, m := range req.Messages {
		if isJSON(m.Text) {
			v.LearnJSON(m.Text)
		} else {
			v.Learn(m.Text)
		}
		for _, c := range m.Calls {
			v.LearnJSON(c.Args)
		}
	}
	messages := make([]Message, len(req.Messages))
	for i, m := range req.Messages {
		messages[i] = maskMessage(v, m)
	}
	if v.Len() > 0 && len(messages) > 0 && messages[0].Role == RoleSystem {
		messages[0].Text += placeholderNote
	}
	req.Messages = messages
	req.Vault, req.Restore = nil, nil
	return req
}

func maskMessage(v *redact.Vault, m Message) Message {
	if isJSON(m.Text) {
		m.Text = v.MaskJSON(m.Text)
	} else {
		m.Text = v.Mask(m.Text)
	}
	if len(m.Calls) > 0 {
		calls := make([]ToolCall, len(m.Calls))
		for i, c := range m.Calls {
			c.Args = v.MaskJSON(c.Args)
			calls[i] = c
		}
		m.Calls = calls
	}
	if len(m.Files) > 0 {
		files := make([]agent.FileRef, len(m.Files))
		for i, f := range m.Files {
			f.Name = v.Mask(f.Name)
			files[i] = f
		}
		m.Files = files
	}
	return m
}

// isJSON says whether a text is worth a try as JSON.
func isJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text != "" && (text[0] == '{' || text[0] == '[')
}

// RedactEmbedder keeps personal data and secrets from e: they become their kind, "[EMAIL]", which is the
// same for all of a kind so that likeness does not suffer. names may be nil.
func RedactEmbedder(e Embedder, names *redact.Directory) Embedder { return &redactedEmbedder{e, names} }

type redactedEmbedder struct {
	inner Embedder
	names *redact.Directory
}

func (r *redactedEmbedder) Embed(ctx context.Context, texts []string) (Embeddings, error) {
	hidden := make([]string, len(texts))
	for i, text := range texts {
		hidden[i] = r.names.Hide(text)
	}
	return r.inner.Embed(ctx, hidden)
}
