package dbos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// errUnrecorded says that the engine could not keep what a step came to.
var errUnrecorded = errors.New("the engine could not record a step")

func (p *part) turn(ctx dbos.Context, in loop.Start) (loop.Result, error) {
	r := &run{part: p, ctx: ctx, id: in.Turn, ws: agent.WorkspaceID(in.Workspace), seen: map[string]int{}}
	out, err := loop.Turn(r, in, p.cfg.Limits)
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, dbos.ErrConflictingWorkflowID):
		return out, err
	case errors.Is(err, errUnrecorded):
		p.again(ctx, in.Turn, err)
		return out, err
	}
	// Whoever asked must not wait for ever for a turn that cannot go on.
	p.cfg.Log.ErrorContext(ctx, "a turn failed", slog.String("turn", in.Turn), slog.Any("err", err))
	return loop.Result{Status: agent.TurnFailed}, loop.Fail(r, in)
}

// again hands a turn to another run, which goes on from the last step that was
// recorded: DBOS itself would end it when, say, the disk of its database is full.
func (p *part) again(ctx context.Context, turn string, why error) {
	wait := time.Second
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		_, err := dbos.ResumeWorkflows[loop.Result](p.dbos, []string{turn})
		if err == nil {
			p.cfg.Log.WarnContext(ctx, "a turn goes on from its last recorded step", slog.String("turn", turn), slog.Any("err", why))
			return
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// failed tells what the engine could not do from what an effect could not.
func (r *run) failed(err error, done bool) error {
	var e *dbos.Error
	if !errors.As(err, &e) || e.Code != dbos.ErrorCodeStepExecution && !done {
		return err
	}
	for _, ours := range []error{dbos.ErrConflictingWorkflowID, dbos.ErrStepNondeterminism, &dbos.Error{Code: dbos.ErrorCodeUnexpectedStep}} {
		if errors.Is(err, ours) {
			return err
		}
	}
	return errors.Join(errUnrecorded, err)
}

// run is loop.Run over one DBOS workflow.
type run struct {
	part *part
	ctx  dbos.Context
	id   string
	ws   agent.WorkspaceID
	// seen counts the signals received, by topic.
	seen map[string]int
}

// ID implements loop.Run.
func (r *run) ID() string { return r.id }

// Do implements loop.Run: one checkpointed step.
func (r *run) Do(effect string, in, out any) error {
	f := r.part.funcs[effect]
	if f == nil {
		return fmt.Errorf("there is no effect %q", effect)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode input of %s: %w", effect, err)
	}
	done := false
	got, err := dbos.RunAsStep(r.ctx, func(ctx context.Context) (string, error) {
		b, err := r.part.persist(ctx, effect, func(ctx context.Context) (json.RawMessage, error) { return f(ctx, raw) })
		done = err == nil
		return string(b), err
	}, dbos.WithStepName(effect))
	if err != nil {
		return r.failed(err, done)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal([]byte(got), out)
}

// Await implements loop.Run. The step returns when the signal is in the store;
// which one it is follows from how many came before, so a replay sees the same.
func (r *run) Await(topic string, until time.Time) (loop.Signal, error) {
	n := r.seen[topic] + 1
	done := false
	got, err := dbos.RunAsStep(r.ctx, func(ctx context.Context) (loop.Signal, error) {
		s, err := r.receive(ctx, topic, n, until)
		done = err == nil
		return s, err
	}, dbos.WithStepName("await "+topic))
	if err != nil {
		return got, r.failed(err, done)
	}
	if got.Type != loop.SignalTimeout {
		r.seen[topic] = n
	}
	return got, nil
}

// receive waits for the n-th signal of the turn.
func (r *run) receive(ctx context.Context, topic string, n int, until time.Time) (loop.Signal, error) {
	e := r.part
	timer := time.NewTimer(until.Sub(e.cfg.Clock()))
	defer timer.Stop()
	for {
		woken := e.await(r.id)
		raw, err := e.persist(ctx, "receive", func(ctx context.Context) (json.RawMessage, error) {
			s, ok, err := e.cfg.Signals.Received(ctx, r.ws, r.id, topic, n)
			if err != nil || !ok {
				return nil, err
			}
			return json.Marshal(s)
		})
		if err != nil {
			return loop.Signal{}, err
		}
		if raw != nil {
			var s loop.Signal
			return s, json.Unmarshal(raw, &s)
		}
		select {
		case <-woken:
		case <-timer.C:
			return loop.Signal{Type: loop.SignalTimeout}, nil
		case <-ctx.Done():
			return loop.Signal{}, ctx.Err()
		}
	}
}

// await returns the channel that the next Wake of the turn closes.
func (e *Engine) await(turn string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := e.waiting[turn]
	if ch == nil {
		ch = make(chan struct{})
		e.waiting[turn] = ch
	}
	return ch
}

// persist retries f while its failure may pass: for ever when the store or a
// dependency is away (giving up would lose an accepted turn), a few times when
// nobody knows what the error means.
func (p *part) persist(ctx context.Context, what string, f func(context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	wait := 50 * time.Millisecond
	ctx = loop.InReplica(ctx, p.executor)
	for attempt := 1; ; attempt++ {
		out, err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		if errors.Is(err, loop.ErrTakenOver) {
			// The turn is another's; nothing this process says of it counts.
			<-ctx.Done()
			return nil, ctx.Err()
		}
		kind := agent.KindOf(err)
		if kind != agent.Unavailable && (kind != agent.Internal || attempt >= 4) {
			return nil, err
		}
		p.cfg.Log.WarnContext(ctx, "step failed; trying again",
			slog.String("step", what), slog.Int("attempt", attempt), slog.Any("err", err))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(wait*2, 5*time.Second)
	}
}
