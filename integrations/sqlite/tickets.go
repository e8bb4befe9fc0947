package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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
	got, err := t.one(ctx, t.db.sql, ws, n)
	return got, t.db.publicError(err)
}

// Comments lists a ticket's comments, oldest first.
func (t *Tracker) Comments(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketComment, error) {
	n, err := t.existing(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	all, err := every(ctx, t.db.sql, scanComment, selectComments+` ORDER BY n`, ws, n)
	return all, t.db.publicError(err)
}

// History lists a ticket's changes, oldest first.
func (t *Tracker) History(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketChange, error) {
	n, err := t.existing(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	all, err := every(ctx, t.db.sql, func(r sqlRow) (c agent.TicketChange, err error) {
		err = r.Scan(&c.By, timeOf(&c.At), &c.Field, &c.From, &c.To, &c.Reason)
		return c, err
	}, `SELECT by, at, field, was, now, reason
		FROM ticket_changes WHERE workspace = ? AND ticket = ? ORDER BY seq`, ws, n)
	return all, t.db.publicError(err)
}

// CreatedWith returns the ticket that Create made under the key, as it is now.
func (t *Tracker) CreatedWith(ctx context.Context, ws agent.WorkspaceID, key string) (agent.Ticket, bool, error) {
	var op, result string
	err := t.db.sql.QueryRowContext(ctx, `SELECT op, result FROM ticket_writes
		WHERE workspace = ? AND key = ?`, ws, key).Scan(&op, &result)
	if errors.Is(err, sql.ErrNoRows) || err == nil && op != opCreate {
		return agent.Ticket{}, false, nil
	}
	if err != nil {
		return agent.Ticket{}, false, t.db.publicError(err)
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
	match := matchExpression(q.Text)
	if match == "" && strings.TrimSpace(q.Text) != "" {
		return nil, nil
	}
	where, args := `workspace = ?`, []any{ws}
	if len(q.Statuses) > 0 {
		where += ` AND status IN (?` + strings.Repeat(`, ?`, len(q.Statuses)-1) + `)`
		for _, s := range q.Statuses {
			args = append(args, s)
		}
	}
	query := selectTickets + ` WHERE ` + where + ` ORDER BY n DESC LIMIT ?`
	if match != "" {
		query = selectTickets + ` JOIN ticket_words ON ticket_words.rowid = seq WHERE ` + where +
			` AND ticket_words MATCH ? ORDER BY bm25(ticket_words, 3.0, 1.0), n DESC LIMIT ?`
		args = append(args, match)
	}
	hits, err := every(ctx, t.db.sql, t.scan, query, append(args, q.Limit)...)
	if err != nil {
		return nil, t.db.publicError(err)
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

// maxTerms bounds the words of one query that are looked up.
const maxTerms = 32

// matchExpression makes an FTS5 query that finds texts with any of the words,
// or words that begin like them. Nothing of the text is read as syntax.
func matchExpression(text string) string {
	terms := words(text)
	for i, term := range terms {
		terms[i] = `"` + term + `"`
		if len([]rune(term)) > 2 {
			terms[i] += `*`
		}
	}
	return strings.Join(terms[:min(len(terms), maxTerms)], " OR ")
}

// existing returns the number of a ticket that exists.
func (t *Tracker) existing(ctx context.Context, ws agent.WorkspaceID, id string) (int64, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return 0, err
	}
	err = t.db.sql.QueryRowContext(ctx, `SELECT n FROM tickets WHERE workspace = ? AND n = ?`, ws, n).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noTicket(n)
	}
	return n, t.db.publicError(err)
}

const selectTickets = `SELECT n, tickets.title, tickets.body, status, assignee, labels, due, links,
	created_by, created, updated, label FROM tickets`

const selectComments = `SELECT n, author, body, at, retracted, label
	FROM ticket_comments WHERE workspace = ? AND ticket = ?`

func (t *Tracker) one(ctx context.Context, q sqlHandle, ws agent.WorkspaceID, n int64) (agent.Ticket, error) {
	got, err := t.scan(q.QueryRowContext(ctx, selectTickets+` WHERE workspace = ? AND n = ?`, ws, n))
	if errors.Is(err, sql.ErrNoRows) {
		return agent.Ticket{}, noTicket(n)
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
