package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/redact"
	"github.com/sous-hq/sous/internal/telemetry"
	"github.com/sous-hq/sous/memory"
)

// embedder is the configured endpoint as memory asks it: for the model of the
// settings and, while its vectors are replaced, for the former one.
type embedder struct {
	cfg     config.Config
	metrics *telemetry.Metrics

	mu     sync.Mutex
	models map[string]*model.Embedding
}

var _ memory.Embedder = (*embedder)(nil)

// newEmbedder returns nil when no embedding model is configured.
func newEmbedder(cfg config.Config, m *telemetry.Metrics) (*embedder, error) {
	if !cfg.Embedding.IsSet() {
		return nil, nil
	}
	e := &embedder{cfg: cfg, metrics: m, models: map[string]*model.Embedding{}}
	_, err := e.of(cfg.Embedding.Name)
	return e, err
}

// Model implements memory.Embedder.
func (e *embedder) Model() string { return e.cfg.Embedding.Name }

// Embed implements memory.Embedder.
func (e *embedder) Embed(ctx context.Context, name string, texts []string) ([][]float32, error) {
	m, err := e.of(name)
	if err != nil {
		return nil, err
	}
	began := now()
	out, err := m.Embed(ctx, texts)
	outcome := "stop"
	if err != nil {
		outcome = agent.KindOf(err).String()
	}
	e.metrics.ModelRequest(name, outcome, time.Since(began))
	return out.Vectors, err
}

// of returns the named model behind limits, retries and a breaker. Nothing
// personal and no secret leaves in clear: the texts go masked, for good.
func (e *embedder) of(name string) (*model.Embedding, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m, ok := e.models[name]; ok {
		return m, nil
	}
	far, err := openai.New(embeddingEndpoint(e.cfg, name))
	if err != nil {
		return nil, fmt.Errorf("embedding model: %w", err)
	}
	m := model.NewEmbedding(far, now, model.EmbeddingConfig{Mask: redact.Hide})
	e.models[name] = m
	return m, nil
}

// breakers lists the breakers of the models in use.
func (e *embedder) breakers() []api.Breaker {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []api.Breaker
	for name, m := range e.models {
		all = append(all, api.Breaker{Of: "embeddings " + name, State: m.State(), For: m.OpenFor()})
	}
	return all
}

// embeddingEndpoint is the language model's unless it has one of its own: a key
// is never sent to another address than it is for.
func embeddingEndpoint(cfg config.Config, name string) openai.Config {
	key, address := cfg.Embedding.APIKey, cfg.Embedding.BaseURL
	if address == "" {
		address = cfg.Model.BaseURL
		if !key.IsSet() {
			key = cfg.Model.APIKey
		}
	}
	return openai.Config{APIKey: key.Reveal(), BaseURL: address, Model: name, EmbeddingModel: name, Timeout: cfg.Model.Timeout, Now: now}
}

// joinMemory makes the memory, with the vectors it is searched by when there is a
// model for them.
func (a *app) joinMemory() error {
	c := memory.Config{Store: a.db.memories, Clock: now, OnFallback: func(ctx context.Context, err error) {
		a.log.DebugContext(ctx, "a query was answered by words alone", "err", err)
	}}
	e, err := newEmbedder(a.cfg, a.metrics)
	if err != nil {
		return err
	}
	a.embedder = e
	if e != nil {
		a.indexer, err = memory.NewIndexer(memory.IndexerConfig{
			Index: a.db.index, Store: a.db.memories, Embedder: e, Clock: now, Log: a.log, By: owner(a.cfg),
		})
		if err != nil {
			return err
		}
		c.Index, c.Embedder, c.OnSaved = a.db.index, e, a.indexer.Wake
	}
	a.memory, err = memory.New(c)
	return err
}

// startIndexing embeds what is queued until the app is closed.
func (a *app) startIndexing() {
	if a.indexer == nil || a.stopIndexing != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.indexer.Run(ctx) // it ends with its context, without an error
	}()
	a.stopIndexing = func() {
		cancel()
		<-done
	}
}

func (a *app) vectorsBy(by agent.Actor) (*memory.Indexer, error) {
	switch {
	case !by.Owner:
		return nil, agent.Errorf(agent.Forbidden, "only an owner of the workspace may look after the vectors")
	case a.indexer == nil:
		return nil, agent.Errorf(agent.Invalid, "no embedding model is configured: set OPENAI_EMBEDDING_MODEL")
	}
	return a.indexer, nil
}

// Vectors implements api.Vectors.
func (s service) Vectors(ctx context.Context, by agent.Actor) (memory.IndexStatus, error) {
	x, err := s.app.vectorsBy(by)
	if err != nil {
		return memory.IndexStatus{}, err
	}
	return x.Status(ctx)
}

// Reembed implements api.Vectors.
func (s service) Reembed(ctx context.Context, by agent.Actor, anyway bool) (memory.Generation, error) {
	x, err := s.app.vectorsBy(by)
	if err != nil {
		return memory.Generation{}, err
	}
	return x.Reembed(ctx, anyway)
}

// CancelReembed implements api.Vectors.
func (s service) CancelReembed(ctx context.Context, by agent.Actor) error {
	x, err := s.app.vectorsBy(by)
	if err != nil {
		return err
	}
	return x.Cancel(ctx)
}
