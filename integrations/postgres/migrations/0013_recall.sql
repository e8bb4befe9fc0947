-- works beside: 10
-- The vectors of what is remembered, a generation for each embedding model in a
-- table of its own (memory_vectors_<id>, see memory_vectors.go), and the queue of
-- items that have none yet. Triggers keep the rest, so whatever writes items, an
-- older version too, cannot forget to.
CREATE TABLE memory_generations (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model     text        NOT NULL,
    dimension int         NOT NULL,
    state     text        NOT NULL CHECK (state IN ('building', 'current', 'retired')),
    created   timestamptz NOT NULL
);
CREATE UNIQUE INDEX memory_generations_one ON memory_generations (state) WHERE state <> 'retired';
-- Of no workspace; the functions at the end alone write here.
GRANT SELECT ON memory_generations TO sous_app, sous_watch;

-- next is the first chunk of the item that is not embedded yet. A process that
-- works on the item has it until claimed.
CREATE TABLE memory_queue (
    generation bigint      NOT NULL REFERENCES memory_generations (id) ON DELETE CASCADE,
    item       bigint      NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
    workspace  text        NOT NULL,
    next       int         NOT NULL DEFAULT 0,
    claimed    timestamptz,
    PRIMARY KEY (generation, item)
);

-- An audience is a set of readers that items share: whoever searches belongs to
-- some, and how much they may read is counted here.
CREATE TABLE memory_audiences (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text   NOT NULL,
    scope     text   NOT NULL,
    -- digest is the SHA-256 of the readers as the label has them.
    digest    bytea  NOT NULL,
    items     bigint NOT NULL DEFAULT 0,
    chunks    bigint NOT NULL DEFAULT 0,
    UNIQUE (workspace, digest)
);
CREATE TABLE memory_audience_readers (
    workspace text   NOT NULL,
    audience  bigint NOT NULL REFERENCES memory_audiences (id) ON DELETE CASCADE,
    actor     text   NOT NULL,
    PRIMARY KEY (workspace, actor, audience)
);
CREATE INDEX memory_audience_readers_of ON memory_audience_readers (audience);
ALTER TABLE memory_items ADD COLUMN audience bigint;

CREATE FUNCTION memory_audience(ws text, item_label text) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    readers jsonb := item_label::jsonb -> 'readers';
    id_digest bytea := sha256(convert_to(readers::text, 'UTF8'));
    found bigint;
