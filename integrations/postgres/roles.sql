-- The roles Sous works under. Sous makes them itself when the user it connects
-- as may make roles; else an administrator runs this file once, and grants
-- sous_server to that user. Another login that is a member of sous_server can
-- serve on what that user owns; one that is a member of sous_auditor alone can
-- verify and read the record.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['sous_app', 'sous_watch', 'sous_privacy', 'sous_engine', 'sous_auditor', 'sous_server'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this server was faster
            END;
        END IF;
    END LOOP;
    FOREACH role IN ARRAY ARRAY['sous_app', 'sous_watch', 'sous_privacy', 'sous_engine'] LOOP
        IF NOT pg_has_role('sous_server', role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO sous_server', role);
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'sous_server', 'MEMBER') THEN
        EXECUTE format('GRANT sous_server TO %I', current_user);
    END IF;
END $$;
