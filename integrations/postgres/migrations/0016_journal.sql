-- works beside: 14
-- What the steps of a turn came to; it goes when the turn ends.
CREATE TABLE journal (
    workspace text   NOT NULL,
    turn      text   NOT NULL,
    -- n counts the steps of a turn from 1.
    n         bigint NOT NULL,
    effect    text   NOT NULL,
    result    text   NOT NULL,
    PRIMARY KEY (workspace, turn, n)
);
SELECT protect('journal', 'SELECT, INSERT, DELETE');
SELECT erasable('journal', 'SELECT, DELETE');

-- carrier is the process that has the turn: '' for one that no process has to run,
-- '-' for one that was given back. tries counts the processes that ended while they
-- ran it, wake is when a parked turn has something to do at the latest, heard how
-- many signals it has taken, stuck why it was set aside, as JSON.
ALTER TABLE turns ADD COLUMN carrier text        NOT NULL DEFAULT '',
                  ADD COLUMN tries   bigint      NOT NULL DEFAULT 0,
                  ADD COLUMN wake    timestamptz,
                  ADD COLUMN heard   bigint      NOT NULL DEFAULT 0,
                  ADD COLUMN stuck   text;
CREATE INDEX turns_stuck ON turns (workspace, seq) WHERE stuck IS NOT NULL;
CREATE INDEX turns_carried ON turns (carrier, workspace) WHERE ended IS NULL AND carrier <> '';
GRANT SELECT (workspace, turn, topic, n) ON signals TO sous_watch;
CREATE POLICY watch ON signals FOR SELECT TO sous_watch USING (current_user = 'sous_watch');

-- The owner sees no row without a role; this one is at work as none of them.
ALTER TABLE turns NO FORCE ROW LEVEL SECURITY;
UPDATE turns SET carrier = '-' WHERE ended IS NULL AND status IN ('running', 'waiting') AND id NOT LIKE 'notice-%';
ALTER TABLE turns FORCE ROW LEVEL SECURITY;

-- The tables of the engine that carried turns before.
DROP SCHEMA IF EXISTS sous_turns CASCADE;
