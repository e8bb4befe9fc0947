-- One search of memory in one statement: candidates by words and by vectors that
-- the reader may read, what stands beside them, and of the best of them all that
-- is shown. Package memory puts them in order. In braces are names that differ
-- from database to database; a generic plan of it is kept on each connection.
--
-- $1 workspace, $2 reader, $3 whether the reader is a member, $4 a tsquery a word,
-- rare ones first, and $5 the words' weights, $6 and $7 tsqueries of the frequent
-- words, all of them and any, '' for none, $8 the query's vector or NULL, $9 kinds
-- or NULL, $10 since and $11 until or NULL, $12 parts of the speaker's name, $13
-- favoured kinds, $14 how many are shown, $15 how many chunks a word may be in that
-- counts as rare, $16 how many words are taken for rare.
WITH parameter AS ( -- names the types of what a simpler search leaves out
    SELECT $8::text, $9::text[], $10::timestamptz, $11::timestamptz, $12::text[], $13::text[]
), audience AS MATERIALIZED (
    SELECT a.id, a.chunks FROM sous.memory_audiences a WHERE a.workspace = $1 AND $2 <> '' AND (a.scope = 'public' OR a.scope = 'workspace' AND $3
        OR a.scope = '' AND EXISTS (SELECT 1 FROM sous.memory_audience_readers r WHERE r.workspace = $1 AND r.actor = $2 AND r.audience = a.id))
), reader AS MATERIALIZED (
    SELECT COALESCE(array_agg(id), '{}') audiences, COALESCE(sum(chunks), 0)::bigint chunks FROM audience
), question AS MATERIALIZED (
    SELECT {question} v
), corpus AS MATERIALIZED (
    SELECT COALESCE(max(chunks), 0) chunks, COALESCE(max(terms), 0) terms FROM sous.memory_corpus WHERE workspace = $1
), way AS MATERIALIZED (
    -- Counts decide, not the planner: who may read little is given all of it.
    SELECT r.chunks <= {narrow} narrow, r.chunks <= {exact} OR r.chunks::float8 * r.chunks <= {exact_share} * k.chunks exact FROM reader r CROSS JOIN corpus k
), own AS MATERIALIZED (
    SELECT COALESCE(array_agg(i.seq), '{}') items FROM sous.memory_items i WHERE (SELECT narrow FROM way) AND i.workspace = $1
        AND i.audience = ANY ((SELECT audiences FROM reader)::bigint[]) AND i.forgotten IS NULL AND i.superseded_by = ''
), matched AS MATERIALIZED (
    SELECT m.n, m.key FROM sous.memory_found(CASE WHEN (SELECT narrow FROM way) THEN $4::tsquery[] ELSE ($4::tsquery[])[1:$16::int] END,
        $15::bigint + 1, CASE WHEN (SELECT narrow FROM way) THEN (SELECT items FROM own) END) m
), counted AS MATERIALIZED (
    SELECT n, count(*) found FROM matched GROUP BY n
), weight AS MATERIALIZED (
    SELECT t.n, ($5::float8[])[t.n] * ln(1 + (GREATEST(c.chunks, t.found) - t.found + 0.5::float8) / (t.found + 0.5::float8)) mass FROM counted t CROSS JOIN corpus c
), rare AS MATERIALIZED (
    SELECT m.key, m.key >> 16 seq, sum(w.mass) mass FROM matched m JOIN weight w USING (n) GROUP BY m.key
), rare_read AS MATERIALIZED (
    -- In order, so that no more items are looked up than are needed.
    SELECT r.key, r.mass FROM (SELECT * FROM rare ORDER BY mass DESC, key DESC OFFSET 0) r CROSS JOIN LATERAL {item of r}{rare_filter} LIMIT {most}
), together AS MATERIALIZED (
    SELECT f.key FROM (SELECT g.key, g.key >> 16 seq FROM sous.memory_found(CASE WHEN NOT (SELECT narrow FROM way) AND (SELECT count(*) FROM rare_read) < {few}
        THEN ARRAY[NULLIF($6::text, '')::tsquery] END, NULL, NULL) g ORDER BY 1 DESC OFFSET 0) f
    CROSS JOIN LATERAL {item of f}{together_filter} LIMIT {most}
), either AS MATERIALIZED (
    SELECT f.key FROM (SELECT g.key, g.key >> 16 seq FROM sous.memory_found(CASE WHEN NOT (SELECT narrow FROM way) AND (SELECT count(*) FROM rare_read) + (SELECT count(*) FROM together) < {few}
        THEN ARRAY[NULLIF($7::text, '')::tsquery] END, NULL, NULL) g ORDER BY 1 DESC OFFSET 0) f
    CROSS JOIN LATERAL {item of f}{together_filter} LIMIT {most}
), words AS MATERIALIZED (
    SELECT key, sum(mass) mass FROM (
        SELECT key, mass FROM rare_read UNION ALL SELECT key, 2::float8 FROM together UNION ALL SELECT key, 1::float8 FROM either
    ) w GROUP BY key ORDER BY mass DESC, key DESC LIMIT {most}
), near AS MATERIALIZED (
    {near}
), seed AS MATERIALIZED ( -- what the words, or places in both orders, give: as memory.Rank weighs it
    {seed}
), candidate AS MATERIALIZED (
    SELECT key, key >> 16 seq, max(cosine) cosine, max(weight) weight FROM ({point}
        SELECT s.key + d.step key, max(s.cosine) FILTER (WHERE d.step = 0) cosine, sum(d.share * s.weight) weight FROM seed s
            CROSS JOIN (VALUES (-3, 0.1::float8), (-2, 0.15), (-1, 0.3), (0, 1), (1, 0.45), (2, 0.2), (3, 0.1)) d (step, share) GROUP BY 1
    ) c GROUP BY key ORDER BY weight DESC, key DESC LIMIT {candidates}
), item AS MATERIALIZED (
    SELECT i.* FROM (SELECT DISTINCT seq FROM candidate) x CROSS JOIN LATERAL {item of x}
), found AS MATERIALIZED (
    SELECT x.key, x.seq, x.cosine, c.kind, c.at, c.terms, c.speaker_words, i.kind item_kind, i.at item_at, i.title_terms,
        row_number() OVER (ORDER BY {passes}x.weight DESC, x.key DESC) place
    FROM candidate x JOIN item i USING (seq) CROSS JOIN LATERAL {chunk of x}
)
SELECT k.chunks, k.terms, (SELECT array_agg(n::bigint) FROM counted WHERE found > $15 AND NOT (SELECT narrow FROM way)), r.chunks, f.key, f.cosine,
    CASE f.kind WHEN '' THEN f.item_kind ELSE f.kind END, f.item_kind, COALESCE(f.at, f.item_at), f.terms, f.title_terms, f.speaker_words, {shown}
FROM corpus k CROSS JOIN reader r LEFT JOIN found f ON true
LEFT JOIN LATERAL (SELECT * FROM sous.memory_chunks WHERE key = CASE WHEN f.place <= $14 THEN f.key END AND workspace = $1 OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT i.* FROM (SELECT * FROM sous.memory_items WHERE seq = CASE WHEN f.place <= $14 THEN f.seq END OFFSET 0) i WHERE {allowed}) i ON true
ORDER BY f.key
