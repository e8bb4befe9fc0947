package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

// shared are the tables that belong to no workspace.
const shared = "schema_version keyring_check replicas memory_generations"

// fill leaves at least a row of acme's in every table.
func fill(t *testing.T, db *postgres.DB, clock *storetest.Clock) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member, Owner: true}
	label := agent.Label{Readers: agent.Only("ann")}
	turn := agent.Turn{ID: "e1", Workspace: "acme", Conversation: "c", Actor: ann, Place: agent.Place{ID: "d", Kind: agent.DM, Members: []agent.ActorID{"ann"}}}
	message := func(id string) agent.Message { return agent.Message{ID: id, Author: ann, Text: "hello", Label: label} }
	_, err := db.Accept(ctx, turn, message("m1"), nil)
	must(err)
	pending := &loop.Pending{Workspace: "acme", Turn: "e1"}
	pending.Add(loop.Checkpoint{N: 1, Effect: "think", Result: []byte(`{}`)}, clock.Now())
	must(db.Park(loop.WithPending(ctx, pending), "acme", "e1", loop.Parked{Question: "Which?", Steps: []agent.Step{{N: 1, Title: "thinking"}}}))
	reply := turn
	reply.ID = "e2"
	_, err = db.Accept(ctx, reply, message("m2"), nil)
	must(err)
	must(db.SaveFile(ctx, agent.File{FileRef: agent.FileRef{ID: "f1"}, Workspace: "acme", Owner: "ann", Label: label, Content: []byte("x")}))
	_, err = db.Pause(ctx, ann, pause.Tool, "mail_send", "because")
	must(err)

	l, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	must(err)
	p := proposal(t, ann, "e1/1")
	_, err = l.Intend(ctx, tools.Intent{Key: "k1", Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}})
	must(err)
	id, err := l.Ask(ctx, proposal(t, ann, "e1/2"), agent.Verdict{Ruling: agent.Ask, Quorum: 2})
	must(err)
	_, err = approve(ctx, db, agent.Actor{Workspace: "acme", ID: "bob", Kind: agent.Member}, id, clock)
	must(err)
	must(db.SaveCheckpoint(ctx, audit.Checkpoint{Workspace: "acme", Size: 1, At: clock.Now()}, "signed"))

	must(db.SetToken(ctx, ann, "bob", "hash"))

	front := delivery.Front{Workspace: "acme", Source: "slack"}
	_, err = db.Keep(ctx, front, []delivery.Delivery{{ID: "d1", Body: []byte("x")}})
	must(err)
	must(db.Settle(ctx, front, delivery.Settled{Posts: []delivery.Post{{About: "e1", Key: "k", Place: "c", Ref: "1"}}, Over: []string{"e1"}}))

	must(postgres.NewFeedback(db).Rate(ctx, feedback.Rating{Workspace: "acme", Turn: "e1", By: "ann", At: clock.Now()}))
	_, err = db.OpenReview(ctx, review.Review{ID: "R1", Workspace: "acme", Turn: "e1", Reviewer: ann, State: review.Draft, Created: clock.Now()})
	must(err)
	must(db.Install(ctx, install.Installation{Workspace: "acme", System: "slack", Team: "T1", Token: "t", At: clock.Now()}))

	w := agent.Write{By: ann, Key: "w1", Label: label}
	tracker := postgres.NewTracker(db, nil)
	ticket, err := tracker.Create(ctx, w, agent.TicketDraft{Title: "Mend the door"})
	must(err)
	w.Key = "w2"
	_, err = tracker.Comment(ctx, w, ticket.ID, "soon")
	must(err)
	_, err = db.Hold(ctx, w.By, "carol", "a dispute")
	must(err)
	_, err = postgres.NewRoutingCases(db).Record(ctx, w, "my laptop", "it")
	must(err)
	memories := postgres.NewMemories(db)
	g, err := memories.Begin(ctx, "a model", 3)
	must(err)
	for _, id := range []string{"i1", "i2"} {
		_, _, err = memories.SaveItem(ctx, memory.Item{
			ID: id, Workspace: "acme", Kind: memory.Fact, Author: "ann", People: []agent.ActorID{"bob"}, At: clock.Now(), Remembered: clock.Now(), Label: label,
			Chunks: []memory.Chunk{{Text: "a secret recipe"}},
		})
		must(err)
	}
	work, err := memories.Work(ctx, g.ID, 1)
	must(err)
	must(memories.SaveVectors(ctx, work, [][]float32{{1, 2, 3}}))
}

