-- works beside: 10
-- Whose data must not be erased, and why.
CREATE TABLE holds (
    workspace text        NOT NULL,
    subject   text        NOT NULL,
    by        text        NOT NULL,
    reason    text        NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (workspace, subject)
);
SELECT protect('holds', 'SELECT, INSERT, UPDATE, DELETE');

-- The role that takes out what people ask to have erased and what has had its
-- time: it may change what nobody else may, and nothing of the record.
GRANT USAGE ON SCHEMA sous TO sous_privacy;
CREATE FUNCTION erasable(which regclass, rights text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY privacy ON %s TO sous_privacy USING (current_user = ''sous_privacy'' AND workspace = current_setting(''sous.workspace'', true))', which);
    EXECUTE format('GRANT %s ON %s TO sous_privacy', rights, which);
END $$;
SELECT erasable(t::regclass, 'SELECT, UPDATE') FROM unnest(ARRAY[
    'conversations', 'messages', 'steps', 'signals', 'approvals', 'approval_votes', 'effects', 'ratings', 'pauses', 'turns',
    'ticket_comments', 'ticket_changes', 'ticket_writes', 'tickets', 'routing_writes', 'routing_cases'
]) t;
SELECT erasable('files', 'SELECT, DELETE');
SELECT erasable('reviews', 'SELECT, DELETE');
SELECT erasable('tokens', 'SELECT, DELETE');
SELECT erasable('memory_items', 'SELECT');
SELECT erasable('memory_chunks', 'SELECT');
SELECT erasable('holds', 'SELECT');
SELECT erasable('ticket_words', 'DELETE, SELECT (workspace, n)');

CREATE OR REPLACE FUNCTION history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'sous_privacy' AND TG_OP = 'UPDATE' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the history of a ticket is not changed';
END $$;
