package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/internal/traces"
)

var _ privacy.Store = (*DB)(nil)

// selection is whose traces, or which, are meant.
type selection struct {
	ws     agent.WorkspaceID
	people []agent.ActorID
	turns  []string
	files  []string
}

func (s selection) bind(text string) (string, []any) {
	list := func(v any, n int) any {
		if n == 0 {
			return "[]"
		}
		return jsonOf(v)
	}
	return traces.SQLite().Bind(text, traces.Args{
		Workspace: string(s.ws), People: list(s.people, len(s.people)), Turns: list(s.turns, len(s.turns)), Files: list(s.files, len(s.files)),
	})
}

// Show implements privacy.Store.
func (d *DB) Show(ctx context.Context, ws agent.WorkspaceID, people []agent.ActorID, f func(privacy.Record) error) error {
	turns, err := every(ctx, d.sql, scanText, `SELECT id FROM turns WHERE workspace = ? AND actor_id IN (SELECT value FROM json_each(?))`, ws, jsonOf(people))
	if err != nil {
		return d.publicError(fmt.Errorf("show: %w", err))
	}
	s := selection{ws: ws, people: people, turns: turns}
	for _, t := range traces.Tables() {
		if t.Where == "" || t.Hidden || t.Name == "approvals" {
			continue
		}
		if err := d.showRows(ctx, s, t.Kind, `SELECT * FROM `+t.Name+` WHERE `+t.Rows(), f); err != nil {
			return err
		}
	}
	err = d.showRows(ctx, s, "passages of memories", `SELECT c.kind, c.text, c.quote, c.speaker, c.position FROM memory_chunks c
		JOIN memory_items i ON c.key >> 16 = i.seq WHERE i.workspace = {ws} AND (i.author IN {people}
		OR i.seq IN (SELECT p.item FROM memory_people p WHERE p.workspace = {ws} AND p.actor IN {people})) ORDER BY c.key`, f)
	if err != nil {
		return err
	}
	all, err := approvalsOf(ctx, d.sql, selection{ws: ws, people: people})
	if err != nil {
		return d.publicError(wrapped("show approvals", err))
	}
	if err := privacy.ShowApprovals(all, people, f); err != nil {
		return err
	}
	return privacy.EachEntry(ctx, d, ws, people, f)
}

func (d *DB) showRows(ctx context.Context, s selection, kind, text string, f func(privacy.Record) error) error {
	query, args := s.bind(text)
	rows, err := d.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return d.publicError(fmt.Errorf("show %s: %w", kind, err))
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return d.publicError(err)
		}
		body, err := privacy.Body(names, values)
		if err != nil {
			return err
		}
		if err := f(privacy.Record{Kind: kind, Body: body}); err != nil {
			return err
		}
	}
	return d.publicError(rows.Err())
}

