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

const insertAudit = `INSERT INTO audit
	(workspace, seq, at, kind, actor, turn, call, tool, tier, digest, ruling, rule, approval, status, args, note)
	VALUES (?1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit WHERE workspace = ?1),
		?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`

// record appends rows to the audit in the transaction of what they record. Seq
// is given here; At too when it is unset.
func (d *DB) record(ctx context.Context, tx *sql.Tx, entries ...audit.Entry) error {
	for _, e := range entries {
		if e.At.IsZero() {
			e.At = d.now()
		}
		if !json.Valid(e.Args) {
			e.Args = nil
		}
		var tier any
		if e.Tier != nil {
			tier = e.Tier.Number()
		}
		_, err := tx.ExecContext(ctx, insertAudit, e.Workspace, timeOf(&e.At), e.Kind, e.Actor, e.Turn, e.Call,
			clip(e.Tool, auditName), tier, e.Digest, e.Ruling, e.Rule, e.Approval, e.Status, rawColumn{&e.Args}, e.Note)
		if err != nil {
			return fmt.Errorf("record %s: %w", e.Kind, err)
		}
	}
	return nil
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
	rows, err := every(ctx, d.sql, scanEntry, `SELECT workspace, seq, at, kind, actor, turn, call, tool, tier, digest,
		ruling, rule, approval, status, args, note FROM audit `+by+` WHERE `+where+` ORDER BY seq `+order+` LIMIT ?`, args...)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read audit: %w", err))
	}
	if f.Newest {
		slices.Reverse(rows)
	}
	return rows, nil
}

// auditWhere turns the filter into a condition; values are arguments only.
func auditWhere(ws agent.WorkspaceID, f audit.Filter) (string, []any) {
	terms, args := []string{"workspace = ?"}, []any{ws}
	add := func(term string, values ...any) {
		terms, args = append(terms, term), append(args, values...)
	}
	if len(f.Kinds) > 0 {
		kinds := make([]any, len(f.Kinds))
		for i, k := range f.Kinds {
			kinds[i] = k
		}
		add("kind IN (?"+strings.Repeat(", ?", len(kinds)-1)+")", kinds...)
	}
	// The second term is what the partial index asks for.
	if f.Turn != "" {
		add("turn = ? AND turn <> ''", f.Turn)
	}
	if f.Approval != "" {
		add("approval = ? AND approval <> ''", f.Approval)
	}
	if f.Tool != "" {
		add("tool = ?", f.Tool)
	}
	if f.Actor != "" {
		add("actor = ?", f.Actor)
	}
	if !f.Since.IsZero() {
		add("at >= ?", timeOf(&f.Since))
	}
	if !f.Until.IsZero() {
		add("at < ?", timeOf(&f.Until))
	}
	if f.After > 0 {
		add("seq > ?", f.After)
	}
	return strings.Join(terms, " AND "), args
}

func scanEntry(row sqlRow) (audit.Entry, error) {
	var e audit.Entry
	var tier sql.NullInt64
	err := row.Scan(&e.Workspace, &e.Seq, timeOf(&e.At), &e.Kind, &e.Actor, &e.Turn, &e.Call, &e.Tool, &tier, &e.Digest,
		&e.Ruling, &e.Rule, &e.Approval, &e.Status, rawColumn{&e.Args}, &e.Note)
	if tier.Valid {
		e.Tier = tierOf(tier.Int64)
	}
	return e, err
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
