package main

import "slices"

// fault is a deliberate mistake: old, which stands once in the file, becomes new;
// so does what else belongs to it in the same file.
type fault struct {
	name, file, old, new string
	also                 [][2]string
	// tests are the packages whose tests have to notice, run the pattern of those
	// that are run; "" runs all.
	tests []string
	run   string
}

// faults are mistakes that would open the gates, each in one place.
func faults() []fault {
	return slices.Concat(gateFaults(), wordFaults(), storeFaults(), workspaceFaults(), tableFaults(), dataFaults())
}

func gateFaults() []fault {
	return []fault{
		{
			name: "ask counts as allow", file: "tools/executor.go",
			old: "v.Ruling == agent.Ask && x.approval != \"\":", new: "v.Ruling == agent.Ask:",
			tests: []string{"./tools"},
		},
		{
			name: "ask counts as allow in the store, too", file: "integrations/sqlite/ledger.go",
			old: "if i.Verdict.Ruling != agent.Allow {", new: "if false {",
			tests: []string{"./integrations/sqlite"}, run: "TestLedger",
		},
		{
			name: "a forbid that cannot be evaluated is skipped", file: "agent/policy/cedar.go",
			old: "if len(diag.Errors) > 0 {", new: "if len(diag.Errors) > 1<<20 {",
			tests: []string{"./agent/policy"},
		},
		{
			name: "requests are not held against the schema", file: "agent/policy/decide.go",
			old: "if err := s.validate(env, actionRun); err != nil {", new: "if err := s.validate(env, actionRun); false {",
			tests: []string{"./agent/policy"},
		},
		{
			name: "a guard that cannot be looked at counts as false", file: "agent/policy/guard.go",
			old: "\tv, ok := record.Get(g.name)\n\tif !ok {\n\t\treturn undecided", new: "\tv, ok := record.Get(g.name)\n\tif !ok {\n\t\treturn isFalse",
			tests: []string{"./agent/policy"},
		},
		{
			name: "the digest of an approval is not looked at", file: "agent/approval/run.go",
			old: "case digest != a.Digest:", new: "case false:",
			tests: []string{"./agent/approval", "./integrations/sqlite"}, run: "Transitions|Machine|TestLedger|TestApprovals|Recheck|byte",
		},
		{
			name: "the digest a caller claims is believed", file: "integrations/sqlite/ledger.go",
			old: "if digest != p.Digest {", new: "if digest == \"\" {",
			tests: []string{"./integrations/sqlite"}, run: "TestLedger|TestApprovals",
		},
		{
			name: "run before recording", file: "tools/executor.go",
			old: "\trec, err := e.ledger.Intend(", new: "\t_, _ = x.bound.run(ctx, x.inv)\n\trec, err := e.ledger.Intend(",
			tests: []string{"./tools"},
		},
		{
			name: "the same words in another call are the same effect", file: "tools/executor.go",
			old: "sha256.Sum256([]byte(c.ID + \"\\n\" + digest))", new: "sha256.Sum256([]byte(digest))",
			tests: []string{"./tools"},
		},
		{
			name: "names of files are ours", file: "agent/loop/seen.go",
			old: "agent.Label{Integrity: agent.External, Readers: asked.Label.Readers, Sources: []string{f.Name}}", new: "agent.Label{Integrity: agent.Requester, Readers: asked.Label.Readers, Sources: []string{f.Name}}",
			tests: []string{"./agent/loop"},
		},
		{
			name: "what is in files is ours", file: "agent/loop/assistant.go",
			old: "agent.Label{Integrity: agent.External, Readers: place.Readers(), Sources: []string{name}}", new: "agent.Label{Integrity: agent.Organisation, Readers: place.Readers(), Sources: []string{name}}",
			tests: []string{"./agent/loop"}, run: "File",
		},
		{
			name: "a missing label is harmless", file: "agent/policy/facts.go",
			old: "return int(agent.Requester) - int(min(i, agent.Requester))", new: "return max(1, int(i)) % 2",
			tests: []string{"./agent/policy"},
		},
		{
			name: "everybody may hear everything", file: "agent/loop/think.go",
			old: "return l.Readers.Includes(t.Actor) && l.Readers.Covers(t.Place.Readers())", new: "return l.Readers.Includes(t.Actor)",
			tests: []string{"./agent/loop"},
		},
		{
			name: "what tools return is not scanned", file: "tools/scan.go",
			old: "return with(l, redact.LabelsJSON(string(doc)))", new: "return l",
			tests: []string{"./tools"},
		},
		{
			name: "who asks is who the session says", file: "agent/loop/effects.go",
			old: "call.Actor = asker", new: "_ = asker",
			tests: []string{"./agent/loop"}, run: "WhoAsks|Gone",
		},
	}
}

