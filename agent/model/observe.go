package model

import (
	"context"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Observation is what a metric or a span may tell of one request. It holds no
// content.
type Observation struct {
	// Model is the model that answered, or the one that was asked when none did.
	Model string
	// Prompt is the request's name@digest.
	Prompt string
	// Outcome is the Finish reason, or the kind of the error.
	Outcome string
	// Err is the error, nil when there was an answer.
	Err error
	// Latency is the whole time; FirstPiece until the first text, 0 when none
	// was streamed.
	Latency, FirstPiece time.Duration
	Usage               agent.Usage
	// Degraded repeats Response.Degraded.
	Degraded string
}

// Observe tells hook of every request when it has ended, and sets
// Response.Latency. now tells the time; hook must be safe for concurrent use.
func Observe(m Model, now func() time.Time, hook func(context.Context, Observation)) Model {
	return &observe{m, now, hook}
}

type observe struct {
	Model

	now  func() time.Time
	hook func(context.Context, Observation)
}

func (o *observe) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	start := o.now()
	var first time.Duration
	watched := delta
	if delta != nil {
		watched = func(text string) {
			if text != "" && first == 0 {
				first = o.now().Sub(start)
			}
			delta(text)
		}
	}
	resp, err := o.Model.Complete(ctx, req, watched)
	resp.Latency = o.now().Sub(start)
	seen := Observation{
		Model: resp.Model, Prompt: req.Prompt, Outcome: string(resp.Finish), Err: err,
		Latency: resp.Latency, FirstPiece: first, Usage: resp.Usage, Degraded: resp.Degraded,
	}
	if seen.Model == "" {
		seen.Model = o.Name()
	}
	if err != nil {
		seen.Outcome = agent.KindOf(err).String()
	}
	o.hook(ctx, seen)
	return resp, err
}
