package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
)

// The names of the writes, as kept with their keys.
const (
	opCreate     = "create"
	opComment    = "comment"
	opRetract    = "retract"
	opAssign     = "assign"
	opLabel      = "label"
	opTransition = "transition"
)

// Create makes an open ticket with the next id of the workspace.
func (t *Tracker) Create(ctx context.Context, w agent.Write, d agent.TicketDraft) (agent.Ticket, error) {
	if strings.TrimSpace(d.Title) == "" {
		return agent.Ticket{}, agent.Errorf(agent.Invalid, "a ticket needs a title")
	}
	return once(ctx, t.db, ticketKeys(w, opCreate), func(tx pgx.Tx) (agent.Ticket, error) {
		now := t.db.clock().UTC().Truncate(time.Microsecond)
		k := agent.Ticket{
			Title: storable(d.Title), Body: storable(d.Body), Status: agent.TicketOpen, Assignee: d.Assignee,
			Labels: sortedSet(d.Labels), Due: d.Due, Links: slices.Clone(d.Links),
			CreatedBy: w.By.ID, Created: now, Updated: now, Label: w.Label,
		}
		var n int64
		err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM tickets WHERE workspace = $1`, w.By.Workspace).Scan(&n)
		if err != nil {
			return k, err
		}
		k.ID = ticketID(n)
		k.URL = t.url(k.ID)
		insertTicket(tx, w.By.Workspace, n, k)
		t.note(tx, w, n, agent.TicketChange{Field: "created", To: k.Title, At: now})
		return k, nil
	})
}

func insertTicket(tx pgx.Tx, ws agent.WorkspaceID, n int64, k agent.Ticket) {
	later(tx, `INSERT INTO tickets (workspace, n, title, body, status, assignee, labels,
		due, links, created_by, created, updated, label) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		ws, n, k.Title, k.Body, k.Status, k.Assignee, jsonOf(k.Labels),
		k.Due, jsonOf(k.Links), k.CreatedBy, timeOf(&k.Created), timeOf(&k.Updated), jsonOf(k.Label))
	later(tx, `INSERT INTO ticket_words (workspace, n, words) VALUES ($1, $2, $3::tsvector)`,
		ws, n, ticketWords(ws, k.Title, k.Body))
}

// Comment adds a comment with the next number of the ticket.
func (t *Tracker) Comment(ctx context.Context, w agent.Write, id, body string) (agent.TicketComment, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return agent.TicketComment{}, err
	}
	return once(ctx, t.db, ticketKeys(w, opComment), func(tx pgx.Tx) (agent.TicketComment, error) {
		k, err := t.one(ctx, tx, w.By.Workspace, n)
		if err != nil {
			return agent.TicketComment{}, err
		}
		c := agent.TicketComment{Author: w.By.ID, Body: storable(body), At: t.db.clock().UTC().Truncate(time.Microsecond), Label: w.Label}
		err = tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM ticket_comments
			WHERE workspace = $1 AND ticket = $2`, w.By.Workspace, n).Scan(&c.N)
		if err != nil {
			return c, err
		}
		at := c.At
		later(tx, `INSERT INTO ticket_comments (workspace, ticket, n, author, body, at, label)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, w.By.Workspace, n, c.N, c.Author, c.Body, timeOf(&at), jsonOf(c.Label))
		t.store(tx, w, n, k)
		t.note(tx, w, n, agent.TicketChange{Field: "comment", To: fmt.Sprint(c.N)})
		return c, nil
	})
}

// retracted is the first result of a Retract.
type retracted struct {
	Comment agent.TicketComment `json:"comment"`
	Changed bool                `json:"changed"`
}

// Retract marks the n-th comment as retracted, or takes the mark away.
func (t *Tracker) Retract(ctx context.Context, w agent.Write, id string, number int, mark bool) (agent.TicketComment, bool, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return agent.TicketComment{}, false, err
	}
	r, err := once(ctx, t.db, ticketKeys(w, opRetract), func(tx pgx.Tx) (retracted, error) {
		k, err := t.one(ctx, tx, w.By.Workspace, n)
		if err != nil {
			return retracted{}, err
		}
		c, err := scanComment(tx.QueryRow(ctx, selectComments+` AND n = $3`, w.By.Workspace, n, number))
		if errors.Is(err, pgx.ErrNoRows) {
			return retracted{}, agent.Errorf(agent.NotFound, "ticket %s has no comment %d", k.ID, number)
		}
		if err != nil || c.Retracted == mark {
			return retracted{Comment: c}, err
		}
		was := c.Retracted
		c.Retracted = mark
		later(tx, `UPDATE ticket_comments SET retracted = $1 WHERE workspace = $2 AND ticket = $3 AND n = $4`,
			mark, w.By.Workspace, n, number)
		t.store(tx, w, n, k)
		t.note(tx, w, n, agent.TicketChange{
			Field: "retracted", From: fmt.Sprint(was), To: fmt.Sprint(mark), Reason: fmt.Sprintf("comment %d", number),
		})
		return retracted{Comment: c, Changed: true}, nil
	})
	return r.Comment, r.Changed, err
}

