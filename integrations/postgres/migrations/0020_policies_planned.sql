-- works beside: 16
-- Each row was looked at for the role as well as for its workspace, and the planner
-- took it that one row in two hundred would pass: a lookup of the last row of a
-- workspace then read and sorted all of them. With the role in the value that the
-- workspace is compared with there is one condition, which an index answers. Under
-- another role the value is NULL, and no row is seen.
CREATE OR REPLACE FUNCTION protect(which regclass, rights text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', which);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', which);
    EXECUTE format('CREATE POLICY workspace ON %s TO sous_app USING (workspace = CASE WHEN current_user = ''sous_app'' THEN current_setting(''sous.workspace'', true) END)', which);
    EXECUTE format('GRANT %s ON %s TO sous_app', rights, which);
END $$;
CREATE OR REPLACE FUNCTION erasable(which regclass, rights text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY privacy ON %s TO sous_privacy USING (workspace = CASE WHEN current_user = ''sous_privacy'' THEN current_setting(''sous.workspace'', true) END)', which);
    EXECUTE format('GRANT %s ON %s TO sous_privacy', rights, which);
END $$;
DO $$
DECLARE p record;
BEGIN
    FOR p IN SELECT tablename, policyname, CASE policyname WHEN 'workspace' THEN 'sous_app' ELSE 'sous_privacy' END AS as_role
        FROM pg_policies WHERE schemaname = 'sous' AND policyname IN ('workspace', 'privacy') LOOP
        EXECUTE format('ALTER POLICY %I ON %I USING (workspace = CASE WHEN current_user = %L THEN current_setting(''sous.workspace'', true) END)',
            p.policyname, p.tablename, p.as_role);
    END LOOP;
END $$;
