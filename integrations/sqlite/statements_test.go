package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/integrations/sqlite"
)

// Statements are kept compiled; whatever is done to a connection in between, they
// say what the text says.
func TestKeptStatementsSayWhatTheirTextSays(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "sous.db"), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db := store.SQL()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	count := func(query string, args ...any) (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	exec(`CREATE TABLE things (id INTEGER PRIMARY KEY, what TEXT); CREATE INDEX what ON things (what)`)
	for i := range 5 {
		exec(`INSERT INTO things (what) VALUES (?)`, fmt.Sprint(i))
	}
	for range 2 {
		if n := count(`SELECT COUNT(*) FROM things WHERE what < ?`, "3"); n != 3 {
			t.Errorf("%d things; want 3", n)
		}
	}
	// Rows within rows of the same text, and rows that are left early.
	outer, err := db.QueryContext(t.Context(), `SELECT what FROM things ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	outer.Next()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		first, err := tx.QueryContext(t.Context(), `SELECT what FROM things ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		first.Next()
		var inner string
		if err := tx.QueryRowContext(t.Context(), `SELECT what FROM things ORDER BY id`).Scan(&inner); err != nil || inner != "0" {
			t.Errorf("inner %q, %v", inner, err)
		}
		_ = first.Close()
	}
	_ = tx.Rollback()
	_ = outer.Close()
	// A failing statement, a cancelled one and a changed table.
	for range 2 {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO things (id) VALUES (1)`); err == nil {
			t.Error("a key stands twice")
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.ExecContext(gone, `DELETE FROM things WHERE what = ?`, "0"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	exec(`ALTER TABLE things ADD COLUMN more TEXT`)
	exec(`UPDATE things SET more = what`)
	if n := count(`SELECT COUNT(*) FROM things WHERE what < ?`, "3"); n != 3 {
		t.Errorf("%d things after the table changed; want 3", n)
	}
	if columns := columnsOf(t, db, `SELECT * FROM things`); columns != 3 {
		t.Errorf("%d columns; want 3", columns)
	}
	// More texts than are kept, by many at once.
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 300 {
				var got int
				err := db.QueryRowContext(context.Background(), fmt.Sprintf(`SELECT %d + ?`, i%200), w).Scan(&got)
				if err != nil || got != i%200+w {
					t.Errorf("%d + %d is %d, %v", i%200, w, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func columnsOf(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	return len(columns)
}
