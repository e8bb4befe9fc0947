// Package loop is the turn: think → gate → effect → answer, written once as a
// plain function over a small port to a durable engine. Adapters of engines are
// integrations; the turn does not know which one carries it.
package loop

import (
	"context"
	"encoding/json"
	"time"
)

// Run is a durable execution of one turn. The function that gets it must be
// deterministic: all that reads the world, the clock included, happens in Do.
type Run interface {
	// ID is the turn's id: the id of the source event.
	ID() string
	// Do runs a named effect over JSON and checkpoints its result: after a crash
	// a finished Do returns its recorded result, an unfinished one runs again.
	Do(effect string, in, out any) error
	// Await waits for the next signal on the topic, for hours or days, across
	// restarts. When the deadline passes first it returns SignalTimeout.
	Await(topic string, until time.Time) (Signal, error)
}

// EffectFuncs are the named effects behind Run.Do, as an engine's adapter calls
// them. Each may run more than once for one Do and must be idempotent.
type EffectFuncs map[string]func(ctx context.Context, in json.RawMessage) (json.RawMessage, error)

// Start names the turn an engine is to run.
type Start struct {
	Workspace string `json:"workspace"`
	Turn      string `json:"turn"`
}

// Engine runs turns durably.
type Engine interface {
	// Start begins the turn, once: an id that was started before, in this
	// process or another, starts nothing.
	Start(ctx context.Context, s Start) error
	// Wake tells the engine that a signal for the turn was stored.
	Wake(turn string)
}
