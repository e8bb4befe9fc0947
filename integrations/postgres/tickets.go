package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// Tracker is the built-in ticket tracker. It is safe for concurrent use.
type Tracker struct {
	db  *DB
	url func(id string) string
}

// NewTracker returns the tracker of the store, on the store's clock. url makes
// the address of a ticket's page; nil when tickets have none.
func NewTracker(db *DB, url func(id string) string) *Tracker {
	if url == nil {
		url = func(string) string { return "" }
	}
	return &Tracker{db: db, url: url}
}

// Ticket returns one ticket by its id.
func (t *Tracker) Ticket(ctx context.Context, ws agent.WorkspaceID, id string) (agent.Ticket, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return agent.Ticket{}, err
	}
	got, ok, err := one(ctx, t.db, ws, t.scan, selectTicket, ws, n)
	if err == nil && !ok {
		err = noTicket(n)
	}
	return got, err
}

// Comments lists a ticket's comments, oldest first.
func (t *Tracker) Comments(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketComment, error) {
	n, err := t.existing(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	return list(ctx, t.db, ws, scanComment, selectComments+` ORDER BY n`, ws, n)
}

// History lists a ticket's changes, oldest first.
func (t *Tracker) History(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketChange, error) {
	n, err := t.existing(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	return list(ctx, t.db, ws, func(r sqlRow) (c agent.TicketChange, err error) {
		err = r.Scan(&c.By, timeOf(&c.At), &c.Field, &c.From, &c.To, &c.Reason)
		return c, err
	}, `SELECT by, at, field, was, now, reason
		FROM ticket_changes WHERE workspace = $1 AND ticket = $2 ORDER BY seq`, ws, n)
}

// CreatedWith returns the ticket that Create made under the key, as it is now.
func (t *Tracker) CreatedWith(ctx context.Context, ws agent.WorkspaceID, key string) (agent.Ticket, bool, error) {
	result, ok, err := one(ctx, t.db, ws, scanText, `SELECT result FROM ticket_writes
		WHERE workspace = $1 AND key = $2 AND op = $3`, ws, key, opCreate)
	if err != nil || !ok {
		return agent.Ticket{}, false, err
	}
	var first agent.Ticket
	if err := json.Unmarshal([]byte(result), &first); err != nil {
		return agent.Ticket{}, false, fmt.Errorf("read first result: %w", err)
	}
	now, err := t.Ticket(ctx, ws, first.ID)
	return now, err == nil, err
}

// Search returns the tickets that share words with the query, best first.
func (t *Tracker) Search(ctx context.Context, ws agent.WorkspaceID, q agent.TicketQuery) ([]agent.Ticket, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	match := wordQuery(ws, q.Text)
	if match == "" && strings.TrimSpace(q.Text) != "" {
		return nil, nil
	}
	var w where
	w.and(`workspace = ?`, ws)
	if len(q.Statuses) > 0 {
		w.and(`status = ANY (?)`, q.Statuses)
	}
	var query string
	if match == "" {
		query = w.bind(selectTickets+` WHERE `+w.text+` ORDER BY n DESC LIMIT ?`, q.Limit)
	} else {
		query = w.bind(selectTickets+` JOIN ticket_match(?::tsquery) m ON m.ticket = n WHERE `+w.text+` ORDER BY m.rank DESC, n DESC LIMIT ?`, match, q.Limit)
	}
	hits, err := list(ctx, t.db, ws, t.scan, query, w.args...)
	if err != nil {
		return nil, err
	}
	return t.namedFirst(ctx, ws, q, hits)
}

// namedFirst puts the ticket whose id is the query before all others.
func (t *Tracker) namedFirst(ctx context.Context, ws agent.WorkspaceID, q agent.TicketQuery, hits []agent.Ticket) ([]agent.Ticket, error) {
	named, err := t.Ticket(ctx, ws, q.Text)
	switch {
	case agent.KindOf(err) == agent.NotFound:
		return hits, nil
	case err != nil:
		return nil, err
	case len(q.Statuses) > 0 && !slices.Contains(q.Statuses, named.Status):
		return hits, nil
	}
	hits = slices.DeleteFunc(hits, func(h agent.Ticket) bool { return h.ID == named.ID })
	hits = append([]agent.Ticket{named}, hits...)
	return hits[:min(len(hits), q.Limit)], nil
}

// existing returns the number of a ticket that exists.
func (t *Tracker) existing(ctx context.Context, ws agent.WorkspaceID, id string) (int64, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return 0, err
	}
	_, ok, err := one(ctx, t.db, ws, scanInt, `SELECT n FROM tickets WHERE workspace = $1 AND n = $2`, ws, n)
	if err == nil && !ok {
		err = noTicket(n)
	}
	return n, err
}

const selectTickets = `SELECT n, title, body, status, assignee, labels, due, links,
	created_by, created, updated, label FROM tickets`

const selectTicket = selectTickets + ` WHERE workspace = $1 AND n = $2`

const selectComments = `SELECT n, author, body, at, retracted, label
	FROM ticket_comments WHERE workspace = $1 AND ticket = $2`

func (t *Tracker) one(ctx context.Context, q handle, ws agent.WorkspaceID, n int64) (agent.Ticket, error) {
	got, ok, err := first(q.QueryRow(ctx, selectTicket, ws, n), t.scan)
	if err == nil && !ok {
		err = noTicket(n)
	}
	return got, err
}

func (t *Tracker) scan(r sqlRow) (agent.Ticket, error) {
	var k agent.Ticket
	var n int64
	err := r.Scan(&n, &k.Title, &k.Body, &k.Status, &k.Assignee, jsonOf(&k.Labels), &k.Due, jsonOf(&k.Links),
		&k.CreatedBy, timeOf(&k.Created), timeOf(&k.Updated), jsonOf(&k.Label))
	k.ID = ticketID(n)
	k.URL = t.url(k.ID)
	return k, err
}

func scanComment(r sqlRow) (c agent.TicketComment, err error) {
	err = r.Scan(&c.N, &c.Author, &c.Body, timeOf(&c.At), &c.Retracted, jsonOf(&c.Label))
	return c, err
}

func ticketID(n int64) string { return "T-" + strconv.FormatInt(n, 10) }

// ticketNumber reads "T-12", "t-12", "#12" and "12"; anything else names no ticket.
func ticketNumber(id string) (int64, error) {
	id = strings.TrimSpace(id)
	digits := strings.TrimPrefix(id, "#")
	if rest, ok := strings.CutPrefix(strings.ToUpper(id), "T-"); ok {
		digits = rest
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 {
		return 0, agent.Errorf(agent.NotFound, "there is no ticket %.40q; ids look like T-12", id)
	}
	return n, nil
}

func noTicket(n int64) error {
	return agent.Errorf(agent.NotFound, "there is no ticket %s", ticketID(n))
}
