package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

const effectColumns = `workspace, key, turn, call, digest, tier, state, approval, outcome, undo_tool, undo_args, intended, settled`

// effect is a row of the ledger with the workspace it belongs to.
type effect struct {
	loop.Effect
	ws agent.WorkspaceID
}

func scanEffect(row sqlRow) (effect, error) {
	var e effect
	var tier int64
	var undo json.RawMessage
	err := row.Scan(&e.ws, &e.Key, &e.Turn, jsonOf(&e.Call), &e.Digest, &tier, &e.State, &e.Approval,
		jsonOf(&e.Outcome), &e.UndoTool, rawColumn{&undo}, timeOf(&e.Intended), timeOf(&e.SettledAt))
	e.Tier, e.UndoArgs = *tierOf(tier), undo
	return e, err
}

// final reports whether the outcome is known and stays.
func (e effect) final() bool {
	return e.State == string(tools.EffectDone) || e.State == string(tools.EffectFailed)
}

// entry is the part every audit row about the effect has.
func (e effect) entry(k audit.Kind) audit.Entry {
	return audit.Entry{
		Workspace: e.ws, Kind: k, Actor: e.Call.Actor.ID, Turn: e.Turn, Call: e.Call.ID, Tool: e.Call.Tool,
		Tier: &e.Tier, Digest: e.Digest, Approval: e.Approval,
	}
}

// effectByKey finds an effect in any workspace: a key comes from a digest over
// its workspace. Callers compare.
func effectByKey(ctx context.Context, q sqlHandle, key string) (effect, bool, error) {
	return first(q.QueryRowContext(ctx, `SELECT `+effectColumns+` FROM effects WHERE key = ?`, key), scanEffect)
}

// Effects implements loop.Effects.
func (d *DB) Effects(ctx context.Context, ws agent.WorkspaceID, turn string) ([]loop.Effect, error) {
	rows, err := every(ctx, d.sql, scanEffect, `SELECT `+effectColumns+` FROM effects
		WHERE workspace = ? AND turn = ? ORDER BY seq`, ws, turn)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read effects: %w", err))
	}
	all := make([]loop.Effect, len(rows))
	for i, r := range rows {
		all[i] = r.Effect
	}
	return all, nil
}

// Effect implements loop.Effects.
func (d *DB) Effect(ctx context.Context, ws agent.WorkspaceID, key string) (loop.Effect, error) {
	e, ok, err := effectByKey(ctx, d.sql, key)
	switch {
	case err != nil:
		return loop.Effect{}, d.publicError(fmt.Errorf("read effect: %w", err))
	case !ok || e.ws != ws:
		return loop.Effect{}, agent.Errorf(agent.NotFound, "there is no effect %s", key)
	}
	return e.Effect, nil
}
