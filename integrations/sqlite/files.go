package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

// MaxFile is the size of the largest file the store keeps, in bytes.
const MaxFile = 32 << 20

// SaveFile implements loop.Files. A file beyond MaxFile is TooLarge. Bytes is
// counted here, whatever the caller says.
func (d *DB) SaveFile(ctx context.Context, f agent.File) error {
	switch {
	case f.ID == "" || f.Workspace == "":
		return agent.Errorf(agent.Invalid, "a file needs a workspace and an id")
	case len(f.Content) > MaxFile:
		return agent.Errorf(agent.TooLarge, "the file is larger than %d MiB", MaxFile>>20)
	}
	f.At = stored(f.At)
	if f.At.IsZero() {
		f.At = d.now()
	}
	if f.Content == nil {
		f.Content = []byte{}
	}
	err := d.tx(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `INSERT INTO files (workspace, id, name, media, owner, label, at, content)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			f.Workspace, f.ID, f.Name, f.Media, f.Owner, jsonOf(f.Label), timeOf(&f.At), f.Content)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return d.record(ctx, tx, audit.OfFile(f))
	})
	if err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	return nil
}

// File implements loop.Files.
func (d *DB) File(ctx context.Context, by agent.Actor, id string) (agent.File, error) {
	f, ok, err := first(d.sql.QueryRowContext(ctx, `SELECT workspace, id, name, media, owner, label, at
		FROM files WHERE workspace = ? AND id = ?`, by.Workspace, id), scanFile)
	if err == nil && (!ok || !f.Label.Readers.Includes(by)) {
		return agent.File{}, agent.Errorf(agent.NotFound, "there is no file %s", id)
	}
	if err == nil {
		err = d.sql.QueryRowContext(ctx, `SELECT content FROM files WHERE workspace = ? AND id = ?`, by.Workspace, id).Scan(&f.Content)
	}
	if err != nil {
		return agent.File{}, d.publicError(fmt.Errorf("read file: %w", err))
	}
	f.Bytes = int64(len(f.Content))
	return f, nil
}

func scanFile(row sqlRow) (agent.File, error) {
	var f agent.File
	err := row.Scan(&f.Workspace, &f.ID, &f.Name, &f.Media, &f.Owner, jsonOf(&f.Label), timeOf(&f.At))
	return f, err
}