// EraseSubject implements privacy.Store.
func (d *DB) EraseSubject(ctx context.Context, e privacy.Erasure) (privacy.Erased, error) {
	var out privacy.Erased
	err := d.tx(ctx, func(tx *sql.Tx) error {
		out = privacy.Erased{Counts: privacy.Counts{}}
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		s := selection{ws: e.By.Workspace, people: e.People}
		if err := d.mayErase(ctx, tx, &s); err != nil {
			return err
		}
		out.Turns = s.turns
		if err := d.count(ctx, tx, s, out.Counts); err != nil {
			return err
		}
		if e.Dry {
			return countPayloads(ctx, tx, e, out.Counts)
		}
		if err := d.take(ctx, tx, s); err != nil {
			return err
		}
		for _, id := range e.People {
			n, known, err := eraseKey(ctx, tx, e.By.Workspace, id)
			if err != nil {
				return err
			}
			if !known && id != e.Subject {
				continue
			}
			out.Counts["payloads of the record"] += n
			err = d.record(ctx, tx, audit.Entry{
				Workspace: e.By.Workspace, Kind: audit.SubjectErased, Actor: e.By.ID, Subject: id, Status: out.Counts.String(),
			})
			if err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, `SELECT MAX(seq) FROM audit WHERE workspace = ?`, e.By.Workspace).Scan(&out.Row)
	})
	if err != nil || e.Dry {
		return out, wrapped("erase", err)
	}
	d.keys.forget()
	return out, nil
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// countPayloads adds how many payloads of the record go with the people's keys.
func countPayloads(ctx context.Context, tx *sql.Tx, e privacy.Erasure, into privacy.Counts) error {
	for _, id := range e.People {
		var n int64
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_payload p JOIN subject_keys k ON k.id = p.key
		WHERE k.workspace = ? AND k.subject = ?`, e.By.Workspace, id).Scan(&n); err != nil {
			return fmt.Errorf("count payloads of the record: %w", err)
		}
		if n > 0 {
			into["payloads of the record"] += n
		}
	}
	return nil
}

// mayErase finds the requests of the people; nobody may be under a hold, and no
// request open.
func (d *DB) mayErase(ctx context.Context, tx *sql.Tx, s *selection) error {
	held, err := every(ctx, tx, scanHold, `SELECT subject, by, reason, at FROM holds WHERE workspace = ? AND subject IN (SELECT value FROM json_each(?)) ORDER BY at`, s.ws, jsonOf(s.people))
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return privacy.Held(held[0])
	}
	open, err := every(ctx, tx, scanText, `SELECT id FROM turns WHERE workspace = ? AND actor_id IN (SELECT value FROM json_each(?)) AND ended IS NULL`, s.ws, jsonOf(s.people))
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return privacy.StillOpen(open)
	}
	s.turns, err = every(ctx, tx, scanText, `SELECT id FROM turns WHERE workspace = ? AND actor_id IN (SELECT value FROM json_each(?))`, s.ws, jsonOf(s.people))
	return err
}

// count adds how many rows a selection finds.
func (d *DB) count(ctx context.Context, tx *sql.Tx, s selection, into privacy.Counts) error {
	for _, t := range traces.Tables() {
		if t.Where == "" || t.Hidden {
			continue
		}
		if t.Name == "approvals" {
			changed, err := forgotten(ctx, tx, s)
			if err != nil {
				return err
			}
			into[t.Kind] += int64(len(changed))
			continue
		}
		var n int64
		query, args := s.bind(`SELECT COUNT(*) FROM ` + t.Name + ` WHERE ` + t.Rows())
		if err := tx.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
			return fmt.Errorf("count %s: %w", t.Kind, err)
		}
		into[t.Kind] += n
	}
	return nil
}

// take takes out what a selection finds.
func (d *DB) take(ctx context.Context, tx *sql.Tx, s selection) error {
	for _, t := range traces.Tables() {
		switch {
		case t.Where == "":
			continue
		case t.Name == "approvals":
			changed, err := forgotten(ctx, tx, s)
			if err != nil {
				return err
			}
			for _, a := range changed {
				if _, err := tx.ExecContext(ctx, `UPDATE approvals SET body = ? WHERE workspace = ? AND id = ?`, jsonOf(a), s.ws, a.ID); err != nil {
					return err
				}
			}
		case t.Name == "memory_items":
			if err := d.takeMemories(ctx, tx, s, t); err != nil {
				return err
			}
		case t.Name == "tickets":
			if err := takeTickets(ctx, tx, s, t); err != nil {
				return err
			}
		default:
			if err := takeRows(ctx, tx, s, t); err != nil {
				return fmt.Errorf("erase %s: %w", t.Kind, err)
			}
		}
	}
	// Whoever learns from the cases counts the writes to see that they changed.
	_, err := tx.ExecContext(ctx, `INSERT INTO routing_writes (workspace, key, op, result)
		SELECT ?1, 'erased ' || (COALESCE(MAX(seq), 0) + 1), 'erase', '{}' FROM routing_writes`, s.ws)
	return err
}

// takeRows runs a table's own statement. The history of tickets is guarded
// against changes; the guard is lifted within this transaction alone.
func takeRows(ctx context.Context, tx *sql.Tx, s selection, t traces.Table) error {
	var guards []string
	if t.Name == "ticket_changes" {
		var err error
		guards, err = every(ctx, tx, scanText, `SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'ticket_changes'`)
		if err != nil {
			return err
		}
		names, err := every(ctx, tx, scanText, `SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'ticket_changes'`)
		if err != nil {
			return err
		}
		for _, n := range names {
			if _, err := tx.ExecContext(ctx, `DROP TRIGGER `+n); err != nil {
				return err
			}
		}
	}
	query, args := s.bind(t.Take())
	if _, err := tx.ExecContext(ctx, query, args...); err != nil {
		return err
	}
	for _, g := range guards {
		if _, err := tx.ExecContext(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) takeMemories(ctx context.Context, tx *sql.Tx, s selection, t traces.Table) error {
	query, args := s.bind(`SELECT seq FROM memory_items WHERE ` + t.Rows())
	seqs, err := every(ctx, tx, scanInt, query, args...)
	if err != nil || len(seqs) == 0 {
		return err
	}
	if err := removeItems(ctx, tx, s.ws, seqs); err != nil {
		return err
	}
	// The index only marks what is gone until its segments are merged.
	_, err = tx.ExecContext(ctx, `INSERT INTO memory_index (memory_index) VALUES ('optimize')`)
	return err
}

// takeTickets empties tickets, and their words in the index.
func takeTickets(ctx context.Context, tx *sql.Tx, s selection, t traces.Table) error {
	type ticket struct {
		seq         int64
		title, body string
	}
	query, args := s.bind(`SELECT seq, title, body FROM tickets WHERE ` + t.Rows())
	all, err := every(ctx, tx, func(row sqlRow) (k ticket, err error) {
		err = row.Scan(&k.seq, &k.title, &k.body)
		return k, err
	}, query, args...)
	if err != nil || len(all) == 0 {
		return err
	}
	for _, k := range all {
		_, err := tx.ExecContext(ctx, `INSERT INTO ticket_words (ticket_words, rowid, title, body) VALUES ('delete', ?, ?, ?)`,
			k.seq, strings.Join(words(k.title), " "), strings.Join(words(k.body), " "))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE tickets SET title = ?, body = '', labels = '[]', links = '[]', label = json_remove(label, '$.sources') WHERE seq = ?`, privacy.ErasedTitle, k.seq)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO ticket_words (rowid, title, body) VALUES (?, ?, '')`, k.seq, strings.Join(words(privacy.ErasedTitle), " ")); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO ticket_words (ticket_words) VALUES ('optimize')`)
	return err
}

