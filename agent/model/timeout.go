package model

import (
	"context"
	"errors"
	"time"
)

// Limits bound how long one request may take; a zero field is no limit.
type Limits struct {
	// Total is for the whole request.
	Total time.Duration
	// First is until the first piece or sign of life. It applies to streamed
	// answers only: of the others nothing can be seen before the end.
	First time.Duration
	// Idle is between two pieces of a streamed answer.
	Idle time.Duration
}

// Timeout gives up a request that takes longer than l with an error of kind
// agent.Unavailable. It relies on m to return when its context ends.
func Timeout(m Model, l Limits) Model { return &timeout{m, l} }

type timeout struct {
	Model

	l Limits
}

// limitError is the cause a context ends with when a limit passed.
type limitError struct {
	what  string
	limit time.Duration
}

func (e *limitError) Error() string { return e.what + " within " + e.limit.String() }

func (t *timeout) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.l.Total > 0 {
		defer after(t.l.Total, cancel, "did not finish its answer").Stop()
	}
	if delta != nil {
		silence := t.watch(cancel)
		defer silence.stop()
		delta = silence.reset(delta)
	}
	resp, err := t.Model.Complete(ctx, req, delta)
	var limit *limitError
	if err != nil && errors.As(context.Cause(ctx), &limit) {
		return resp, Unavailable(0, limit, "the model %s %s", t.Name(), limit)
	}
	return resp, err
}

func after(d time.Duration, cancel context.CancelCauseFunc, what string) *time.Timer {
	return time.AfterFunc(d, func() { cancel(&limitError{what, d}) })
}

// silence ends a request when too long nothing is heard.
type silence struct {
	first, idle *time.Timer
	limit       time.Duration
}

func (t *timeout) watch(cancel context.CancelCauseFunc) *silence {
	s := &silence{limit: t.l.Idle}
	if t.l.First > 0 {
		s.first = after(t.l.First, cancel, "did not begin to answer")
	}
	if t.l.Idle > 0 {
		// Armed by the first piece.
		s.idle = after(t.l.Idle, cancel, "fell silent: no further piece came")
		s.idle.Stop()
	}
	return s
}

func (s *silence) reset(delta func(string)) func(string) {
	return func(text string) {
		if s.first != nil {
			s.first.Stop()
		}
		if s.idle != nil {
			s.idle.Reset(s.limit)
		}
		delta(text)
	}
}

func (s *silence) stop() {
	for _, t := range []*time.Timer{s.first, s.idle} {
		if t != nil {
			t.Stop()
		}
	}
}