BEGIN
    SELECT id INTO found FROM memory_audiences WHERE workspace = ws AND digest = id_digest;
    IF found IS NULL THEN
        INSERT INTO memory_audiences (workspace, scope, digest)
            VALUES (ws, CASE jsonb_typeof(readers) WHEN 'string' THEN readers #>> '{}' ELSE '' END, id_digest) RETURNING id INTO found;
        IF jsonb_typeof(readers) = 'array' THEN
            INSERT INTO memory_audience_readers (workspace, audience, actor) SELECT DISTINCT ws, found, jsonb_array_elements_text(readers);
        END IF;
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION memory_item_before() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- An item that is there already will be left as it is.
    IF NOT EXISTS (SELECT 1 FROM memory_items WHERE workspace = NEW.workspace AND id = NEW.id) THEN
        NEW.audience := memory_audience(NEW.workspace, NEW.label);
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION memory_item_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    g bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE memory_audiences SET items = items + 1, chunks = chunks + NEW.chunks WHERE id = NEW.audience;
        INSERT INTO memory_queue (generation, item, workspace)
            SELECT id, NEW.seq, NEW.workspace FROM memory_generations WHERE state <> 'retired';
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE memory_audiences SET items = items - 1, chunks = chunks - OLD.chunks WHERE id = OLD.audience;
        DELETE FROM memory_audiences WHERE id = OLD.audience AND items <= 0;
    ELSIF NEW.forgotten IS NULL AND NEW.superseded_by = '' THEN
        INSERT INTO memory_queue (generation, item, workspace)
            SELECT id, NEW.seq, NEW.workspace FROM memory_generations WHERE state <> 'retired' ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM memory_queue WHERE item = NEW.seq;
        FOR g IN SELECT id FROM memory_generations LOOP
            BEGIN
                EXECUTE format('DELETE FROM memory_vectors_%s WHERE key >= $1 AND key < $2', g) USING NEW.seq << 16, (NEW.seq + 1) << 16;
            EXCEPTION WHEN undefined_table THEN
                NULL; -- dropped meanwhile
            END;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

-- What is there already. The owner sees nothing under the policies, so they rest.
ALTER TABLE memory_items NO FORCE ROW LEVEL SECURITY;
UPDATE memory_items SET audience = memory_audience(workspace, label);
UPDATE memory_audiences a SET items = n.items, chunks = n.chunks FROM
    (SELECT audience, count(*) items, sum(chunks) chunks FROM memory_items GROUP BY audience) n WHERE n.audience = a.id;
ALTER TABLE memory_items FORCE ROW LEVEL SECURITY;
CREATE INDEX memory_items_by_audience ON memory_items (audience);

CREATE TRIGGER memory_item_before BEFORE INSERT ON memory_items FOR EACH ROW EXECUTE FUNCTION memory_item_before();
CREATE TRIGGER memory_item_changed AFTER INSERT OR DELETE ON memory_items FOR EACH ROW EXECUTE FUNCTION memory_item_changed();
CREATE TRIGGER memory_item_live AFTER UPDATE OF forgotten, superseded_by ON memory_items FOR EACH ROW
    WHEN ((NEW.forgotten IS NULL AND NEW.superseded_by = '') <> (OLD.forgotten IS NULL AND OLD.superseded_by = ''))
    EXECUTE FUNCTION memory_item_changed();

SELECT protect('memory_queue', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('memory_audiences', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('memory_audience_readers', 'SELECT, INSERT, DELETE');
CREATE POLICY watch ON memory_queue FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
GRANT SELECT ON memory_queue TO sous_watch;
CREATE POLICY watch ON memory_items FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
GRANT SELECT (workspace, seq, forgotten, superseded_by) ON memory_items TO sous_watch;

-- memory_matches is memory_match for several queries at once: which of them finds
-- which chunk, at most so many each.
CREATE FUNCTION memory_matches(queries text[], most bigint) RETURNS TABLE (n bigint, key bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT q.n, m.key FROM unnest(queries) WITH ORDINALITY q (query, n) CROSS JOIN LATERAL
        (SELECT i.key FROM memory_index i WHERE i.words @@ q.query::tsquery AND i.workspace = current_setting('sous.workspace', true) LIMIT most) m
$$;
REVOKE ALL ON FUNCTION memory_matches FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_matches TO sous_app;

-- What is not in the index yet is read with every query.
ALTER INDEX memory_index_words SET (fastupdate = off);

-- Who serves need not own anything, so what makes and drops the tables of vectors
-- runs in the owner's name. It takes effect on vectors alone, which can be made
-- anew. Replicas that change generations follow each other.
CREATE FUNCTION memory_generation_lock() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_xact_lock(1936684406)';

CREATE FUNCTION memory_generation_new(of_model text, of_dimension int, at timestamptz) RETURNS bigint
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
    RETURN g;
END $$;

CREATE FUNCTION memory_generation_use(which bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM memory_generation_lock();
    IF NOT EXISTS (SELECT 1 FROM memory_generations WHERE id = which AND state = 'building') THEN
        RETURN false;
    END IF;
    UPDATE memory_generations SET state = 'retired' WHERE state = 'current';
    UPDATE memory_generations SET state = 'current' WHERE id = which;
    RETURN true;
END $$;

CREATE FUNCTION memory_generation_seal(which bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
    EXECUTE format('ANALYZE memory_items, memory_chunks, %I', made);
    SELECT GREATEST(reltuples, 0)::bigint INTO vectors FROM pg_class WHERE oid = made::regclass;
    SELECT quote_ident(n.nspname) INTO extension FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    -- The graph is built in memory, within bounds.
    SELECT vectors * (2 * dimension + 600) INTO bytes FROM memory_generations WHERE id = which;
    PERFORM set_config('maintenance_work_mem', LEAST(GREATEST(bytes / 1024, 65536), 2097152) || 'kB', true);
    EXECUTE format('CREATE INDEX %I ON %I USING hnsw (embedding %s.halfvec_ip_ops) WITH (m = 16, ef_construction = 64)', made || '_near', made, extension);
END $$;

CREATE FUNCTION memory_generation_drop(which bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM memory_generation_lock();
    DELETE FROM memory_generations WHERE id = which AND state <> 'current';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'memory_vectors_' || which);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION memory_generation_lock, memory_generation_new, memory_generation_use, memory_generation_seal, memory_generation_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_generation_lock, memory_generation_new, memory_generation_use, memory_generation_seal, memory_generation_drop TO sous_watch;
