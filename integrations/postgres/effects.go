package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

const effectColumns = `workspace, key, turn, call, digest, tier, state, approval, outcome, undo_tool, undo_args, undo_until,
	fence, attempts, intended, settled, resolution`

// effectRows is how many effects one read returns at most.
const effectRows = 1000

// effect is a row of the ledger with the workspace it belongs to.
type effect struct {
	loop.Effect
	ws agent.WorkspaceID
	// fence is the token of the latest attempt or decision.
	fence int64
}

func scanEffect(row sqlRow) (effect, error) {
	var e effect
	var tier int64
	var undo json.RawMessage
	err := row.Scan(&e.ws, &e.Key, &e.Turn, jsonOf(&e.Call), &e.Digest, &tier, &e.State, &e.Approval,
		jsonOf(&e.Outcome), &e.UndoTool, rawColumn{&undo}, timeOf(&e.UndoUntil),
		&e.fence, &e.Attempts, timeOf(&e.Intended), timeOf(&e.SettledAt), jsonOf(&e.Resolution))
	e.Tier, e.UndoArgs = *tierOf(tier), undo
	return e, err
}

// final reports whether the outcome is known and stays.
func (e effect) final() bool {
	return e.State == string(tools.EffectDone) || e.State == string(tools.EffectFailed)
}

// record is what the ledger tells of the effect.
func (e effect) record() tools.Record {
	return tools.Record{State: tools.EffectState(e.State), Fence: e.fence, Attempts: e.Attempts, Outcome: e.Outcome}
}

// entry is the part every audit row about the effect has.
func (e effect) entry(k audit.Kind) audit.Entry {
	return audit.Entry{
		Workspace: e.ws, Kind: k, Actor: e.Call.Actor.ID, Turn: e.Turn, Call: e.Call.ID, Tool: e.Call.Tool,
		Tier: &e.Tier, Digest: e.Digest, Approval: e.Approval,
	}
}

const effectOfKey = `SELECT ` + effectColumns + ` FROM effects WHERE workspace = $1 AND key = $2`

// effectByKey finds an effect of the workspace.
func effectByKey(ctx context.Context, q handle, ws agent.WorkspaceID, key string) (effect, bool, error) {
	return first(q.QueryRow(ctx, effectOfKey, ws, key), scanEffect)
}

func (d *DB) effectIn(ctx context.Context, ws agent.WorkspaceID, key string) (effect, bool, error) {
	return one(ctx, d, ws, scanEffect, effectOfKey, ws, key)
}

// workspaceOfKey is the workspace the effect belongs to, "" for none: a key
// comes from a digest over its workspace, so it names one effect of all.
func (d *DB) workspaceOfKey(ctx context.Context, key string) (ws agent.WorkspaceID, err error) {
	err = d.watch(ctx, func(tx pgx.Tx) error {
		id, _, err := first(tx.QueryRow(ctx, `SELECT workspace FROM effects WHERE key = $1`, key), scanText)
		ws = agent.WorkspaceID(id)
		return err
	})
	return ws, err
}

// Effects implements loop.Effects.
func (d *DB) Effects(ctx context.Context, ws agent.WorkspaceID, turn string) ([]loop.Effect, error) {
	rows, err := list(ctx, d, ws, scanEffect, `SELECT `+effectColumns+` FROM effects
		WHERE workspace = $1 AND turn = $2 ORDER BY seq`, ws, turn)
	if err != nil {
		return nil, fmt.Errorf("read effects: %w", err)
	}
	all := make([]loop.Effect, len(rows))
	for i, r := range rows {
		all[i] = r.Effect
	}
	return all, nil
}

// FindEffects lists the newest effects of the workspace that fit, oldest first.
func (d *DB) FindEffects(ctx context.Context, ws agent.WorkspaceID, f loop.EffectFilter) ([]loop.Effect, error) {
	var w where
	w.and(`workspace = ?`, ws)
	if f.Turn != "" {
		w.and(`turn = ?`, f.Turn)
	}
	if len(f.States) > 0 {
		w.and(`state = ANY (?)`, f.States)
	}
	limited := w.bind(`ORDER BY n DESC LIMIT ?`, bounded(f.Limit, effectRows))
	rows, err := list(ctx, d, ws, scanEffect, `SELECT `+effectColumns+` FROM effects WHERE `+w.text+` `+limited, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read effects: %w", err)
	}
	all := make([]loop.Effect, len(rows))
	for i, r := range rows {
		all[len(rows)-1-i] = r.Effect
	}
	return all, nil
}

