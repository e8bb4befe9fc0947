package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// gatherAt are the numbers of recorded rows at which a process has statistics
// gathered: a table grows fastest when it is new, and the server may take minutes
// to notice. From then on the server's own rhythm is good enough.
var gatherAt = [...]int64{200, 5000}

// gatherTime is how long that may take.
const gatherTime = time.Minute

// grown has statistics gathered, beside the work, when it is time.
func (d *DB) grown() {
	done := d.gathered.Load()
	if int(done) >= len(gatherAt) || d.recorded.Load() < gatherAt[done] || !d.gathered.CompareAndSwap(done, done+1) {
		return
	}
	d.beside.Go(func() {
		ctx, cancel := context.WithTimeout(d.life, gatherTime)
		defer cancel()
		err := d.transact(ctx, begin("begin", roleApp, ""), func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT gather_statistics()`)
			return err
		})
		if err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "no statistics gathered; until the server does, work may be slow", slog.Any("err", err))
		}
	})
}
