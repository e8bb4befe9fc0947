// Package admission decides early whether new work is taken. What waits is a row in
// the store and costs little, so work is queued rather than turned away: it is shed
// only when the store itself does not keep up with taking it, or when more waits than
// can be worked off in a sensible time. Decisions, answers to them, stop and undo do
// not pass here: they are never shed.
package admission

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// Backlog is what waits to be worked on.
type Backlog struct {
	// Own are the turns of the workspace that wait, All those of all.
	Own, All int
	// Wait is how long a new one of the workspace will wait, as far as that can be told.
	Wait time.Duration
}

// Config says how much is taken; zero fields take the value in brackets.
type Config struct {
	// Least and Most bound how many are taken at once, Start is how many at first [4,
	// 128, 16]. In between the limit follows how long the store takes.
	Least, Most, Start uint
	// Line is how many may stand in line for each that is taken at once [1500].
	Line float64
	// Patience is how long somebody stands in line [30 s].
	Patience time.Duration
	// Wait is how long what was taken may wait until it is begun [10 min], and Queue
	// how many turns of a workspace may [20,000]; of all it is four times that.
	Wait  time.Duration
	Queue int
	// Backlog tells what waits; nil for nothing.
	Backlog func(ws agent.WorkspaceID) Backlog
	// Shed, when not nil, is told why something was not taken: "line", "store" or
	// "queue".
	Shed func(why string)
}

// Gate takes new work or says why not. A nil Gate takes all.
type Gate struct {
	c       Config
	limiter adaptivelimiter.AdaptiveLimiter[any]
}

func orElse[T uint | int | float64 | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// New returns a gate.
func New(c Config) *Gate {
	c.Least, c.Most, c.Start = orElse(c.Least, 4), orElse(c.Most, 128), orElse(c.Start, 16)
	c.Line, c.Patience = orElse(c.Line, 1500), orElse(c.Patience, 30*time.Second)
	c.Wait, c.Queue = orElse(c.Wait, 10*time.Minute), orElse(c.Queue, 20_000)
	if c.Shed == nil {
		c.Shed = func(string) {}
	}
	return &Gate{c: c, limiter: adaptivelimiter.NewBuilder[any]().
		WithLimits(c.Least, c.Most, c.Start).
		WithQueueing(c.Line, c.Line*3/2).
		Build()}
}

// Enter waits for its turn to be taken. Whoever has entered calls leave once, with
// what taking it came to. When it is not taken the error is of kind Unavailable, says
// why and what to do, and carries when to come again; see model.RetryAfter.
func (g *Gate) Enter(ctx context.Context, ws agent.WorkspaceID) (leave func(error), err error) {
	if g == nil {
		return func(error) {}, nil
	}
	if err := g.room(ws); err != nil {
		g.c.Shed("queue")
		return nil, err
	}
	p, err := g.limiter.AcquirePermitWithMaxWait(ctx, g.c.Patience)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			p.Drop()
		}
		return nil, ctx.Err()
	case err != nil:
		g.c.Shed("line")
		return nil, busy(g.c.Patience/4, err, "Sous has more to do than it can take in just now, so this was not taken. Try again in a moment.")
	}
	return func(err error) {
		switch {
		case ctx.Err() != nil && err != nil, err == nil, agent.KindOf(err) != agent.Unavailable:
			p.Record()
		default:
			g.c.Shed("store")
			p.Drop()
		}
	}, nil
}

// room refuses what would wait too long.
func (g *Gate) room(ws agent.WorkspaceID) error {
	if g.c.Backlog == nil {
		return nil
	}
	b := g.c.Backlog(ws)
	switch {
	case b.Wait > g.c.Wait:
		return busy(b.Wait-g.c.Wait, nil, "%d requests wait before this one, about %s of work, so it was not taken. Try again later.", b.Own, round(b.Wait))
	case b.Own >= g.c.Queue, b.All >= 4*g.c.Queue:
		return busy(time.Minute, nil, "%d requests wait before this one, so it was not taken. Try again later.", max(b.Own, b.All))
	}
	return nil
}

func round(d time.Duration) time.Duration { return max(d.Round(time.Minute), time.Minute) }

// maxAfter bounds when somebody is told to come again.
const maxAfter = 5 * time.Minute

// errBusy is in the chain of what was not taken for want of room.
var errBusy = errors.New("no room")

func busy(after time.Duration, cause error, format string, args ...any) error {
	after = min(max(after, time.Second), maxAfter)
	return model.Unavailable(after, errors.Join(errBusy, cause), "%s", fmt.Sprintf(format, args...))
}

// IsBusy reports whether something was not taken for want of room: nothing is broken,
// and it may be taken later.
func IsBusy(err error) bool { return errors.Is(err, errBusy) }

// State is how the gate stands.
type State struct {
	// Limit is how many are taken at once now, Inside how many are being taken, and
	// Line how many stand in line.
	Limit  int `json:"limit"`
	Inside int `json:"inside"`
	Line   int `json:"line"`
}

// State returns how the gate stands.
func (g *Gate) State() State {
	if g == nil {
		return State{}
	}
	return State{g.limiter.Limit(), g.limiter.Inflight(), g.limiter.Queued()}
}

// Waits estimates how long the n-th in line waits when so many are worked on at once,
// each for so long; share is the part of the places that is theirs.
func Waits(n, places int, share float64, each time.Duration) time.Duration {
	served := math.Max(1, float64(places)*share)
	return time.Duration(float64(n) / served * float64(each))
}
