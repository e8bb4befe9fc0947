package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// turnRows is how many turns one read returns at most.
const turnRows = 500

const turnColumns = `t.workspace, t.id, t.conversation, t.place, t.actor, t.request, t.status, t.answer, t.prompt, t.model,
	t.degraded, t.input_tokens, t.output_tokens, t.artifacts, t.created, t.ended`

func scanTurn(row sqlRow) (agent.Turn, error) {
	var t agent.Turn
	err := row.Scan(turnInto(&t)...)
	return t, err
}

func turnInto(t *agent.Turn) []any {
	return []any{
		&t.Workspace, &t.ID, &t.Conversation, jsonOf(&t.Place), jsonOf(&t.Actor), &t.Request, nameOf(&t.Status), &t.Answer,
		&t.Prompt, &t.Model, &t.Degraded, &t.Usage.InputTokens, &t.Usage.OutputTokens, jsonOf(&t.Artifacts),
		timeOf(&t.Created), timeOf(&t.Ended),
	}
}

func noTurn(id string) error { return agent.Errorf(agent.NotFound, "there is no turn %s", id) }

func turnByID(ctx context.Context, q handle, ws agent.WorkspaceID, id string) (agent.Turn, error) {
	t, ok, err := first(q.QueryRow(ctx, `SELECT `+turnColumns+` FROM turns t
		WHERE t.workspace = $1 AND t.id = $2`, ws, id), scanTurn)
	if err == nil && !ok {
		err = noTurn(id)
	}
	return t, err
}

// turnExists returns NotFound unless the workspace has the turn.
func turnExists(ctx context.Context, q handle, ws agent.WorkspaceID, id string) error {
	_, ok, err := first(q.QueryRow(ctx, `SELECT id FROM turns WHERE workspace = $1 AND id = $2`, ws, id), scanText)
	if err == nil && !ok {
		err = noTurn(id)
	}
	return err
}

// Turn implements loop.Turns.
func (d *DB) Turn(ctx context.Context, ws agent.WorkspaceID, id string) (agent.Turn, agent.Message, *loop.Ordered, error) {
	var t agent.Turn
	var m agent.Message
	var raw json.RawMessage
	into := append(append(turnInto(&t), messageInto(&m)...), rawColumn{&raw})
	_, found, err := one(ctx, d, ws, func(row sqlRow) (struct{}, error) { return struct{}{}, row.Scan(into...) },
		`SELECT `+turnColumns+`, `+messageColumns+`, t.ordered FROM turns t
			JOIN messages m ON m.workspace = t.workspace AND m.id = t.request
			WHERE t.workspace = $1 AND t.id = $2`, ws, id)
	switch {
	case err != nil:
		return agent.Turn{}, agent.Message{}, nil, fmt.Errorf("read turn: %w", err)
	case !found:
		return agent.Turn{}, agent.Message{}, nil, noTurn(id)
	case raw == nil:
		return t, m, nil, nil
	}
	var o loop.Ordered
	if err := json.Unmarshal(raw, &o); err != nil {
		return agent.Turn{}, agent.Message{}, nil, fmt.Errorf("read turn's order: %w", err)
	}
	return t, m, &o, nil
}

