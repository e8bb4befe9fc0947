package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/agent/loop"
)

var _ check.Facts = (*Record)(nil)

// TurnWorkspaces implements check.Facts. Whoever writes in a workspace has locked
// its head first, so each has one.
func (r *Record) TurnWorkspaces(ctx context.Context) (all []agent.WorkspaceID, err error) {
	err = r.as(ctx, roleWatch, func() error {
		found, err := every(ctx, r.q, scanText, `SELECT workspace FROM audit_heads ORDER BY workspace`)
		for _, ws := range found {
			all = append(all, agent.WorkspaceID(ws))
		}
		return err
	})
	if err != nil {
		return nil, publicError(fmt.Errorf("read workspaces: %w", err))
	}
	return all, nil
}

// as runs f under another role, when this record has roles of its own.
func (r *Record) as(ctx context.Context, role string, f func() error) error {
	if r.conn == nil {
		return f()
	}
	if _, err := r.q.Exec(ctx, `SET LOCAL ROLE `+role); err != nil {
		return err
	}
	err := f()
	_, back := r.q.Exec(ctx, `SET LOCAL ROLE `+r.role)
	return errors.Join(err, back)
}

// AtWork reports whether a replica has shown lately that it works on the store. Who
// may not ask reads it as one that is worked on, which is the strict way to read it.
func (r *Record) AtWork(ctx context.Context) (bool, error) {
	if r.role == roleAuditor {
		return true, nil
	}
	live := false
	err := r.q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sous.replicas WHERE NOT gone AND beat > clock_timestamp() - $1::interval)`, silence).Scan(&live)
	return live, publicError(err)
}

// checkSelect reads turns as check.Turn has them. The id of an answer is made beside
// the turn: made within the condition, row-level security would have all messages of
// the workspace read for each turn, since || is not marked leakproof.
const checkSelect = `SELECT t.seq, t.id, t.status, t.question <> '', t.created, t.ended,
	EXISTS (SELECT 1 FROM pauses p WHERE p.scope NOT IN ('tool') AND (p.workspace = t.workspace OR p.scope = 'everything')
		AND (p.scope <> 'turn' OR p.target = t.id)),
	t.status = 'queued' AND EXISTS (SELECT 1 FROM turns o WHERE o.workspace = t.workspace AND o.conversation = t.conversation
		AND o.ended IS NULL AND (o.status = 'running' OR o.status = 'queued' AND o.seq < t.seq)),
	(SELECT COUNT(*) FROM messages m WHERE m.workspace = t.workspace AND m.id = t.request AND m.turn = t.id),
	(SELECT COUNT(*) FROM messages m WHERE m.workspace = t.workspace AND m.id = answer.id),
	(SELECT COUNT(*) FROM replies r WHERE r.workspace = t.workspace AND r.turn = t.id),
	(SELECT COUNT(*) FROM journal j WHERE j.workspace = t.workspace AND j.turn = t.id),
	t.carrier <> '', t.stuck IS NOT NULL
	FROM turns t CROSS JOIN LATERAL (SELECT t.id || '/answer' AS id OFFSET 0) answer WHERE t.workspace = $1 AND t.seq > $2 `

// checkChanged leaves the turns that are not over and those of new rows.
const checkChanged = `AND t.id IN (SELECT id FROM turns WHERE workspace = $1 AND ended IS NULL
	UNION SELECT turn FROM audit WHERE workspace = $1 AND seq > $4 AND turn <> '') `

// TurnFacts implements check.Facts.
func (r *Record) TurnFacts(ctx context.Context, ws agent.WorkspaceID, p check.Page) ([]check.Turn, error) {
	if err := r.in(ctx, ws); err != nil {
		return nil, err
	}
	query, args := checkSelect, []any{ws, p.After, p.Limit}
	if p.Since > 0 {
		query, args = query+checkChanged, append(args, p.Since)
	}
	turns, err := every(ctx, r.q, scanCheck, query+`ORDER BY t.seq LIMIT $3`, args...)
	if err != nil {
		return nil, publicError(fmt.Errorf("read turns: %w", err))
	}
	f := facts{r: r, ws: ws, turns: make(map[string]*check.Turn, len(turns)), ids: make([]string, len(turns))}
	for i := range turns {
		f.ids[i], f.turns[turns[i].ID] = turns[i].ID, &turns[i]
	}
	for _, add := range []func(context.Context) error{f.signals, f.approvals, f.effects, f.rows} {
		if err := add(ctx); err != nil {
			return nil, publicError(err)
		}
	}
	return turns, nil
}

func scanCheck(row sqlRow) (check.Turn, error) {
	var t check.Turn
	err := row.Scan(&t.Seq, &t.ID, nameOf(&t.Status), &t.Asking, timeOf(&t.Created), timeOf(&t.Ended),
		&t.Held, &t.Blocked, &t.Requests, &t.Answers, &t.Replies, &t.Steps, &t.Carried, &t.Stuck)
	return t, err
}

// facts adds to some turns what belongs to them.
type facts struct {
	r     *Record
	ws    agent.WorkspaceID
	ids   []string
	turns map[string]*check.Turn
}

// ofTurn is something with the turn it belongs to.
type ofTurn[T any] struct {
	turn string
	what T
}

// attach reads what belongs to the turns; the query's parameters are the turns'
// ids and more.
func attach[T any](ctx context.Context, f *facts, scan func(sqlRow) (ofTurn[T], error), query string, add func(*check.Turn, T), more ...any) error {
	all, err := every(ctx, f.r.q, scan, query, append([]any{f.ids}, more...)...)
	if err != nil {
		return fmt.Errorf("read what belongs to turns: %w", err)
	}
	for _, one := range all {
		add(f.turns[one.turn], one.what)
	}
	return nil
}

func (f *facts) signals(ctx context.Context) error {
	scan := func(row sqlRow) (o ofTurn[loop.Signal], err error) { return o, row.Scan(&o.turn, jsonOf(&o.what)) }
	return attach(ctx, f, scan, `SELECT turn, body FROM signals WHERE turn = ANY ($1) AND workspace = $2 ORDER BY turn, topic, n`,
		func(t *check.Turn, s loop.Signal) {
			t.Signals = append(t.Signals, check.Signal{Type: string(s.Type), Approval: s.Approval, State: s.State})
		}, f.ws)
}

func (f *facts) approvals(ctx context.Context) error {
	scan := func(row sqlRow) (o ofTurn[approval.Approval], err error) {
		var votes []approval.Vote
		err = row.Scan(&o.turn, &o.what.ID, jsonOf(&o.what), &o.what.State, jsonOf(&votes))
		o.what.Votes = votes
		return o, err
	}
	return attach(ctx, f, scan, `SELECT a.turn, a.id, a.body, a.state, (SELECT json_agg(v.body::json ORDER BY v.n)::text FROM approval_votes v
		WHERE v.workspace = a.workspace AND v.approval = a.id)
		FROM approvals a WHERE a.turn = ANY ($1) AND a.workspace = $2 ORDER BY a.created, a.id`,
		func(t *check.Turn, a approval.Approval) { t.Approvals = append(t.Approvals, a) }, f.ws)
}

func (f *facts) effects(ctx context.Context) error {
	scan := func(row sqlRow) (o ofTurn[check.Effect], err error) {
		var call json.RawMessage
		if err = row.Scan(&o.turn, &o.what.Key, rawColumn{&call}, &o.what.Digest, &o.what.State, &o.what.Approval, &o.what.Attempts); err != nil {
			return o, err
		}
		var c struct{ ID string }
		err = json.Unmarshal(call, &c)
		o.what.Call = c.ID
		return o, err
	}
	return attach(ctx, f, scan, `SELECT turn, key, call, digest, state, approval, attempts FROM effects
		WHERE turn = ANY ($1) AND workspace = $2 ORDER BY turn, seq`,
		func(t *check.Turn, e check.Effect) { t.Effects = append(t.Effects, e) }, f.ws)
}

func (f *facts) rows(ctx context.Context) error {
	scan := func(row sqlRow) (o ofTurn[check.Row], err error) {
		return o, row.Scan(&o.turn, &o.what.Seq, &o.what.Kind, &o.what.Call, &o.what.Ruling, &o.what.Approval, &o.what.Status)
	}
	return attach(ctx, f, scan, `SELECT turn, seq, kind, call, ruling, approval, status FROM audit
		WHERE turn = ANY ($1) AND workspace = $2 AND turn <> '' ORDER BY turn, seq`,
		func(t *check.Turn, row check.Row) { t.Rows = append(t.Rows, row) }, f.ws)
}

// Strays implements check.Facts.
func (r *Record) Strays(ctx context.Context, ws agent.WorkspaceID, limit int) ([]check.Stray, error) {
	if err := r.in(ctx, ws); err != nil {
		return nil, err
	}
	query := ""
	for _, table := range []struct{ name, id, where string }{
		{"messages", "id", "turn <> ''"}, {"replies", "event", "true"}, {"steps", "n", "true"}, {"signals", "n", "true"},
		{"approvals", "id", "true"}, {"journal", "n", "true"}, {"effects", "key", "true"}, {"audit", "seq", "turn <> '' AND kind LIKE 'turn.%'"},
	} {
		if query != "" {
			query += " UNION ALL "
		}
		query += `SELECT '` + table.name + `', x.` + table.id + `::text, x.turn FROM ` + table.name + ` x WHERE x.workspace = $1 AND ` + table.where + `
			AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.workspace = x.workspace AND t.id = x.turn)`
	}
	all, err := every(ctx, r.q, scanStray, query+` LIMIT $2`, ws, limit)
	if err != nil {
		return nil, publicError(fmt.Errorf("read strays: %w", err))
	}
	return all, nil
}

func scanStray(row sqlRow) (check.Stray, error) {
	var s check.Stray
	err := row.Scan(&s.Table, &s.ID, &s.Turn)
	return s, err
}
