-- works beside: 16
-- What ended lately is looked for by when it ended: an answer may have been left
-- unposted by a process that ended, however long ago its turn was accepted.
CREATE INDEX turns_ended ON turns (workspace, ended) WHERE ended IS NOT NULL;
