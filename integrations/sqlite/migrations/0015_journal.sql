-- What the steps of a turn came to; it goes when the turn ends.
CREATE TABLE journal (
    workspace TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    -- n counts the steps of a turn from 1.
    n         INTEGER NOT NULL,
    effect    TEXT    NOT NULL,
    result    TEXT    NOT NULL,
    PRIMARY KEY (workspace, turn, n)
) STRICT, WITHOUT ROWID;

-- carrier is the process that has the turn: '' for one that no process has to run,
-- '-' for one that was given back. tries counts the processes that ended while they
-- ran it, wake is when a parked turn has something to do at the latest, heard how
-- many signals it has taken, stuck why it was set aside, as JSON.
ALTER TABLE turns ADD COLUMN carrier TEXT    NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN tries   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN wake    INTEGER;
ALTER TABLE turns ADD COLUMN heard   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN stuck   TEXT;
CREATE INDEX turns_stuck ON turns (workspace, seq) WHERE stuck IS NOT NULL;
UPDATE turns SET carrier = '-' WHERE ended IS NULL AND status IN ('running', 'waiting') AND id NOT GLOB 'notice-*';

-- The tables of the engine that carried turns before.
DROP TABLE IF EXISTS workflow_input;
DROP TABLE IF EXISTS workflow_output;
DROP TABLE IF EXISTS operation_outputs;
DROP TABLE IF EXISTS notifications;
DROP TABLE IF EXISTS workflow_events;
DROP TABLE IF EXISTS workflow_events_history;
DROP TABLE IF EXISTS workflow_schedules;
DROP TABLE IF EXISTS application_versions;
DROP TABLE IF EXISTS event_dispatch_kv;
DROP TABLE IF EXISTS streams;
DROP TABLE IF EXISTS queues;
DROP TABLE IF EXISTS workflow_status;
DROP TABLE IF EXISTS dbos_migrations;
