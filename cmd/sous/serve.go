package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/web"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/telemetry"
)

func (c *cli) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the web chat (what sous does without a command)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
	cmd.Flags().StringVar(&c.listen, "listen", "", "host:port of the web chat (SOUS_LISTEN)")
	return cmd
}

// serve runs until ctx is done, then stops turns and gives everything back.
func (c *cli) serve(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log, err := c.logger(cfg, true)
	if err != nil {
		return err
	}
	dir, err := c.holdFor(ctx, cfg)
	if err != nil {
		return err
	}
	// The port comes before the store: nothing is started that cannot be reached.
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return errors.Join(portHelp(cfg.Listen, err), dir.Release())
	}
	cfg.Listen = l.Addr().String()
	a, err := c.newApp(ctx, cfg, log, dir, runTurns)
	if err != nil {
		return errors.Join(err, l.Close(), dir.Release())
	}
	err = c.serveOn(ctx, a, l)
	return errors.Join(err, a.close())
}

// holdFor takes the data directory, waiting a moment for a command to end.
func (c *cli) holdFor(ctx context.Context, cfg config.Config) (*datadir.Dir, error) {
	for deadline := now().Add(patience); ; {
		dir, err := datadir.Hold(cfg.DataDir, datadir.Holder{What: "serve"})
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, datadir.ErrHeld) {
			return nil, agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be used: %v", cfg.DataDir, err))
		}
		h, _ := datadir.Who(cfg.DataDir)
		if h.What == "serve" || now().After(deadline) {
			return nil, held(cfg.DataDir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cli) serveOn(ctx context.Context, a *app, l net.Listener) error {
	token, err := signInToken(a.cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	a.address = "http://" + a.cfg.Listen + "/"
	svc := service{a.assistant, a}
	if err := a.newBot(); err != nil {
		return errors.Join(err, l.Close())
	}
	h, err := a.handler(svc, token)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.listenControl(svc); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.dir.Announce(datadir.Holder{What: "serve", URL: a.address}); err != nil {
		return errors.Join(err, l.Close())
	}
	a.startIndexing()
	c.greet(a, token)
	settle()
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog:    slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	new(connections).limit(server, h)
	g, gctx := errgroup.WithContext(ctx)
	signer, err := a.checkpointer()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	promises, err := a.promises()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.debug(gctx, g); err != nil {
		return errors.Join(err, l.Close())
	}
	g.Go(func() error { return signer.Run(gctx) })
	g.Go(func() error { promises.Run(gctx); return nil })
	g.Go(func() error { return a.assistant.Remind(gctx, a.workspaces, a.tellers()...) })
	g.Go(func() error { a.tidy(gctx); return nil })
	g.Go(func() error { a.keepSmall(gctx); return nil })
	g.Go(func() error { return a.catchUpTickets(gctx) })
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	talking, hush := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { a.runSlack(talking); return nil })
	g.Go(func() error {
		// What Slack has handed in is taken in before the front end ends.
		defer hush()
		<-gctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		return server.Shutdown(ending)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Fprintln(c.stderr, "Stopped. Turns that were running go on at the next start.")
	return nil
}

// handler joins the pages, the API and the metrics.
func (a *app) handler(svc service, token string) (http.Handler, error) {
	if err := a.metrics.PendingApprovals(a.countPending); err != nil {
		return nil, err
	}
	if err := a.metrics.Paused(a.countPaused); err != nil {
		return nil, err
	}
	if err := a.metrics.StuckTurns(a.countStuck); err != nil {
		return nil, err
	}
	if err := a.figures(); err != nil {
		return nil, err
	}
	var pages *web.Server
	apiHandler, err := api.New(api.Config{
		Service: svc, Log: a.log, MaxUpload: a.cfg.Limits.UploadBytes,
		Authenticate: func(r *http.Request) (agent.Actor, error) { return pages.Authenticate(r) },
	})
	if err != nil {
		return nil, err
	}
	pages, err = web.New(web.Config{
		Desk: a.assistant, Threads: a.db, Approvals: a.assistant, Decisions: a.assistant, Token: token,
		Tickets: console{svc}, Memory: console{svc}, Control: svc, Audit: a.db, Stories: console{svc},
		Actor: a.signedIn, SignIn: a.signIn(token), Hosts: a.cfg.Hosts,
		Info:      func() web.Info { i := a.info(); return web.Info{Version: i.Version, Model: i.Model, Store: i.Store} },
		MaxUpload: a.cfg.Limits.UploadBytes, Ready: a.db.Ping,
		Metrics: a.metrics.Handler(a.log), API: apiHandler, Log: a.log, Now: now, Zone: a.cfg.Timezone,
	})
	if err != nil {
		return nil, err
	}
	all := http.NewServeMux()
	all.Handle("/", pages.Handler())
	if h := a.slackHandler(); h != nil {
		// Slack names this server as the internet does and signs nobody in: its own
		// signature is what counts there.
		all.Handle("/slack/", h)
	}
	return telemetry.HTTPConfig{Metrics: a.metrics, Log: a.log, Now: now}.Middleware(all), nil
}

func (a *app) countPending() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	open, err := a.db.Approvals(ctx, workspace, loop.ApprovalFilter{States: []approval.State{approval.Asked}})
	return len(open), err
}

// greet prints where to go and what is on or off.
func (c *cli) greet(a *app, token string) {
	i := a.info()
	c.printf("Sous %s is ready. Ctrl-C stops it.\n", i.Version)
	c.printf("  Chat   %s?token=%s%s\n", i.Address, token, exposed(a.cfg.Listen))
	c.printf("  Store  %s\n", i.Store)
	c.printf("  Model  %s\n", i.Model)
	c.printf("  Slack  %s\n", i.Slack)
	if a.cfg.File != "" {
		c.printf("  Using  %s\n", a.cfg.File)
	}
}

// signInToken reads the secret of the sign-in link, making it at the first start.
// It is a file in the data directory or, for replicas, which must all know the same,
// with the keys they share.
func signInToken(cfg config.Config) (string, error) {
	path := filepath.Join(cfg.DataDir, "token")
	if cfg.DatabaseURL.IsSet() {
		path = filepath.Join(keysFolder(cfg), "token")
	}
	b, err := os.ReadFile(path)
	if t := strings.TrimSpace(string(b)); err == nil && len(t) >= 26 {
		return t, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the sign-in token: %w", err)
	}
	t := rand.Text()
	if err := os.WriteFile(path, []byte(t+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the sign-in token: %w", err)
	}
	return t, nil
}
