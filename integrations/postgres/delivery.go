package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

var _ delivery.Store = (*DB)(nil)

// jot runs f in one transaction that leaves the workspace to others: what it
// writes is read by nobody else's transaction, so nothing has to stand still.
func (d *DB) jot(ctx context.Context, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	if ws == "" {
		return errors.New("a write needs a workspace")
	}
	return d.transact(ctx, begin("begin", roleApp, ws), f)
}

// jotTogether is jot for what shares a transaction with others of its kind, and does
// not mind being run again.
func (d *DB) jotTogether(ctx context.Context, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	if ws == "" {
		return errors.New("a write needs a workspace")
	}
	return d.join(ctx, begin("begin", roleApp, ws), f)
}

// Keep implements delivery.Store.
func (d *DB) Keep(ctx context.Context, f delivery.Front, all []delivery.Delivery) ([]bool, error) {
	fresh := make([]bool, len(all))
	var ids, queues []string
	var bodies [][]byte
	for _, one := range all {
		if one.ID == "" || f.Source == "" {
			return nil, errors.New("keep deliveries: a source and an id are required")
		}
		ids, queues, bodies = append(ids, storable(one.ID)), append(queues, storable(one.Queue)), append(bodies, one.Body)
	}
	err := d.jot(ctx, f.Workspace, func(tx pgx.Tx) error {
		// By id, so that two batches at once never wait for each other in a circle.
		kept, err := every(ctx, tx, scanText, `INSERT INTO deliveries (workspace, source, id, queue, body, at, n)
			SELECT $1, $2, d.id, d.queue, d.body, $3, d.n FROM unnest($4::text[], $5::text[], $6::bytea[]) WITH ORDINALITY d (id, queue, body, n)
			ORDER BY d.id, d.n ON CONFLICT DO NOTHING RETURNING id`, f.Workspace, f.Source, d.now(), ids, queues, bodies)
		if err != nil {
			return err
		}
		is := make(map[string]bool, len(kept))
		for _, id := range kept {
			is[id] = true
		}
		for i, id := range ids {
			fresh[i] = is[id]
			delete(is, id)
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
	all, err := list(ctx, d, f.Workspace, scanDelivery, `SELECT id, queue, body, at FROM deliveries
		WHERE workspace = $1 AND source = $2 AND done IS NULL AND at < $3 ORDER BY at, n`, f.Workspace, f.Source, stored(before))
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
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
	// A statement changes a row once: of a post that is named twice the last one counts.
	posts := map[[2]string]delivery.Post{}
	for _, p := range s.Posts {
		posts[[2]string{p.About, p.Key}] = p
	}
	var abouts, keys, places, refs []string
	for _, p := range posts {
		abouts, keys, places, refs = append(abouts, p.About), append(keys, p.Key), append(places, p.Place), append(refs, p.Ref)
	}
	over := slices.Compact(slices.Sorted(slices.Values(s.Over)))
	err := d.jotTogether(ctx, f.Workspace, func(tx pgx.Tx) error {
		if len(s.Done) > 0 {
			later(tx, `UPDATE deliveries SET body = NULL, done = $4
				WHERE workspace = $1 AND source = $2 AND id = ANY($3) AND done IS NULL`, f.Workspace, f.Source, s.Done, now)
		}
		if len(posts) > 0 {
			later(tx, `INSERT INTO posts (workspace, source, about, key, place, ref)
				SELECT $1, $2, p.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) p (about, key, place, ref) ORDER BY p.about, p.key
				ON CONFLICT (workspace, source, about, key) DO UPDATE SET place = excluded.place, ref = excluded.ref`,
				f.Workspace, f.Source, abouts, keys, places, refs)
		}
		if len(over) > 0 {
			later(tx, `INSERT INTO shows AS s (workspace, source, about, holder, until, over) SELECT $1, $2, about, '', $4, $4 FROM unnest($3::text[]) about
				ON CONFLICT (workspace, source, about) DO UPDATE SET over = excluded.over WHERE s.over IS NULL`, f.Workspace, f.Source, over, now)
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
	var got delivery.Standing
	err := d.jotTogether(ctx, f.Workspace, func(tx pgx.Tx) error {
		got = delivery.Elsewhere
		over, taken, err := first(tx.QueryRow(ctx, `INSERT INTO shows AS s (workspace, source, about, holder, until) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (workspace, source, about) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE s.over IS NOT NULL OR s.holder = excluded.holder OR s.until <= $6
			RETURNING s.over IS NOT NULL`, f.Workspace, f.Source, l.About, l.Holder, now.Add(l.For), now), scanBool)
		switch {
		case err != nil || !taken:
			return err
		case over:
			got = delivery.Over
		default:
			got = delivery.Mine
		}
		return nil
	})
	if err != nil {
		return delivery.Elsewhere, fmt.Errorf("take a lease: %w", err)
	}
	return got, nil
}

// Retain implements delivery.Store.
func (d *DB) Retain(ctx context.Context, f delivery.Front, holder string, more time.Duration) ([]string, error) {
	now := d.now()
	var all []string
	err := d.jot(ctx, f.Workspace, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `UPDATE shows SET until = $4 WHERE workspace = $1 AND source = $2 AND holder = $3 AND over IS NULL AND until > $5
			RETURNING about`, f.Workspace, f.Source, holder, now.Add(more), now)
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
	all, err := list(ctx, d, f.Workspace, scanText, `SELECT a.about FROM unnest($1::text[]) WITH ORDINALITY a (about, n)
		LEFT JOIN shows s ON s.workspace = $2 AND s.source = $3 AND s.about = a.about
		WHERE s.about IS NULL OR s.over IS NULL AND (s.holder = $4 OR s.until <= $5) ORDER BY a.n`, about, f.Workspace, f.Source, holder, d.now())
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return all, nil
}

// Unshown implements delivery.Store.
func (d *DB) Unshown(ctx context.Context, f delivery.Front, conversations string, since time.Time, limit int) ([]agent.Turn, error) {
	all, err := list(ctx, d, f.Workspace, scanTurn, `SELECT `+turnColumns+` FROM turns t
		WHERE t.workspace = $1 AND t.ended >= $2 AND left(t.conversation, length($3)) = $3
		AND NOT EXISTS (SELECT 1 FROM shows s WHERE s.workspace = $1 AND s.source = $4 AND s.about = t.id AND s.over IS NOT NULL)
		ORDER BY t.ended LIMIT $5`, f.Workspace, since, conversations, f.Source, limit)
	if err != nil {
		return nil, fmt.Errorf("read what was not shown: %w", err)
	}
	return all, nil
}

// Posts implements delivery.Store.
func (d *DB) Posts(ctx context.Context, f delivery.Front, about string) ([]delivery.Post, error) {
	all, err := list(ctx, d, f.Workspace, scanPost, `SELECT about, key, place, ref FROM posts
		WHERE workspace = $1 AND source = $2 AND about = $3 ORDER BY key COLLATE "C"`, f.Workspace, f.Source, about)
	if err != nil {
		return nil, fmt.Errorf("read posts: %w", err)
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
	err := d.jot(ctx, f.Workspace, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`DELETE FROM deliveries WHERE workspace = $1 AND source = $2 AND done < $3`, f.Workspace, f.Source, before)
		b.Queue(`DELETE FROM posts WHERE workspace = $1 AND source = $2 AND about IN
			(SELECT about FROM shows WHERE workspace = $1 AND source = $2 AND over < $3)`, f.Workspace, f.Source, before)
		b.Queue(`DELETE FROM shows WHERE workspace = $1 AND source = $2 AND over < $3`, f.Workspace, f.Source, before)
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("forget deliveries: %w", err)
	}
	return nil
}

func scanBool(row sqlRow) (bool, error) {
	var b bool
	err := row.Scan(&b)
	return b, err
}
