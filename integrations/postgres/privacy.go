package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

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
	return traces.PostgreSQL().Bind(text, traces.Args{
		Workspace: string(s.ws), People: texts(s.people), Turns: texts(s.turns), Files: texts(s.files),
	})
}

// texts is a list as an array of texts; it is never NULL.
func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = string(v)
	}
	return all
}

// Show implements privacy.Store.
func (d *DB) Show(ctx context.Context, ws agent.WorkspaceID, people []agent.ActorID, f func(privacy.Record) error) error {
	err := d.read(ctx, ws, func(tx pgx.Tx) error {
		turns, err := every(ctx, tx, scanText, `SELECT id FROM turns WHERE workspace = $1 AND actor_id = ANY($2)`, ws, texts(people))
		if err != nil {
			return err
		}
		s := selection{ws: ws, people: people, turns: turns}
		for _, t := range traces.Tables() {
			if t.Where == "" || t.Hidden || t.Name == "approvals" {
				continue
			}
			if err := showRows(ctx, tx, s, t.Kind, `SELECT * FROM `+t.Name+` WHERE `+t.Rows(), f); err != nil {
				return err
			}
		}
		err = showRows(ctx, tx, s, "passages of memories", `SELECT c.kind, c.text, c.quote, c.speaker, c.position FROM memory_chunks c
			JOIN memory_items i ON c.key >> 16 = i.seq AND i.workspace = c.workspace
			WHERE c.workspace = {ws} AND i.workspace = {ws} AND (i.author IN {people}
			OR i.seq IN (SELECT p.item FROM memory_people p WHERE p.workspace = {ws} AND p.actor IN {people})) ORDER BY c.key`, f)
		if err != nil {
			return err
		}
		all, err := approvalsOf(ctx, tx, s)
		if err != nil {
			return err
		}
		return privacy.ShowApprovals(all, people, f)
	})
	if err != nil {
		return wrapped("show", err)
	}
	return privacy.EachEntry(ctx, d, ws, people, f)
}