// wordFaults take the words of others for those of whoever asks.
func wordFaults() []fault {
	return []fault{
		{
			name: "a name that is mentioned counts word by word", file: "agent/policy/provenance.go",
			old: "if w == first && !q.inside(i) && q.follow(i+1, rest) {", new: "if w == first && q.follow(i+1, rest) {",
			tests: []string{"./agent/policy"}, run: "Mention|Said",
		},
		{
			name: "names of outsiders are the requester's words", file: "agent/loop/assistant.go",
			old: "\tcase in.Outside != \"\":\n\t\tsources = []string{in.Outside}\n", new: "",
			tests: []string{"./integrations/slack"}, run: "WhatSomebodyIsCalled",
		},
		{
			name: "what a button orders is written as the presser's own", file: "agent/loop/effects.go",
			old: "Made: ordered.made(t.Place),", new: "",
			tests: []string{"./agent/loop"}, run: "TakingBack",
		},
		{
			name: "an id of another's request shows it", file: "agent/loop/assistant.go",
			old: "case acc.Duplicate && !acc.Turn.Place.Readers().Includes(by):", new: "case false:",
			tests: []string{"./agent/loop"}, run: "TheIDOf",
		},
	}
}

func storeFaults() []fault {
	return []fault{
		{
			name: "no lock on the quorum, nor on any writer (SQLite)", file: "integrations/sqlite/sqlite.go",
			old: `q.Set("_txlock", "immediate")`, new: `q.Set("_txlock", "deferred")`,
			also:  [][2]string{{"writer: make(chan struct{}, 1)", "writer: make(chan struct{}, 64)"}},
			tests: []string{"./integrations/sqlite"}, run: "TestTwoProcesses|TestLedger|TestApprovals",
		},
		{
			name: "no lock on the quorum (PostgreSQL)", file: "integrations/postgres/txn.go",
			old: "WHERE workspace = $1 FOR UPDATE`", new: "WHERE workspace = $1`",
			tests: []string{"./integrations/postgres"}, run: "TestOfMany|TestOfTwoYeses|TestLedger|TestApprovals",
		},
		{
			name: "the requester may approve", file: "agent/approval/approval.go",
			old: "\tcase requester:\n", new: "\tcase requester && a.ID == \"\":\n",
			tests: []string{"./agent/approval"},
		},
		{
			name: "a yes is good for ever", file: "agent/approval/run.go",
			old: "case !now.Before(a.RunBefore()):", new: "case false:",
			tests: []string{"./agent/approval"},
		},
		{
			name: "a question is open for ever", file: "agent/approval/approval.go",
			old: "\tcase !now.Before(a.Expires):\n\t\treturn agent.Errorf(agent.Expired,", new: "\tcase false:\n\t\treturn agent.Errorf(agent.Expired,",
			tests: []string{"./agent/approval"},
		},
		{
			name: "the tool may have changed since the yes", file: "agent/approval/run.go",
			old: "case a.Definition != c.Definition:", new: "case false:",
			tests: []string{"./agent/approval", "./integrations/sqlite"}, run: "Stands|People|TestLedger",
		},
		{
			name: "who is deactivated goes on", file: "agent/people/people.go",
			old: "case !p.Active:", new: "case false:",
			tests: []string{"./agent/people"},
		},
		{
			name: "a late worker's outcome counts", file: "integrations/sqlite/ledger.go",
			old: "case e.fence != s.Fence:", new: "case false:",
			tests: []string{"./integrations/sqlite"}, run: "TestLedger|TestApprovals|Fence|TestPauses",
		},
		{
			name: "a pause is not looked at when it counts", file: "integrations/sqlite/effects.go",
			old: "over, paused, err := pausedIn(ctx, tx, subjectOf(i.Proposal.Call))", new: "over, paused, err := pausedIn(ctx, tx, subjectOf(agent.Call{}))",
			tests: []string{"./integrations/sqlite"}, run: "TestPauses",
		},
	}
}