// WholeTurn implements loop.Turns. Most turns have asked nobody and done nothing, and
// then two statements are all.
func (d *DB) WholeTurn(ctx context.Context, ws agent.WorkspaceID, id string) (loop.Shown, error) {
	all := loop.Shown{Approvals: []approval.Approval{}, Effects: []loop.Effect{}}
	var found, asked, acted bool
	turn := func(row sqlRow) (t agent.Turn, err error) {
		err = row.Scan(append(turnInto(&t), jsonOf(&all.AnswerLabel), &asked, &acted)...)
		return t, err
	}
	err := d.reads(ctx, ws,
		want(&all.Turn, &found, turn, `SELECT `+turnColumns+`, m.label,
			EXISTS (SELECT FROM approvals a WHERE a.workspace = t.workspace AND a.turn = t.id),
			EXISTS (SELECT FROM effects e WHERE e.workspace = t.workspace AND e.turn = t.id)
			FROM turns t LEFT JOIN messages m ON m.workspace = t.workspace AND m.id = $3 WHERE t.workspace = $1 AND t.id = $2`, ws, id, loop.AnswerID(id)),
		wantAll(&all.Steps, scanStep, selectSteps, ws, id))
	if err == nil && !found {
		err = noTurn(id)
	}
	var effects []effect
	if err == nil && (asked || acted) {
		err = d.reads(ctx, ws,
			wantAll(&all.Approvals, scanApproval, approvalSelect+` WHERE a.workspace = $1 AND a.turn = $2 ORDER BY a.created, a.id LIMIT $3`, ws, id, approvalRows),
			wantAll(&effects, scanEffect, `SELECT `+effectColumns+` FROM effects WHERE workspace = $1 AND turn = $2 ORDER BY seq`, ws, id))
	}
	if err != nil {
		return loop.Shown{}, fmt.Errorf("read turn: %w", err)
	}
	for _, e := range effects {
		all.Effects = append(all.Effects, e.Effect)
	}
	return all, nil
}

// Recent implements loop.Turns.
func (d *DB) Recent(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Turn, error) {
	var w where
	w.and(`t.workspace = ?`, ws)
	if conversation != "" {
		w.and(`t.conversation = ?`, conversation)
	}
	limited := w.bind(`ORDER BY t.seq DESC LIMIT ?`, bounded(limit, turnRows))
	all, err := list(ctx, d, ws, scanTurn, `SELECT `+turnColumns+` FROM turns t WHERE `+w.text+` `+limited, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read turns: %w", err)
	}
	return all, nil
}

// SetStatus implements loop.Turns. A turn that moves on no longer asks; one
// that ends this way has an audit row like any other.
func (d *DB) SetStatus(ctx context.Context, ws agent.WorkspaceID, id string, s agent.TurnStatus) error {
	err := d.write(ctx, ws, func(tx pgx.Tx) error {
		t, err := turnByID(ctx, tx, ws, id)
		if err != nil || t.Status.Ended() {
			return err
		}
		if s.Ended() {
			t.Status, t.Ended = s, d.now()
			return d.end(ctx, tx, t)
		}
		later(tx, `UPDATE turns SET status = $3, question = CASE WHEN $3 = 'waiting' THEN question ELSE '' END
			WHERE workspace = $1 AND id = $2 AND (status <> $3 OR question <> '')`, ws, id, s.String())
		return nil
	})
	if err != nil {
		return fmt.Errorf("set turn status: %w", err)
	}
	return nil
}

// Park implements loop.Turns.
func (d *DB) Park(ctx context.Context, ws agent.WorkspaceID, id string, p loop.Parked) error {
	err := d.write(ctx, ws, func(tx pgx.Tx) error {
		t, err := turnByID(ctx, tx, ws, id)
		if err != nil || t.Status.Ended() {
			return err
		}
		if err := d.addSteps(tx, t, p.Steps); err != nil {
			return err
		}
		later(tx, `UPDATE turns SET status = $3, question = $4, answer = $5, artifacts = $6, wake = $7, tries = 0,
			input_tokens = $8, output_tokens = $9, model = $10
			WHERE workspace = $1 AND id = $2`, ws, id, agent.TurnWaiting.String(), storable(p.Question), storable(p.Answer), jsonOf(p.Artifacts), timeOf(&p.Wake),
			p.Usage.InputTokens, p.Usage.OutputTokens, p.Model)
		return nil
	})
	if err != nil {
		return fmt.Errorf("park turn: %w", err)
	}
	return nil
}

