package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
)

// session is a command's way to Sous: this process's own parts when it holds
// the data directory, else the process that does, over its socket.
type session struct {
	api.Service
	by agent.Actor
	// remote says that another process works.
	remote bool
	close  func() error
}

// need says how much of Sous a command wants when no other process runs.
type need uint8

const (
	// readOnly opens the store beside whoever works on it and runs no turns.
	readOnly need = iota
	// alone holds the data directory and runs no turns.
	alone
	// runTurns starts the engine, which goes on with interrupted turns.
	runTurns
)

// patience is how long a command waits for a data directory that is just being
// taken or given back.
const patience = 5 * time.Second

// open gets a session, here or at the holder of the data directory.
func (c *cli) open(ctx context.Context, what string, n need) (*session, config.Config, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, cfg, err
	}
	log, err := c.logger(cfg, false)
	if err != nil {
		return nil, cfg, err
	}
	if n == readOnly {
		// Reading needs nobody's leave: it must not keep a server from starting.
		if s, err := dial(ctx, cfg); err == nil {
			return s, cfg, nil
		}
		a, err := c.newApp(ctx, cfg, log, nil, n)
		if err != nil {
			return nil, cfg, err
		}
		s, err := a.session(n)
		return s, cfg, err
	}
	for deadline := now().Add(patience); ; {
		dir, err := datadir.Hold(cfg.DataDir, datadir.Holder{What: what})
		switch {
		case err == nil:
			a, err := c.newApp(ctx, cfg, log, dir, n)
			if err != nil {
				return nil, cfg, errors.Join(err, dir.Release())
			}
			s, err := a.session(n)
			return s, cfg, err
		case !errors.Is(err, datadir.ErrHeld):
			return nil, cfg, agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be used: %v", cfg.DataDir, err))
		}
		if s, err := dial(ctx, cfg); err == nil {
			return s, cfg, nil
		}
		if now().After(deadline) {
			return nil, cfg, held(cfg.DataDir)
		}
		select {
		case <-ctx.Done():
			return nil, cfg, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// held says who has the data directory.
func held(path string) error {
	h, ok := datadir.Who(path)
	if !ok {
		return agent.Errorf(agent.Conflict, "another process holds the data directory %s", path)
	}
	where := ""
	if h.URL != "" {
		where = " at " + h.URL
	}
	return agent.Errorf(agent.Conflict, "“sous %s” (process %d) already works on the data directory %s%s; stop it, or give this one another directory with --data", h.What, h.PID, path, where)
}

// dial reaches the process that holds the data directory.
func dial(ctx context.Context, cfg config.Config) (*session, error) {
	path, err := datadir.SocketPath(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
	by, err := operatorOf(cfg)
	if err != nil {
		// Who it is is for the other process to say; here it is for show.
		by = agent.Actor{Workspace: workspace, ID: agent.ActorID(cfg.Operator)}
	}
	s := &session{Service: api.NewClient(client, "http://sous"), by: by, remote: true}
	s.close = func() error { client.CloseIdleConnections(); return nil }
	if _, err := s.Info(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}
