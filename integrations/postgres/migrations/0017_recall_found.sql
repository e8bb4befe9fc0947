-- works beside: 16
-- memory_found gives which of several queries find which passage: each by the
-- index, at most so many; or, when items are named, all that is found in these,
-- read one by one, which for a few is quicker and leaves nothing out. It plans its
-- statements once on each connection, as a function in SQL would not. Before it
-- were memory_match and memory_matches, which an older version still asks.
CREATE FUNCTION memory_found(queries tsquery[], most bigint, items bigint[]) RETURNS TABLE (n int, key bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ws text := current_setting('sous.workspace', true);
    either tsquery;
BEGIN
    IF items IS NULL THEN
        FOR k IN 1 .. COALESCE(cardinality(queries), 0) LOOP
            RETURN QUERY SELECT k, i.key FROM memory_index i WHERE i.words @@ queries[k] AND i.workspace = ws LIMIT most;
        END LOOP;
        RETURN;
    END IF;
    either := array_to_string(queries, ' | ')::tsquery;
    RETURN QUERY SELECT q.n::int, f.key FROM (
            -- The offset keeps the planner from beginning with the index of words.
            SELECT i.key, i.words FROM unnest(items) s (seq) CROSS JOIN LATERAL
                (SELECT * FROM memory_index c WHERE c.key >= s.seq << 16 AND c.key < (s.seq + 1) << 16 OFFSET 0) i
            WHERE i.words @@ either AND i.workspace = ws OFFSET 0
        ) f JOIN unnest(queries) WITH ORDINALITY q (query, n) ON f.words @@ q.query;
END $$;
REVOKE ALL ON FUNCTION memory_found FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_found TO sous_app;
