-- works beside: 10
-- The process behind a replica, as its connections are named: those of one that is
-- gone are ended, with the locks they hold.
ALTER TABLE replicas ADD COLUMN process text NOT NULL DEFAULT '';