// Assign gives the ticket to somebody; "" to nobody.
func (t *Tracker) Assign(ctx context.Context, w agent.Write, id, assignee string) (agent.TicketEdit, error) {
	return t.edit(ctx, w, opAssign, id, func(k *agent.Ticket) agent.TicketChange {
		c := agent.TicketChange{Field: "assignee", From: k.Assignee, To: assignee}
		k.Assignee = assignee
		return c
	})
}

// Label adds and removes labels.
func (t *Tracker) Label(ctx context.Context, w agent.Write, id string, add, remove []string) (agent.TicketEdit, error) {
	return t.edit(ctx, w, opLabel, id, func(k *agent.Ticket) agent.TicketChange {
		c := agent.TicketChange{Field: "labels", From: strings.Join(k.Labels, ", ")}
		k.Labels = sortedSet(slices.DeleteFunc(slices.Concat(k.Labels, add), func(l string) bool {
			return slices.Contains(remove, l)
		}))
		c.To = strings.Join(k.Labels, ", ")
		return c
	})
}

// Transition moves the ticket to any status.
func (t *Tracker) Transition(ctx context.Context, w agent.Write, id string, to agent.TicketStatus, reason string) (agent.TicketEdit, error) {
	if !to.Known() {
		return agent.TicketEdit{}, agent.Errorf(agent.Invalid, "there is no status %.40q; it is one of open, in_progress, done, closed", to)
	}
	return t.edit(ctx, w, opTransition, id, func(k *agent.Ticket) agent.TicketChange {
		c := agent.TicketChange{Field: "status", From: string(k.Status), To: string(to), Reason: reason}
		k.Status = to
		return c
	})
}

// edit applies a pure change to one ticket in one transaction.
func (t *Tracker) edit(ctx context.Context, w agent.Write, op, id string, change func(k *agent.Ticket) agent.TicketChange) (agent.TicketEdit, error) {
	n, err := ticketNumber(id)
	if err != nil {
		return agent.TicketEdit{}, err
	}
	return once(ctx, t.db, ticketKeys(w, op), func(tx pgx.Tx) (agent.TicketEdit, error) {
		before, err := t.one(ctx, tx, w.By.Workspace, n)
		if err != nil {
			return agent.TicketEdit{}, err
		}
		after := before
		c := change(&after)
		if c.From == c.To {
			return agent.TicketEdit{Before: before, After: before}, nil
		}
		t.store(tx, w, n, after)
		t.note(tx, w, n, c)
		after, err = t.one(ctx, tx, w.By.Workspace, n)
		return agent.TicketEdit{Before: before, After: after}, err
	})
}

// store writes what can change of a ticket and joins the write's label into its.
func (t *Tracker) store(tx pgx.Tx, w agent.Write, n int64, k agent.Ticket) {
	later(tx, `UPDATE tickets SET status = $1, assignee = $2, labels = $3, updated = $4, label = $5
		WHERE workspace = $6 AND n = $7`,
		k.Status, k.Assignee, jsonOf(k.Labels), t.db.now(), jsonOf(k.Label.Join(w.Label)), w.By.Workspace, n)
}

// note adds a row to the ticket's history.
func (t *Tracker) note(tx pgx.Tx, w agent.Write, n int64, c agent.TicketChange) {
	if c.At.IsZero() {
		c.At = t.db.clock()
	}
	later(tx, `INSERT INTO ticket_changes (workspace, ticket, by, at, field, was, now, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, w.By.Workspace, n, w.By.ID, timeOf(&c.At), c.Field, c.From, c.To, c.Reason)
}

// keyed is one write under its idempotency key.
type keyed struct {
	agent.Write
	op    string
	table string
}

func ticketKeys(w agent.Write, op string) keyed { return keyed{w, op, "ticket_writes"} }

// once runs f in one transaction that also keeps its result under the key; when
// the key is known it returns the first result instead.
func once[T any](ctx context.Context, db *DB, k keyed, f func(tx pgx.Tx) (T, error)) (T, error) {
	var out T
	if k.Key == "" || k.By.Workspace == "" {
		return out, errors.New("a write needs a workspace and an idempotency key")
	}
	err := db.write(ctx, k.By.Workspace, func(tx pgx.Tx) error {
		var op, result string
		err := tx.QueryRow(ctx, `SELECT op, result FROM `+k.table+` WHERE workspace = $1 AND key = $2`,
			k.By.Workspace, k.Key).Scan(&op, &result)
		switch {
		case err == nil && op != k.op:
			return agent.Errorf(agent.Conflict, "the idempotency key was used for another operation")
		case err == nil:
			return json.Unmarshal([]byte(result), &out)
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		if out, err = f(tx); err != nil {
			return err
		}
		later(tx, `INSERT INTO `+k.table+` (workspace, key, op, result) VALUES ($1, $2, $3, $4)`,
			k.By.Workspace, k.Key, k.op, jsonOf(out))
		return nil
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// sortedSet returns the values sorted, without doubles and blanks.
func sortedSet(values []string) []string {
	set := slices.Clone(values)
	slices.Sort(set)
	set = slices.Compact(set)
	return slices.DeleteFunc(set, func(v string) bool { return strings.TrimSpace(v) == "" })
}
