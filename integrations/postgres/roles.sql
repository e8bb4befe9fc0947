-- The roles Sous works under. Sous makes them itself when the user it connects
-- as may make roles; else an administrator runs this file once, and grants
-- sous_app, sous_watch and sous_privacy to that user.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['sous_app', 'sous_watch', 'sous_privacy', 'sous_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this server was faster
            END;
        END IF;
    END LOOP;
    FOREACH role IN ARRAY ARRAY['sous_app', 'sous_watch', 'sous_privacy'] LOOP
        IF NOT pg_has_role(current_user, role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', role, current_user);
        END IF;
    END LOOP;
END $$;
