-- One search of memory in one statement: candidates by words and by vectors that
-- the reader may read, what stands beside them, and of the best of them all that
-- is shown. Package memory puts them in order. In braces are names that differ
-- from database to database; a generic plan of it is kept on each connection.
--
-- $1 workspace, $2 reader, $3 whether the reader is a member, $4 a tsquery a rare
-- word and $5 the words' weights, $6 and $7 tsqueries of the frequent words, all of
-- them and any, '' for none, $8 the query's vector or NULL, $9 kinds or NULL, $10
-- since and $11 until or NULL, $12 parts of the speaker's name, $13 favoured kinds,
-- $14 how many are shown, $15 how many chunks a word may be in that counts as rare.
WITH parameter AS ( -- names the types of what a simpler search leaves out
    SELECT $8::text, $9::text[], $10::timestamptz, $11::timestamptz, $12::text[]
), audience AS MATERIALIZED (
    SELECT a.id, a.chunks FROM sous.memory_audiences a WHERE a.workspace = $1 AND $2 <> '' AND (a.scope = 'public' OR a.scope = 'workspace' AND $3
        OR a.scope = '' AND EXISTS (SELECT 1 FROM sous.memory_audience_readers r WHERE r.workspace = $1 AND r.actor = $2 AND r.audience = a.id))
), reader AS MATERIALIZED (
    SELECT COALESCE(array_agg(id), '{}') audiences, COALESCE(sum(chunks), 0)::bigint chunks FROM audience
), corpus AS MATERIALIZED (
    SELECT COALESCE(max(chunks), 0) chunks, COALESCE(max(terms), 0) terms FROM sous.memory_corpus WHERE workspace = $1
), matched AS MATERIALIZED (
    SELECT m.n, m.key, count(*) OVER (PARTITION BY m.n) found FROM sous.memory_matches($4::text[], $15::bigint + 1) m
), rare AS MATERIALIZED (
    SELECT m.key, sum(($5::float8[])[m.n] * ln(1 + (GREATEST(c.chunks, m.found) - m.found + 0.5) / (m.found + 0.5))) mass
    FROM matched m CROSS JOIN corpus c GROUP BY m.key
), rare_read AS MATERIALIZED (
    SELECT r.key, r.mass FROM rare r JOIN sous.memory_items i ON i.seq = r.key >> 16
    WHERE {readable}{rare_filter} ORDER BY r.mass DESC, r.key DESC LIMIT {most}
), together AS MATERIALIZED (
    SELECT f.key FROM sous.memory_match(CASE WHEN (SELECT count(*) FROM rare_read) < {few} THEN NULLIF($6::text, '') END::tsquery, NULL) f (key) JOIN sous.memory_items i ON i.seq = f.key >> 16
    WHERE {readable}{together_filter} ORDER BY f.key DESC LIMIT {most}
), either AS MATERIALIZED (
    SELECT f.key FROM sous.memory_match(CASE WHEN (SELECT count(*) FROM rare_read) + (SELECT count(*) FROM together) < {few} THEN NULLIF($7::text, '') END::tsquery, NULL) f (key)
    JOIN sous.memory_items i ON i.seq = f.key >> 16
    WHERE {readable}{together_filter} ORDER BY f.key DESC LIMIT {most}
), words AS MATERIALIZED (
    SELECT key, sum(mass) mass FROM (
        SELECT key, mass FROM rare_read UNION ALL SELECT key, 2 FROM together UNION ALL SELECT key, 1 FROM either
    ) w GROUP BY key ORDER BY mass DESC, key DESC LIMIT {most}
), near AS MATERIALIZED (
    {near}
), seed AS MATERIALIZED (
    SELECT key, max(mass) mass, max(cosine) cosine FROM (
        SELECT key, mass, NULL::float8 cosine FROM words UNION ALL SELECT key, 0, cosine FROM near
    ) s GROUP BY key
), scale AS MATERIALIZED (
    SELECT GREATEST(max(mass), 1e-9) mass, min(cosine) least, max(cosine) - min(cosine) + 0.01 width FROM seed
), spread AS MATERIALIZED (
    SELECT s.key + d.step key, max(s.cosine) FILTER (WHERE d.step = 0) cosine,
        sum(d.share * (s.mass / x.mass + COALESCE(power((s.cosine - x.least + 0.01) / x.width, 2), 0))) weight
    FROM seed s CROSS JOIN scale x
    CROSS JOIN (VALUES (-3, 0.1), (-2, 0.15), (-1, 0.3), (0, 1.0), (1, 0.45), (2, 0.2), (3, 0.1)) d (step, share)
    GROUP BY 1
), point AS MATERIALIZED (
    SELECT c.key FROM (SELECT DISTINCT key >> 16 seq FROM seed) i JOIN sous.memory_chunks c ON c.workspace = $1 AND c.kind = ANY ($13::text[])
        AND c.kind IN ('decision', 'action', 'question') AND c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16
    WHERE cardinality($13::text[]) > 0 LIMIT 500
), candidate AS MATERIALIZED (
    SELECT key, max(cosine) cosine, max(weight) weight FROM (
        SELECT key, cosine, weight FROM spread UNION ALL SELECT key, NULL, 10 FROM point
    ) c GROUP BY key
), found AS MATERIALIZED (
    SELECT c.key, x.cosine, c.kind, c.at, c.terms, c.speaker_words, i.kind item_kind, i.at item_at, i.title_terms,
        row_number() OVER (ORDER BY {passes}x.weight DESC, c.key DESC) place
    FROM candidate x JOIN sous.memory_chunks c ON c.key = x.key JOIN sous.memory_items i ON i.seq = x.key >> 16
    WHERE c.workspace = $1 AND {readable}
)
SELECT k.chunks, k.terms, (SELECT array_agg(DISTINCT n) FROM matched WHERE found > $15), r.chunks, f.key, f.cosine,
    CASE f.kind WHEN '' THEN f.item_kind ELSE f.kind END, f.item_kind, COALESCE(f.at, f.item_at), f.terms, f.title_terms, f.speaker_words, {shown}
FROM corpus k CROSS JOIN reader r LEFT JOIN found f ON true
LEFT JOIN sous.memory_chunks c ON c.key = f.key AND c.workspace = $1 AND f.place <= $14
LEFT JOIN sous.memory_items i ON i.seq = c.key >> 16 AND {allowed}
ORDER BY f.key
