package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.Evidence = (*Record)(nil)

// Record is the audit record as it lies in a store at one moment, read beside
// whoever works with the store. It writes nothing and keeps nobody waiting. It
// is one transaction, so it serves one caller at a time.
type Record struct {
	q handle
	// conn is the record's own connection, nil for one in somebody's transaction, and
	// role the one it reads under there.
	conn *pgx.Conn
	role string
}

// OpenRecord opens the record of the database for reading; see Config.URL. What
// is added to the store from then on is not seen.
func OpenRecord(ctx context.Context, url string) (*Record, error) {
	c, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	// Whoever reads the record may take their time.
	delete(c.ConnConfig.RuntimeParams, "idle_in_transaction_session_timeout")
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return nil, atStart(c.ConnConfig, fmt.Errorf("open record: %w", err))
	}
	r := &Record{q: conn, conn: conn, role: roleApp}
	have, err := schemaVersion(ctx, conn)
	if err == nil && have == 0 {
		err = agent.Errorf(agent.NotFound, "there is no store in this database")
	}
	serves := false
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_has_role(current_user, $1, 'MEMBER')`, roleApp).Scan(&serves)
	}
	if err == nil {
		if !serves {
			r.role = roleAuditor
		}
		_, err = open(ctx, conn, begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", r.role, ""))
	}
	if err != nil {
		return nil, errors.Join(atStart(c.ConnConfig, err), r.Close())
	}
	return r, nil
}

// Told gives what failed while a record was read a text people can act on.
func Told(err error) error { return publicError(err) }

// RecordIn returns the record as the transaction that is open on the connection
// sees it, with the rights it has.
func RecordIn(conn *pgx.Conn) *Record { return &Record{q: conn} }

// Close gives the moment up.
func (r *Record) Close() error {
	if r.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.conn.Close(ctx)
}

// in turns to a workspace.
func (r *Record) in(ctx context.Context, ws agent.WorkspaceID) error {
	_, err := r.q.Exec(ctx, `SELECT set_config('sous.workspace', $1, true)`, ws)
	return publicError(err)
}

// Workspaces implements audit.Evidence.
func (r *Record) Workspaces(ctx context.Context) (all []agent.WorkspaceID, err error) {
	role := roleWatch
	if r.role == roleAuditor {
		// Who is bound to no workspace sees which there are.
		role, err = roleAuditor, r.in(ctx, "")
	}
	var found []string
	if err == nil {
		err = r.as(ctx, role, func() (err error) {
			found, err = every(ctx, r.q, scanText, `SELECT workspace FROM audit UNION SELECT workspace FROM audit_tree
				UNION SELECT workspace FROM audit_checkpoints ORDER BY 1`)
			return err
		})
	}
	if err != nil {
		return nil, publicError(fmt.Errorf("read workspaces: %w", err))
	}
	for _, ws := range found {
		all = append(all, agent.WorkspaceID(ws))
	}
	return all, nil
}

// recordPage is how many rows are read at once.
const recordPage = 2000

// Rows implements audit.Evidence.
func (r *Record) Rows(ctx context.Context, ws agent.WorkspaceID, from, to int64, f func(audit.Stored) error) error {
	if err := r.in(ctx, ws); err != nil {
		return err
	}
	after := from - 1
	if from == 0 {
		after = -1 << 62
	}
	if to == 0 {
		to = 1<<63 - 1
	}
	for {
		rows, err := every(ctx, r.q, scanStored, selectRows+` WHERE a.workspace = $1 AND a.seq > $2 AND a.seq <= $3
			ORDER BY a.seq LIMIT $4`, ws, after, to, recordPage)
		if err != nil {
			return publicError(fmt.Errorf("read audit rows: %w", err))
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
	if err := r.in(ctx, ws); err != nil {
		return err
	}
	for {
		rows, err := every(ctx, r.q, scanHash, `SELECT id, hash FROM audit_tree WHERE workspace = $1 AND id >= $2
			ORDER BY id LIMIT $3`, ws, from, 2*recordPage)
		if err != nil {
			return publicError(fmt.Errorf("read tree: %w", err))
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
	return recordReader{treeReader{ctx, r.q, ws}, r}
}

// recordReader is a treeReader that turns to its workspace first.
type recordReader struct {
	treeReader
	r *Record
}

// ReadHashes implements tlog.HashReader.
func (t recordReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if err := t.r.in(t.ctx, t.ws); err != nil {
		return nil, err
	}
	return t.treeReader.ReadHashes(indexes)
}

// Size implements audit.Evidence.
func (r *Record) Size(ctx context.Context, ws agent.WorkspaceID) (int64, error) {
	return r.number(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit WHERE workspace = $1`, ws)
}

// Payloads implements audit.Evidence.
func (r *Record) Payloads(ctx context.Context, ws agent.WorkspaceID) (int64, error) {
	return r.number(ctx, `SELECT COUNT(*) FROM audit_payload WHERE workspace = $1`, ws)
}

func (r *Record) number(ctx context.Context, query string, ws agent.WorkspaceID) (int64, error) {
	if err := r.in(ctx, ws); err != nil {
		return 0, err
	}
	n, _, err := first(r.q.QueryRow(ctx, query, ws), scanInt)
	if err != nil {
		return 0, publicError(fmt.Errorf("read audit: %w", err))
	}
	return n, nil
}

// Checkpoints implements audit.Evidence.
func (r *Record) Checkpoints(ctx context.Context, ws agent.WorkspaceID) ([]string, error) {
	if err := r.in(ctx, ws); err != nil {
		return nil, err
	}
	all, err := every(ctx, r.q, scanText, `SELECT signed FROM audit_checkpoints WHERE workspace = $1 ORDER BY size`, ws)
	if err != nil {
		return nil, publicError(fmt.Errorf("read checkpoints: %w", err))
	}
	return all, nil
}

// Keys implements audit.Evidence.
func (r *Record) Keys(ctx context.Context, ws agent.WorkspaceID) ([]audit.StoredKey, error) {
	if err := r.in(ctx, ws); err != nil {
		return nil, err
	}
	all, err := every(ctx, r.q, scanKey, `SELECT id, subject, wrapped FROM subject_keys WHERE workspace = $1 ORDER BY subject`, ws)
	if err != nil {
		return nil, publicError(fmt.Errorf("read subject keys: %w", err))
	}
	return all, nil
}
