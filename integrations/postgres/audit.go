package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

const (
	// auditRows is how many rows one read returns at most.
	auditRows = 1000
	// auditName bounds names that a model may have made up, in bytes.
	auditName = 200
)

const rowColumns = `a.workspace, a.seq, a.at, a.kind, a.actor, a.subject, a.key, a.turn, a.call, a.tool, a.tier,
	a.ruling, a.rule, a.approval, a.status, a.args, a.note, a.digest, a.fields`

const selectRows = `SELECT ` + rowColumns + `, p.sealed, p.key FROM audit a
	LEFT JOIN audit_payload p ON p.workspace = a.workspace AND p.seq = a.seq`

// record appends rows to the audit in the transaction of what they record, and
// their hashes to the tree. Seq is given here; At too when it is unset. Without
// the keys nothing can be recorded, so nothing can be done.
func (d *DB) record(ctx context.Context, tx pgx.Tx, entries ...audit.Entry) error {
	if d.keys.trouble != nil {
		return d.keys.trouble
	}
	for _, e := range entries {
		if e.At.IsZero() {
			e.At = d.now()
		}
		if !json.Valid(e.Args) {
			e.Args = nil
		}
		e.At, e.Tool = stored(e.At), clip(storable(e.Tool), auditName)
		if err := d.append(ctx, tx, e); err != nil {
			return fmt.Errorf("record %s: %w", e.Kind, err)
		}
		d.recorded.Add(1)
	}
	return nil
}

// append writes the row right after the last one. The head is locked until the
// transaction ends, and goes back with it: numbers have no gaps.
func (d *DB) append(ctx context.Context, tx pgx.Tx, e audit.Entry) error {
	t, ok := tx.(*txn)
	if ok && t.opening != nil {
		if err := t.send(ctx); err != nil {
			return err
		}
	}
	if !ok || t.head == nil || t.ws != e.Workspace {
		return fmt.Errorf("the transaction does not hold the workspace %s", e.Workspace)
	}
	if err := d.heads.know(ctx, tx, t.ws, t.head); err != nil {
		return err
	}
	e.Seq = t.head.size + 1
	r, err := d.seal(ctx, tx, e)
	if err != nil {
		return err
	}
	return t.head.add(r)
}

// Audit implements audit.Reader.
func (d *DB) Audit(ctx context.Context, ws agent.WorkspaceID, f audit.Filter) ([]audit.Entry, error) {
	w := auditWhere(ws, f)
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	limited := w.bind(`ORDER BY a.seq `+order+` LIMIT ?`, bounded(f.Limit, auditRows))
	var all []audit.Entry
	err := d.read(ctx, ws, func(tx pgx.Tx) error {
		rows, err := every(ctx, tx, scanStored, selectRows+` WHERE `+w.text+` `+limited, w.args...)
		if err != nil {
			return err
		}
		if f.Newest {
			slices.Reverse(rows)
		}
		all = make([]audit.Entry, len(rows))
		for i, r := range rows {
			if all[i], err = d.open(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return all, nil
}

// auditWhere turns the filter into a condition; values are arguments only.
func auditWhere(ws agent.WorkspaceID, f audit.Filter) where {
	var w where
	w.and("a.workspace = ?", ws)
	if len(f.Kinds) > 0 {
		w.and("a.kind = ANY (?)", f.Kinds)
	}
	// The second term is what the partial index asks for.
	if f.Turn != "" {
		w.and("a.turn = ? AND a.turn <> ''", f.Turn)
	}
	if f.Approval != "" {
		w.and("a.approval = ? AND a.approval <> ''", f.Approval)
	}
	if f.Tool != "" {
		w.and("a.tool = ?", f.Tool)
	}
	if f.Actor != "" {
		w.and("a.actor = ?", f.Actor)
	}
	if !f.Since.IsZero() {
		w.and("a.at >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		w.and("a.at < ?", f.Until.UnixMicro())
	}
	if f.After > 0 {
		w.and("a.seq > ?", f.After)
	}
	return w
}

func scanStored(row sqlRow) (audit.Stored, error) {
	var r audit.Stored
	var tier, sealedBy *int64
	var at int64
	err := row.Scan(&r.Workspace, &r.Seq, &at, &r.Kind, &r.Actor, &r.Subject, &r.Key, &r.Turn, &r.Call, &r.Tool, &tier,
		&r.Ruling, &r.Rule, &r.Approval, &r.Status, &r.Args, &r.Note, &r.Digest, &r.Fields, &r.Sealed, &sealedBy)
	r.At = time.UnixMicro(at).UTC()
	if sealedBy != nil {
		r.SealedBy = *sealedBy
	}
	if tier != nil {
		r.Tier = tierOf(*tier)
	}
	return r, err
}

// tierOf reads a tier's number; unknown ones are critical.
func tierOf(number int64) *agent.Tier {
	t := agent.TierCritical
	if number >= 0 && number < 3 {
		t = agent.TierRead + agent.Tier(number)
	}
	return &t
}

// clip shortens text to at most n bytes without cutting a letter.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
