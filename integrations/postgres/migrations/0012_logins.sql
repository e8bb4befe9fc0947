-- works beside: 10
-- Who serves need not own anything: a login that is a member of sous_server works on
-- what its owner has brought up to date.
GRANT SELECT ON schema_version TO sous_app;

-- The durable engine's own tables hold the steps of every workspace's turns; it
-- works on them without a policy.
CREATE SCHEMA IF NOT EXISTS sous_turns;
GRANT USAGE ON SCHEMA sous_turns TO sous_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sous_turns TO sous_engine;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA sous_turns TO sous_engine;
ALTER DEFAULT PRIVILEGES IN SCHEMA sous_turns GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sous_engine;
ALTER DEFAULT PRIVILEGES IN SCHEMA sous_turns GRANT USAGE, SELECT ON SEQUENCES TO sous_engine;

-- An auditor verifies the whole record with a login of their own: which workspaces
-- there are, and the sealed payloads, which nobody reads without the keys.
DROP POLICY audit ON audit;
DROP POLICY audit ON audit_tree;
DROP POLICY audit ON audit_checkpoints;
CREATE POLICY audit ON audit FOR SELECT TO sous_auditor
    USING (COALESCE(current_setting('sous.workspace', true), '') IN (workspace, ''));
CREATE POLICY audit ON audit_tree FOR SELECT TO sous_auditor
    USING (COALESCE(current_setting('sous.workspace', true), '') IN (workspace, ''));
CREATE POLICY audit ON audit_checkpoints FOR SELECT TO sous_auditor
    USING (COALESCE(current_setting('sous.workspace', true), '') IN (workspace, ''));
CREATE POLICY audit ON audit_payload FOR SELECT TO sous_auditor USING (workspace = current_setting('sous.workspace', true));
CREATE POLICY audit ON subject_keys FOR SELECT TO sous_auditor USING (workspace = current_setting('sous.workspace', true));
GRANT SELECT ON audit_payload, subject_keys, schema_version TO sous_auditor;
