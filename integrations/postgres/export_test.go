package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sous-hq/sous/agent"
)

// Pool returns the connections, to look at what is left on one.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Write writes, alone or with others.
func Write(ctx context.Context, d *DB, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	return d.write(ctx, ws, f)
}

// CheckServer is what Open does first, for a Sous that needs another oldest server.
func CheckServer(ctx context.Context, url string, oldest int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return checkServer(ctx, conn, oldest)
}

// WideMemories is a store for which nobody may read so little that the indexes are
// not asked.
func WideMemories(db *DB) *Memories { return &Memories{db: db} }

// SignedMemories is a store that looks at the signs of vectors first, however few
// they are.
func SignedMemories(db *DB) *Memories { return &Memories{db: db, few: fewness{signs: math.MaxInt32}} }

// MigrateAgain applies one migration, whose work was undone, whatever came after it.
func MigrateAgain(ctx context.Context, url string, version int) error {
	all, err := allMigrations()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := prepare(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, all[version-1].text)
		return err
	})
}