func showRows(ctx context.Context, tx pgx.Tx, s selection, kind, text string, f func(privacy.Record) error) error {
	query, args := s.bind(text)
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("show %s: %w", kind, err)
	}
	defer rows.Close()
	var names []string
	for _, c := range rows.FieldDescriptions() {
		names = append(names, c.Name)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		body, err := privacy.Body(names, values)
		if err != nil {
			return err
		}
		if err := f(privacy.Record{Kind: kind, Body: body}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// EraseSubject implements privacy.Store.
func (d *DB) EraseSubject(ctx context.Context, e privacy.Erasure) (privacy.Erased, error) {
	var out privacy.Erased
	err := d.write(ctx, e.By.Workspace, func(tx pgx.Tx) error {
		out = privacy.Erased{Counts: privacy.Counts{}}
		s := selection{ws: e.By.Workspace, people: e.People}
		if err := mayErase(ctx, tx, &s); err != nil {
			return err
		}
		out.Turns = s.turns
		if err := count(ctx, tx, s, out.Counts); err != nil {
			return err
		}
		if e.Dry {
			return countPayloads(ctx, tx, e, out.Counts)
		}
		if err := take(ctx, tx, s); err != nil {
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
		return tx.QueryRow(ctx, `SELECT MAX(seq) FROM audit WHERE workspace = $1`, e.By.Workspace).Scan(&out.Row)
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
func countPayloads(ctx context.Context, tx pgx.Tx, e privacy.Erasure, into privacy.Counts) error {
	for _, id := range e.People {
		var n int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit_payload p JOIN subject_keys k ON k.workspace = p.workspace AND k.id = p.key
		WHERE k.workspace = $1 AND k.subject = $2`, e.By.Workspace, id).Scan(&n); err != nil {
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
func mayErase(ctx context.Context, tx pgx.Tx, s *selection) error {
	held, err := every(ctx, tx, scanHold, `SELECT subject, by, reason, at FROM holds WHERE workspace = $1 AND subject = ANY($2) ORDER BY at`, s.ws, texts(s.people))
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return privacy.Held(held[0])
	}
	open, err := every(ctx, tx, scanText, `SELECT id FROM turns WHERE workspace = $1 AND actor_id = ANY($2) AND ended IS NULL`, s.ws, texts(s.people))
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return privacy.StillOpen(open)
	}
	s.turns, err = every(ctx, tx, scanText, `SELECT id FROM turns WHERE workspace = $1 AND actor_id = ANY($2)`, s.ws, texts(s.people))
	return err
}

// count adds how many rows a selection finds.
func count(ctx context.Context, tx pgx.Tx, s selection, into privacy.Counts) error {
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
		if err := tx.QueryRow(ctx, query, args...).Scan(&n); err != nil {
			return fmt.Errorf("count %s: %w", t.Kind, err)
		}
		into[t.Kind] += n
	}
	return nil
}

// rolePrivacy takes out what nobody else may change; see migrations/0011_privacy.sql.
const rolePrivacy = "sous_privacy"

// as runs f under another role; the transaction's own comes back after it.
func as(ctx context.Context, tx pgx.Tx, role string, f func() error) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('role', $1, true)`, role); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT set_config('role', $1, true)`, roleApp)
	return err
}

// take takes out what a selection finds.
func take(ctx context.Context, tx pgx.Tx, s selection) error {
	if err := takeMemories(ctx, tx, s); err != nil {
		return err
	}
	err := as(ctx, tx, rolePrivacy, func() error {
		for _, t := range traces.Tables() {
			if err := takeTable(ctx, tx, s, t); err != nil {
				return fmt.Errorf("erase %s: %w", t.Kind, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Whoever learns from the cases counts the writes to see that they changed.
	_, err = tx.Exec(ctx, `INSERT INTO routing_writes (workspace, key, op, result)
		SELECT $1, 'erased ' || (COUNT(*) + 1), 'erase', '{}' FROM routing_writes WHERE workspace = $1`, s.ws)
	return err
}

func takeTable(ctx context.Context, tx pgx.Tx, s selection, t traces.Table) error {
	switch t.Name {
	case "memory_items": // taken before
		return nil
	case "approvals":
		changed, err := forgotten(ctx, tx, s)
		if err != nil {
			return err
		}
		for _, a := range changed {
			if _, err := tx.Exec(ctx, `UPDATE approvals SET body = $1 WHERE workspace = $2 AND id = $3`, jsonOf(a), s.ws, a.ID); err != nil {
				return err
			}
		}
		return nil
	case "tickets":
		return takeTickets(ctx, tx, s, t)
	}
	if t.Where == "" {
		return nil
	}
	query, args := s.bind(t.Take())
	_, err := tx.Exec(ctx, query, args...)
	return err
}

func takeMemories(ctx context.Context, tx pgx.Tx, s selection) error {
	query, args := s.bind(`SELECT seq FROM memory_items WHERE workspace = {ws} AND (author IN {people}
		OR seq IN (SELECT p.item FROM memory_people p WHERE p.workspace = {ws} AND p.actor IN {people}))`)
	seqs, err := every(ctx, tx, scanInt, query, args...)
	if err != nil {
		return err
	}
	return removeItems(ctx, tx, s.ws, seqs)
}

// takeTickets empties tickets, and takes their words out of the index.
func takeTickets(ctx context.Context, tx pgx.Tx, s selection, t traces.Table) error {
	query, args := s.bind(`SELECT n FROM tickets WHERE ` + t.Rows())
	all, err := every(ctx, tx, scanInt, query, args...)
	if err != nil || len(all) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM ticket_words WHERE workspace = $1 AND n = ANY($2)`, s.ws, all); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE tickets SET title = $3, body = '', labels = '[]', links = '[]', label = (label::jsonb - 'sources')::text
		WHERE workspace = $1 AND n = ANY($2)`, s.ws, all, privacy.ErasedTitle)
	return err
}

// forgotten returns the approvals a selection changes, as they are to be.
func forgotten(ctx context.Context, tx pgx.Tx, s selection) ([]approval.Approval, error) {
	all, err := approvalsOf(ctx, tx, s)
	return privacy.Forgotten(all, s.people, s.turns), err
}

// approvalsOf reads the approvals that may hold something of a selection.
func approvalsOf(ctx context.Context, q handle, s selection) ([]approval.Approval, error) {
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

// Hold implements privacy.Store.
func (d *DB) Hold(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error) {
	h := privacy.Hold{Subject: subject, By: by.ID, Reason: reason, At: d.now()}
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO holds (workspace, subject, by, reason, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (workspace, subject) DO UPDATE SET by = excluded.by, reason = excluded.reason, at = excluded.at`, by.Workspace, subject, by.ID, reason, timeOf(&h.At))
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
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		var known bool
		var err error
		h, known, err = first(tx.QueryRow(ctx, `DELETE FROM holds WHERE workspace = $1 AND subject = $2 RETURNING subject, by, reason, at`, by.Workspace, subject), scanHold)
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
	all, err := list(ctx, d, ws, scanHold, `SELECT subject, by, reason, at FROM holds WHERE workspace = $1 ORDER BY at, subject`, ws)
	return all, wrapped("list holds", err)
}

func scanHold(row sqlRow) (privacy.Hold, error) {
	var h privacy.Hold
	err := row.Scan(&h.Subject, &h.By, &h.Reason, timeOf(&h.At))
	return h, err
}

// Purge implements privacy.Store.
func (d *DB) Purge(ctx context.Context, p privacy.Purge) (privacy.Erased, error) {
	var out privacy.Erased
	err := d.write(ctx, p.By.Workspace, func(tx pgx.Tx) error {
		out = privacy.Erased{Counts: privacy.Counts{}}
		query, args := oldOnes(p)
		ids, err := every(ctx, tx, scanText, query, args...)
		if err != nil || len(ids) == 0 {
			return err
		}
		switch p.Rule.What {
		case privacy.Conversations:
			err = purgeTurns(ctx, tx, p, ids, &out)
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
	var w where
	old := map[string][3]string{
		privacy.Conversations: {
			`SELECT x.id FROM turns x JOIN messages l ON l.workspace = x.workspace AND l.id = x.request WHERE `,
			`x.ended < ? AND (l.text <> '' OR l.files <> '[]' OR x.answer <> '') AND x.actor_id`, `x.seq`,
		},
		privacy.Files:    {`SELECT l.id FROM files l WHERE `, `l.at < ? AND l.owner`, `l.at`},
		privacy.Memories: {`SELECT l.seq::text FROM memory_items l WHERE `, `l.at < ? AND l.author`, `l.at`},
	}[p.Rule.What]
	w.and(`l.workspace = ?`, p.By.Workspace)
	w.and(old[1]+` NOT IN (SELECT subject FROM holds WHERE workspace = ?)`, timeOf(&at), p.By.Workspace)
	if p.Rule.What == privacy.Memories {
		w.and(`NOT EXISTS (SELECT 1 FROM memory_people p JOIN holds h ON h.workspace = p.workspace AND h.subject = p.actor
			WHERE p.workspace = ? AND p.item = l.seq)`, p.By.Workspace)
	}
	if p.Rule.Label != "" {
		w.and(`position(? IN l.label) > 0`, quoted(p.Rule.Label))
	}
	if p.Rule.Kind != "" {
		w.and(`l.kind = ?`, p.Rule.Kind)
	}
	if p.Rule.Place != "" && p.Rule.What == privacy.Conversations {
		w.and(`?::text IN (x.place::jsonb->>'id', x.place::jsonb->>'kind')`, p.Rule.Place)
	} else if p.Rule.Place != "" {
		w.and(`l.place = ?`, p.Rule.Place)
	}
	return old[0] + w.text + ` ORDER BY ` + old[2] + w.bind(` LIMIT ?`, max(p.Limit, 1)), w.args
}

// quoted is a label as JSON writes it.
func quoted(label string) string {
	if label == "" {
		return ""
	}
	b, _ := json.Marshal(label)
	return string(b)
}

func purgeTurns(ctx context.Context, tx pgx.Tx, p privacy.Purge, turns []string, out *privacy.Erased) error {
	s := selection{ws: p.By.Workspace, turns: turns}
	refs, err := every(ctx, tx, func(row sqlRow) (f []agent.FileRef, err error) {
		err = row.Scan(jsonOf(&f))
		return f, err
	}, `SELECT files FROM messages WHERE workspace = $1 AND turn = ANY($2)`, s.ws, texts(turns))
	if err != nil {
		return err
	}
	for _, f := range slices.Concat(refs...) {
		s.files = append(s.files, f.ID)
	}
	out.Turns = turns
	if err := count(ctx, tx, s, out.Counts); err != nil || p.Dry {
		return err
	}
	return take(ctx, tx, s)
}

func purgeRows(ctx context.Context, tx pgx.Tx, p privacy.Purge, ids []string, out *privacy.Erased) error {
	out.Counts["files"] = int64(len(ids))
	if p.Dry {
		return nil
	}
	return as(ctx, tx, rolePrivacy, func() error {
		_, err := tx.Exec(ctx, `DELETE FROM files WHERE workspace = $1 AND id = ANY($2)`, p.By.Workspace, texts(ids))
		return err
	})
}

func purgeMemories(ctx context.Context, tx pgx.Tx, p privacy.Purge, ids []string, out *privacy.Erased) error {
	out.Counts["memories"] = int64(len(ids))
	if p.Dry {
		return nil
	}
	seqs, err := every(ctx, tx, scanInt, `SELECT v::bigint FROM unnest($1::text[]) v`, texts(ids))
	if err != nil {
		return err
	}
	return removeItems(ctx, tx, p.By.Workspace, seqs)
}
