// Package openai is the adapter to every server that speaks the OpenAI API:
// OpenAI itself, vLLM, Ollama, llama.cpp, LiteLLM. It is only the vendor:
// retries, fallback and breaker are decorators of agent/model.
//
// Servers differ in what they know of the API. What one refuses is left out or
// said in another way, and the client remembers it for the next request.
package openai

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

const (
	officialURL    = "https://api.openai.com/v1"
	officialHost   = "api.openai.com"
	defaultTimeout = 2 * time.Minute
)

// Config says which server and model to use. It never prints its key.
type Config struct {
	// APIKey is OPENAI_API_KEY; servers of one's own often need none.
	APIKey string
	// BaseURL is OPENAI_BASE_URL, usually ending in /v1; empty is OpenAI.
	BaseURL string
	// Model is OPENAI_MODEL. Required.
	Model string
	// EmbeddingModel is OPENAI_EMBEDDING_MODEL; without it Embed refuses.
	EmbeddingModel string
	// MaxTokens bounds answers whose request does not; 0 leaves it to the model.
	MaxTokens int
	// ReasoningEffort is passed on when set: "none", "low" and the like.
	ReasoningEffort string
	// Timeout bounds one request; 0 is two minutes.
	Timeout time.Duration
	// HTTPClient is used when set.
	HTTPClient *http.Client
	// Now tells the time. Required.
	Now func() time.Time
}

// String names server and model, not the key.
func (c Config) String() string {
	return fmt.Sprintf("openai.Config{Model: %q, key set: %t}", c.Model, c.APIKey != "")
}

// GoString is String, so that %#v hides the key too.
func (c Config) GoString() string { return c.String() }

// Client implements model.Model and model.Embedder.
type Client struct {
	c        Config
	official bool
	memory   memory
	tools    toolbox
}

// New returns a client. It does not reach out; all that is wrong with the
// settings is in the error, of kind agent.Invalid.
func New(c Config) (*Client, error) {
	if c.BaseURL == "" {
		c.BaseURL = officialURL
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		u = &url.URL{}
	}
	if wrong := c.problems(u); len(wrong) > 0 {
		return nil, agent.Errorf(agent.Invalid, "%s", strings.Join(wrong, "; "))
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Transport: transport()}
	}
	return &Client{c: c, official: u.Host == officialHost}, nil
}

// problems says what is wrong with the settings; u is the parsed base address.
func (c Config) problems(u *url.URL) []string {
	var wrong []string
	switch {
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		// The value itself may hold a password and is not repeated.
		wrong = append(wrong, "OPENAI_BASE_URL is not an http or https address")
	case u.RawQuery != "" || u.Fragment != "":
		wrong = append(wrong, "OPENAI_BASE_URL must not have a query or fragment")
	case u.Host == officialHost && c.APIKey == "":
		wrong = append(wrong, "OPENAI_API_KEY is not set; only servers of your own (OPENAI_BASE_URL) work without")
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		wrong = append(wrong, "OPENAI_API_KEY holds white space or other characters no key has")
	}
	if c.Model == "" {
		wrong = append(wrong, "OPENAI_MODEL is not set")
	}
	if c.Now == nil {
		wrong = append(wrong, "the clock is not set")
	}
	return wrong
}

// Name returns the configured model.
func (c *Client) Name() string { return c.c.Model }

// String names the client without its key.
func (c *Client) String() string { return c.c.String() }

// GoString is String, so that %#v hides the key too.
func (c *Client) GoString() string { return c.String() }

// Complete implements model.Model.
func (c *Client) Complete(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	messages := chatMessages(req.Messages)
	if len(messages) == 0 {
		return model.Response{}, agent.Errorf(agent.Invalid, "there is nothing to ask the model: the conversation is empty")
	}
	if err := model.Ended(ctx); err != nil {
		return model.Response{}, err
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	tools, err := c.tools.encode(req.Tools)
	if err != nil {
		return model.Response{}, err
	}
	start := c.c.Now()
	known := c.memory.dialect(req)
	for d := known; ; {
		x := c.exchange()
		x.tools = tools
		sent := c.chatRequest(req, messages, d, delta != nil)
		a, err := c.ask(ctx, x, sent, live(req, delta))
		if err == nil {
			if d != known {
				c.memory.learn(req, d)
			}
			resp := a.response(req)
			resp.Model, resp.Latency = c.c.Model, c.c.Now().Sub(start)
			if delta != nil && a.given < len(resp.Text) {
				delta(resp.Text[a.given:])
			}
			return resp, nil
		}
		next, ok := d.after(err, sent)
		if !ok {
			return model.Response{}, c.chatting().explain(ctx, err)
		}
		d = next
	}
}

// live returns what to give pieces to as they come, and reports whether they
// were passed on. An answer in JSON is not for people to watch, and may have to
// be cleaned first: of it only signs of life are given, and the text at the end.
func live(req model.Request, delta func(string)) func(string) bool {
	return func(piece string) bool {
		if len(req.Schema) > 0 {
			piece = ""
		}
		delta(piece)
		return piece != ""
	}
}

// limited bounds ctx by the configured time.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.c.Timeout, errSlow)
}

// api returns a client of the library for one exchange. It is a few words of
// memory; connections belong to the HTTP client.
func (c *Client) api(x *exchange) *openai.Client {
	cfg := openai.DefaultConfig(c.c.APIKey)
	cfg.BaseURL = c.c.BaseURL
	cfg.HTTPClient = x
	// Servers send comments to keep a slow stream open; time limits end it.
	cfg.EmptyMessagesLimit = 1 << 20
	return openai.NewClientWithConfig(cfg)
}

// Check asks the server whether it knows the key and lists the model, for
// `sous doctor`. Its errors are those of Complete.
func (c *Client) Check(ctx context.Context) error {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	list, err := c.api(c.exchange()).ListModels(ctx)
	if err != nil {
		return c.chatting().explain(ctx, err)
	}
	for _, m := range list.Models {
		if m.ID == c.c.Model {
			return nil
		}
	}
	return agent.Errorf(agent.NotFound, "the model's server answers but does not list %q: check OPENAI_MODEL", c.c.Model)
}
