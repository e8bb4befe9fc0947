-- works beside: 16
-- By which rules, people, teams and settings each replica works, as digests by name:
-- each reads files of its own, and who reads another version is to be found.
ALTER TABLE replicas ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
