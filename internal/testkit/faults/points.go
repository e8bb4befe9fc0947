// Package faults has what a real process needs to fail where it hurts: points at
// which it kills itself, and payments in another system, of each class a tool can
// have. The binary knows none of it; a build with the tag "faults" does, and only
// when variables of the environment say so.
package faults

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/tools"
)

// Points kills the process with SIGKILL at one named point.
type Points struct {
	at    string
	after time.Duration
	left  atomic.Int64
}

// Names lists the points, in the order in which a message passes them.
func Names() []string {
	return []string{
		"before recover", "after recover",
		"before keep", "after keep", "before settle delivery", "after settle delivery",
		"before step think", "after step think", "before step calls", "after step calls",
		"before intent", "after intent", "after run", "after outcome",
		"before step park", "after step park", "before step rest", "before step finish", "after step finish",
		"before decide", "after decide", "before settle post", "after settle post",
		"before sign", "after sign", "after save checkpoint",
	}
}

// NewPoints reads "POINT", "POINT#3" (when it is passed for the third time) or
// "POINT+2ms" (so long after it, while what follows is under way); "" is never.
func NewPoints(spec string) *Points {
	p := &Points{at: spec}
	if name, after, ok := strings.Cut(p.at, "+"); ok {
		p.at, p.after = name, 0
		if d, err := time.ParseDuration(after); err == nil {
			p.after = d
		}
	}
	p.left.Store(1)
	if name, n, ok := strings.Cut(p.at, "#"); ok {
		p.at = name
		if n, err := strconv.ParseInt(n, 10, 64); err == nil {
			p.left.Store(n)
		}
	}
	return p
}

// Pass is called at a point.
func (p *Points) Pass(name string) {
	if p.at != name || p.left.Add(-1) != 0 {
		return
	}
	if p.after > 0 {
		time.AfterFunc(p.after, die)
		return
	}
	die()
}

func die() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}

// Ledger passes the points of an effect.
func (p *Points) Ledger(l tools.Ledger) tools.Ledger { return pointedLedger{l, p} }

type pointedLedger struct {
	tools.Ledger
	p *Points
}

func (l pointedLedger) Intend(ctx context.Context, i tools.Intent) (tools.Record, error) {
	l.p.Pass("before intent")
	r, err := l.Ledger.Intend(ctx, i)
	if err == nil {
		l.p.Pass("after intent")
	}
	return r, err
}

func (l pointedLedger) Settle(ctx context.Context, s tools.Settlement) error {
	l.p.Pass("after run")
	err := l.Ledger.Settle(ctx, s)
	l.p.Pass("after outcome")
	return err
}

// Deliveries passes the points of what Slack delivers and is shown.
func (p *Points) Deliveries(s delivery.Store) delivery.Store { return pointedInbox{s, p} }

type pointedInbox struct {
	delivery.Store
	p *Points
}

func (i pointedInbox) Keep(ctx context.Context, f delivery.Front, all []delivery.Delivery) ([]bool, error) {
	i.p.Pass("before keep")
	fresh, err := i.Store.Keep(ctx, f, all)
	i.p.Pass("after keep")
	return fresh, err
}

func (i pointedInbox) Settle(ctx context.Context, f delivery.Front, s delivery.Settled) error {
	i.settle("before", s)
	err := i.Store.Settle(ctx, f, s)
	i.settle("after", s)
	return err
}

func (i pointedInbox) settle(when string, s delivery.Settled) {
	if len(s.Done) > 0 {
		i.p.Pass(when + " settle delivery")
	}
	if len(s.Posts) > 0 {
		i.p.Pass(when + " settle post")
	}
}

// Decisions passes the points of a decision.
func (p *Points) Decisions(d slack.Decisions) slack.Decisions { return pointedDecisions{d, p} }

type pointedDecisions struct {
	slack.Decisions
	p *Points
}

func (d pointedDecisions) Answer(ctx context.Context, by agent.Actor, in loop.Answer) (approval.Approval, error) {
	d.p.Pass("before decide")
	a, err := d.Decisions.Answer(ctx, by, in)
	d.p.Pass("after decide")
	return a, err
}

// Steps passes the points between the steps of a turn.
func (p *Points) Steps(all loop.EffectFuncs) loop.EffectFuncs {
	p.Pass("before recover")
	out := loop.EffectFuncs{}
	for name, f := range all {
		out[name] = func(ctx context.Context, in, result any) error {
			p.Pass("before step " + name)
			err := f(ctx, in, result)
			p.Pass("after step " + name)
			return err
		}
	}
	return out
}

// Checkpoints passes the points at which the record is signed.
func (p *Points) Checkpoints(c *audit.CheckpointConfig) {
	c.Signer, c.Trees = pointedSigner{c.Signer, p}, pointedTrees{c.Trees, p}
}

type pointedSigner struct {
	note.Signer
	p *Points
}

func (s pointedSigner) Sign(msg []byte) ([]byte, error) {
	s.p.Pass("before sign")
	out, err := s.Signer.Sign(msg)
	s.p.Pass("after sign")
	return out, err
}

type pointedTrees struct {
	audit.Trees
	p *Points
}

func (t pointedTrees) SaveCheckpoint(ctx context.Context, c audit.Checkpoint, signed string) error {
	err := t.Trees.SaveCheckpoint(ctx, c, signed)
	t.p.Pass("after save checkpoint")
	return err
}
