-- works beside: 2
-- The rights of the roles on what the migrations before made. A later migration
-- gives its own tables theirs with protect(). The policies ask who is at work and
-- not just who may be: the owner is a member of the roles, and may see nothing.
CREATE FUNCTION protect(which regclass, rights text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', which);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', which);
    EXECUTE format('CREATE POLICY workspace ON %s TO sous_app USING (current_user = ''sous_app'' AND workspace = current_setting(''sous.workspace'', true))', which);
    EXECUTE format('GRANT %s ON %s TO sous_app', rights, which);
END $$;

GRANT USAGE ON SCHEMA sous TO sous_app, sous_watch, sous_auditor;

SELECT protect('conversations', 'SELECT, INSERT, UPDATE');
SELECT protect('conversation_members', 'SELECT, INSERT, DELETE');
SELECT protect('messages', 'SELECT, INSERT');
SELECT protect('turns', 'SELECT, INSERT, UPDATE');
SELECT protect('replies', 'SELECT, INSERT');
SELECT protect('steps', 'SELECT, INSERT');
SELECT protect('signals', 'SELECT, INSERT');
SELECT protect('files', 'SELECT, INSERT');
SELECT protect('approvals', 'SELECT, INSERT, UPDATE');
SELECT protect('approval_votes', 'SELECT, INSERT');
SELECT protect('effects', 'SELECT, INSERT, UPDATE');
SELECT protect('pauses', 'SELECT, INSERT, DELETE');
SELECT protect('audit_heads', 'SELECT, INSERT, UPDATE');
SELECT protect('subject_keys', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('audit', 'SELECT, INSERT');
SELECT protect('audit_payload', 'SELECT, INSERT, DELETE');
SELECT protect('audit_tree', 'SELECT, INSERT');
SELECT protect('audit_checkpoints', 'SELECT, INSERT');

-- Of no workspace: the check of the key that is the same for all.
GRANT SELECT, INSERT, UPDATE ON keyring_check TO sous_app;

CREATE POLICY watch ON turns FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
CREATE POLICY watch ON pauses FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
CREATE POLICY watch ON effects FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
CREATE POLICY watch ON audit_heads FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
-- What stops everything stops every workspace, so each may read of it; so does a
-- scope of a newer version.
CREATE POLICY everything ON pauses FOR SELECT TO sous_app USING (current_user = 'sous_app' AND scope NOT IN ('workspace', 'tool', 'turn'));
GRANT SELECT ON turns, pauses, audit_heads TO sous_watch;
GRANT SELECT (workspace, key) ON effects TO sous_watch;
CREATE POLICY watch ON audit FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
CREATE POLICY watch ON audit_tree FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
CREATE POLICY watch ON audit_checkpoints FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
GRANT SELECT (workspace) ON audit, audit_tree, audit_checkpoints TO sous_watch;

CREATE POLICY audit ON audit FOR SELECT TO sous_auditor USING (workspace = current_setting('sous.workspace', true));
CREATE POLICY audit ON audit_tree FOR SELECT TO sous_auditor USING (workspace = current_setting('sous.workspace', true));
CREATE POLICY audit ON audit_checkpoints FOR SELECT TO sous_auditor USING (workspace = current_setting('sous.workspace', true));
GRANT SELECT ON audit, audit_tree, audit_checkpoints TO sous_auditor;
