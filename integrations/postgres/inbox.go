package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

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
	err := d.write(ctx, t.Workspace, func(tx pgx.Tx) (err error) {
		var was was
		if was, err = look(ctx, tx, t); err != nil {
			return err
		}
		var known bool
		if acc, known = was.seen(); known {
			return nil
		}
		fresh := !was.conversed
		if err := converse(tx, t.Workspace, t.Place, m); err != nil {
			return err
		}
		if ordered == nil && was.asks {
			acc = loop.Acceptance{Turn: was.asking, Answered: was.asking.ID}
			return d.answer(ctx, tx, t, m, was.asking)
		}
		t.Status = agent.TurnRunning
		if was.busy {
			t.Status = agent.TurnQueued
		}
		acc, err = d.admit(ctx, tx, t, m, ordered)
		acc.First = fresh
		say(tx, t.Workspace, m)
		if !fresh {
			touch(tx, t.Workspace, m)
		}
		return err
	})
	if err != nil {
		return loop.Acceptance{}, fmt.Errorf("accept event: %w", err)
	}
	return acc, nil
}

// was is what there is when an event comes in.
type was struct {
	// turn is the one the event made, replied the one it answered.
	turn, replied agent.Turn
	made, replies bool
	// asking is the turn of the conversation that waits for this actor's answer.
	asking agent.Turn
	asks   bool
	// busy says that a turn of the conversation runs or is about to, conversed that
	// something was said in it.
	busy, conversed bool
}

// look finds all of it, which mostly is nothing: in one round trip then.
func look(ctx context.Context, tx pgx.Tx, t agent.Turn) (w was, err error) {
	var known bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM turns WHERE workspace = $1 AND id = $2)
		OR EXISTS (SELECT FROM replies WHERE workspace = $1 AND event = $2)
		OR EXISTS (SELECT FROM turns WHERE workspace = $1 AND conversation = $3 AND question <> '' AND actor_id = $4),
		EXISTS (SELECT FROM turns WHERE workspace = $1 AND conversation = $3 AND ended IS NULL AND status IN ('queued', 'running')),
		EXISTS (SELECT FROM conversations WHERE workspace = $1 AND id = $3)`,
		t.Workspace, t.ID, t.Conversation, t.Actor.ID).Scan(&known, &w.busy, &w.conversed)
	if err != nil || !known {
		return w, err
	}
	err = together(ctx, tx,
		want(&w.turn, &w.made, scanTurn, `SELECT `+turnColumns+` FROM turns t WHERE t.workspace = $1 AND t.id = $2`, t.Workspace, t.ID),
		want(&w.replied, &w.replies, scanTurn, `SELECT `+turnColumns+` FROM replies r
			JOIN turns t ON t.workspace = r.workspace AND t.id = r.turn
			WHERE r.workspace = $1 AND r.event = $2`, t.Workspace, t.ID),
		want(&w.asking, &w.asks, scanTurn, `SELECT `+turnColumns+` FROM turns t
			WHERE t.workspace = $1 AND t.conversation = $2 AND t.question <> '' AND t.actor_id = $3
			ORDER BY t.seq LIMIT 1`, t.Workspace, t.Conversation, t.Actor.ID),
	)
	return w, err
}

// seen is what the event came to when it was accepted before.
func (w was) seen() (loop.Acceptance, bool) {
	if w.made {
		return loop.Acceptance{Turn: w.turn, Duplicate: true}, true
	}
	return loop.Acceptance{Turn: w.replied, Duplicate: true, Answered: w.replied.ID}, w.replies
}

// answer hands the message to the turn that asked. The question is taken back
// at once: a second message is a request of its own.
func (d *DB) answer(ctx context.Context, tx pgx.Tx, t agent.Turn, m agent.Message, to agent.Turn) error {
	m.Turn = to.ID
	say(tx, t.Workspace, m)
	touch(tx, t.Workspace, m)
	later(tx, `INSERT INTO replies (workspace, event, turn) VALUES ($1, $2, $3)`, t.Workspace, t.ID, to.ID)
	later(tx, `UPDATE turns SET question = '' WHERE workspace = $1 AND id = $2`, t.Workspace, to.ID)
	s := loop.Signal{Type: loop.SignalReply, By: t.Actor.ID, Text: m.Text, Outside: m.Label.Integrity == agent.External}
	send(tx, address{t.Workspace, to.ID, loop.InboxTopic}, s)
	return d.record(ctx, tx, audit.Entry{
		Workspace: t.Workspace, Kind: audit.TurnAccepted, Actor: t.Actor.ID, Turn: to.ID, Note: "reply to a question",
	})
}

// admit makes a turn of the event: running when its conversation is free.
func (d *DB) admit(ctx context.Context, tx pgx.Tx, t agent.Turn, m agent.Message, ordered *loop.Ordered) (loop.Acceptance, error) {
	carrier := ""
	if t.Status == agent.TurnRunning {
		carrier = loop.ReplicaOf(ctx)
	}
	var order any
	entry := audit.Entry{Workspace: t.Workspace, Kind: audit.TurnAccepted, Actor: t.Actor.ID, Turn: t.ID}
	if ordered != nil {
		order, entry.Tool, entry.Args = jsonOf(ordered), ordered.Tool, ordered.Args
	}
	later(tx, `INSERT INTO turns
		(workspace, id, conversation, seq, place, actor, actor_id, request, ordered, status, created, carrier)
		VALUES ($1, $2, $3, COALESCE((SELECT seq FROM turns WHERE workspace = $1 ORDER BY workspace DESC, seq DESC LIMIT 1), 0) + 1, $4, $5, $6, $7, $8, $9, $10, $11)`,
		t.Workspace, t.ID, t.Conversation, jsonOf(t.Place), jsonOf(t.Actor), t.Actor.ID, t.Request, order, t.Status.String(), timeOf(&t.Created), carrier)
	return loop.Acceptance{Turn: t, Start: t.Status == agent.TurnRunning}, d.record(ctx, tx, entry)
}

// Claim implements loop.Inbox. A parked turn does not hold the conversation up.
func (d *DB) Claim(ctx context.Context, ws agent.WorkspaceID, conversation string) (agent.Turn, bool, error) {
	// Most conversations have nobody waiting: then nothing is held up to find out.
	waiting, _, err := one(ctx, d, ws, scanBool, `SELECT EXISTS (SELECT FROM turns
		WHERE workspace = $1 AND conversation = $2 AND ended IS NULL AND status = 'queued')`, ws, conversation)
	if err != nil || !waiting {
		if err != nil {
			err = fmt.Errorf("claim turn: %w", err)
		}
		return agent.Turn{}, false, err
	}
	var got agent.Turn
	var ok bool
	err = d.write(ctx, ws, func(tx pgx.Tx) error {
		id, queued, err := first(tx.QueryRow(ctx, `UPDATE turns SET status = 'running', carrier = $3
			WHERE workspace = $1 AND ended IS NULL
			AND seq = (SELECT MIN(seq) FROM turns WHERE workspace = $1 AND conversation = $2 AND ended IS NULL AND status = 'queued')
			AND NOT EXISTS (SELECT 1 FROM turns WHERE workspace = $1 AND conversation = $2 AND ended IS NULL AND status = 'running')
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
	var all []agent.Turn
	err := d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanTurn, `SELECT `+turnColumns+` FROM turns t
			WHERE t.ended IS NULL ORDER BY t.created, t.workspace, t.seq`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read unfinished turns: %w", err)
	}
	return all, nil
}

func scanText(row sqlRow) (string, error) {
	var s string
	err := row.Scan(&s)
	return s, err
}
