package postgres

import (
	"context"
	"errors"
	"fmt"

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

// asKeeper runs f in a transaction that may change generations, by functions that
// run in the owner's name. Replicas that do follow each other.
func (d *DB) asKeeper(ctx context.Context, f func(tx pgx.Tx) error) error {
	return d.transact(ctx, begin("begin", roleWatch, "").and(`SELECT sous.memory_generation_lock()`), f)
}

// become changes who a transaction works as.
func become(ctx context.Context, tx pgx.Tx, role string, ws agent.WorkspaceID) error {
	_, err := tx.Exec(ctx, `SELECT set_config('role', $1, true), set_config('sous.workspace', $2, true)`, role, ws)
	return err
}

// Able implements memory.Index: it takes pgvector.
func (m *Memories) Able(ctx context.Context) error {
	err := m.db.watch(ctx, func(tx pgx.Tx) error {
		_, err := extension(ctx, tx)
		return err
	})
	return wrapped("look for pgvector", err)
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

// Begin implements memory.Index.
func (m *Memories) Begin(ctx context.Context, model string, dimension int) (g memory.Generation, err error) {
	if model == "" || dimension < 1 || dimension > maxDimension {
		return g, agent.Errorf(agent.Invalid, "vectors of %d dimensions cannot be searched in PostgreSQL; at most %d", dimension, maxDimension)
	}
	err = m.db.asKeeper(ctx, func(tx pgx.Tx) error {
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
		var id *int64
		if err := tx.QueryRow(ctx, `SELECT memory_generation_new($1, $2, $3)`, storable(model), dimension, m.db.now()).Scan(&id); err != nil {
			return err
		}
		if _, err := extension(ctx, tx); err != nil {
			return err
		}
		if g, err = generationIn(ctx, tx, *id); err != nil {
			return err
		}
		return queueAll(ctx, tx, g.ID)
	})
	if err != nil {
		return g, fmt.Errorf("begin a generation: %w", err)
	}
	return g, nil
}

// extension returns the schema of pgvector, which has to be able to search on
// until enough of what it finds may be read.
func extension(ctx context.Context, tx pgx.Tx) (string, error) {
	const text = "the database has no pgvector 0.8 or newer, so it cannot search by vectors; an administrator can install it and run CREATE EXTENSION vector"
	var able bool
	schema, there, err := first(tx.QueryRow(ctx, `SELECT quote_ident(n.nspname), string_to_array(regexp_replace(e.extversion, '[^0-9.]', '', 'g'), '.')::int[] >= '{0,8}'
		FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'`), func(row sqlRow) (s string, err error) {
		err = row.Scan(&s, &able)
		return s, err
	})
	if err == nil && (!there || !able) {
		err = agent.Errorf(agent.Unavailable, text)
	}
	return schema, err
}

// queueAll queues every live item, workspace by workspace.
func queueAll(ctx context.Context, tx pgx.Tx, generation int64) error {
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
	return nil
}

// Switch implements memory.Index.
func (m *Memories) Switch(ctx context.Context, by agent.Actor, id int64, note string) error {
	err := m.db.asKeeper(ctx, func(tx pgx.Tx) error {
		if _, err := generationIn(ctx, tx, id); err != nil {
			return err
		}
		var used bool
		if err := tx.QueryRow(ctx, `SELECT memory_generation_use($1)`, id).Scan(&used); err != nil {
			return err
		}
		if !used {
			return agent.Errorf(agent.Conflict, "generation %d of vectors is not being built", id)
		}
		if err := become(ctx, tx, roleApp, by.Workspace); err != nil {
			return err
		}
		if err := tx.(*txn).hold(ctx, by.Workspace); err != nil {
			return err
		}
		return m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: note})
	})
	if err != nil {
		return fmt.Errorf("switch generations: %w", err)
	}
	return nil
}

// Seal implements memory.Index: it builds the graph that finds the nearest.
func (m *Memories) Seal(ctx context.Context, id int64) error {
	err := m.db.asKeeper(ctx, func(tx pgx.Tx) error {
		if _, err := generationIn(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT memory_generation_seal($1)`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("build the index of vectors: %w", err)
	}
	return nil
}

// Drop implements memory.Index.
func (m *Memories) Drop(ctx context.Context, id int64) error {
	err := m.db.asKeeper(ctx, func(tx pgx.Tx) error {
		if _, err := generationIn(ctx, tx, id); err != nil {
			return err
		}
		var dropped bool
		if err := tx.QueryRow(ctx, `SELECT memory_generation_drop($1)`, id).Scan(&dropped); err != nil {
			return err
		}
		if !dropped {
			return agent.Errorf(agent.Conflict, "generation %d of vectors is in use", id)
		}
		return nil
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
