package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.Evidence = (*Record)(nil)

// Record is the audit record as it lies in a store at one moment, read beside
// whoever works with the store. It writes nothing and keeps nobody waiting.
type Record struct {
	db   *sql.DB
	conn *sql.Conn
	// q is conn within its transaction.
	q sqlHandle
}

// OpenRecord opens the record of the store for reading. What is added to the
// store from then on is not seen.
func OpenRecord(ctx context.Context, path string) (*Record, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, agent.Errorf(agent.NotFound, "there is no store %s", path)
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "query_only(ON)", "cache_size(-16000)"}, "mode": {"rw"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	r := &Record{db: db}
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(Told(path, err), r.Close())
	}
	return r, nil
}

// Told gives what failed while the record of the store at path was read a text people
// can act on.
func Told(path string, err error) error { return (&DB{path: path}).publicError(err) }

// Whole reports whether the file is whole, by SQLite's own check, beside whoever works
// with it.
func Whole(ctx context.Context, path string) error {
	r, err := OpenRecord(ctx, path)
	if err != nil {
		return err
	}
	var said string
	err = r.q.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said)
	if err == nil && said != "ok" {
		err = agent.Errorf(agent.Unavailable, "the store %s is damaged (%s); restore it from a backup", path, strings.TrimSpace(strings.TrimPrefix(said, "*** in database main ***")))
	}
	return errors.Join(Told(path, err), r.Close())
}

// begin fixes the moment.
func (r *Record) begin(ctx context.Context) error {
	var err error
	if r.conn, err = r.db.Conn(ctx); err != nil {
		return err
	}
	r.q = r.conn
	if _, err := r.conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	proved, err := tableExists(ctx, r.q, "audit_tree")
	if err != nil {
		return err
	}
	before, err := tableExists(ctx, r.q, "audit_before")
	switch {
	case err != nil:
		return err
	case !proved || before:
		return agent.Errorf(agent.Conflict, "this store was written by an earlier version of Sous, which kept no proof; start Sous once to bring it up to date")
	}
	return nil
}

// Close gives the moment up.
func (r *Record) Close() error {
	var errs []error
	if r.conn != nil {
		// Only reading was done: ending the transaction can lose nothing.
		_, _ = r.conn.ExecContext(context.Background(), `ROLLBACK`)
		errs = append(errs, r.conn.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}

// Workspaces implements audit.Evidence.
func (r *Record) Workspaces(ctx context.Context) ([]agent.WorkspaceID, error) {
	seen := map[agent.WorkspaceID]bool{}
	var all []agent.WorkspaceID
	for _, table := range []string{"audit", "audit_tree", "audit_checkpoints"} {
		some, err := workspaces(ctx, r.q, table)
		if err != nil {
			return nil, fmt.Errorf("read workspaces: %w", err)
		}
		for _, ws := range some {
			if !seen[ws] {
				seen[ws], all = true, append(all, ws)
			}
		}
	}
	return all, nil
}

// recordPage is how many rows are read at once.
const recordPage = 2000

// Rows implements audit.Evidence.
func (r *Record) Rows(ctx context.Context, ws agent.WorkspaceID, from, to int64, f func(audit.Stored) error) error {
	after := from - 1
	if from == 0 {
		after = -1 << 62
	}
	if to == 0 {
		to = 1<<63 - 1
	}
	for {
		rows, err := every(ctx, r.q, scanStored, `SELECT `+rowColumns+`, p.sealed, p.key FROM audit a
			LEFT JOIN audit_payload p ON p.workspace = a.workspace AND p.seq = a.seq
			WHERE a.workspace = ? AND a.seq > ? AND a.seq <= ? ORDER BY a.seq LIMIT ?`, ws, after, to, recordPage)
		if err != nil {
			return fmt.Errorf("read audit rows: %w", err)
		}
		for _, row := range rows {
			after = row.Seq
			if err := f(row); err != nil {
				return err
			}
		}
		if len(rows) < recordPage {
			return nil
		}
	}
}

// Hashes implements audit.Evidence.
func (r *Record) Hashes(ctx context.Context, ws agent.WorkspaceID, from int64, f func(id int64, h []byte) error) error {
	for {
		rows, err := every(ctx, r.q, scanHash, `SELECT id, hash FROM audit_tree WHERE workspace = ? AND id >= ? ORDER BY id LIMIT ?`, ws, from, 2*recordPage)
		if err != nil {
			return fmt.Errorf("read tree: %w", err)
		}
		for _, h := range rows {
			if err := f(h.id, h.hash); err != nil {
				return err
			}
			from = h.id + 1
		}
		if len(rows) < 2*recordPage {
			return nil
		}
	}
}

// HashReader implements audit.Evidence.
func (r *Record) HashReader(ctx context.Context, ws agent.WorkspaceID) tlog.HashReader {
	return treeReader{ctx, r.q, ws}
}

// Size implements audit.Evidence.
func (r *Record) Size(ctx context.Context, ws agent.WorkspaceID) (int64, error) {
	return r.number(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit WHERE workspace = ?`, ws)
}

// Payloads implements audit.Evidence.
func (r *Record) Payloads(ctx context.Context, ws agent.WorkspaceID) (int64, error) {
	return r.number(ctx, `SELECT COUNT(*) FROM audit_payload WHERE workspace = ?`, ws)
}

func (r *Record) number(ctx context.Context, query string, ws agent.WorkspaceID) (int64, error) {
	var n int64
	if err := r.q.QueryRowContext(ctx, query, ws).Scan(&n); err != nil {
		return 0, fmt.Errorf("read audit: %w", err)
	}
	return n, nil
}

// Checkpoints implements audit.Evidence.
func (r *Record) Checkpoints(ctx context.Context, ws agent.WorkspaceID) ([]string, error) {
	all, err := every(ctx, r.q, scanText, `SELECT signed FROM audit_checkpoints WHERE workspace = ? ORDER BY size`, ws)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return all, nil
}

// Keys implements audit.Evidence.
func (r *Record) Keys(ctx context.Context, ws agent.WorkspaceID) ([]audit.StoredKey, error) {
	all, err := every(ctx, r.q, scanKey, `SELECT id, subject, wrapped FROM subject_keys WHERE workspace = ? ORDER BY subject`, ws)
	if err != nil {
		return nil, fmt.Errorf("read subject keys: %w", err)
	}
	return all, nil
}
