-- Requests of which a person said what team they belong to. Times are
-- microseconds since 1970 in UTC.
CREATE TABLE routing_cases (
  workspace TEXT NOT NULL,
  n         INTEGER NOT NULL,
  text      TEXT NOT NULL,
  team      TEXT NOT NULL,
  by        TEXT NOT NULL,
  at        INTEGER NOT NULL,
  removed   INTEGER NOT NULL DEFAULT 0,
  label     TEXT NOT NULL,
  PRIMARY KEY (workspace, n)
) STRICT, WITHOUT ROWID;

-- What each idempotency key did first; its rows also count the changes, so a
-- learner can tell whether it has seen them all.
CREATE TABLE routing_writes (
  seq       INTEGER PRIMARY KEY,
  workspace TEXT NOT NULL,
  key       TEXT NOT NULL,
  op        TEXT NOT NULL,
  result    TEXT NOT NULL,
  UNIQUE (workspace, key)
) STRICT;
