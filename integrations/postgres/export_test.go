package postgres

import "github.com/jackc/pgx/v5/pgxpool"

// Pool returns the connections, to look at what is left on one.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }
