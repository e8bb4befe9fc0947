package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Accept implements loop.Inbox.
func (d *DB) Accept(ctx context.Context, t agent.Turn, m agent.Message, ordered *loop.Ordered) (loop.Acceptance, error) {
	if t.ID == "" || t.Workspace == "" || t.Conversation == "" || m.ID == "" {
		return loop.Acceptance{}, agent.Errorf(agent.Invalid, "an event needs a workspace, a conversation and ids")
	}
	now := d.now()
	if t.Created.IsZero() {
		t.Created = now
	}
	if m.At.IsZero() {
		m.At = t.Created
	}
	t.Created, m.At = stored(t.Created), stored(m.At)
	t.Request, m.Conversation, m.Turn = m.ID, t.Conversation, t.ID
	var acc loop.Acceptance
	err := d.tx(ctx, func(tx *sql.Tx) (err error) {
		var known bool
		if acc, known, err = seen(ctx, tx, t); err != nil || known {
			return err
		}
		had, _, err := first(tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM conversations WHERE workspace = ? AND id = ?)`, t.Workspace, t.Conversation), scanBool)
		if err != nil {
			return err
		}
		if err := converse(ctx, tx, t.Workspace, t.Place, m); err != nil {
			return err
		}
		if ordered == nil {
			asking, ok, err := asking(ctx, tx, t)
			if err != nil {
				return err
			}
			if ok {
				acc = loop.Acceptance{Turn: asking, Answered: asking.ID}
				return d.answer(ctx, tx, t, m, asking)
			}
		}
		acc, err = d.admit(ctx, tx, t, m, ordered)
		acc.First = !had
		return err
	})
	if err != nil {
		return loop.Acceptance{}, fmt.Errorf("accept event: %w", err)
	}
	return acc, nil
}

// seen looks for the event among those that were accepted before.
func seen(ctx context.Context, tx *sql.Tx, t agent.Turn) (loop.Acceptance, bool, error) {
	was, ok, err := first(tx.QueryRowContext(ctx, `SELECT `+turnColumns+` FROM turns t
		WHERE t.workspace = ? AND t.id = ?`, t.Workspace, t.ID), scanTurn)
	if err != nil || ok {
		return loop.Acceptance{Turn: was, Duplicate: true}, ok, err
	}
	was, ok, err = first(tx.QueryRowContext(ctx, `SELECT `+turnColumns+` FROM replies r
		JOIN turns t ON t.workspace = r.workspace AND t.id = r.turn
		WHERE r.workspace = ? AND r.event = ?`, t.Workspace, t.ID), scanTurn)
	return loop.Acceptance{Turn: was, Duplicate: true, Answered: was.ID}, ok, err
}

// asking returns the turn of the conversation that waits for this actor's answer.
func asking(ctx context.Context, tx *sql.Tx, t agent.Turn) (agent.Turn, bool, error) {
	return first(tx.QueryRowContext(ctx, `SELECT `+turnColumns+` FROM turns t
		WHERE t.workspace = ? AND t.conversation = ? AND t.question <> '' AND t.actor_id = ?
		ORDER BY t.seq LIMIT 1`, t.Workspace, t.Conversation, t.Actor.ID), scanTurn)
}

// answer hands the message to the turn that asked. The question is taken back
// at once: a second message is a request of its own.
func (d *DB) answer(ctx context.Context, tx *sql.Tx, t agent.Turn, m agent.Message, to agent.Turn) error {
	m.Turn = to.ID
	if err := say(ctx, tx, t.Workspace, m); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO replies (workspace, event, turn) VALUES (?, ?, ?)`, t.Workspace, t.ID, to.ID)
	if err != nil {
		return fmt.Errorf("store reply: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE turns SET question = '' WHERE workspace = ? AND id = ?`, t.Workspace, to.ID)
	if err != nil {
		return fmt.Errorf("take the question back: %w", err)
	}
	s := loop.Signal{Type: loop.SignalReply, By: t.Actor.ID, Text: m.Text, Outside: m.Label.Integrity == agent.External}
	if err := send(ctx, tx, address{t.Workspace, to.ID, loop.InboxTopic}, s); err != nil {
		return err
	}
	return d.record(ctx, tx, audit.Entry{
		Workspace: t.Workspace, Kind: audit.TurnAccepted, Actor: t.Actor.ID, Turn: to.ID, Note: "reply to a question",
	})
}

// admit makes a turn of the event: running when its conversation is free.
func (d *DB) admit(ctx context.Context, tx *sql.Tx, t agent.Turn, m agent.Message, ordered *loop.Ordered) (loop.Acceptance, error) {
	var busy bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM turns WHERE workspace = ? AND conversation = ?
		AND ended IS NULL AND status IN ('queued', 'running'))`, t.Workspace, t.Conversation).Scan(&busy)
	if err != nil {
		return loop.Acceptance{}, fmt.Errorf("look for a running turn: %w", err)
	}
	t.Status = agent.TurnRunning
	carrier := loop.ReplicaOf(ctx)
	if busy {
		t.Status, carrier = agent.TurnQueued, ""
	}
	var order any
	entry := audit.Entry{Workspace: t.Workspace, Kind: audit.TurnAccepted, Actor: t.Actor.ID, Turn: t.ID}
	if ordered != nil {
		order, entry.Tool, entry.Args = jsonOf(ordered), ordered.Tool, ordered.Args
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO turns
		(workspace, id, conversation, seq, place, actor, actor_id, request, ordered, status, created, carrier)
		VALUES (?1, ?2, ?3, (SELECT COALESCE(MAX(seq), 0) + 1 FROM turns WHERE workspace = ?1), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`,
		t.Workspace, t.ID, t.Conversation, jsonOf(t.Place), jsonOf(t.Actor), t.Actor.ID, t.Request, order, t.Status.String(), timeOf(&t.Created), carrier)
	if err != nil {
		return loop.Acceptance{}, fmt.Errorf("store turn: %w", err)
	}
	if err := say(ctx, tx, t.Workspace, m); err != nil {
		return loop.Acceptance{}, err
	}
	return loop.Acceptance{Turn: t, Start: !busy}, d.record(ctx, tx, entry)
}

// anyQueued asks whether a turn of a conversation waits to be claimed.
const anyQueued = `SELECT EXISTS (SELECT 1 FROM turns WHERE workspace = ? AND conversation = ? AND ended IS NULL AND status = 'queued')`

// Claim implements loop.Inbox. A parked turn does not hold the conversation up.
func (d *DB) Claim(ctx context.Context, ws agent.WorkspaceID, conversation string) (agent.Turn, bool, error) {
	// Most conversations have nobody waiting: then nothing is held up to find out.
	waiting, _, err := first(d.sql.QueryRowContext(ctx, anyQueued, ws, conversation), scanBool)
	if err != nil || !waiting {
		if err != nil {
			err = d.publicError(fmt.Errorf("claim turn: %w", err))
		}
		return agent.Turn{}, false, err
	}
	var got agent.Turn
	var ok bool
	err = d.tx(ctx, func(tx *sql.Tx) error {
		id, queued, err := first(tx.QueryRowContext(ctx, `UPDATE turns SET status = 'running', carrier = ?3
			WHERE workspace = ?1 AND ended IS NULL
			AND seq = (SELECT MIN(seq) FROM turns WHERE workspace = ?1 AND conversation = ?2 AND ended IS NULL AND status = 'queued')
			AND NOT EXISTS (SELECT 1 FROM turns WHERE workspace = ?1 AND conversation = ?2 AND ended IS NULL AND status = 'running')
			RETURNING id`, ws, conversation, loop.ReplicaOf(ctx)), scanText)
		if err != nil || !queued {
			return err
		}
		ok = true
		got, err = turnByID(ctx, tx, ws, id)
		return err
	})
	if err != nil {
		return agent.Turn{}, false, fmt.Errorf("claim turn: %w", err)
	}
	return got, ok, nil
}

// Unfinished implements loop.Inbox.
func (d *DB) Unfinished(ctx context.Context) ([]agent.Turn, error) {
	all, err := every(ctx, d.sql, scanTurn, `SELECT `+turnColumns+` FROM turns t
		WHERE t.ended IS NULL ORDER BY t.created, t.workspace, t.seq`)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read unfinished turns: %w", err))
	}
	return all, nil
}

func scanText(row sqlRow) (string, error) {
	var s string
	err := row.Scan(&s)
	return s, err
}
