package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

const (
	// auditRows is how many rows one read returns at most.
	auditRows = 1000
	// auditName bounds names that a model may have made up, in bytes.
	auditName = 200
)

// auditStatements are prepared once: reading them anew for every row would cost
// as much as running them.
type auditStatements struct {
	next, insert, payload, hash, addHash *sql.Stmt
}

func (d *DB) prepareAudit(ctx context.Context) error {
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&d.audit.next, `SELECT COALESCE(MAX(seq), 0) + 1 FROM audit WHERE workspace = ?`},
		{&d.audit.insert, insertAudit},
		{&d.audit.payload, `INSERT INTO audit_payload (workspace, seq, key, sealed) VALUES (?, ?, ?, ?)`},
		{&d.audit.hash, `SELECT hash FROM audit_tree WHERE workspace = ? AND id = ?`},
		{&d.audit.addHash, `INSERT INTO audit_tree (workspace, id, hash) VALUES (?, ?, ?)`},
	} {
		var err error
		if *p.to, err = d.sql.PrepareContext(ctx, p.query); err != nil {
			return fmt.Errorf("prepare audit: %w", err)
		}
	}
	return nil
}

const insertAudit = `INSERT INTO audit (workspace, seq, at, kind, actor, subject, key, turn, call, tool, tier,
	ruling, rule, approval, status, args, note, digest, fields)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const rowColumns = `a.workspace, a.seq, a.at, a.kind, a.actor, a.subject, a.key, a.turn, a.call, a.tool, a.tier,
	a.ruling, a.rule, a.approval, a.status, a.args, a.note, a.digest, a.fields`

// record appends rows to the audit in the transaction of what they record, and
// their hashes to the tree. Seq is given here; At too when it is unset. Without
// the keys nothing can be recorded, so nothing can be done.
func (d *DB) record(ctx context.Context, tx *sql.Tx, entries ...audit.Entry) error {
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
		e.At, e.Tool = stored(e.At), clip(e.Tool, auditName)
		if err := d.append(ctx, tx, e); err != nil {
			return fmt.Errorf("record %s: %w", e.Kind, err)
		}
		d.recorded.Add(1)
	}
	return nil
}

// append writes the row right after the last one.
func (d *DB) append(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	if err := tx.StmtContext(ctx, d.audit.next).QueryRowContext(ctx, e.Workspace).Scan(&e.Seq); err != nil {
		return err
	}
	r, err := d.seal(ctx, tx, e)
	if err != nil {
		return err
	}
	var tier any
	if r.Tier != nil {
		tier = r.Tier.Number()
	}
	_, err = tx.StmtContext(ctx, d.audit.insert).ExecContext(ctx, r.Workspace, r.Seq, timeOf(&r.At), r.Kind, r.Actor, r.Subject, r.Key, r.Turn, r.Call, r.Tool,
		tier, r.Ruling, r.Rule, r.Approval, r.Status, r.Args, r.Note, r.Digest, r.Fields)
	if err != nil {
		return err
	}
	return d.grow(ctx, tx, r)
}

// Audit implements audit.Reader.
func (d *DB) Audit(ctx context.Context, ws agent.WorkspaceID, f audit.Filter) ([]audit.Entry, error) {
	where, args := auditWhere(ws, f)
	// The planner, without statistics, holds a workspace for ten rows and would
	// walk all of them.
	by := ""
	switch {
	case f.Approval != "":
		by = "INDEXED BY audit_approval"
	case f.Turn != "":
		by = "INDEXED BY audit_turn"
	}
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	args = append(args, bounded(f.Limit, auditRows))
	rows, err := every(ctx, d.sql, scanStored, `SELECT `+rowColumns+`, p.sealed, p.key FROM audit a `+by+`
		LEFT JOIN audit_payload p ON p.workspace = a.workspace AND p.seq = a.seq
		WHERE `+where+` ORDER BY a.seq `+order+` LIMIT ?`, args...)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read audit: %w", err))
	}
	if f.Newest {
		slices.Reverse(rows)
	}
	all := make([]audit.Entry, len(rows))
	for i, r := range rows {
		if all[i], err = d.open(ctx, r); err != nil {
			return nil, d.publicError(fmt.Errorf("read audit: %w", err))
		}
	}
	return all, nil
}

// auditWhere turns the filter into a condition; values are arguments only.
func auditWhere(ws agent.WorkspaceID, f audit.Filter) (string, []any) {
	terms, args := []string{"a.workspace = ?"}, []any{ws}
	add := func(term string, values ...any) {
		terms, args = append(terms, term), append(args, values...)
	}
	if len(f.Kinds) > 0 {
		kinds := make([]any, len(f.Kinds))
		for i, k := range f.Kinds {
			kinds[i] = k
		}
		add("a.kind IN (?"+strings.Repeat(", ?", len(kinds)-1)+")", kinds...)
	}
	// The second term is what the partial index asks for.
	if f.Turn != "" {
		add("a.turn = ? AND a.turn <> ''", f.Turn)
	}
	if f.Approval != "" {
		add("a.approval = ? AND a.approval <> ''", f.Approval)
	}
	if f.Tool != "" {
		add("a.tool = ?", f.Tool)
	}
	if f.Actor != "" {
		add("a.actor = ?", f.Actor)
	}
	if !f.Since.IsZero() {
		add("a.at >= ?", timeOf(&f.Since))
	}
	if !f.Until.IsZero() {
		add("a.at < ?", timeOf(&f.Until))
	}
	if f.After > 0 {
		add("a.seq > ?", f.After)
	}
	return strings.Join(terms, " AND "), args
}

func scanStored(row sqlRow) (audit.Stored, error) {
	var r audit.Stored
	var tier, sealedBy sql.NullInt64
	err := row.Scan(&r.Workspace, &r.Seq, timeOf(&r.At), &r.Kind, &r.Actor, &r.Subject, &r.Key, &r.Turn, &r.Call, &r.Tool, &tier,
		&r.Ruling, &r.Rule, &r.Approval, &r.Status, &r.Args, &r.Note, &r.Digest, &r.Fields, &r.Sealed, &sealedBy)
	r.SealedBy = sealedBy.Int64
	if tier.Valid {
		r.Tier = tierOf(tier.Int64)
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
