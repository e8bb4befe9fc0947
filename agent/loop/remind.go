package loop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/people"
)

// Reminder is one reminder that is due.
type Reminder struct {
	Approval approval.Approval `json:"approval"`
	// N counts an approval's reminders from 1.
	N int `json:"n"`
	// To are those whose turn it is, who are at work and where it is day; none means
	// whoever may.
	To []agent.ActorID `json:"to,omitempty"`
}

// The day, in hours of a person's own clock. Outside of it and at the weekend nobody
// is reminded of anything.
const (
	dayBegins = 8
	dayEnds   = 20
)

// awake reports whether it is day on a workday where the person is. Where that is
// not known it is.
func awake(now time.Time, zone *time.Location) bool {
	if zone == nil {
		return true
	}
	now = now.In(zone)
	return now.Weekday() != time.Saturday && now.Weekday() != time.Sunday && now.Hour() >= dayBegins && now.Hour() < dayEnds
}

// Notifier tells people of a reminder where they are, such as in a direct
// message. It is told of each reminder once.
type Notifier interface {
	Remind(ctx context.Context, r Reminder) error
}

// Due lists the reminders a front end should send now, oldest approval first. One
// for people who are all asleep is due when the first of them wakes.
func (a *Assistant) Due(ctx context.Context, ws agent.WorkspaceID) ([]Reminder, error) {
	all, err := a.open(ctx, ws)
	if err != nil {
		return nil, err
	}
	now := a.steady()
	var due []Reminder
	for _, p := range all {
		n := p.RemindersDue(now)
		if n <= p.Reminded {
			continue
		}
		if to, asleep := a.expected(ctx, p, now); len(to) > 0 || !asleep {
			due = append(due, Reminder{Approval: p, N: n, To: to})
		}
	}
	return due, nil
}

// Reminded notes that a reminder was sent, so that it is not due again. Of two
// front ends that send the same one, the later hears a Conflict.
func (a *Assistant) Reminded(ctx context.Context, ws agent.WorkspaceID, id string, n int) error {
	_, err := a.Store.Change(ctx, system(ws), id, func(p approval.Approval) (approval.Approval, error) {
		return p.Remind(n, a.steady())
	})
	return err
}

// expected are the people whose turn it is, without those who are out of office;
// asleep says that it is night for somebody who is left out.
func (a *Assistant) expected(ctx context.Context, p approval.Approval, now time.Time) (to []agent.ActorID, asleep bool) {
	add := func(m people.Person) {
		switch {
		case awake(now, m.Zone):
			to = append(to, m.ID)
		default:
			asleep = true
		}
	}
	if p.Kind == approval.ByRequester {
		m := people.Person{Actor: p.Call.Actor}
		if a.People != nil {
			if known, err := a.People.Person(ctx, p.Workspace, m.ID); err == nil {
				m.Zone = known.Zone
			}
		}
		add(m)
		return to, asleep
	}
	if a.People == nil {
		return nil, false
	}
	for _, g := range p.Groups() {
		members, err := a.People.Members(ctx, p.Workspace, g)
		if err != nil {
			continue
		}
		for _, m := range members {
			if m.Active && !m.Away(now) && p.Waits(m.Actor, now) {
				add(m)
			}
		}
	}
	for _, d := range p.Handed {
		if m, err := people.Known(ctx, a.People, agent.Actor{Workspace: p.Workspace, ID: d.To}, a.Clock()); err == nil && p.Waits(m.Actor, now) {
			add(m)
		}
	}
	slices.Sort(to)
	return slices.Compact(to), asleep
}

// RemindEvery is how often Remind looks for what is due.
const RemindEvery = 30 * time.Second

// Remind sends reminders in these workspaces as they fall due, until ctx is done. Whoever watches the
// approval's turn sees an event; each notifier is told besides. A workspace whose
// approvals cannot be read is tried again.
func (a *Assistant) Remind(ctx context.Context, workspaces func() []agent.WorkspaceID, tell ...Notifier) error {
	tick := time.NewTicker(RemindEvery)
	defer tick.Stop()
	for {
		for _, ws := range workspaces() {
			if _, err := a.RemindDue(ctx, ws, tell...); err != nil && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "reminders not sent", slog.Any("err", err))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// RemindDue sends the reminders that are due now and counts them. Each is recorded
// before it is told, so that none is told twice, in whatever process and after
// whatever crash; that an approval was reminded of stays to be seen on it.
func (a *Assistant) RemindDue(ctx context.Context, ws agent.WorkspaceID, tell ...Notifier) (sent int, err error) {
	due, err := a.Due(ctx, ws)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range due {
		switch err := a.Reminded(ctx, ws, r.Approval.ID, r.N); {
		case overtaken(err):
			continue // decided meanwhile, or another process was first
		case err != nil:
			errs = append(errs, err)
			continue
		}
		sent++
		r.Approval.Reminded, r.Approval.RemindedAt = r.N, a.steady()
		a.Hub.Publish(Event{Turn: r.Approval.Call.Turn, Type: EventReminder, Approval: r.Approval.ID, At: a.Clock()})
		for _, n := range tell {
			if err := n.Remind(ctx, r); err != nil {
				a.Log.WarnContext(ctx, "reminder not delivered", slog.String("approval", r.Approval.ID), slog.Any("err", err))
			}
		}
	}
	return sent, errors.Join(errs...)
}