func approve(ctx context.Context, db *postgres.DB, by agent.Actor, id string, clock *storetest.Clock) (approval.Approval, error) {
	return db.Change(ctx, by, id, func(a approval.Approval) (approval.Approval, error) { return a.Approve(by, clock.Now()) })
}

func proposal(t *testing.T, by agent.Actor, id string) tools.Proposal {
	t.Helper()
	c := agent.Call{ID: id, Turn: strings.Split(id, "/")[0], Actor: by, Tool: "ticket_create", Args: []byte(`{}`)}
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tools.Proposal{Call: c, Digest: digest, Spec: tools.Spec{Name: c.Tool, Tier: agent.TierWrite}}
}

// as runs f in a transaction of the role in the workspace, on a plain connection.
func as(t *testing.T, url, role, ws string, f func(tx pgx.Tx)) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `SELECT set_config('search_path', 'sous', true), set_config('sous.workspace', $1, true)`, ws)
	if err == nil && role != "" {
		_, err = tx.Exec(t.Context(), `SET LOCAL ROLE `+role)
	}
	if err != nil {
		t.Fatal(err)
	}
	f(tx)
}

// count is how many rows a table shows, -1 when it may not be read.
func count(t *testing.T, tx pgx.Tx, table string) int {
	t.Helper()
	inner, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inner.Rollback(context.Background()) }()
	n := 0
	err = inner.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tablesOf(t *testing.T, base pgtest.Database) []string {
	t.Helper()
	var all []string
	as(t, base.AdminURL, "", "", func(tx pgx.Tx) {
		rows, err := tx.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'sous' ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		if all, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
	})
	return all
}

