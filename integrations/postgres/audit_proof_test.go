package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

// openProvable opens an empty store that an administrator can tamper with.
func openProvable(t testing.TB) storetest.Provable {
	t.Helper()
	db, clock, base := openDB(t)
	l, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	known, err := ring.Verifiers()
	if err != nil {
		t.Fatal(err)
	}
	// One reader at a time, as a command is one.
	var reader *postgres.Record
	finish := func() {
		if reader != nil {
			_ = reader.Close()
		}
	}
	t.Cleanup(finish)
	insider := administratorDB(t, base)
	return storetest.Provable{
		Stores: storetest.Stores{Store: db, Ledger: l, Clock: clock},
		Trees:  db, Signer: ring.Signer, Known: known, KEK: ring.KEK,
		Evidence: func() audit.Evidence {
			finish()
			if reader, err = postgres.OpenRecord(context.Background(), base.URL); err != nil {
				t.Fatal(err)
			}
			return reader
		},
		Erase: func(ctx context.Context, by agent.Actor, subject agent.ActorID) (int64, error) {
			finish()
			reader = nil
			return db.Erase(ctx, by, subject)
		},
		Tampered: func(f func(*sql.Tx) error, check func(audit.Evidence)) { tamper(t, insider, f, check) },
	}
}

// administratorDB connects as somebody whom no policy and no trigger stops, who
// marks arguments with question marks.
func administratorDB(t testing.TB, base pgtest.Database) *sql.DB {
	t.Helper()
	u, err := url.Parse(base.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "sous")
	q.Set("session_replication_role", "replica")
	u.RawQuery = q.Encode()
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(questions{stdlib.GetConnector(*config)})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// tamper lets f loose, reads what is left, and takes it back.
func tamper(t testing.TB, db *sql.DB, f func(*sql.Tx) error, check func(audit.Evidence)) {
	t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		t.Fatal(err)
	}
	var raw *pgx.Conn
	if err := conn.Raw(func(c any) error { raw = c.(questioning).Conn.Conn(); return nil }); err != nil {
		t.Fatal(err)
	}
	check(postgres.RecordIn(raw))
}

// questions connects so that the suite's words of SQLite mean the same here: ?
// and ?1 for arguments, zeroblob.
type questions struct{ driver.Connector }

func (q questions) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := q.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return questioning{c.(*stdlib.Conn)}, nil
}

type questioning struct{ *stdlib.Conn }

func (c questioning) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(ctx, numbered(query), args)
}

func (c questioning) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(ctx, numbered(query), args)
}

var question = regexp.MustCompile(`\?(\d?)`)

func numbered(query string) string {
	n := 0
	query = strings.ReplaceAll(query, "zeroblob(32)", "decode(repeat('00', 32), 'hex')")
	return question.ReplaceAllStringFunc(query, func(m string) string {
		if len(m) > 1 {
			return "$" + m[1:]
		}
		n++
		return "$" + strconv.Itoa(n)
	})
}

func TestAuditProof(t *testing.T) { storetest.AuditProof(t, openProvable) }
