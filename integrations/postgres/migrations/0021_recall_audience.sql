-- works beside: 16
-- The index of words says who may read each passage, as that of vectors does, so
-- that a search need not look up the item of each passage that holds one of its
-- words: NULL is nobody, for what was forgotten or superseded. Triggers keep it,
-- whatever writes.
ALTER TABLE memory_index ADD COLUMN audience bigint;

-- What is there already. The owner sees nothing under the policies, so they rest;
-- the index is made anew, which is quicker than to have it follow.
ALTER TABLE memory_items NO FORCE ROW LEVEL SECURITY;
DROP INDEX memory_index_words;
UPDATE memory_index w SET audience = i.audience FROM memory_items i WHERE i.seq = w.key >> 16 AND i.forgotten IS NULL AND i.superseded_by = '';
CREATE INDEX memory_index_words ON memory_index USING gin (words) WITH (fastupdate = off);
ALTER TABLE memory_items FORCE ROW LEVEL SECURITY;

-- A version that knows nothing of the column writes beside.
CREATE FUNCTION memory_index_before() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    SELECT i.audience INTO NEW.audience FROM memory_items i WHERE i.seq = NEW.key >> 16 AND i.forgotten IS NULL AND i.superseded_by = '';
    RETURN NEW;
END $$;
CREATE TRIGGER memory_index_before BEFORE INSERT ON memory_index FOR EACH ROW WHEN (NEW.audience IS NULL) EXECUTE FUNCTION memory_index_before();

CREATE FUNCTION memory_index_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE memory_index SET audience = CASE WHEN NEW.forgotten IS NULL AND NEW.superseded_by = '' THEN NEW.audience END
        WHERE workspace = NEW.workspace AND key >= NEW.seq << 16 AND key < (NEW.seq + 1) << 16;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION memory_index_follow FROM PUBLIC;
CREATE TRIGGER memory_index_follow AFTER UPDATE OF forgotten, superseded_by, audience ON memory_items FOR EACH ROW
    WHEN ((NEW.forgotten IS NULL AND NEW.superseded_by = '') <> (OLD.forgotten IS NULL AND OLD.superseded_by = '') OR NEW.audience IS DISTINCT FROM OLD.audience)
    EXECUTE FUNCTION memory_index_follow();

-- memory_lists gives how many passages each of several queries finds by the index,
-- at most so many, and which of these the audiences may read; or, when items are
-- named, what is found in these, read one by one, which for a few is quicker and
-- leaves nothing out. It plans its statements once on each connection. Before it was
-- memory_found, which an older version still asks.
CREATE FUNCTION memory_lists(queries tsquery[], most bigint, readable bigint[], items bigint[]) RETURNS TABLE (n int, found bigint, keys bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ws text := current_setting('sous.workspace', true);
BEGIN
    IF items IS NULL THEN
        FOR k IN 1 .. COALESCE(cardinality(queries), 0) LOOP
            -- The audiences are looked up in a hash, not one after another.
            RETURN QUERY SELECT k, count(*), array_agg(i.key) FILTER (WHERE (i.audience IN (SELECT unnest(readable))) IS TRUE)
                FROM (SELECT c.key, c.audience FROM memory_index c WHERE c.words @@ queries[k] AND c.workspace = ws LIMIT most) i;
        END LOOP;
        RETURN;
    END IF;
    RETURN QUERY SELECT q.n::int, count(*), array_agg(f.key) FROM (
            -- The offset keeps the planner from beginning with the index of words.
            SELECT i.key, i.words FROM unnest(items) s (seq) CROSS JOIN LATERAL
                (SELECT * FROM memory_index c WHERE c.key >= s.seq << 16 AND c.key < (s.seq + 1) << 16 OFFSET 0) i
            WHERE i.workspace = ws AND i.audience IS NOT NULL OFFSET 0
        ) f JOIN unnest(queries) WITH ORDINALITY q (query, n) ON f.words @@ q.query GROUP BY 1;
END $$;

-- memory_newest gives what a query of frequent words finds of what the audiences
-- may read, the newest first.
CREATE FUNCTION memory_newest(query tsquery, readable bigint[], most bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ws text := current_setting('sous.workspace', true);
BEGIN
    IF query IS NOT NULL THEN
        -- By the index of words: the addition keeps the planner from that of the keys.
        RETURN QUERY SELECT c.key FROM memory_index c WHERE c.words @@ query AND c.workspace = ws
            AND (c.audience IN (SELECT unnest(readable))) IS TRUE ORDER BY c.key + 0 DESC LIMIT most;
    END IF;
END $$;
REVOKE ALL ON FUNCTION memory_lists, memory_newest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_lists, memory_newest TO sous_app;