// workspaceFaults are mistakes in what keeps workspaces, readers and replicas apart.
func workspaceFaults() []fault {
	return []fault{
		{
			name: "row-level security lets everything through", file: "integrations/postgres/migrations/0020_policies_planned.sql",
			old: "USING (workspace = CASE WHEN current_user = %L THEN current_setting(''sous.workspace'', true) END)", new: "USING (true)",
			tests: []string{"./integrations/postgres"}, run: "TestNoTable|TestNoPolicy",
		},
		{
			name: "row-level security is not forced", file: "integrations/postgres/migrations/0020_policies_planned.sql",
			old: "EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', which);", new: "PERFORM which;",
			tests: []string{"./integrations/postgres"}, run: "TestNoTable|TestNoPolicy",
		},
		{
			name: "no lock on migrations (PostgreSQL)", file: "integrations/postgres/migrate.go",
			old: "SELECT pg_advisory_xact_lock($1)", new: "SELECT $1::bigint",
			tests: []string{"./integrations/postgres"}, run: "TestReplicasThatStartTogether",
		},
		{
			name: "a pause of everything waits for no intent", file: "integrations/postgres/write.go",
			old: "pg_advisory_xact_lock_shared(%d)", new: "%d",
			tests: []string{"./integrations/postgres"}, run: "TestNoIntentStands",
		},
		{
			name: "a replica that was taken for gone goes on writing", file: "integrations/postgres/txn.go",
			old: "if o.replica != \"\" {", new: "if o.replica == \"?\" {",
			tests: []string{"./integrations/postgres"}, run: "TestASilentReplica|TestAReplica|TestJournal",
		},
		{
			name: "nobody looks for what was committed without an answer", file: "agent/journal/journal.go",
			old: "	e.beside.Go(e.keepLooking)\n", new: "",
			tests: []string{"./agent/journal"}, run: "TestARequestThatWasTakenWithoutAnAnswer",
		},
		{
			name: "a query without its workspace (SQLite)", file: "integrations/sqlite/journal.go",
			old: "FROM journal WHERE workspace = ? AND turn = ?", new: "FROM journal WHERE ? <> '' AND turn = ?",
			tests: []string{"./integrations/sqlite"}, run: "TestNothingOfAnother",
		},
		{
			name: "readers are not looked at (SQLite)", file: "integrations/sqlite/memory.go",
			old: "r.item = i.seq AND r.actor = ?2 AND r.workspace = ?1", new: "r.item = i.seq AND r.workspace = ?1",
			tests: []string{"./integrations/sqlite"}, run: "TestMemor|TestRecall",
		},
		{
			name: "the scan gives what others may read (SQLite)", file: "integrations/sqlite/memory_near.go",
			old: "WHERE r.actor = ?2 AND ?2 <> ''`", new: "WHERE ?2 <> ''`",
			tests: []string{"./integrations/sqlite"}, run: "TestMemor|TestRecall|TestTheScan",
		},
		{
			name: "readers are not looked at (PostgreSQL)", file: "integrations/postgres/memory.go",
			old: "r.item = i.seq AND r.actor = $2 AND r.workspace = $1", new: "r.item = i.seq AND r.workspace = $1",
			tests: []string{"./integrations/postgres"}, run: "TestMemor|TestRecall",
		},
		{
			name: "readers are not looked at in recall (PostgreSQL)", file: "integrations/postgres/memory_recall.sql",
			old: "r.workspace = $1 AND r.actor = $2 AND r.audience = a.id", new: "r.workspace = $1 AND $2 <> '' AND r.audience = a.id",
			tests: []string{"./integrations/postgres"}, run: "TestMemor|TestRecall",
		},
		{
			name: "a late worker's outcome counts (PostgreSQL)", file: "integrations/postgres/ledger.go",
			old: "case e.fence != s.Fence:", new: "case false:",
			tests: []string{"./integrations/postgres"}, run: "TestLedger|TestApprovals|Fence|TestPauses",
		},
		{
			name: "a sweep does not wait for who writes elsewhere", file: "integrations/postgres/privacy_sweep.go",
			old: "range []string{whoWrites, whoReads} {", new: "range []string{whoReads} {",
			tests: []string{"./integrations/postgres"}, run: "TestASweep",
		},
		{
			name: "a sweep does not wait for who still reads", file: "integrations/postgres/privacy_sweep.go",
			old: "range []string{whoWrites, whoReads} {", new: "range []string{whoWrites} {",
			tests: []string{"./integrations/postgres"}, run: "TestASweep",
		},
	}
}

