-- works beside: 16
-- A plan that was made while a table was empty reads all of it once it is full:
-- statistics are gathered soon, not when the server gets round to it.
CREATE FUNCTION gather_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    ANALYZE (SKIP_LOCKED) turns, messages, conversations, conversation_members, steps, journal, signals, approvals, effects,
        audit, audit_tree, audit_heads, deliveries, shows, posts;
END $$;
REVOKE ALL ON FUNCTION gather_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gather_statistics() TO sous_app;

-- A row comes right after the last one, which the primary key's end is.
CREATE OR REPLACE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM COALESCE((SELECT seq FROM audit WHERE workspace = NEW.workspace ORDER BY workspace DESC, seq DESC LIMIT 1), 0) + 1 THEN
        RAISE EXCEPTION 'the audit record is append-only, without gaps';
    END IF;
    RETURN NEW;
END $$;