// Effect implements loop.Effects.
func (d *DB) Effect(ctx context.Context, ws agent.WorkspaceID, key string) (loop.Effect, error) {
	e, ok, err := d.effectIn(ctx, ws, key)
	switch {
	case err != nil:
		return loop.Effect{}, fmt.Errorf("read effect: %w", err)
	case !ok:
		return loop.Effect{}, noEffect(key)
	}
	return e.Effect, nil
}

// again is the part of Intend that comes before a first attempt: what has an
// outcome keeps it, what is paused does not begin, and an intent without an
// outcome is taken over. Writers follow each other, so no intent comes after a
// pause. The effect e has no state when none is known.
func (l *Ledger) again(ctx context.Context, tx pgx.Tx, i tools.Intent, e effect) (tools.Record, error) {
	if e.State != "" && e.State != string(tools.EffectIntent) {
		return e.record(), nil
	}
	over, paused, err := pausedIn(ctx, tx, subjectOf(i.Proposal.Call))
	if err != nil {
		return tools.Record{}, err
	}
	switch {
	case paused && e.State == "":
		entry := l.entry(audit.CallRefused, i.Proposal, agent.Verdict{Rule: tools.RulePaused})
		entry.Args = i.Proposal.Call.Args
		return tools.Record{Paused: over.String()}, l.db.record(ctx, tx, entry)
	case paused:
		rec := e.record()
		rec.Paused = over.String()
		return rec, nil
	case e.State == "":
		return tools.Record{}, nil
	}
	e.fence++
	e.Attempts++
	later(tx, `UPDATE effects SET fence = $1, attempts = $2 WHERE workspace = $3 AND key = $4`,
		e.fence, e.Attempts, e.ws, e.Key)
	entry := e.entry(audit.CallIntent)
	entry.At, entry.Note = l.now(), fmt.Sprintf("attempt %d", e.Attempts)
	return e.record(), l.db.record(ctx, tx, entry)
}

// maxNote bounds what a person writes about an effect, in bytes.
const maxNote = 2000

// Resolve settles an effect of which nobody could tell whether it happened, by
// what a person found out. It is Forbidden to all but members, Invalid without a
// note, NotFound in another workspace, and a Conflict when the effect does not
// wait for a person.
func (l *Ledger) Resolve(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error) {
	note = strings.TrimSpace(note)
	switch {
	case by.Kind != agent.Member || by.ID == "":
		return loop.Effect{}, agent.Errorf(agent.Forbidden, "only members of the workspace can say what became of it")
	case note == "" || len(note) > maxNote || !utf8.ValidString(note):
		return loop.Effect{}, agent.Errorf(agent.Invalid, "write where you looked and what you saw, in at most %d bytes", maxNote)
	}
	r := loop.Resolution{By: by.ID, Name: by.Name, Happened: happened, Note: note, At: l.now()}
	var e effect
	err := l.db.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		var known bool
		var err error
		e, known, err = effectByKey(ctx, tx, by.Workspace, key)
		switch {
		case err != nil:
			return err
		case !known:
			return noEffect(key)
		case e.Resolution != nil:
			return agent.Errorf(agent.Conflict, "%s has said already what became of it", e.Resolution.Who())
		case e.State != string(tools.EffectUnknown):
			return agent.Errorf(agent.Conflict, "this effect is %s; there is nothing to find out", e.State)
		}
		return l.resolve(ctx, tx, &e, r)
	})
	if err != nil {
		return loop.Effect{}, fmt.Errorf("resolve effect: %w", err)
	}
	return e.Effect, nil
}

// resolve records what a person found out. The fence rises, so that an attempt
// which comes back late cannot say otherwise.
func (l *Ledger) resolve(ctx context.Context, tx pgx.Tx, e *effect, r loop.Resolution) error {
	o := &e.Outcome
	o.Call, o.Tool = e.Call.ID, e.Call.Tool
	if r.Happened {
		e.State, o.Status, o.Error, o.Kind = string(tools.EffectDone), agent.Done, "", ""
	} else {
		e.State, o.Status, o.Kind = string(tools.EffectFailed), agent.Failed, agent.Unavailable.String()
		o.Error = r.Who() + " looked: it did not happen."
	}
	e.Resolution, e.SettledAt = &r, r.At
	e.fence++
	_, err := tx.Exec(ctx, `UPDATE effects SET state = $1, outcome = $2, settled = $3, resolution = $4, fence = $5
		WHERE workspace = $6 AND key = $7`, e.State, jsonOf(o), timeOf(&e.SettledAt), jsonOf(r), e.fence, e.ws, e.Key)
	if err != nil {
		return fmt.Errorf("store resolution: %w", err)
	}
	entry := e.entry(audit.EffectResolved)
	entry.At, entry.Actor, entry.Status, entry.Note = r.At, r.By, e.State, r.Note
	return l.db.record(ctx, tx, entry)
}
