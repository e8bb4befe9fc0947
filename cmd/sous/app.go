package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/telemetry"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/meetings"
)

// app is every part of Sous, joined. This file and its neighbours in cmd/sous
// are the only place that knows all adapters.
type app struct {
	cfg     config.Config
	log     *slog.Logger
	dir     *datadir.Dir
	hooks   hooks
	started time.Time

	db        *stores
	ledger    ledger
	memory    *memory.Memory
	indexer   *memory.Indexer // nil without an embedding model
	shelf     *ingest.Shelf
	documents *documents.Reader
	meetings  meetings.ToolConfig
	// teams are those a request may belong to.
	teams func() []string
	// teamsDigest is the digest of their file.
	teamsDigest string
	models      *models
	// embedder is the embedding model, nil without one.
	embedder *embedder
	budget   *budget.Meter
	// admission decides whether new turns are taken; nil where none are run.
	admission *admission.Gate
	metrics   *telemetry.Metrics
	policy    *policy.Engine
	unwatch   func()
	// stopIndexing ends the indexer and waits for it.
	stopIndexing func()
	lateTickets  *lateTickets
	engine       *journal.Engine
	assistant    *loop.Assistant
	control      *http.Server
	// address is where the web chat listens, "" when it does not.
	address string
	slack   slackParts
	people  peopleParts
}

// shutdownTime is how long steps in flight may take to return at the end.
const shutdownTime = 10 * time.Second

// newApp joins the parts over the data directory, which this process holds
// unless it only reads.
func (c *cli) newApp(ctx context.Context, cfg config.Config, log *slog.Logger, dir *datadir.Dir, n need) (*app, error) {
	if err := supported(cfg); err != nil {
		return nil, err
	}
	if err := restoreEnded(cfg); err != nil {
		return nil, err
	}
	a := &app{cfg: cfg, log: log, dir: dir, hooks: c.hooks, started: now(), metrics: telemetry.New(version())}
	if err := a.join(ctx, n); err != nil {
		return nil, errors.Join(err, a.closeParts())
	}
	return a, nil
}

// supported refuses settings that ask for parts this build does not have,
// rather than running with less protection or another store than was asked for.
func supported(cfg config.Config) error {
	_, retention := retentionRules(cfg)
	_, budgets := budgetRules(cfg)
	return errors.Join(checkSlack(cfg.Slack), retention, budgets)
}

func (a *app) join(ctx context.Context, n need) error {
	var err error
	if a.db, err = a.openStores(ctx); err != nil {
		return err
	}
	if err := a.joinSlack(ctx, n); err != nil {
		return err
	}
	if err := a.joinPeople(); err != nil {
		return err
	}
	if err := a.joinMemory(); err != nil {
		return err
	}
	a.lateTickets = newLateTickets()
	a.db.tracker = rememberedTickets{a.db.tracker, a.memory, a.log, a.lateTickets}
	if a.shelf, err = ingest.NewShelf(a.memory, tools.Scanned); err != nil {
		return err
	}
	if a.documents, err = newReader(a.log); err != nil {
		return err
	}
	if a.models, err = newModels(a.cfg, a.metrics); err != nil {
		return err
	}
	if err := a.joinBudget(); err != nil {
		return err
	}
	registry, err := a.catalogue()
	if err != nil {
		return err
	}
	a.ledger, err = a.db.newLedger(ledgerConfig{
		approvalTTL: a.cfg.Limits.ApprovalTTL, runFor: a.cfg.Limits.RunWithin, undoTTL: a.cfg.Limits.UndoTTL,
		escalation: a.people.escalation, people: a.people.source, may: a.mayDecide,
	})
	if err != nil {
		return err
	}
	var record tools.Ledger = a.ledger
	if a.hooks.ledger != nil {
		record = a.hooks.ledger(record)
	}
	if err := a.gate(registry, n); err != nil {
		return err
	}
	executor, err := tools.NewExecutor(registry, a.policy, record)
	if err != nil {
		return err
	}
	limits := loop.Limits{Thinks: a.cfg.Limits.TurnSteps, Active: a.cfg.Limits.TurnTime, Tokens: a.cfg.Limits.TurnTokens}
	effects, err := loop.NewEffects(loop.Config{
		Store: a.db, Model: a.models.chat, Executor: executor, Prompter: prompter{a.cfg, a.people.source}, Limits: limits,
		Keeper: keeper{a}, Hub: loop.NewHub(), Clock: now, Log: a.log, Observe: observer{a.metrics},
		People: a.people.source, May: a.mayDecide, Names: a.redacted, Budget: a.budget, Gate: a.gateFor(n),
	})
	if err != nil {
		return err
	}
	if _, err := a.db.Keys(); err != nil && n == runTurns {
		return err
	}
	if n != runTurns {
		a.assistant, err = loop.NewAssistant(effects, noEngine{})
		return err
	}
	durable := a.db.engine
	durable.Store, durable.Limits, durable.Slots, durable.Log, durable.Clock = a.db, limits, a.cfg.Limits.TurnsAtOnce, a.log, now
	if a.engine, err = journal.New(durable); err != nil {
		return err
	}
	if a.assistant, err = loop.NewAssistant(effects, a.engine); err != nil {
		return err
	}
	steps := effects.Funcs()
	if a.hooks.steps != nil {
		steps = a.hooks.steps(steps)
	}
	if err := a.engine.Launch(ctx, steps); err != nil {
		return err
	}
	return a.assistant.Recover(ctx)
}

// close stops turns, then the store, then gives the directory back.
func (a *app) close() error {
	err := a.closeParts()
	if a.dir != nil {
		err = errors.Join(err, a.dir.Release())
	}
	return err
}

func (a *app) closeParts() error {
	var errs []error
	if a.unwatch != nil {
		a.unwatch()
	}
	if a.stopIndexing != nil {
		a.stopIndexing()
	}
	if a.control != nil {
		errs = append(errs, a.control.Close())
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close(shutdownTime))
	}
	if a.lateTickets != nil {
		a.lateTickets.close()
	}
	if a.documents != nil {
		errs = append(errs, a.documents.Close())
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	return errors.Join(errs...)
}

// session returns the in-process session. A process that runs turns opens the
// socket, so that other commands can reach it while it works.
func (a *app) session(n need) (*session, error) {
	by, err := a.operator()
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	s := &session{Service: service{a.assistant, a}, by: by, close: a.close}
	if n != readOnly {
		a.startIndexing()
	}
	if n != runTurns {
		return s, nil
	}
	if err := a.listenControl(s.Service); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return s, nil
}

// listenControl serves the API on the socket in the data directory. The
// socket's mode makes whoever connects the operator.
func (a *app) listenControl(svc api.Service) error {
	l, err := a.dir.Listen()
	if err != nil {
		return err
	}
	h, err := api.New(api.Config{
		Service: svc, Log: a.log, MaxUpload: a.cfg.Limits.UploadBytes, Local: true,
		Authenticate: func(*http.Request) (agent.Actor, error) { return a.operator() },
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	a.control = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}
	go func() {
		if err := a.control.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("control socket closed", "err", err)
		}
	}()
	return nil
}

// noEngine stands in where no turns run.
type noEngine struct{}

func (noEngine) Start(context.Context, loop.Start) error {
	return agent.Errorf(agent.Unavailable, "this command runs no turns")
}
func (noEngine) Wake(string)     {}
func (noEngine) Carrier() string { return "" }
