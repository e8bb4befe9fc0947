-- works beside: 5
-- What an item was imported with and read from, and the name of its place.
ALTER TABLE memory_items ADD COLUMN place_name text NOT NULL DEFAULT '';
ALTER TABLE memory_items ADD COLUMN collection text NOT NULL DEFAULT '';
ALTER TABLE memory_items ADD COLUMN hash text NOT NULL DEFAULT '';
CREATE INDEX memory_items_by_collection ON memory_items (workspace, collection) WHERE collection <> '';
CREATE INDEX memory_items_by_successor ON memory_items (workspace, superseded_by) WHERE superseded_by <> '';

-- An item can be taken out for good. Its entries are found by their keys; the
-- words stay out of reach but for memory_match.
GRANT DELETE, SELECT (workspace, key) ON memory_index TO sous_app;
