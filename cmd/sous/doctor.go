package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/memory"
)

// finding is one thing doctor looked at.
type finding struct {
	What string `json:"what"`
	// State is "ok", "off" or "bad".
	State string `json:"state"`
	Text  string `json:"text"`
}

func (c *cli) doctorCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "doctor", Short: "Explain the settings in force and check the parts", Args: cobra.NoArgs,
		Long: `Explain where each setting comes from and check the parts: data directory, store,
model, web address, Slack. The exit code is 1 when something is wrong.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context()) },
	})
}

func (c *cli) doctor(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	found := c.examine(ctx, cfg)
	for _, f := range found {
		if f.State == "bad" {
			c.code = exitFailed
		}
	}
	if c.asJSON {
		return c.printJSON(map[string]any{"settings": cfg.Describe(), "findings": found})
	}
	c.printf("Settings")
	if cfg.File != "" {
		c.printf(" (file: %s)", cfg.File)
	}
	c.printf("\n")
	for _, s := range cfg.Describe() {
		c.printf("  %-22s %-40s %s\n", s.Key, orDash(s.Value), s.Origin)
	}
	c.printf("\nParts\n")
	for _, f := range found {
		c.printf("  %-4s %-16s %s\n", f.State, f.What, f.Text)
	}
	return nil
}

// examine tries each part as it would be used.
func (c *cli) examine(ctx context.Context, cfg config.Config) []finding {
	var found []finding
	add := func(what, state, text string) { found = append(found, finding{what, state, text}) }
	if err := supported(cfg); err != nil {
		add("settings", "bad", err.Error())
	} else {
		add("settings", "ok", "all known and supported")
	}
	found = append(found, checkPeople(cfg))
	s, _, err := c.open(ctx, "doctor", readOnly)
	switch {
	case err != nil:
		add("store", "bad", agent.PublicText(err))
		return found
	case s.remote:
		h, _ := datadir.Who(cfg.DataDir)
		info, err := s.Info(ctx)
		if err != nil {
			add("store", "bad", agent.PublicText(err))
			break
		}
		add("process", "ok", fmt.Sprintf("“sous %s” (process %d) works here, version %s, up %s", h.What, h.PID, info.Version, time.Since(info.Started).Round(time.Second)))
		found = append(found, checkStore(ctx, s, info.Store))
		if info.Address != "" {
			add("web chat", "ok", info.Address)
		}
	default:
		add("process", "off", "no other Sous works on this data directory")
		found = append(found, checkStore(ctx, s, s.Service.(service).app.db.what))
		found = append(found, checkListen(ctx, cfg))
	}
	found = append(found, checkFile(ctx, cfg)...)
	found = append(found, c.checkReplicas(ctx, cfg)...)
	found = append(found, checkTurns(ctx, s))
	found = append(found, checkStatus(ctx, s)...)
	found = append(found, c.checkModel(ctx, cfg)...)
	found = append(found, checkMemory(ctx, cfg, s)...)
	found = append(found, c.checkSlackApp(ctx, cfg, s)...)
	if err := s.close(); err != nil {
		add("store", "bad", err.Error())
	}
	return found
}

// checkStore says whether the store can be written, by whoever works on it.
func checkStore(ctx context.Context, s *session, name string) finding {
	st, err := s.Status(ctx, s.by)
	switch {
	case err != nil:
		return finding{"store", "bad", agent.PublicText(err)}
	case st.Store != "":
		return finding{"store", "bad", st.Store}
	}
	return finding{"store", "ok", name + " can be written"}
}

// wholeTime is how long doctor looks through the file of the embedded store.
const wholeTime = 10 * time.Second

// checkFile says whether the file of the embedded store is whole: a damaged page is in
// nobody's way until somebody needs it.
func checkFile(ctx context.Context, cfg config.Config) []finding {
	if cfg.DatabaseURL.IsSet() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	err := sqlite.Whole(ctx, sqliteFile(cfg))
	switch {
	case err == nil:
		return []finding{{"store file", "ok", "whole, by SQLite's own check"}}
	case ctx.Err() != nil:
		return []finding{{"store file", "off", fmt.Sprintf("too large to look through in %s; sous backup does", wholeTime)}}
	}
	return []finding{{"store file", "bad", agent.PublicText(err)}}
}

func checkListen(ctx context.Context, cfg config.Config) finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return finding{"web chat", "bad", agent.PublicText(portHelp(cfg.Listen, err))}
	}
	return finding{"web chat", "ok", cfg.Listen + " is free" + exposed(cfg.Listen) + closeNote(l.Close())}
}

func closeNote(err error) string {
	if err != nil {
		return " (" + err.Error() + ")"
	}
	return ""
}

// checkModel asks the configured model one small thing.
func (c *cli) checkModel(ctx context.Context, cfg config.Config) []finding {
	if !cfg.Model.IsSet() {
		return []finding{{"model", "ok", "built-in: needs no network, extracts and follows rules, does not reason"}}
	}
	far, err := endpoint(cfg)
	if err != nil {
		return []finding{{"model", "bad", agent.PublicText(err)}}
	}
	ctx, cancel := context.WithTimeout(ctx, min(cfg.Model.Timeout, 20*time.Second))
	defer cancel()
	began := now()
	resp, err := far.Complete(ctx, model.Request{
		Prompt:   "doctor/v0@000000000000",
		Messages: []model.Message{{Role: model.RoleUser, Text: "Answer with the word ready."}}, MaxTokens: 200,
	}, nil)
	switch {
	case err != nil && agent.KindOf(err) != agent.Internal:
		return []finding{{"model", "bad", agent.PublicText(err)}}
	case err != nil:
		return []finding{{"model", "bad", err.Error()}}
	case resp.Text == "":
		return []finding{{"model", "bad", far.Name() + " answered nothing"}}
	}
	return []finding{{"model", "ok", fmt.Sprintf("%s answered in %s", far.Name(), time.Since(began).Round(time.Millisecond))}}
}

// checkMemory says how memory is searched and asks the embedding model one word.
func checkMemory(ctx context.Context, cfg config.Config, s *session) []finding {
	if !cfg.Embedding.IsSet() {
		return []finding{{"memory", "ok", memory.RankingByWords}}
	}
	ranking := finding{"memory", "ok", "ranks by words and by vectors of " + cfg.Embedding.Name}
	st, err := s.Vectors(ctx, s.by)
	switch {
	case err == nil:
		ranking.Text = st.Ranking(cfg.Embedding.Name)
		if st.Problem != "" {
			ranking.State = "bad"
		}
	case agent.KindOf(err) != agent.Forbidden:
		ranking = finding{"memory", "bad", agent.PublicText(err)}
	}
	far, err := openai.New(embeddingEndpoint(cfg, cfg.Embedding.Name))
	if err != nil {
		return []finding{{"embeddings", "bad", agent.PublicText(err)}, ranking}
	}
	ctx, cancel := context.WithTimeout(ctx, min(cfg.Model.Timeout, 20*time.Second))
	defer cancel()
	began := now()
	out, err := far.Embed(ctx, []string{"ready"})
	if err != nil {
		return []finding{{"embeddings", "bad", agent.PublicText(err)}, ranking}
	}
	answer := finding{"embeddings", "ok", fmt.Sprintf("%s answered in %s with %d dimensions", cfg.Embedding.Name, time.Since(began).Round(time.Millisecond), len(out.Vectors[0]))}
	if g, ok := memory.InState(st.Generations, memory.Current); ok && g.Model == cfg.Embedding.Name && g.Dimension != len(out.Vectors[0]) {
		answer.State = "bad"
		answer.Text += fmt.Sprintf(", and what is remembered was embedded with %d: run sous memory reembed --anyway", g.Dimension)
	}
	return []finding{answer, ranking}
}

var errPort = errors.New("cannot listen")

// portHelp says what to do about an address that cannot be listened on.
func portHelp(addr string, err error) error {
	return agent.WrapError(agent.Unavailable, errors.Join(errPort, err),
		fmt.Sprintf("%s cannot be listened on (%v); stop what uses it, or choose another with --listen or SOUS_LISTEN", addr, cause(err)))
}

func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// exposed warns of an address that others can reach.
func exposed(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return ""
	}
	return "; others on the network can reach it: put TLS in front of it"
}
