package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

var _ delivery.Store = (*DB)(nil)

// Keep implements delivery.Store.
func (d *DB) Keep(ctx context.Context, f delivery.Front, all []delivery.Delivery) ([]bool, error) {
	if f.Workspace == "" || f.Source == "" {
		return nil, errors.New("keep deliveries: a workspace and a source are required")
	}
	fresh := make([]bool, len(all))
	now := d.now()
	err := d.tx(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO deliveries (workspace, source, id, queue, body, at)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, one := range all {
			if one.ID == "" {
				return errors.New("a delivery needs an id")
			}
			done, err := insert.ExecContext(ctx, f.Workspace, f.Source, one.ID, one.Queue, one.Body, timeOf(&now))
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			fresh[i] = n == 1
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keep deliveries: %w", err)
	}
	return fresh, nil
}

// Waiting implements delivery.Store.
func (d *DB) Waiting(ctx context.Context, f delivery.Front, before time.Time) ([]delivery.Delivery, error) {
	before = stored(before)
	all, err := every(ctx, d.sql, scanDelivery, `SELECT id, queue, body, at FROM deliveries
		WHERE workspace = ? AND source = ? AND done IS NULL AND at < ? ORDER BY seq`, f.Workspace, f.Source, timeOf(&before))
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read deliveries: %w", err))
	}
	return all, nil
}

func scanDelivery(row sqlRow) (delivery.Delivery, error) {
	var one delivery.Delivery
	err := row.Scan(&one.ID, &one.Queue, &one.Body, timeOf(&one.At))
	return one, err
}

// Settle implements delivery.Store.
func (d *DB) Settle(ctx context.Context, f delivery.Front, s delivery.Settled) error {
	now := d.now()
	err := d.tx(ctx, func(tx *sql.Tx) error {
		for _, id := range s.Done {
			_, err := tx.ExecContext(ctx, `UPDATE deliveries SET body = NULL, done = ?
				WHERE workspace = ? AND source = ? AND id = ? AND done IS NULL`, timeOf(&now), f.Workspace, f.Source, id)
			if err != nil {
				return err
			}
		}
		for _, p := range s.Posts {
			_, err := tx.ExecContext(ctx, `INSERT INTO posts (workspace, source, about, key, place, ref) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET place = excluded.place, ref = excluded.ref`, f.Workspace, f.Source, p.About, p.Key, p.Place, p.Ref)
			if err != nil {
				return err
			}
		}
		for _, about := range s.Over {
			_, err := tx.ExecContext(ctx, `INSERT INTO shows (workspace, source, about, holder, until, over) VALUES (?1, ?2, ?3, '', ?4, ?4)
				ON CONFLICT DO UPDATE SET over = excluded.over WHERE over IS NULL`, f.Workspace, f.Source, about, timeOf(&now))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

// Take implements delivery.Store.
func (d *DB) Take(ctx context.Context, f delivery.Front, l delivery.Lease) (delivery.Standing, error) {
	now := d.now()
	until := now.Add(l.For)
	got := delivery.Elsewhere
	err := d.tx(ctx, func(tx *sql.Tx) error {
		was, known, err := first(tx.QueryRowContext(ctx, `SELECT holder, until, over FROM shows
			WHERE workspace = ? AND source = ? AND about = ?`, f.Workspace, f.Source, l.About), scanShow)
		switch {
		case err != nil:
			return err
		case known && !was.over.IsZero():
			got = delivery.Over
			return nil
		case known && was.holder != l.Holder && now.Before(was.until):
			return nil
		}
		got = delivery.Mine
		_, err = tx.ExecContext(ctx, `INSERT INTO shows (workspace, source, about, holder, until) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until`, f.Workspace, f.Source, l.About, l.Holder, timeOf(&until))
		return err
	})
	if err != nil {
		return delivery.Elsewhere, fmt.Errorf("take a lease: %w", err)
	}
	return got, nil
}

// show is a row about something shown.
type show struct {
	holder      string
	until, over time.Time
}

func scanShow(row sqlRow) (show, error) {
	var s show
	err := row.Scan(&s.holder, timeOf(&s.until), timeOf(&s.over))
	return s, err
}

// Retain implements delivery.Store.
func (d *DB) Retain(ctx context.Context, f delivery.Front, holder string, more time.Duration) ([]string, error) {
	now := d.now()
	until := now.Add(more)
	var all []string
	err := d.tx(ctx, func(tx *sql.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `UPDATE shows SET until = ? WHERE workspace = ? AND source = ? AND holder = ? AND over IS NULL AND until > ?
			RETURNING about`, timeOf(&until), f.Workspace, f.Source, holder, timeOf(&now))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("retain leases: %w", err)
	}
	return all, nil
}

// Untaken implements delivery.Store.
func (d *DB) Untaken(ctx context.Context, f delivery.Front, holder string, about []string) ([]string, error) {
	if len(about) == 0 {
		return nil, nil
	}
	now := d.now()
	all, err := every(ctx, d.sql, scanText, `SELECT a.value FROM json_each(?1) a
		LEFT JOIN shows s ON s.workspace = ?2 AND s.source = ?3 AND s.about = a.value
		WHERE s.about IS NULL OR s.over IS NULL AND (s.holder = ?4 OR s.until <= ?5) ORDER BY a.key`, jsonOf(about), f.Workspace, f.Source, holder, timeOf(&now))
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read leases: %w", err))
	}
	return all, nil
}

// Unshown implements delivery.Store.
func (d *DB) Unshown(ctx context.Context, f delivery.Front, conversations string, since time.Time, limit int) ([]agent.Turn, error) {
	since = stored(since)
	all, err := every(ctx, d.sql, scanTurn, `SELECT `+turnColumns+` FROM turns t
		WHERE t.workspace = ?1 AND t.ended >= ?2 AND substr(t.conversation, 1, length(?3)) = ?3
		AND NOT EXISTS (SELECT 1 FROM shows s WHERE s.workspace = ?1 AND s.source = ?4 AND s.about = t.id AND s.over IS NOT NULL)
		ORDER BY t.ended LIMIT ?5`, f.Workspace, timeOf(&since), conversations, f.Source, limit)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read what was not shown: %w", err))
	}
	return all, nil
}

// Posts implements delivery.Store.
func (d *DB) Posts(ctx context.Context, f delivery.Front, about string) ([]delivery.Post, error) {
	all, err := every(ctx, d.sql, scanPost, `SELECT about, key, place, ref FROM posts
		WHERE workspace = ? AND source = ? AND about = ? ORDER BY key`, f.Workspace, f.Source, about)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read posts: %w", err))
	}
	return all, nil
}

func scanPost(row sqlRow) (delivery.Post, error) {
	var p delivery.Post
	err := row.Scan(&p.About, &p.Key, &p.Place, &p.Ref)
	return p, err
}

// Forget implements delivery.Store.
func (d *DB) Forget(ctx context.Context, f delivery.Front, before time.Time) error {
	before = stored(before)
	err := d.tx(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM deliveries WHERE workspace = ?1 AND source = ?2 AND done < ?3`,
			`DELETE FROM posts WHERE workspace = ?1 AND source = ?2 AND about IN
				(SELECT about FROM shows WHERE workspace = ?1 AND source = ?2 AND over < ?3)`,
			`DELETE FROM shows WHERE workspace = ?1 AND source = ?2 AND over < ?3`,
		} {
			if _, err := tx.ExecContext(ctx, statement, f.Workspace, f.Source, timeOf(&before)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget deliveries: %w", err)
	}
	return nil
}