func (d *DB) addSteps(tx pgx.Tx, t agent.Turn, steps []agent.Step) error {
	for _, s := range steps {
		if s.N < 1 {
			return agent.Errorf(agent.Invalid, "steps count from 1, not %d", s.N)
		}
		if s.At.IsZero() {
			s.At = d.now()
		}
		at := s.At
		later(tx, `INSERT INTO steps (workspace, turn, n, kind, title, tool, status, detail, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			t.Workspace, t.ID, s.N, s.Kind, storable(s.Title), storable(s.Tool), s.Status, storable(s.Detail), timeOf(&at))
	}
	return nil
}

const selectSteps = `SELECT turn, n, kind, title, tool, status, detail, at FROM steps WHERE workspace = $1 AND turn = $2 ORDER BY n`

// Steps implements loop.Turns.
func (d *DB) Steps(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.Step, error) {
	var all []agent.Step
	err := d.read(ctx, ws, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanStep, selectSteps, ws, id)
		if err == nil && len(all) == 0 {
			err = turnExists(ctx, tx, ws, id)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	return all, nil
}

func scanStep(row sqlRow) (agent.Step, error) {
	var s agent.Step
	err := row.Scan(&s.Turn, &s.N, &s.Kind, &s.Title, &s.Tool, &s.Status, &s.Detail, timeOf(&s.At))
	return s, err
}

// Finish implements loop.Turns. Who asked, where and when stay as accepted.
func (d *DB) Finish(ctx context.Context, f loop.Finish) (queued bool, err error) {
	if !f.Turn.Status.Ended() {
		return false, agent.Errorf(agent.Invalid, "a turn that ends cannot be %s", f.Turn.Status)
	}
	err = d.write(ctx, f.Turn.Workspace, func(tx pgx.Tx) error {
		var t agent.Turn
		err := tx.QueryRow(ctx, `SELECT `+turnColumns+`, EXISTS (SELECT FROM turns q
			WHERE q.workspace = t.workspace AND q.conversation = t.conversation AND q.ended IS NULL AND q.status = 'queued')
			FROM turns t WHERE t.workspace = $1 AND t.id = $2`, f.Turn.Workspace, f.Turn.ID).Scan(append(turnInto(&t), &queued)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return noTurn(f.Turn.ID)
		}
		if err != nil || t.Status.Ended() {
			return err
		}
		if err := d.apart(ctx, tx, t, f); err != nil {
			return err
		}
		t.Status, t.Answer, t.Ended = f.Turn.Status, f.Turn.Answer, stored(f.Turn.Ended)
		t.Prompt, t.Model, t.Degraded = f.Turn.Prompt, f.Turn.Model, f.Turn.Degraded
		t.Usage, t.Artifacts = f.Turn.Usage, f.Turn.Artifacts
		if t.Ended.IsZero() {
			t.Ended = d.now()
		}
		if f.Answer.ID != "" {
			m := f.Answer
			m.Conversation, m.Turn, m.At = t.Conversation, t.ID, stored(m.At)
			if m.At.IsZero() {
				m.At = t.Ended
			}
			say(tx, t.Workspace, m)
			touch(tx, t.Workspace, m)
		}
		if err := d.addSteps(tx, t, f.Steps); err != nil {
			return err
		}
		for _, e := range f.Reads {
			e.Workspace, e.Turn, e.Kind = t.Workspace, t.ID, audit.CallRead
			if e.Actor == "" {
				e.Actor = t.Actor.ID
			}
			if err := d.record(ctx, tx, e); err != nil {
				return err
			}
		}
		if f.Kept == nil || f.Kept() {
			later(tx, `DELETE FROM journal WHERE workspace = $1 AND turn = $2`, t.Workspace, t.ID)
		}
		return d.end(ctx, tx, t)
	})
	if err != nil {
		return true, fmt.Errorf("finish turn: %w", err)
	}
	return queued, nil
}

// end writes the last state of a turn and its audit row.
func (d *DB) end(ctx context.Context, tx pgx.Tx, t agent.Turn) error {
	later(tx, `UPDATE turns SET status = $3, answer = $4, prompt = $5, model = $6, degraded = $7,
		input_tokens = $8, output_tokens = $9, artifacts = $10, ended = $11, question = '', carrier = '', stuck = NULL WHERE workspace = $1 AND id = $2`,
		t.Workspace, t.ID, t.Status.String(), storable(t.Answer), t.Prompt, t.Model, t.Degraded,
		t.Usage.InputTokens, t.Usage.OutputTokens, jsonOf(t.Artifacts), timeOf(&t.Ended))
	return d.record(ctx, tx, audit.Entry{
		Workspace: t.Workspace, Kind: audit.TurnEnded, Actor: t.Actor.ID, Turn: t.ID, Status: t.Status.String(),
	})
}
