-- works beside: 16
-- The signs of the vectors, a bit a dimension, in a table beside each generation's.
-- A reader of some thousand passages has them looked at first: an index holds them
-- in the order of audiences, so that a search reads a twentieth of what the vectors
-- are, in a row. Whatever writes vectors, an older version too, a trigger and the
-- reference keep the signs.
CREATE FUNCTION memory_signs_follow() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    extension text;
BEGIN
    SELECT quote_ident(n.nspname) INTO extension FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    EXECUTE format('INSERT INTO %I (key, workspace, audience, signs) SELECT key, workspace, audience, %s.binary_quantize(embedding) FROM added',
        TG_TABLE_NAME || '_signs', extension);
    RETURN NULL;
END $$;

CREATE FUNCTION memory_generation_signs(which bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    vectors text := 'memory_vectors_' || which;
    made text := vectors || '_signs';
    extension text;
BEGIN
    SELECT quote_ident(n.nspname) INTO extension FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    EXECUTE format('CREATE TABLE %I (
        key       bigint PRIMARY KEY REFERENCES %I (key) ON DELETE CASCADE,
        workspace text   NOT NULL,
        audience  bigint NOT NULL,
        signs     bit(%s) NOT NULL
    )', made, vectors, (SELECT dimension FROM memory_generations WHERE id = which));
    -- A short header would have each of them copied to be compared.
    EXECUTE format('ALTER TABLE %I ALTER COLUMN signs SET STORAGE PLAIN', made);
    -- What the index gives need not be looked up once the rows are known to be seen by all.
    EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.02)', made);
    -- What is there already. The owner sees nothing under the policies, so they rest.
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', vectors);
    EXECUTE format('INSERT INTO %I (key, workspace, audience, signs) SELECT key, workspace, audience, %s.binary_quantize(embedding) FROM %I', made, extension, vectors);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', vectors);
    EXECUTE format('CREATE INDEX ON %I (workspace, audience) INCLUDE (key, signs)', made);
    PERFORM protect(made::regclass, 'SELECT, INSERT');
    EXECUTE format('CREATE TRIGGER memory_signs_follow AFTER INSERT ON %I REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION memory_signs_follow()', vectors);
    EXECUTE format('ANALYZE %I', made);
END $$;

-- What comes into a graph that is there already is put in with the care that new
-- ones are built with; to have it built anew is for an administrator to decide.
DO $$
DECLARE
    g bigint;
BEGIN
    FOR g IN SELECT id FROM memory_generations WHERE to_regclass('memory_vectors_' || id || '_near') IS NOT NULL LOOP
        EXECUTE format('ALTER INDEX %I SET (ef_construction = 128)', 'memory_vectors_' || g || '_near');
    END LOOP;
END $$;
SELECT memory_generation_signs(id) FROM memory_generations WHERE to_regclass('memory_vectors_' || id) IS NOT NULL;

-- As they were (migration 13), with the signs.
CREATE OR REPLACE FUNCTION memory_generation_new(of_model text, of_dimension int, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    g bigint;
    extension text;
    made text;
BEGIN
    PERFORM memory_generation_lock();
    BEGIN
        CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
    EXCEPTION WHEN OTHERS THEN
        NULL; -- whoever calls looks whether it is there
    END;
    SELECT quote_ident(n.nspname) INTO extension FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    IF extension IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO memory_generations (model, dimension, state, created) VALUES (of_model, of_dimension, 'building', at) RETURNING id INTO g;
    made := 'memory_vectors_' || g;
    -- The vectors stay in their rows: fetched from beside them a search takes four
    -- times as long.
    EXECUTE format('CREATE TABLE %I (
        key       bigint PRIMARY KEY REFERENCES memory_chunks (key) ON DELETE CASCADE,
        workspace text   NOT NULL,
        audience  bigint NOT NULL,
        embedding %s.halfvec(%s) NOT NULL
    )', made, extension, of_dimension);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN embedding SET STORAGE PLAIN', made);
    EXECUTE format('CREATE INDEX ON %I (audience)', made);
    PERFORM protect(made::regclass, 'SELECT, INSERT, DELETE');
    EXECUTE format('CREATE POLICY watch ON %I FOR SELECT TO sous_watch USING (current_user = ''sous_watch'')', made);
    EXECUTE format('GRANT SELECT (key) ON %I TO sous_watch', made);
    PERFORM memory_generation_signs(g);
    RETURN g;
END $$;

CREATE OR REPLACE FUNCTION memory_generation_seal(which bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    made text := 'memory_vectors_' || which;
    extension text;
    vectors bigint;
    bytes bigint;
BEGIN
    PERFORM memory_generation_lock();
    IF to_regclass(made || '_near') IS NOT NULL OR to_regclass(made) IS NULL THEN
        RETURN;
    END IF;
    -- The planner's numbers come first; without them it errs by far.
    EXECUTE format('ANALYZE memory_items, memory_chunks, %I, %I', made, made || '_signs');
    SELECT GREATEST(reltuples, 0)::bigint INTO vectors FROM pg_class WHERE oid = made::regclass;
    SELECT quote_ident(n.nspname) INTO extension FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    -- The graph is built in memory, within bounds.
    SELECT vectors * (2 * dimension + 600) INTO bytes FROM memory_generations WHERE id = which;
    PERFORM set_config('maintenance_work_mem', LEAST(GREATEST(bytes / 1024, 65536), 2097152) || 'kB', true);
    -- With half of this much care the same search finds nine of ten.
    EXECUTE format('CREATE INDEX %I ON %I USING hnsw (embedding %s.halfvec_ip_ops) WITH (m = 16, ef_construction = 128)', made || '_near', made, extension);
END $$;

CREATE OR REPLACE FUNCTION memory_generation_drop(which bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM memory_generation_lock();
    DELETE FROM memory_generations WHERE id = which AND state <> 'current';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I, %I', 'memory_vectors_' || which || '_signs', 'memory_vectors_' || which);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION memory_signs_follow, memory_generation_signs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_signs_follow TO sous_app;