// tableFaults leave single tables without what protects them, and leases without
// what makes others wait.
func tableFaults() []fault {
	const core, looked = "integrations/postgres/migrations/0003_rights.sql", "TestNoTable|TestNoPolicy"
	here := []string{"./integrations/postgres"}
	return []fault{
		{
			name: "row-level security leaves messages out", file: core, tests: here, run: looked,
			old: "SELECT protect('messages', 'SELECT, INSERT')", new: "GRANT SELECT, INSERT ON messages TO sous_app",
		},
		{
			name: "row-level security leaves approvals out", file: core, tests: here, run: looked,
			old: "SELECT protect('approvals', 'SELECT, INSERT, UPDATE')", new: "GRANT SELECT, INSERT, UPDATE ON approvals TO sous_app",
		},
		{
			name: "row-level security leaves the record out", file: core, tests: here, run: looked,
			old: "SELECT protect('audit', 'SELECT, INSERT')", new: "GRANT SELECT, INSERT ON audit TO sous_app",
		},
		{
			name: "row-level security leaves memories out", file: "integrations/postgres/migrations/0005_memory.sql", tests: here, run: looked,
			old: "SELECT protect('memory_items', 'SELECT, INSERT, UPDATE, DELETE')", new: "GRANT SELECT, INSERT, UPDATE, DELETE ON memory_items TO sous_app",
		},
		{
			name: "who watches turns is anybody", file: core, tests: here, run: looked,
			old: "CREATE POLICY watch ON turns FOR SELECT TO sous_watch USING (current_user = 'sous_watch')", new: "CREATE POLICY watch ON turns FOR SELECT USING (true)",
		},
		{
			name: "a lease is taken from who holds it (SQLite)", file: "integrations/sqlite/delivery.go", tests: []string{"./integrations/sqlite"}, run: "TestDeliveries",
			old: "case known && was.holder != l.Holder && now.Before(was.until):", new: "case false:",
		},
		{
			name: "a lease is taken from who holds it (PostgreSQL)", file: "integrations/postgres/delivery.go", tests: here, run: "TestDeliveries",
			old: "OR s.holder = excluded.holder OR s.until <= $6", new: "OR s.holder = excluded.holder OR s.until <= $6 OR true",
		},
	}
}

func dataFaults() []fault {
	return []fault{
		{
			name: "rules are in force before they are recorded", file: "agent/policy/engine.go",
			old: "\tif e.Taken != nil {\n", new: "\te.set.Store(set)\n\tif e.Taken != nil {\n",
			tests: []string{"./agent/policy"}, run: "CannotBeRecorded",
		},
		{
			name: "a rewritten record is signed again", file: "agent/audit/checkpointer.go",
			old: "case was.Root != h.SignedRoot:", new: "case false:",
			tests: []string{"./integrations/sqlite"}, run: "TestAuditProof/a_rewritten",
		},
		{
			name: "heads are not held against checkpoints", file: "agent/audit/verify.go",
			old: "if root != m.Root {", new: "if false {",
			tests: []string{"./integrations/sqlite"}, run: "TestAuditProof/650",
		},
		{
			name: "secrets are put back", file: "internal/redact/restore.go",
			old: "if e.Kind.Secret() || host ||", new: "if host ||",
			tests: []string{"./internal/redact"}, run: "Secret|Restore|Vault|RoundTrip|OneWay",
		},
		{
			name: "models outside see everything", file: "cmd/sous/models.go",
			old: "masked := model.Redact(far, model.RedactConfig{})", new: "masked := far",
			tests: []string{"./cmd/sous"}, run: "TestOfPlanted",
		},
		{
			name: "a token that was taken back goes on", file: "agent/people/token.go",
			old: `h.Write([]byte("session of\n" + string(person) + "\n" + t.Hash))`, new: `h.Write([]byte("session of\n" + string(person) + "\n" + t.Hash[:0]))`,
			tests: []string{"./integrations/sqlite"}, run: "TestTokens",
		},
		{
			name: "a workspace of several is one person's", file: "cmd/sous/people.go",
			old: "return !cfg.Slack.IsSet() && (f == nil || f.Roster().Humans() <= 1)", new: "return true",
			tests: []string{"./cmd/sous"}, run: "TestPeopleOf",
		},
	}
}
