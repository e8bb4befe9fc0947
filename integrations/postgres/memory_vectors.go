package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/memory"
)

var _ memory.Index = (*Memories)(nil)

// maxDimension is what pgvector's index of half-precision vectors takes.
const maxDimension = 4000

const generationColumns = `g.id, g.model, g.dimension, g.state, g.created`

func scanGeneration(row sqlRow) (g memory.Generation, err error) {
	err = row.Scan(&g.ID, &g.Model, &g.Dimension, &g.State, timeOf(&g.Created))
	return g, err
}

// vectorTable names the table of a generation.
func vectorTable(generation int64) string { return fmt.Sprintf("sous.memory_vectors_%d", generation) }

// generationLock is the advisory lock under which generations change.
const generationLock = 0x736f7576

// asOwner runs f as the owner of the tables, who makes and drops them and sees no
// row under a policy. Replicas that change generations follow each other.
func (d *DB) asOwner(ctx context.Context, f func(tx pgx.Tx) error) error {
	return d.transact(ctx, fmt.Sprintf(`BEGIN; SELECT set_config('search_path', 'sous', true), pg_advisory_xact_lock(%d)`, generationLock), f)
}

// become changes who a transaction of the owner works as, "none" for the owner.
func become(ctx context.Context, tx pgx.Tx, role string, ws agent.WorkspaceID) error {
	_, err := tx.Exec(ctx, `SELECT set_config('role', $1, true), set_config('sous.workspace', $2, true)`, role, ws)
	return err
}

// Generations implements memory.Index.
func (m *Memories) Generations(ctx context.Context) ([]memory.Generation, error) {
	all, err := list(ctx, m.db, "", scanGeneration, `SELECT `+generationColumns+` FROM memory_generations g
		ORDER BY CASE g.state WHEN 'current' THEN 0 WHEN 'building' THEN 1 ELSE 2 END, g.id`)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	return all, nil
}

// manyVectors is how many vectors are estimated rather than counted.
const manyVectors = 100_000

// Progress implements memory.Index.
func (m *Memories) Progress(ctx context.Context, generation int64) (vectors, waiting int64, err error) {
	err = m.db.watch(ctx, func(tx pgx.Tx) error {
		table := vectorTable(generation)
		err := tx.QueryRow(ctx, `SELECT count(*), COALESCE((SELECT reltuples FROM pg_class WHERE oid = to_regclass($2)), -2)::bigint
			FROM memory_queue WHERE generation = $1`, generation, table).Scan(&waiting, &vectors)
		if err != nil || vectors >= manyVectors {
			return err
		}
		if vectors == -2 { // no table, no generation
			vectors = 0
			return nil
		}
		return tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&vectors)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count a generation: %w", err)
	}
	return vectors, waiting, nil
}

// generationIn returns one by its id, else NotFound.
func generationIn(ctx context.Context, tx pgx.Tx, id int64) (memory.Generation, error) {
	g, ok, err := first(tx.QueryRow(ctx, `SELECT `+generationColumns+` FROM memory_generations g WHERE g.id = $1`, id), scanGeneration)
	if err == nil && !ok {
		err = agent.Errorf(agent.NotFound, "there is no generation %d of vectors", id)
	}
	return g, err
}

// extension returns the schema of pgvector, adding it to the database when that
// can be done.
func extension(ctx context.Context, tx pgx.Tx) (string, error) {
	const text = "the database has no pgvector 0.8 or newer, so it cannot search by vectors; an administrator can install it and run CREATE EXTENSION vector"
	inner, err := tx.Begin(ctx)
	if err != nil {
		return "", err
	}
	_, err = inner.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS vector SCHEMA public`)
	if err != nil {
		return "", errors.Join(agent.WrapError(agent.Unavailable, err, text), inner.Rollback(ctx))
	}
	if err := inner.Commit(ctx); err != nil {
		return "", err
	}
	var schema string
	var able bool
	err = tx.QueryRow(ctx, `SELECT quote_ident(n.nspname), string_to_array(regexp_replace(e.extversion, '[^0-9.]', '', 'g'), '.')::int[] >= '{0,8}'
		FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'`).Scan(&schema, &able)
	if err == nil && !able {
		err = agent.Errorf(agent.Unavailable, text)
	}
	return schema, err
}

// newVectors makes the table of a generation. The vectors stay in their rows:
// fetched from beside them a search takes four times as long.
const newVectors = `
	CREATE TABLE {table} (
		key       bigint PRIMARY KEY REFERENCES sous.memory_chunks (key) ON DELETE CASCADE,
		workspace text   NOT NULL,
		audience  bigint NOT NULL,
		embedding {schema}.halfvec({dimension}) NOT NULL
	);
	ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN;
	CREATE INDEX ON {table} (audience);
	SELECT sous.protect('{table}', 'SELECT, INSERT, DELETE');
	CREATE POLICY watch ON {table} FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
	GRANT SELECT (key) ON {table} TO sous_watch;`

