package loop

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Checkpoint is what one step of a turn came to: the N-th, from 1.
type Checkpoint struct {
	N      int
	Effect string
	Result json.RawMessage
}

// Journal keeps what turns came to between their beginning and their end, and who
// carries them.
type Journal interface {
	// Checkpoints returns what was recorded of a turn, in order.
	Checkpoints(ctx context.Context, ws agent.WorkspaceID, turn string) ([]Checkpoint, error)
	// Record records what is pending of turns, in one transaction for those of one
	// workspace. Of a turn that has ended nothing is kept; one that came to something
	// has no tries against it any more.
	Record(ctx context.Context, all []*Pending) error
	// Adopt makes the process the carrier of the turns that run or wait and have none
	// or another: any, or one of those named. A turn that ran when its carrier ended
	// without giving it back has one more try against it, up to AloneFrom.
	Adopt(ctx context.Context, carrier string, from ...string) ([]Carried, error)
	// Try counts one more try against a turn that is about to run alone, and returns
	// how many there are. They end when it parks, and when it records a step.
	Try(ctx context.Context, s Start) (int, error)
	// Carriers lists the processes that carry turns, or did when they ended.
	Carriers(ctx context.Context) ([]string, error)
	// GiveBack gives back what the process carries: it ends in good order.
	GiveBack(ctx context.Context, carrier string) error
	// Ready lists the parked turns of a carrier that have signals they have not heard.
	Ready(ctx context.Context, carrier string) ([]Start, error)
	// Carried lists the turns of a carrier that run or wait, but for those set aside.
	Carried(ctx context.Context, carrier string) ([]Start, error)
}

// AloneFrom is from how many ends of its process on a turn is run while no other
// such turn runs, so that the one that ends the process is told from the rest.
const AloneFrom = 3

// Carried is a turn that a process took over.
type Carried struct {
	Start
	Status agent.TurnStatus
	// Wake is when a parked turn has something to do at the latest.
	Wake time.Time
	// Ready says that it has signals it has not heard.
	Ready bool
	// Tries counts the processes that ended while they ran it, since it last came
	// to something.
	Tries int
}

// Pending is what one run of a turn came to and the store may not know yet. It
// travels in the context of the turn's effects: every write of theirs records it
// in its own transaction, so that nothing is in the store which does not follow
// from what was recorded with it or before. It is safe for concurrent use.
type Pending struct {
	Workspace agent.WorkspaceID
	Turn      string

	mu      sync.Mutex
	unsaved []Checkpoint
	since   time.Time
	// saved is the N of the last checkpoint the store has.
	saved int
	kept  bool
	// heard counts the signals taken from the inbox, told those the store knows of.
	heard, told int
	// tried says that the store counts tries against the turn.
	tried bool
}

// Blame notes that the store counts tries against the turn, which end with the next
// checkpoint it records: a turn that comes further is not what ends processes.
func (p *Pending) Blame() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried = true
}

// Tried reports whether the store still counts tries against the turn.
func (p *Pending) Tried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried
}

// Add puts a checkpoint behind those there are, or in the place of the last when
// the step is tried again. One that is recorded stays.
func (p *Pending) Add(c Checkpoint, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.unsaved) - 1
	switch {
	case c.N <= p.saved:
	case last >= 0 && p.unsaved[last].N == c.N:
		p.unsaved = append(slices.Clone(p.unsaved[:last]), c)
	default:
		if last < 0 {
			p.since = now
		}
		p.unsaved = append(p.unsaved, c)
	}
}

// Hear notes how many signals the turn has taken from its inbox.
func (p *Pending) Hear(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = n
}

// Unsaved returns the checkpoints to record and how many signals the turn has heard.
func (p *Pending) Unsaved() (all []Checkpoint, heard int) {
	if p == nil {
		return nil, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Marked before it is written: whoever ends the turn after that drops it.
	p.kept = p.kept || len(p.unsaved) > 0
	return slices.Clip(p.unsaved), p.heard
}

// Since is when the oldest unsaved checkpoint was added, zero when there is none
// and the store knows what the turn has heard.
func (p *Pending) Since() (since time.Time, dirty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, len(p.unsaved) > 0 || p.heard != p.told
}

// Saved takes out what a transaction has recorded, once it is committed.
func (p *Pending) Saved(all []Checkpoint, heard int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = max(p.told, heard)
	if len(all) == 0 {
		return
	}
	p.tried = false
	p.saved = max(p.saved, all[len(all)-1].N)
	p.unsaved = slices.DeleteFunc(slices.Clone(p.unsaved), func(c Checkpoint) bool { return c.N <= p.saved })
}

// Kept reports whether the store holds checkpoints of the turn, to be dropped at
// its end.
func (p *Pending) Kept() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept
}

// Keep notes that the store holds the checkpoints of the turn up to the n-th, which
// came after so many signals.
func (p *Pending) Keep(n, heard int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept, p.saved, p.heard, p.told = true, n, heard, heard
}

type pendingKey struct{}

// WithPending returns a context whose writes record what is pending of a turn; nil
// ends that.
func WithPending(ctx context.Context, p *Pending) context.Context {
	return context.WithValue(ctx, pendingKey{}, p)
}

// PendingOf returns what is pending of the turn the work is for, nil for none.
func PendingOf(ctx context.Context) *Pending {
	p, _ := ctx.Value(pendingKey{}).(*Pending)
	return p
}

type sealKey struct{}

// WithSeal returns a context in which Seal hands the result of the step to f.
func WithSeal(ctx context.Context, f func(result any) error) context.Context {
	return context.WithValue(ctx, sealKey{}, f)
}

// Seal says that the step has come to its result: the next write of the effect
// records it in its own transaction. An effect that seals writes once after that.
func Seal(ctx context.Context, result any) error {
	if f, ok := ctx.Value(sealKey{}).(func(any) error); ok {
		return f(result)
	}
	return nil
}

type idleKey struct{}

// WithIdle returns a context in which Idle calls f.
func WithIdle(ctx context.Context, f func() (again func(ctx context.Context) error)) context.Context {
	return context.WithValue(ctx, idleKey{}, f)
}

// Idle says that an effect waits for somebody: others may work until it calls again.
func Idle(ctx context.Context) (again func(ctx context.Context) error) {
	if f, ok := ctx.Value(idleKey{}).(func() func(context.Context) error); ok {
		return f()
	}
	return func(context.Context) error { return nil }
}

// Stuck is why a turn stands still until somebody looks at it.
type Stuck struct {
	// Step is the effect that failed, Tries how often.
	Step  string `json:"step"`
	Tries int    `json:"tries"`
	// Reason is for people.
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Burial is a turn to be set aside, and why.
type Burial struct {
	Start
	Stuck
}
