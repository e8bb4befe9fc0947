// Package loop is the turn: think → gate → effect → answer, written once as a
// plain function over a small port to a durable engine. Adapters of engines are
// integrations; the turn does not know which one carries it.
package loop

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/agent"
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

// EffectFunc does a named effect. in is what Do was given, or its JSON; out points
// at where the result goes, or at JSON, and is nil when nobody wants it. It may run
// more than once for one Do and must be idempotent.
type EffectFunc func(ctx context.Context, in, out any) error

// EffectFuncs are the effects behind Run.Do by name, as an engine calls them.
type EffectFuncs map[string]EffectFunc

// ErrParked is in the chain of what Await returns when the turn has nothing to do
// until somebody decides or answers: the engine lets go of it and runs it again
// from its checkpoints when a signal has come or the time has passed.
var ErrParked = errors.New("the turn waits for somebody")

// Start names the turn an engine is to run.
type Start struct {
	Workspace string `json:"workspace"`
	Turn      string `json:"turn"`
	// Request is what this process knows of the turn, nil for nothing.
	Request *Request `json:"-"`
}

// Request is what a process knows of a turn it runs, so that its effects need not
// read it again and again. Only the turn's own effects use it, but for News.
type Request struct {
	// News says that signals for the turn may have come which no effect has seen.
	News atomic.Bool

	known   bool
	turn    agent.Turn
	message agent.Message
	ordered *Ordered
	// history is what was said before the request, once read.
	history []agent.Message
	read    bool
}

// NewRequest is what is known of a turn that has just been accepted.
func NewRequest(acc Acceptance, m agent.Message, o *Ordered) *Request {
	r := &Request{known: true, turn: acc.Turn, message: m, ordered: o}
	if acc.First {
		r.read, r.history = true, []agent.Message{m}
	}
	return r
}

// Engine runs turns durably.
type Engine interface {
	// Start begins the turn, which was accepted in the name of Carrier; one that is
	// under way already is left alone.
	Start(ctx context.Context, s Start) error
	// Carrier is the name under which this process carries turns now, "" when it
	// carries none.
	Carrier() string
	// Wake tells the engine that a signal for the turn was stored.
	Wake(turn string)
}
