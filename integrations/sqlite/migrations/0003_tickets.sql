-- The built-in tracker. Times are microseconds since 1970 in UTC.
CREATE TABLE tickets (
  seq        INTEGER PRIMARY KEY,
  workspace  TEXT NOT NULL,
  n          INTEGER NOT NULL,
  title      TEXT NOT NULL,
  body       TEXT NOT NULL,
  status     TEXT NOT NULL CHECK (status IN ('open', 'in_progress', 'done', 'closed')),
  assignee   TEXT NOT NULL,
  labels     TEXT NOT NULL,
  due        TEXT NOT NULL,
  links      TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created    INTEGER NOT NULL,
  updated    INTEGER NOT NULL,
  label      TEXT NOT NULL,
  UNIQUE (workspace, n)
) STRICT;

CREATE INDEX tickets_by_status ON tickets (workspace, status, n);

-- The words of title and body, by tickets.seq; they are never edited.
CREATE VIRTUAL TABLE ticket_words USING fts5 (
  title, body, content='', tokenize='porter unicode61 remove_diacritics 2'
);

CREATE TABLE ticket_comments (
  workspace TEXT NOT NULL,
  ticket    INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  author    TEXT NOT NULL,
  body      TEXT NOT NULL,
  at        INTEGER NOT NULL,
  retracted INTEGER NOT NULL DEFAULT 0,
  label     TEXT NOT NULL,
  PRIMARY KEY (workspace, ticket, n),
  FOREIGN KEY (workspace, ticket) REFERENCES tickets (workspace, n)
) STRICT, WITHOUT ROWID;

-- The history: rows are added, never changed.
CREATE TABLE ticket_changes (
  seq       INTEGER PRIMARY KEY,
  workspace TEXT NOT NULL,
  ticket    INTEGER NOT NULL,
  by        TEXT NOT NULL,
  at        INTEGER NOT NULL,
  field     TEXT NOT NULL,
  was       TEXT NOT NULL,
  now       TEXT NOT NULL,
  reason    TEXT NOT NULL
) STRICT;

CREATE INDEX ticket_changes_by_ticket ON ticket_changes (workspace, ticket, seq);

CREATE TRIGGER ticket_changes_keep BEFORE UPDATE ON ticket_changes
BEGIN SELECT RAISE(ABORT, 'the history of a ticket is not changed'); END;

CREATE TRIGGER ticket_changes_stay BEFORE DELETE ON ticket_changes
BEGIN SELECT RAISE(ABORT, 'the history of a ticket is not changed'); END;

-- What each idempotency key did first.
CREATE TABLE ticket_writes (
  workspace TEXT NOT NULL,
  key       TEXT NOT NULL,
  op        TEXT NOT NULL,
  result    TEXT NOT NULL,
  PRIMARY KEY (workspace, key)
) STRICT, WITHOUT ROWID;
