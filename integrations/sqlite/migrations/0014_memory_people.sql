-- Whose own words an item holds beside its author's: it goes when they are erased.
CREATE TABLE memory_people (
	workspace TEXT NOT NULL,
	item INTEGER NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
	actor TEXT NOT NULL,
	PRIMARY KEY (item, actor)
) WITHOUT ROWID;
CREATE INDEX memory_people_by_actor ON memory_people (workspace, actor);
