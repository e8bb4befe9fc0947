-- works beside: 10
-- Whose own words an item holds beside its author's: it goes when they are erased.
CREATE TABLE memory_people (
    workspace text   NOT NULL,
    item      bigint NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
    actor     text   NOT NULL,
    PRIMARY KEY (item, actor)
);
CREATE INDEX memory_people_by_actor ON memory_people (workspace, actor, item);
SELECT protect('memory_people', 'SELECT, INSERT, DELETE');
