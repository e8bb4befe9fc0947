package openai

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

var (
	errSlow    = errors.New("the time for one request passed")
	errWebPage = errors.New("a web page came instead of an answer")
	errWhole   = errors.New("a document came instead of a stream")
	errCutOff  = errors.New("the stream ended without saying that it was finished")
	errEmpty   = errors.New("the answer holds no choice")
)

// quotaWait is how long an account without credit is left alone: asking again
// sooner is pointless, though the server calls it a rate limit.
const quotaWait = time.Hour

// explainer words what went wrong for one of the two models of a client.
type explainer struct {
	x       *exchange
	model   string
	setting string
	// address and key are what the address and the key are set by.
	address, key string
	timeout      time.Duration
}

func (c *Client) chatting() explainer {
	return explainer{c.exchange(), c.c.Model, "OPENAI_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY", c.c.Timeout}
}

func (c *Client) embedding() explainer {
	// Where the settings of its own are not set, those of the language model hold.
	return explainer{c.exchange(), c.c.EmbeddingModel, "OPENAI_EMBEDDING_MODEL",
		"OPENAI_EMBEDDING_BASE_URL or else OPENAI_BASE_URL", "OPENAI_EMBEDDING_API_KEY or else OPENAI_API_KEY", c.c.Timeout}
}

// explain turns what went wrong into an error with a kind and a text for
// people that names the setting to check. The key and the server's own words
// are never in the text.
func (e explainer) explain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSlow) {
		return model.Unavailable(0, errSlow, "the model %s did not answer within %s", e.model, e.timeout)
	}
	if over := model.Ended(ctx); over != nil {
		return over
	}
	var (
		status *statusError
		inBand *openai.APIError
		dial   *url.Error
	)
	switch {
	case errors.As(err, &status):
		return e.explainStatus(status)
	case errors.As(err, &inBand):
		// An error event in the middle of a stream carries no status.
		status = &statusError{code: e.x.clean(inBand.Type), message: e.x.clean(inBand.Message)}
		if tooLong(status) {
			return e.explainStatus(status)
		}
		return model.Unavailable(0, status, "the model's server broke off its answer with an error")
	case errors.As(err, &dial):
		// The URL may hold a password; its error is all that is kept.
		return model.Unavailable(0, dial.Err, "the model's server cannot be reached: check %s if this stays so", e.address)
	case errors.Is(err, errWebPage):
		return model.Unavailable(0, err, "a web page answered instead of a model: check %s", e.address)
	case errors.Is(err, errCutOff), errors.Is(err, io.ErrUnexpectedEOF):
		return model.Unavailable(0, err, "the model's answer was cut off")
	case refusedHere(err):
		return agent.WrapError(agent.Invalid, err, "the model "+e.model+" cannot be asked this: check "+e.setting)
	}
	return model.Unavailable(0, err, "the model's server sent an answer that cannot be read")
}

// refusedHere reports whether the library itself refused to send the request.
func refusedHere(err error) bool {
	for _, e := range []error{
		openai.ErrChatCompletionInvalidModel, openai.ErrReasoningModelMaxTokensDeprecated,
		openai.ErrReasoningToolsRequireResponses, openai.ErrReasoningEffortUnsupported,
		openai.ErrReasoningSamplingUnsupported,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func tooLong(e *statusError) bool {
	return e.status == http.StatusRequestEntityTooLarge || e.says("context_length", "context length", "context window",
		"maximum context", "context size", "context_size", "too many tokens", "prompt is too long", "reduce the length")
}

func (e explainer) explainStatus(s *statusError) error {
	switch {
	case s.status == http.StatusPaymentRequired || s.says("insufficient_quota"):
		return model.Unavailable(max(s.after, quotaWait), s, "the account of %s has no credit left", e.key)
	case s.status == http.StatusTooManyRequests:
		return model.Unavailable(s.after, s, "the model's server is too busy and asks to come back later")
	case s.status >= 500, s.status == http.StatusRequestTimeout, s.status == http.StatusConflict, s.status == http.StatusTooEarly:
		return model.Unavailable(s.after, s, "the model's server failed with status %d", s.status)
	case tooLong(s):
		return agent.WrapError(agent.TooLarge, s, "the request is longer than the model "+e.model+" can read")
	case s.says("content_filter", "content_policy", "content management policy"):
		return agent.WrapError(agent.Invalid, s, "the model's provider refused the request under its content rules")
	}
	return e.explainSetup(s)
}

// explainSetup words what an administrator has to mend.
func (e explainer) explainSetup(s *statusError) error {
	switch {
	case s.status == http.StatusUnauthorized:
		return agent.WrapError(agent.Forbidden, bare(s), "the model's server refused the key: check "+e.key)
	case s.status == http.StatusForbidden:
		return agent.WrapError(agent.Forbidden, bare(s),
			"the model's server does not let this key use the model "+e.model+": check "+e.key+" and "+e.setting)
	case s.status == http.StatusNotFound && s.says("model"):
		return agent.WrapError(agent.NotFound, s, "the model's server does not know the model "+e.model+": check "+e.setting)
	case s.status == http.StatusNotFound, s.status == http.StatusMethodNotAllowed, s.status > 0 && s.status < 400:
		return agent.WrapError(agent.NotFound, s,
			"no model answers at the configured address: check "+e.address+", which usually ends in /v1")
	}
	return agent.WrapError(agent.Invalid, s, "the model's server refused the request; the log has its reason")
}

// bare keeps the status alone: what servers say about a key may show it.
func bare(s *statusError) error { return &statusError{status: s.status} }