// Begin implements memory.Index.
func (m *Memories) Begin(ctx context.Context, model string, dimension int) (g memory.Generation, err error) {
	if model == "" || dimension < 1 || dimension > maxDimension {
		return g, agent.Errorf(agent.Invalid, "vectors of %d dimensions cannot be searched in PostgreSQL; at most %d", dimension, maxDimension)
	}
	now := m.db.now()
	err = m.db.asOwner(ctx, func(tx pgx.Tx) error {
		var there bool
		g, there, err = first(tx.QueryRow(ctx, `SELECT `+generationColumns+` FROM memory_generations g WHERE g.state = 'building'`), scanGeneration)
		switch {
		case err != nil:
			return err
		case there && (g.Model != model || g.Dimension != dimension):
			return agent.Errorf(agent.Conflict, "vectors of %s with %d dimensions are being made; wait for them or cancel that first", g.Model, g.Dimension)
		case there:
			return nil
		}
		schema, err := extension(ctx, tx)
		if err != nil {
			return err
		}
		g, _, err = first(tx.QueryRow(ctx, `INSERT INTO memory_generations AS g (model, dimension, state, created)
			VALUES ($1, $2, 'building', $3) RETURNING `+generationColumns, storable(model), dimension, now), scanGeneration)
		if err != nil {
			return err
		}
		table := strings.NewReplacer("{table}", vectorTable(g.ID), "{schema}", schema, "{dimension}", fmt.Sprint(dimension))
		if _, err := tx.Exec(ctx, table.Replace(newVectors)); err != nil {
			return err
		}
		return queueAll(ctx, tx, g.ID)
	})
	if err != nil {
		return g, fmt.Errorf("begin a generation: %w", err)
	}
	return g, nil
}

// queueAll queues every live item, workspace by workspace.
func queueAll(ctx context.Context, tx pgx.Tx, generation int64) error {
	if err := become(ctx, tx, roleWatch, ""); err != nil {
		return err
	}
	workspaces, err := every(ctx, tx, func(row sqlRow) (ws agent.WorkspaceID, err error) {
		err = row.Scan(&ws)
		return ws, err
	}, `SELECT DISTINCT workspace FROM memory_items WHERE forgotten IS NULL AND superseded_by = '' ORDER BY workspace`)
	if err != nil {
		return err
	}
	for _, ws := range workspaces {
		if err := become(ctx, tx, roleApp, ws); err != nil {
			return err
		}
		// An item that a version from before audiences wrote gets its own now.
		for _, query := range []string{
			`UPDATE memory_items SET audience = memory_audience(workspace, label) WHERE workspace = $1 AND audience IS NULL AND $2 > 0`,
			`INSERT INTO memory_queue (generation, item, workspace) SELECT $2, seq, workspace FROM memory_items
				WHERE workspace = $1 AND forgotten IS NULL AND superseded_by = '' ON CONFLICT DO NOTHING`,
		} {
			if _, err := tx.Exec(ctx, query, ws, generation); err != nil {
				return err
			}
		}
	}
	return become(ctx, tx, "none", "")
}

// Switch implements memory.Index.
func (m *Memories) Switch(ctx context.Context, by agent.Actor, id int64, note string) error {
	err := m.db.asOwner(ctx, func(tx pgx.Tx) error {
		g, err := generationIn(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.State != memory.Building {
			return agent.Errorf(agent.Conflict, "generation %d of vectors is not being built", id)
		}
		if _, err := tx.Exec(ctx, `UPDATE memory_generations SET state = 'retired' WHERE state = 'current'`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE memory_generations SET state = 'current' WHERE id = $1`, id); err != nil {
			return err
		}
		if err := become(ctx, tx, roleApp, by.Workspace); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT 1`+lockWorkspace(by.Workspace), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		return m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: note})
	})
	if err != nil {
		return fmt.Errorf("switch generations: %w", err)
	}
	return nil
}

// Seal implements memory.Index: it builds the graph that finds the nearest. The
// index takes memory for all vectors while it is built, within bounds.
func (m *Memories) Seal(ctx context.Context, id int64) error {
	err := m.db.asOwner(ctx, func(tx pgx.Tx) error {
		g, err := generationIn(ctx, tx, id)
		if err != nil {
			return err
		}
		schema, err := extension(ctx, tx)
		if err != nil {
			return err
		}
		// The planner's numbers come first: the graph is built by them, too.
		if _, err := tx.Exec(ctx, `ANALYZE memory_items, memory_chunks, `+vectorTable(id)); err != nil {
			return err
		}
		var vectors int64
		if err := tx.QueryRow(ctx, `SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)`, vectorTable(id)).Scan(&vectors); err != nil {
			return err
		}
		kilobytes := min(max(vectors*int64(2*g.Dimension+600)>>10, 64<<10), 2<<20)
		_, err = tx.Exec(ctx, fmt.Sprintf(`SET LOCAL maintenance_work_mem = '%dkB';
			CREATE INDEX IF NOT EXISTS memory_vectors_%d_near ON %s USING hnsw (embedding %s.halfvec_ip_ops) WITH (m = 16, ef_construction = 64)`,
			kilobytes, id, vectorTable(id), schema))
		return err
	})
	if err != nil {
		return fmt.Errorf("build the index of vectors: %w", err)
	}
	return nil
}

// Drop implements memory.Index.
func (m *Memories) Drop(ctx context.Context, id int64) error {
	err := m.db.asOwner(ctx, func(tx pgx.Tx) error {
		g, err := generationIn(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.State == memory.Current {
			return agent.Errorf(agent.Conflict, "generation %d of vectors is in use", id)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM memory_generations WHERE id = $1`, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DROP TABLE IF EXISTS `+vectorTable(id))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop a generation: %w", err)
	}
	return nil
}

// undefinedTable reports whether the error says that a table is not there: of a
// generation that was dropped meanwhile.
func undefinedTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01"
}
