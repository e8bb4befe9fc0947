package sqlite

import "database/sql"

// RecordIn reads the record as the transaction sees it.
func RecordIn(tx *sql.Tx) *Record { return &Record{q: tx} }