// The policies are asked without the conditions of the queries: each alone is enough.
func TestNoTableShowsAnotherWorkspaceARow(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	fill(t, db, clock)
	tables := tablesOf(t, base)
	if len(tables) < 20 {
		t.Fatalf("only %d tables", len(tables))
	}
	look := func(url, role, ws string, check func(table string, n int)) {
		as(t, url, role, ws, func(tx pgx.Tx) {
			for _, table := range tables {
				if !strings.Contains(shared, table) {
					check(table, count(t, tx, table))
				}
			}
		})
	}
	look(base.AdminURL, "", "", func(table string, n int) {
		if n == 0 {
			t.Errorf("the test leaves %s empty", table)
		}
	})
	words := func(table string) bool { return table == "ticket_words" || table == "memory_index" }
	look(base.URL, "sous_app", "acme", func(table string, n int) {
		if n <= 0 && !words(table) {
			t.Errorf("%s shows its own workspace %d rows", table, n)
		}
	})
	for _, ws := range []string{"globex", "", "*", "%"} {
		look(base.URL, "sous_app", ws, func(table string, n int) {
			if n > 0 {
				t.Errorf("%s shows workspace %q %d rows of acme", table, ws, n)
			}
		})
	}
	look(base.URL, "", "acme", func(table string, n int) {
		if n > 0 && !words(table) {
			t.Errorf("%s shows the owner %d rows without a role", table, n)
		}
	})
	as(t, base.URL, "sous_app", "globex", func(tx pgx.Tx) {
		var n int
		err := tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM memory_match($1::text::tsquery, NULL)) + (SELECT count(*) FROM ticket_match($1::text::tsquery))
			+ (SELECT count(*) FROM memory_matches(ARRAY[$1::text], 10))`, "!zzz").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n != 0 {
			t.Errorf("the words of acme match for globex %d times", n)
		}
	})
}

func TestAnotherWorkspaceCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	fill(t, db, clock)
	for _, query := range []string{
		`INSERT INTO replies (workspace, event, turn) VALUES ('acme', 'x', 'y')`,
		`INSERT INTO memory_index (workspace, key, words) VALUES ('acme', 1, '')`,
		`INSERT INTO memory_vectors_1 (workspace, key, audience, embedding) SELECT 'acme', key + 1, audience, embedding FROM memory_vectors_1 UNION ALL SELECT 'acme', 1, 1, '[1,2,3]'`,
		`UPDATE memory_generations SET state = 'retired'`,
		`UPDATE turns SET workspace = 'acme'`,
		`INSERT INTO audit_heads (workspace, seq) VALUES ('acme', 99)`,
	} {
		as(t, base.URL, "sous_app", "globex", func(tx pgx.Tx) {
			if done, err := tx.Exec(t.Context(), query); err == nil && done.RowsAffected() > 0 {
				t.Errorf("%s: went through", query)
			}
		})
	}
}

func TestTheApplicationCannotChangeTheRecordAndTheAuditorReadsOnlyIt(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	fill(t, db, clock)
	for _, table := range []string{"audit", "audit_tree", "audit_checkpoints"} {
		for _, query := range []string{`UPDATE ` + table + ` SET workspace = workspace`, `DELETE FROM ` + table, `TRUNCATE ` + table} {
			as(t, base.URL, "sous_app", "acme", func(tx pgx.Tx) {
				var pg *pgconn.PgError
				if _, err := tx.Exec(t.Context(), query); !errors.As(err, &pg) || pg.Code != "42501" {
					t.Errorf("%s: %v; want no right to it", query, err)
				}
			})
		}
	}
	for _, ws := range []string{"acme", "globex"} {
		as(t, base.AdminURL, "sous_auditor", ws, func(tx pgx.Tx) {
			for _, table := range tablesOf(t, base) {
				n := count(t, tx, table)
				if table == "schema_version" {
					continue // says nothing of anybody
				}
				// The payloads and their keys are sealed.
				record := slices.Contains([]string{"audit", "audit_tree", "audit_checkpoints", "audit_payload", "subject_keys"}, table)
				if record && (n > 0) != (ws == "acme") || !record && n != -1 {
					t.Errorf("the auditor of %s sees %d rows of %s", ws, n, table)
				}
			}
		})
	}
}

// A setting that stayed on a connection would be the next one's.
func TestNothingOfATransactionStaysOnItsConnection(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL + "&pool_max_conns=1", Keys: t.TempDir() + "/keys"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Messages(t.Context(), "acme", "c", 1); err != nil {
		t.Fatal(err)
	}
	if err := db.SetStatus(t.Context(), "acme", "e9", agent.TurnDone); agent.KindOf(err) != agent.NotFound {
		t.Fatal(err)
	}
	var ws, role, path string
	err = db.Pool().QueryRow(t.Context(), `SELECT coalesce(current_setting('sous.workspace', true), ''), current_user::text, current_setting('search_path')`).Scan(&ws, &role, &path)
	if err != nil || ws != "" || strings.HasPrefix(role, "sous_app") || path == "sous" {
		t.Errorf("workspace %q, role %s, path %s, %v", ws, role, path, err)
	}
}

func TestAKeyOfAnotherWorkspacesEffectIsAConflict(t *testing.T) {
	t.Parallel()
	db, clock, _ := openDB(t)
	fill(t, db, clock)
	l, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	if err != nil {
		t.Fatal(err)
	}
	eve := agent.Actor{Workspace: "globex", ID: "eve", Kind: agent.Member}
	_, err = l.Intend(t.Context(), tools.Intent{Key: "k1", Proposal: proposal(t, eve, "e1/1"), Verdict: agent.Verdict{Ruling: agent.Allow}})
	if agent.KindOf(err) != agent.Conflict {
		t.Errorf("intended: %v; want a conflict", err)
	}
	if _, known, err := l.Known(t.Context(), "globex", "k1"); known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
}

// Replicas share nothing but the database.
func TestOfManyReplicasOneTakesAnEvent(t *testing.T) {
	t.Parallel()
	base, keys := pgtest.New(t), t.TempDir()+"/keys"
	var replicas []*postgres.DB
	for range 3 {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		replicas = append(replicas, db)
	}
	const events = 20
	var mu sync.Mutex
	fresh := map[string]int{}
	started := 0
	var wg sync.WaitGroup
	for _, db := range replicas {
		for n := range events {
			wg.Go(func() {
				ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
				turn := agent.Turn{ID: fmt.Sprint("e", n), Workspace: "acme", Conversation: "c", Actor: ann}
				acc, err := db.Accept(context.Background(), turn, agent.Message{ID: fmt.Sprint("m", n), Author: ann, Text: "x"}, nil)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if !acc.Duplicate {
					fresh[turn.ID]++
				}
				if acc.Start {
					started++
				}
			})
		}
	}
	wg.Wait()
	if len(fresh) != events || started != 1 {
		t.Errorf("%d events taken, %d started; want %d and 1", len(fresh), started, events)
	}
	for id, n := range fresh {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	rows, err := replicas[0].Audit(t.Context(), "acme", audit.Filter{})
	if err != nil || len(rows) != events || rows[events-1].Seq != events {
		t.Errorf("%d audit rows, %v", len(rows), err)
	}
}

func TestNoIntentStandsAfterEverythingIsPausedOnAnyReplica(t *testing.T) {
	t.Parallel()
	base, keys := pgtest.New(t), t.TempDir()+"/keys"
	open := func() *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	one, two := open(), open()
	l, err := postgres.NewLedger(two, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	if err != nil {
		t.Fatal(err)
	}
	olga := agent.Actor{Workspace: "acme", ID: "olga", Kind: agent.Member, Owner: true}
	eve := agent.Actor{Workspace: "globex", ID: "eve", Kind: agent.Member}
	for round := range 20 {
		var all []tools.Proposal
		for n := range 8 {
			all = append(all, proposal(t, eve, fmt.Sprintf("e%d/%d", round, n)))
		}
		var wg sync.WaitGroup
		for n, p := range all {
			wg.Go(func() {
				if _, err := l.Intend(context.Background(), tools.Intent{Key: fmt.Sprint(round, "/", n), Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}}); err != nil {
					t.Error(err)
				}
			})
		}
		if _, err := one.Pause(t.Context(), olga, pause.Everything, "", "stop"); err != nil {
			t.Fatal(err)
		}
		effects := func() int {
			found, err := two.FindEffects(t.Context(), "globex", loop.EffectFilter{Turn: fmt.Sprint("e", round)})
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		before := effects()
		wg.Wait()
		if after := effects(); after != before {
			t.Fatalf("round %d: %d effects when the pause returned, %d later", round, before, after)
		}
		if _, err := one.Resume(t.Context(), olga, pause.Everything, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// What looks for leaks is tried on leaks: each policy is taken away or opened, each
// table's protection switched off, and that has to show. The rights are given first,
// so that they are not what keeps a table shut.
func TestNoPolicyIsMissedByNobody(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	fill(t, db, clock)
	type policy struct{ Table, Name, Role, Owner string }
	as(t, base.AdminURL, "", "", func(tx pgx.Tx) {
		rows, err := tx.Query(t.Context(), `SELECT p.tablename, p.policyname, p.roles[1]::text, t.tableowner
			FROM pg_policies p JOIN pg_tables t USING (schemaname, tablename) WHERE schemaname = 'sous' ORDER BY 1, 2`)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[policy])
		if err != nil || len(all) < 60 {
			t.Fatalf("%d policies, %v", len(all), err)
		}
		if _, err := tx.Exec(t.Context(), `GRANT SELECT ON ALL TABLES IN SCHEMA sous TO sous_app, sous_privacy, sous_auditor, sous_watch`); err != nil {
			t.Fatal(err)
		}
		// seen is how many rows the role sees in the workspace after the change.
		seen := func(table, role, ws, change string) int {
			t.Helper()
			all, err := tx.Conn().PgConn().Exec(t.Context(), fmt.Sprintf(`SAVEPOINT before; %s; SELECT set_config('sous.workspace', '%s', true), set_config('role', '%s', true);
				SELECT count(*) FROM %s; ROLLBACK TO SAVEPOINT before`, change, ws, role, table)).ReadAll()
			if err != nil {
				t.Fatalf("%s: %v", change, err)
			}
			n, err := strconv.Atoi(string(all[len(all)-2].Rows[0][0]))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		tried := map[string]bool{}
		for _, p := range all {
			drop, open := `DROP POLICY `+p.Name+` ON `+p.Table, `ALTER POLICY `+p.Name+` ON `+p.Table+` USING (true)`
			off := `ALTER TABLE ` + p.Table + ` DISABLE ROW LEVEL SECURITY`
			// What a process looks after, and a pause of everything, is of all workspaces.
			everywhere := p.Role == "sous_watch"
			switch n := seen(p.Table, p.Role, "globex", `SELECT`); {
			case everywhere && (n == 0 || seen(p.Table, p.Role, "globex", drop) > 0):
				t.Errorf("%s on %s: %s sees nothing, or all without it", p.Name, p.Table, p.Role)
			case everywhere || n < 0:
			case n > 0:
				t.Errorf("%s on %s: shows %s of another workspace %d rows", p.Name, p.Table, p.Role, n)
			case seen(p.Table, p.Role, "globex", open) == 0, seen(p.Table, p.Role, "globex", off) == 0:
				t.Errorf("%s on %s: that it lets everything through shows nowhere", p.Name, p.Table)
			case p.Name != "everything" && seen(p.Table, p.Role, "acme", `SELECT`) <= seen(p.Table, p.Role, "acme", drop):
				t.Errorf("%s on %s: that it is gone shows nowhere", p.Name, p.Table)
			}
			// The functions that search words read those two for who may not.
			if tried[p.Table] || p.Table == "memory_index" || p.Table == "ticket_words" {
				continue
			}
			tried[p.Table] = true
			unforced := `ALTER TABLE ` + p.Table + ` NO FORCE ROW LEVEL SECURITY`
			if seen(p.Table, p.Owner, "acme", `SELECT`) > 0 || seen(p.Table, p.Owner, "acme", unforced) == 0 {
				t.Errorf("%s: its owner sees rows without a role, or none without FORCE", p.Table)
			}
		}
	})
}

// Within a process those who vote at the same time share a transaction; between two
// only the lock of the workspace orders them.
func TestOfTwoYesesOnTwoReplicasBothCount(t *testing.T) {
	t.Parallel()
	base, keys, clock := pgtest.New(t), t.TempDir()+"/keys", storetest.NewClock()
	var replicas []*postgres.DB
	for range 2 {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys, Clock: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		replicas = append(replicas, db)
	}
	l, err := postgres.NewLedger(replicas[0], postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	if err != nil {
		t.Fatal(err)
	}
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
	for round := range 40 {
		id, err := l.Ask(t.Context(), proposal(t, ann, fmt.Sprintf("e%d/1", round)), agent.Verdict{Ruling: agent.Ask, Quorum: 2})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var last atomic.Int32
		for n, by := range []agent.ActorID{"bob", "cat"} {
			wg.Go(func() {
				a, err := approve(context.Background(), replicas[n], agent.Actor{Workspace: "acme", ID: by, Kind: agent.Member}, id, clock)
				if err != nil {
					t.Error(err)
				}
				if a.State == approval.Approved {
					last.Add(1)
				}
			})
		}
		wg.Wait()
		if last.Load() != 1 {
			t.Fatalf("round %d: %d of two yeses were the last one; want 1", round, last.Load())
		}
	}
}
