package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools/tickets"
)

// rememberedTickets is a tracker whose tickets are remembered as they stand soon after
// each write, so that recall finds what was said on them. The write counts whether
// or not remembering succeeds; what was missed then is remembered at the next start.
type rememberedTickets struct {
	tickets.Tracker

	memory *memory.Memory
	log    *slog.Logger
	late   *lateTickets
}

var _ tickets.Tracker = rememberedTickets{}

// soon is how long after a write a ticket is remembered: nobody who waits for the write
// waits for that, and a ticket that many write to is remembered once for all of them.
const soon = 200 * time.Millisecond

// lateTickets are the tickets to be remembered.
type lateTickets struct {
	mu      sync.Mutex
	due     map[lateTicket]bool
	running bool
	hurry   chan struct{}
	hurried bool
	work    sync.WaitGroup
}

type lateTicket struct {
	workspace agent.WorkspaceID
	id        string
}

func newLateTickets() *lateTickets {
	return &lateTickets{due: map[lateTicket]bool{}, hurry: make(chan struct{})}
}

// put has remember called with the ticket soon, once however often it is put before.
func (l *lateTickets) put(t lateTicket, remember func(lateTicket)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due[t] = true
	if l.running {
		return
	}
	l.running = true
	l.work.Go(func() {
		for {
			select {
			case <-l.hurry:
			case <-time.After(soon):
			}
			l.mu.Lock()
			all := l.due
			l.due = map[lateTicket]bool{}
			if len(all) == 0 {
				l.running = false
				l.mu.Unlock()
				return
			}
			l.mu.Unlock()
			for t := range all {
				remember(t)
			}
		}
	})
}

// close remembers what is due at once and returns when that is done. Nothing is put
// after it.
func (l *lateTickets) close() {
	l.mu.Lock()
	if !l.hurried {
		l.hurried = true
		close(l.hurry)
	}
	l.mu.Unlock()
	l.work.Wait()
}

// Create implements tickets.Writer.
func (r rememberedTickets) Create(ctx context.Context, w agent.Write, d agent.TicketDraft) (agent.Ticket, error) {
	t, err := r.Tracker.Create(ctx, w, d)
	if err == nil {
		r.keep(w.By.Workspace, t.ID)
	}
	return t, err
}

// Comment implements tickets.Writer.
func (r rememberedTickets) Comment(ctx context.Context, w agent.Write, id, body string) (agent.TicketComment, error) {
	c, err := r.Tracker.Comment(ctx, w, id, body)
	if err == nil {
		r.keep(w.By.Workspace, id)
	}
	return c, err
}

// Retract implements tickets.Writer.
func (r rememberedTickets) Retract(ctx context.Context, w agent.Write, id string, n int, retracted bool) (agent.TicketComment, bool, error) {
	c, changed, err := r.Tracker.Retract(ctx, w, id, n, retracted)
	if err == nil {
		r.keep(w.By.Workspace, id)
	}
	return c, changed, err
}

// Assign implements tickets.Writer.
func (r rememberedTickets) Assign(ctx context.Context, w agent.Write, id, assignee string) (agent.TicketEdit, error) {
	e, err := r.Tracker.Assign(ctx, w, id, assignee)
	if err == nil {
		r.keep(w.By.Workspace, id)
	}
	return e, err
}

// Label implements tickets.Writer.
func (r rememberedTickets) Label(ctx context.Context, w agent.Write, id string, add, remove []string) (agent.TicketEdit, error) {
	e, err := r.Tracker.Label(ctx, w, id, add, remove)
	if err == nil {
		r.keep(w.By.Workspace, id)
	}
	return e, err
}

// Transition implements tickets.Writer.
func (r rememberedTickets) Transition(ctx context.Context, w agent.Write, id string, to agent.TicketStatus, reason string) (agent.TicketEdit, error) {
	e, err := r.Tracker.Transition(ctx, w, id, to, reason)
	if err == nil {
		r.keep(w.By.Workspace, id)
	}
	return e, err
}

// keep has a ticket remembered as it stands then.
func (r rememberedTickets) keep(ws agent.WorkspaceID, id string) {
	r.late.put(lateTicket{ws, id}, r.keepNow)
}

func (r rememberedTickets) keepNow(l lateTicket) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	t, err := r.Ticket(ctx, l.workspace, l.id)
	if err == nil {
		err = r.remember(ctx, l.workspace, t)
	}
	if err != nil {
		r.log.WarnContext(ctx, "a ticket was not remembered", slog.String("ticket", l.id), slog.Any("err", err))
	}
}

func (r rememberedTickets) remember(ctx context.Context, ws agent.WorkspaceID, t agent.Ticket) error {
	if t.CreatedBy == "" || t.Title == privacy.ErasedTitle {
		return nil
	}
	comments, err := r.Comments(ctx, ws, t.ID)
	if err != nil {
		return err
	}
	_, err = r.memory.Remember(ctx, memory.FromTicket(t, comments, ws))
	return err
}

// maxTicketsAtStart is how many tickets are looked at when Sous starts, the newest.
const maxTicketsAtStart = 10_000

// catchUp remembers the tickets that are not remembered as they stand: those of
// before tickets were remembered, and what a crash came between.
func (r rememberedTickets) catchUp(ctx context.Context, ws agent.WorkspaceID) error {
	all, err := r.Search(ctx, ws, agent.TicketQuery{Limit: maxTicketsAtStart})
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := ctx.Err(); err != nil {
			return nil //nolint:nilerr // it goes on at the next start
		}
		comments, err := r.Comments(ctx, ws, t.ID)
		if err != nil {
			return err
		}
		known, err := t.CreatedBy == "", error(nil)
		if !known {
			known, err = r.memory.Has(ctx, memory.FromTicket(t, comments, ws))
		}
		if err == nil && !known {
			err = r.remember(ctx, ws, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// catchUpTickets is catchUp beside everything else; a failure is logged.
func (a *app) catchUpTickets(ctx context.Context) error {
	r, ok := a.db.tracker.(rememberedTickets)
	if !ok {
		return errors.New("tickets are not remembered")
	}
	if err := r.catchUp(ctx, workspace); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "tickets were not remembered", slog.Any("err", err))
	}
	return nil
}
