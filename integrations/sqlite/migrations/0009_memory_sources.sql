-- What an item was imported with and read from, and the name of its place.
ALTER TABLE memory_items ADD COLUMN place_name TEXT NOT NULL DEFAULT '';
ALTER TABLE memory_items ADD COLUMN collection TEXT NOT NULL DEFAULT '';
ALTER TABLE memory_items ADD COLUMN hash TEXT NOT NULL DEFAULT '';
CREATE INDEX memory_items_by_collection ON memory_items (workspace, collection) WHERE collection <> '';
CREATE INDEX memory_items_by_successor ON memory_items (workspace, superseded_by) WHERE superseded_by <> '';
