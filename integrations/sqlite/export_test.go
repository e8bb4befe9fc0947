package sqlite

import (
	"context"
	"database/sql"

	"github.com/sous-hq/sous/memory"
)

// RecordIn reads the record as the transaction sees it.
func RecordIn(tx *sql.Tx) *Record { return &Record{q: tx} }

// Scanned returns the texts the scan by signs gives for a search in a generation,
// before anything else looks at them.
func Scanned(ctx context.Context, m *Memories, s memory.Search, id int64) ([]string, error) {
	g, err := generation(ctx, m.db.sql, id)
	if err != nil {
		return nil, err
	}
	scan, err := m.scan(ctx, s, g)
	if err != nil || scan == nil {
		return nil, err
	}
	return every(ctx, m.db.sql, func(row sqlRow) (text string, err error) {
		err = row.Scan(&text)
		return text, err
	}, `SELECT c.text FROM json_each(?) k CROSS JOIN memory_vectors v ON v.n = k.value JOIN memory_chunks c ON c.key = v.key ORDER BY c.text`, jsonInts(scan(candidates)))
}
