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
-- counts as rare, $16 how many words are taken for rare, $17 how many that share
-- words and $18 how many candidates there are at most.
--
-- Its time goes with the rows that pass from step to step, so each of them is
-- looked up once: audiences come with words and vectors, an item is asked for once
-- for all of its passages, and a passage once it is among the candidates.
WITH parameter AS ( -- names the types of what a simpler search leaves out
    SELECT $8::text, $9::text[], $10::timestamptz, $11::timestamptz, $12::text[], $13::text[]
), audience AS MATERIALIZED (
    SELECT a.id, a.chunks FROM sous.memory_audiences a WHERE a.workspace = $1 AND $2 <> '' AND (a.scope = 'public' OR a.scope = 'workspace' AND $3
        OR a.scope = '' AND EXISTS (SELECT 1 FROM sous.memory_audience_readers r WHERE r.workspace = $1 AND r.actor = $2 AND r.audience = a.id))
), reader AS MATERIALIZED (
    SELECT COALESCE(array_agg(id), '{}') audiences, COALESCE(sum(chunks), 0)::bigint chunks FROM audience
), question AS MATERIALIZED (
    SELECT {question}
), corpus AS MATERIALIZED (
    SELECT COALESCE(max(chunks), 0) chunks, COALESCE(max(terms), 0) terms FROM sous.memory_corpus WHERE workspace = $1
), way AS MATERIALIZED (
    -- Counts decide, not the planner: who may read little is given all of it.
    SELECT r.chunks <= {narrow} narrow, CASE WHEN r.chunks <= {exact} THEN 'exact' WHEN r.chunks::float8 * r.chunks <= {share} * k.chunks THEN '{wider}' ELSE 'graph' END near
        FROM reader r CROSS JOIN corpus k
), own AS MATERIALIZED (
    SELECT COALESCE(array_agg(i.seq), '{}') items FROM sous.memory_items i WHERE (SELECT narrow FROM way) AND i.workspace = $1
        AND i.audience = ANY ((SELECT audiences FROM reader)::bigint[]) AND i.forgotten IS NULL AND i.superseded_by = ''
), matched AS MATERIALIZED (
    SELECT m.n, m.found, m.keys FROM sous.memory_lists(CASE WHEN (SELECT narrow FROM way) THEN $4::tsquery[] ELSE ($4::tsquery[])[1:$16::int] END,
        $15::bigint + 1, (SELECT audiences FROM reader), CASE WHEN (SELECT narrow FROM way) THEN (SELECT items FROM own) END) m
), rare AS MATERIALIZED (
    SELECT r.key, r.mass FROM (
        SELECT u.key, u.key >> 16 seq, sum(w.mass) mass FROM (
            SELECT m.keys, ($5::float8[])[m.n] * ln(1 + (GREATEST(c.chunks, m.found) - m.found + 0.5::float8) / (m.found + 0.5::float8)) mass
                FROM matched m CROSS JOIN corpus c OFFSET 0
        ) w CROSS JOIN LATERAL unnest(w.keys) u (key) GROUP BY u.key ORDER BY mass DESC, u.key DESC OFFSET 0
    ) r{rare_filter} LIMIT $17
), together AS MATERIALIZED (
    SELECT f.key FROM (SELECT g.key, g.key >> 16 seq FROM sous.memory_newest(CASE WHEN NOT (SELECT narrow FROM way) AND (SELECT count(*) FROM rare) < {few}
        THEN NULLIF($6::text, '')::tsquery END, (SELECT audiences FROM reader), {newest}) g (key) OFFSET 0) f{together_filter} LIMIT $17
), either AS MATERIALIZED (
    SELECT f.key FROM (SELECT g.key, g.key >> 16 seq FROM sous.memory_newest(CASE WHEN NOT (SELECT narrow FROM way) AND (SELECT count(*) FROM rare) + (SELECT count(*) FROM together) < {few}
        THEN NULLIF($7::text, '')::tsquery END, (SELECT audiences FROM reader), {newest}) g (key) OFFSET 0) f{together_filter} LIMIT $17
), words AS MATERIALIZED (
    SELECT key, sum(mass) mass FROM (
        SELECT key, mass FROM rare UNION ALL SELECT key, 2::float8 FROM together UNION ALL SELECT key, 1::float8 FROM either
    ) w GROUP BY key ORDER BY mass DESC, key DESC LIMIT $17
), near AS MATERIALIZED (
    {near}
), seed AS MATERIALIZED ( -- what the words, or places in both orders, give: as memory.Rank weighs it
    {seed}
), candidate AS MATERIALIZED (
    SELECT key, key >> 16 seq, cosine, row_number() OVER (ORDER BY weight DESC, key DESC) place FROM ({point}
        SELECT s.key + d.step key, max(s.cosine) FILTER (WHERE d.step = 0) cosine, sum(d.share * s.weight) weight FROM seed s
            CROSS JOIN (VALUES (-3, 0.1::float8), (-2, 0.15), (-1, 0.3), (0, 1), (1, 0.45), (2, 0.2), (3, 0.1)) d (step, share) GROUP BY 1{point_end}
    ) c ORDER BY weight DESC, key DESC LIMIT $18
), item AS MATERIALIZED ( -- by its audience, and what is shown once more by its own readers
    SELECT i.* FROM (SELECT seq, min(place) place FROM candidate GROUP BY seq) x CROSS JOIN LATERAL (SELECT * FROM sous.memory_items WHERE seq = x.seq OFFSET 0) i
        WHERE {live} AND (i.audience IN (SELECT a.id FROM audience a)) IS TRUE AND CASE WHEN x.place <= $14 THEN {allowed} ELSE true END
)
SELECT k.chunks, k.terms, (SELECT array_agg(n::bigint) FROM matched WHERE found > $15 AND NOT (SELECT narrow FROM way)), r.chunks, f.*
FROM corpus k CROSS JOIN reader r LEFT JOIN (
    SELECT x.key, x.cosine, CASE c.kind WHEN '' THEN i.kind ELSE c.kind END, i.kind, COALESCE(c.at, i.at), c.terms, i.title_terms, c.speaker_words, {shown}
    FROM candidate x JOIN item i USING (seq) CROSS JOIN LATERAL (SELECT * FROM sous.memory_chunks WHERE key = x.key OFFSET 0) c WHERE c.workspace = $1
) f ON true
