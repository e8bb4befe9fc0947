package main

import (
	"context"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/telemetry"
)

// models are the language models in use.
type models struct {
	// chat is what the loop and the tools ask.
	chat model.Model
	// own is the built-in model.
	own model.Model
	// circuit guards the configured endpoint; nil when there is none.
	circuit *model.Circuit
	// what describes the choice for people.
	what string
}

// maxModelChars bounds one request to a model, in characters.
const maxModelChars = 4_000_000

// newModels chooses the models: the configured endpoint, if any, with the
// built-in one behind it.
func newModels(cfg config.Config, m *telemetry.Metrics) (*models, error) {
	watch := func(one model.Model) model.Model {
		return model.Observe(one, now, func(_ context.Context, o model.Observation) {
			m.ModelRequest(o.Model, o.Outcome, o.Latency)
		})
	}
	own := watch(builtin.New())
	if !cfg.Model.IsSet() {
		return &models{chat: own, own: own, what: "built-in (extracts, does not reason); set OPENAI_API_KEY or OPENAI_BASE_URL for a language model"}, nil
	}
	far, err := endpoint(cfg)
	if err != nil {
		return nil, err
	}
	// Nothing personal and no secret leaves in clear; the answer gets the values back.
	masked := model.Redact(far, model.RedactConfig{})
	limited := model.Timeout(masked, model.Limits{Total: cfg.Model.Timeout, First: cfg.Model.Timeout / 2, Idle: cfg.Model.Timeout / 2})
	circuit := model.Breaker(watch(limited), model.BreakerConfig{})
	patient := model.Retry(circuit, now, model.RetryConfig{})
	where := cfg.Model.BaseURL
	if where == "" {
		where = "OpenAI"
	}
	return &models{
		chat:    model.Budget(model.Fallback(model.FallbackConfig{}, patient, own), maxModelChars),
		own:     own,
		circuit: circuit,
		what:    fmt.Sprintf("%s at %s; built-in when it is away", cfg.Model.Name, where),
	}, nil
}

// endpoint is the configured model itself.
func endpoint(cfg config.Config) (model.Model, error) {
	return openai.New(openai.Config{
		APIKey: cfg.Model.APIKey.Reveal(), BaseURL: cfg.Model.BaseURL, Model: cfg.Model.Name,
		MaxTokens: cfg.Model.MaxTokens, Timeout: cfg.Model.Timeout, Now: now,
	})
}

// observer counts what the loop does.
type observer struct{ *telemetry.Metrics }

// Called implements loop.Observer.
func (o observer) Called(out agent.Outcome) {
	o.ToolCall(out.Tool, out.Status.String())
	if out.Status == agent.Waiting {
		o.Approval("asked")
	}
}

// Ended implements loop.Observer.
func (o observer) Ended(t agent.Turn) { o.Turn(t.Status.String(), t.Ended.Sub(t.Created)) }
