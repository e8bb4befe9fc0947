package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/keyring"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

// database is what Sous asks of the store it works on, whichever that is.
type database interface {
	loop.Store
	audit.Trees
	audit.SettingsLog
	review.Store
	people.Tokens
	delivery.Store
	install.Store
	privacy.Store
	FindEffects(ctx context.Context, ws agent.WorkspaceID, f loop.EffectFilter) ([]loop.Effect, error)
	Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
	Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
	Pauses(ctx context.Context) ([]pause.Pause, error)
	// Keys are the keys of the record, RotateKEK replaces the one that wraps the
	// subjects' and Erase destroys a subject's.
	Keys() (*keyring.Ring, error)
	RotateKEK(ctx context.Context) error
	Erase(ctx context.Context, by agent.Actor, subject agent.ActorID) (int64, error)
	// Ping fails when the store cannot be written.
	Ping(ctx context.Context) error
	Close() error
}

// ledger is the store's record of calls, and where a person settles what nobody
// else could tell.
type ledger interface {
	tools.Ledger
	Resolve(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error)
}

// ledgerConfig is what the ledger of either store is made of.
type ledgerConfig struct {
	approvalTTL, runFor, undoTTL time.Duration
	escalation                   func() []approval.Stage
	people                       people.Source
	may                          func(by agent.Actor, a approval.Approval) error
}

// stores is the store Sous works on, with all that is kept there.
type stores struct {
	database
	tracker  tickets.Tracker
	memories memory.Store
	// index are the vectors of the memories.
	index    memory.Index
	cases    routing.Cases
	feedback feedback.Store
	// newLedger returns the ledger; it knows policy and people, which come later.
	newLedger func(ledgerConfig) (ledger, error)
	// engine is what the store adds to the settings of the durable engine.
	engine journal.Config
	// spread tells the other replicas what changed; nil when there are none.
	spread func(ctx context.Context, news string) error
	// holder names this process among them, and present its term and whether they can
	// have seen lately that it lives.
	holder  string
	present func() (term string, ok bool)
	// replicas lists the processes on the database; nil when there can be but one.
	replicas func(ctx context.Context) ([]postgres.Replica, error)
	// what names the store for people; no secret is in it.
	what string
}

// openStores opens the store the settings name: PostgreSQL when they name a
// server, else the file in the data directory.
func (a *app) openStores(ctx context.Context) (*stores, error) {
	if a.cfg.DatabaseURL.IsSet() {
		return a.openPostgres(ctx)
	}
	return a.openSQLite(ctx)
}

func (a *app) openSQLite(ctx context.Context) (*stores, error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: sqliteFile(a.cfg), Keys: keysFolder(a.cfg), Clock: now})
	if err != nil {
		return nil, err
	}
	memories := sqlite.NewMemories(db)
	return &stores{
		database: db, tracker: sqlite.NewTracker(db, a.ticketURL), memories: memories, index: memories, cases: sqlite.NewRoutingCases(db),
		feedback: sqlite.NewFeedback(db),
		newLedger: func(c ledgerConfig) (ledger, error) {
			return sqlite.NewLedger(db, sqlite.LedgerConfig{
				ApprovalTTL: c.approvalTTL, RunFor: c.runFor, UndoTTL: c.undoTTL, Escalation: c.escalation, People: c.people, May: c.may,
			})
		},
		what: storeName(a.cfg),
	}, nil
}

// home names the data directory this process holds; "" when it holds none or it can
// keep no name, which costs a moment after a crash.
func (a *app) home() string {
	if a.dir == nil {
		return ""
	}
	name, err := a.dir.Name()
	if err != nil {
		a.log.Warn("the data directory has no name", slog.Any("err", err))
	}
	return name
}

func (a *app) openPostgres(ctx context.Context) (*stores, error) {
	c := postgres.Config{URL: a.cfg.DatabaseURL.Reveal(), Keys: keysFolder(a.cfg), Clock: now, Log: a.log, Version: version(), News: a.slackNews, Left: a.slackLeft, Home: a.home(), Settings: a.inForce}
	if a.hooks.postgres != nil {
		a.hooks.postgres(&c)
	}
	db, err := postgres.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	memories := postgres.NewMemories(db)
	return &stores{
		database: db, tracker: postgres.NewTracker(db, a.ticketURL), memories: memories, index: memories, cases: postgres.NewRoutingCases(db),
		feedback: postgres.NewFeedback(db),
		newLedger: func(c ledgerConfig) (ledger, error) {
			return postgres.NewLedger(db, postgres.LedgerConfig{
				ApprovalTTL: c.approvalTTL, RunFor: c.runFor, UndoTTL: c.undoTTL, Escalation: c.escalation, People: c.people, May: c.may,
			})
		},
		engine: journal.Config{
			Replicas: db,
			Recover:  func(ctx context.Context) error { return a.assistant.Recover(ctx) },
			Changed:  func(turn string) { a.assistant.Heard(turn) },
		},
		spread: db.Spread, replicas: db.Replicas, holder: db.Process(), present: db.Present,
		what: storeName(a.cfg),
	}, nil
}

// sqliteFile is the embedded store.
func sqliteFile(cfg config.Config) string { return filepath.Join(cfg.DataDir, "sous.db") }

// storeName names the store for people, without the password of a server.
func storeName(cfg config.Config) string {
	if !cfg.DatabaseURL.IsSet() {
		return sqliteFile(cfg) + " (SQLite)"
	}
	u, err := url.Parse(cfg.DatabaseURL.Reveal())
	if err != nil {
		return "PostgreSQL"
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Host == "" {
		return fmt.Sprintf("database %s (PostgreSQL)", name)
	}
	return fmt.Sprintf("database %s at %s (PostgreSQL)", name, u.Host)
}

// record is the store as it is at one moment, read beside whoever works with it:
// the audit record and what belongs to it.
type record interface {
	audit.Evidence
	check.Facts
	Explain(ctx context.Context, ws agent.WorkspaceID, kek tink.AEAD, id string) ([]audit.Story, error)
	Close() error
}

// toldRecord gives what failed while the record was read a text people can act on.
func toldRecord(cfg config.Config, err error) error {
	if cfg.DatabaseURL.IsSet() {
		return postgres.Told(err)
	}
	return sqlite.Told(sqliteFile(cfg), err)
}

// openRecord opens the record of the store the settings name.
func openRecord(ctx context.Context, cfg config.Config) (record, error) {
	if cfg.DatabaseURL.IsSet() {
		return postgres.OpenRecord(ctx, cfg.DatabaseURL.Reveal())
	}
	return sqlite.OpenRecord(ctx, sqliteFile(cfg))
}