// forgotten returns the approvals a selection changes, as they are to be.
func forgotten(ctx context.Context, tx *sql.Tx, s selection) ([]approval.Approval, error) {
	all, err := approvalsOf(ctx, tx, s)
	return privacy.Forgotten(all, s.people, s.turns), err
}

// approvalsOf reads the approvals that may hold something of a selection.
func approvalsOf(ctx context.Context, q sqlHandle, s selection) ([]approval.Approval, error) {
	text := `SELECT body FROM approvals WHERE workspace = {ws}`
	if len(s.people) == 0 {
		text += ` AND turn IN {turns}`
	}
	query, args := s.bind(text)
	return every(ctx, q, func(row sqlRow) (a approval.Approval, err error) {
		err = row.Scan(jsonOf(&a))
		return a, err
	}, query, args...)
}

// Sweep implements privacy.Store: it writes the file anew, so that neither its
// free space nor the log holds what was erased.
func (d *DB) Sweep(ctx context.Context, _ bool) error {
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := d.sql.ExecContext(ctx, `VACUUM`)
	<-d.writer
	if err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("it is erased, but the file %s could not be rewritten, so its free space may still hold the old bytes; erase again when nobody uses it", d.path))
	}
	return d.settleLog(ctx)
}

// Hold implements privacy.Store.
func (d *DB) Hold(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error) {
	h := privacy.Hold{Subject: subject, By: by.ID, Reason: reason, At: d.now()}
	err := d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO holds (workspace, subject, by, reason, at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET by = excluded.by, reason = excluded.reason, at = excluded.at`, by.Workspace, subject, by.ID, reason, timeOf(&h.At))
		if err != nil {
			return err
		}
		return d.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.HoldSet, Actor: by.ID, Status: string(subject), Note: reason})
	})
	return h, wrapped("hold", err)
}

// Release implements privacy.Store.
func (d *DB) Release(ctx context.Context, by agent.Actor, subject agent.ActorID) (privacy.Hold, error) {
	var h privacy.Hold
	err := d.tx(ctx, func(tx *sql.Tx) error {
		var known bool
		var err error
		h, known, err = first(tx.QueryRowContext(ctx, `DELETE FROM holds WHERE workspace = ? AND subject = ? RETURNING subject, by, reason, at`, by.Workspace, subject), scanHold)
		if err != nil {
			return err
		}
		if !known {
			return agent.Errorf(agent.NotFound, "there is no hold on %s", subject)
		}
		return d.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.HoldReleased, Actor: by.ID, Status: string(subject)})
	})
	return h, wrapped("release", err)
}

// Holds implements privacy.Store.
func (d *DB) Holds(ctx context.Context, ws agent.WorkspaceID) ([]privacy.Hold, error) {
	all, err := every(ctx, d.sql, scanHold, `SELECT subject, by, reason, at FROM holds WHERE workspace = ? ORDER BY at, subject`, ws)
	return all, d.publicError(wrapped("list holds", err))
}

func scanHold(row sqlRow) (privacy.Hold, error) {
	var h privacy.Hold
	err := row.Scan(&h.Subject, &h.By, &h.Reason, timeOf(&h.At))
	return h, err
}

// Purge implements privacy.Store.
func (d *DB) Purge(ctx context.Context, p privacy.Purge) (privacy.Erased, error) {
	var out privacy.Erased
	err := d.tx(ctx, func(tx *sql.Tx) error {
		out = privacy.Erased{Counts: privacy.Counts{}}
		query, args := oldOnes(p)
		ids, err := every(ctx, tx, scanText, query, args...)
		if err != nil || len(ids) == 0 {
			return err
		}
		switch p.Rule.What {
		case privacy.Conversations:
			err = d.purgeTurns(ctx, tx, p, ids, &out)
		case privacy.Files:
			err = purgeRows(ctx, tx, p, ids, &out)
		case privacy.Memories:
			err = purgeMemories(ctx, tx, p, ids, &out)
		}
		if err != nil || p.Dry || out.Counts.Total() == 0 {
			return err
		}
		return d.record(ctx, tx, audit.Entry{
			Workspace: p.By.Workspace, Kind: audit.DataPurged, Actor: p.By.ID, Note: p.Rule.String() + ": " + out.Counts.String(),
		})
	})
	return out, wrapped("purge", err)
}

// oldOnes is the query for the ids of what a rule lets go.
func oldOnes(p privacy.Purge) (string, []any) {
	at := p.Before
	args := []any{p.By.Workspace, timeOf(&at), max(p.Limit, 1), quoted(p.Rule.Label), p.Rule.Place, p.Rule.Kind}
	label, place := ` AND ?4 = ''`, ` AND ?5 = ''`
	if p.Rule.Place != "" {
		place = ` AND ?5 IN (json_extract(x.place, '$.id'), json_extract(x.place, '$.kind'))`
	}
	switch p.Rule.What {
	case privacy.Conversations:
		if p.Rule.Label != "" {
			label = ` AND instr(m.label, ?4) > 0`
		}
		return `SELECT x.id FROM turns x JOIN messages m ON m.workspace = x.workspace AND m.id = x.request
			WHERE x.workspace = ?1 AND x.ended < ?2 AND (m.text <> '' OR m.files <> '[]' OR x.answer <> '') AND ?6 = ''` + label + place + `
			AND x.actor_id NOT IN (SELECT subject FROM holds WHERE workspace = ?1) ORDER BY x.seq LIMIT ?3`, args
	case privacy.Files:
		if p.Rule.Label != "" {
			label = ` AND instr(x.label, ?4) > 0`
		}
		return `SELECT x.id FROM files x WHERE x.workspace = ?1 AND x.at < ?2 AND ?6 = ''` + label + ` AND ?5 = ''
			AND x.owner NOT IN (SELECT subject FROM holds WHERE workspace = ?1) ORDER BY x.at LIMIT ?3`, args
	}
	if p.Rule.Label != "" {
		label = ` AND instr(x.label, ?4) > 0`
	}
	if p.Rule.Place != "" {
		place = ` AND ?5 = x.place`
	}
	return `SELECT CAST(x.seq AS TEXT) FROM memory_items x WHERE x.workspace = ?1 AND x.at < ?2 AND ?6 IN ('', x.kind)` + label + place + `
		AND x.author NOT IN (SELECT subject FROM holds WHERE workspace = ?1)
		AND NOT EXISTS (SELECT 1 FROM memory_people p JOIN holds h ON h.workspace = p.workspace AND h.subject = p.actor WHERE p.item = x.seq)
		ORDER BY x.at LIMIT ?3`, args
}

// quoted is a label as JSON writes it.
func quoted(label string) string {
	if label == "" {
		return ""
	}
	b, _ := json.Marshal(label)
	return string(b)
}

func (d *DB) purgeTurns(ctx context.Context, tx *sql.Tx, p privacy.Purge, turns []string, out *privacy.Erased) error {
	s := selection{ws: p.By.Workspace, turns: turns}
	refs, err := every(ctx, tx, func(row sqlRow) (f []agent.FileRef, err error) {
		err = row.Scan(jsonOf(&f))
		return f, err
	}, `SELECT files FROM messages WHERE workspace = ? AND turn IN (SELECT value FROM json_each(?))`, s.ws, jsonOf(turns))
	if err != nil {
		return err
	}
	for _, f := range slices.Concat(refs...) {
		s.files = append(s.files, f.ID)
	}
	out.Turns = turns
	if err := d.count(ctx, tx, s, out.Counts); err != nil || p.Dry {
		return err
	}
	return d.take(ctx, tx, s)
}

func purgeRows(ctx context.Context, tx *sql.Tx, p privacy.Purge, ids []string, out *privacy.Erased) error {
	out.Counts["files"] = int64(len(ids))
	if p.Dry {
		return nil
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM files WHERE workspace = ? AND id IN (SELECT value FROM json_each(?))`, p.By.Workspace, jsonOf(ids))
	return err
}

func purgeMemories(ctx context.Context, tx *sql.Tx, p privacy.Purge, ids []string, out *privacy.Erased) error {
	out.Counts["memories"] = int64(len(ids))
	if p.Dry {
		return nil
	}
	seqs, err := every(ctx, tx, scanInt, `SELECT CAST(value AS INTEGER) FROM json_each(?)`, jsonOf(ids))
	if err != nil {
		return err
	}
	return removeItems(ctx, tx, p.By.Workspace, seqs)
}
