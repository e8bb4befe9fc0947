package memory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// IndexerConfig is what NewIndexer needs; Batch, Sweep and OnSwitch may be zero.
type IndexerConfig struct {
	Index    Index
	Store    Store
	Embedder Embedder
	Clock    func() time.Time
	Log      *slog.Logger
	// By is in whose name generations are switched, in the record.
	By agent.Actor
	// Batch is how many passages are embedded between two commits [128].
	Batch int
	// Sweep is how often the queue is looked at without being woken [1 min]: for
	// what another process left there.
	Sweep time.Duration
}

// Indexer embeds what is queued, in the order it came, and builds generations of
// vectors. Passages are found by words from the moment they are stored; nothing
// waits for it. What it did not finish is still queued when the process is gone.
type Indexer struct {
	c    IndexerConfig
	wake chan struct{}

	mu      sync.Mutex
	problem error
	held    map[int64]Comparison
	// anyway is the generation that is switched to whatever the comparison says.
	anyway int64
}

// NewIndexer returns an indexer. Nothing happens before Run or Step.
func NewIndexer(c IndexerConfig) (*Indexer, error) {
	if c.Index == nil || c.Store == nil || c.Embedder == nil || c.Clock == nil || c.Log == nil {
		return nil, errors.New("indexer: Index, Store, Embedder, Clock and Log are required")
	}
	if c.Batch <= 0 {
		c.Batch = 128
	}
	if c.Sweep <= 0 {
		c.Sweep = time.Minute
	}
	return &Indexer{c: c, wake: make(chan struct{}, 1), held: map[int64]Comparison{}}, nil
}

// Wake says that something was stored. It never waits.
func (x *Indexer) Wake() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// The waits after a failure: they double.
const (
	firstRest = 5 * time.Second
	longRest  = 5 * time.Minute
)

// Run works until ctx is done. Failures are logged, kept for Status and tried
// again after a rest.
func (x *Indexer) Run(ctx context.Context) error {
	rest := firstRest
	for {
		more, err := x.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		x.note(ctx, err)
		switch {
		case err != nil:
			pause(ctx, rest, nil)
			rest = min(2*rest, longRest)
		case more:
			rest = firstRest
		default:
			rest = firstRest
			pause(ctx, x.c.Sweep, x.wake)
		}
	}
}

func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// note keeps what went wrong, and logs it when it is something else than before.
func (x *Indexer) note(ctx context.Context, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil && (x.problem == nil || x.problem.Error() != err.Error()) {
		x.c.Log.WarnContext(ctx, "embedding what is remembered failed", "err", err)
	}
	x.problem = err
}

// Step does one piece of work and reports whether there may be more.
func (x *Indexer) Step(ctx context.Context) (more bool, err error) {
	all, err := x.c.Index.Generations(ctx)
	if err != nil {
		return false, err
	}
	if g, ok := InState(all, Retired); ok {
		return true, x.c.Index.Drop(ctx, g.ID)
	}
	current, hasCurrent := InState(all, Current)
	building, hasBuilding := InState(all, Building)
	if !hasCurrent && !hasBuilding {
		_, err := x.begin(ctx)
		return true, err
	}
	var failed error
	if hasCurrent {
		if more, err := x.work(ctx, current); more || err != nil && current.Model == x.c.Embedder.Model() {
			return more, err
		} else if err != nil {
			// The former model may be gone; the one that is being built need not wait.
			failed = err
		}
	}
	if !hasBuilding {
		return false, failed
	}
	if more, err := x.work(ctx, building); more || err != nil {
		return more, err
	}
	return x.finish(ctx, building, current)
}

// begin makes a generation of the configured model.
func (x *Indexer) begin(ctx context.Context) (Generation, error) {
	model := x.c.Embedder.Model()
	probe, err := x.c.Embedder.Embed(ctx, model, []string{"How long are these vectors?"})
	if err != nil {
		return Generation{}, err
	}
	if len(probe) != 1 {
		return Generation{}, agent.Errorf(agent.Unavailable, "the embedding model sent %d vectors for one text", len(probe))
	}
	if pointless(probe) {
		return Generation{}, errPointless()
	}
	return x.c.Index.Begin(ctx, model, len(probe[0]))
}

// work embeds some of what is queued for the generation.
func (x *Indexer) work(ctx context.Context, g Generation) (bool, error) {
	w, err := x.c.Index.Work(ctx, g.ID, x.c.Batch)
	if err != nil || len(w.Items) == 0 {
		return false, err
	}
	vectors, err := x.embed(ctx, g.Model, w)
	if err != nil {
		return false, err
	}
	return true, x.c.Index.SaveVectors(ctx, w, vectors)
}

func (x *Indexer) embed(ctx context.Context, model string, w Work) ([][]float32, error) {
	if len(w.Texts) == 0 {
		return nil, nil
	}
	vectors, err := x.c.Embedder.Embed(ctx, model, w.Texts)
	switch kind := agent.KindOf(err); {
	case err == nil && len(vectors) == len(w.Texts) && len(vectors) > 1 && pointless(vectors):
		return nil, errPointless()
	case err == nil && len(vectors) == len(w.Texts):
		return vectors, nil
	case err == nil:
		return nil, agent.Errorf(agent.Unavailable, "the embedding model sent %d vectors for %d texts", len(vectors), len(w.Texts))
	case kind != agent.Invalid && kind != agent.TooLarge:
		return nil, err
	case len(w.Texts) > 1:
		// One of them is refused: the others shall not wait for it.
		half := len(w.Texts) / 2
		first, err := x.embed(ctx, model, Work{Keys: w.Keys[:half], Texts: w.Texts[:half]})
		if err != nil {
			return nil, err
		}
		second, err := x.embed(ctx, model, Work{Keys: w.Keys[half:], Texts: w.Texts[half:]})
		return append(first, second...), err
	case len(w.Texts[0]) > shortest:
		return x.embed(ctx, model, Work{Keys: w.Keys, Texts: []string{clip(w.Texts[0], len(w.Texts[0])/2)}})
	}
	x.c.Log.WarnContext(ctx, "a passage has no vector: the embedding model refuses it", "passage", w.Keys[0], "err", err)
	return make([][]float32, 1), nil
}

// pointless reports whether none of the vectors points anywhere: one text may have
// no meaning to a model, but when many have none it is the model that fails.
func pointless(vectors [][]float32) bool {
	return !slices.ContainsFunc(vectors, func(v []float32) bool { return Unit(v) != nil })
}

func errPointless() error {
	return agent.Errorf(agent.Unavailable, "the embedding model sent vectors of nothing but zeroes")
}

// shortest is the length in bytes from which a refused text is not cut further.
const shortest = 400

// finish makes a generation whose queue is empty the current one, when what it
// finds is not worse than what the current one does.
func (x *Indexer) finish(ctx context.Context, g, current Generation) (more bool, err error) {
	_, waiting, err := x.c.Index.Progress(ctx, g.ID)
	if err != nil || waiting > 0 {
		return false, err // another process is at it
	}
	x.mu.Lock()
	_, held := x.held[g.ID]
	anyway := x.anyway == g.ID
	x.mu.Unlock()
	if held && !anyway {
		return false, nil
	}
	if err := x.c.Index.Seal(ctx, g.ID); err != nil {
		return false, err
	}
	note := fmt.Sprintf("recall searches by vectors of %s with %d dimensions", g.Model, g.Dimension)
	if current.ID != 0 {
		c, err := x.compare(ctx, current, g)
		if err != nil {
			return false, err
		}
		note += "; " + c.String()
		if c.Worse() && !anyway {
			x.hold(ctx, g, c)
			return false, nil
		}
	}
	err = x.c.Index.Switch(ctx, x.c.By, g.ID, note)
	if agent.KindOf(err) == agent.Conflict {
		err = nil // another process was faster
	}
	return true, err
}

func (x *Indexer) hold(ctx context.Context, g Generation, c Comparison) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held[g.ID] = c
	x.c.Log.WarnContext(ctx, "the new vectors find less than those in use, which stay", "model", g.Model, "before", c.Before, "after", c.After)
}

// Reembed begins to embed everything anew with the configured model, beside the
// vectors in use. Conflict means that those are of this model already, unless
// anyway, or that vectors of another model are being made. A generation of this
// model that is being built goes on; anyway switches to it whatever the comparison
// says.
func (x *Indexer) Reembed(ctx context.Context, anyway bool) (Generation, error) {
	all, err := x.c.Index.Generations(ctx)
	if err != nil {
		return Generation{}, err
	}
	g, ok := InState(all, Building)
	if configured := x.c.Embedder.Model(); ok && g.Model != configured {
		return Generation{}, agent.Errorf(agent.Conflict, "vectors of %s are being made, and the settings name %s: "+
			"choose %s again, or drop them with sous memory reembed --cancel first", g.Model, configured, g.Model)
	}
	if !ok {
		if current, ok := InState(all, Current); ok && current.Model == x.c.Embedder.Model() && !anyway {
			return current, agent.Errorf(agent.Conflict, "what is remembered is embedded with %s already; --anyway does it again", current.Model)
		}
		if g, err = x.begin(ctx); err != nil {
			return g, err
		}
	}
	if anyway {
		x.mu.Lock()
		x.anyway = g.ID
		x.mu.Unlock()
	}
	x.Wake()
	return g, nil
}

// Cancel drops the generation that is being built; NotFound when there is none.
func (x *Indexer) Cancel(ctx context.Context) error {
	all, err := x.c.Index.Generations(ctx)
	if err != nil {
		return err
	}
	g, ok := InState(all, Building)
	if !ok {
		return agent.Errorf(agent.NotFound, "no vectors are being made")
	}
	return x.c.Index.Drop(ctx, g.ID)
}

// IndexStatus says how far the vectors are.
type IndexStatus struct {
	Generations []Generation `json:"generations"`
	// Held is the comparison that keeps the generation that is being built from
	// being used.
	Held *Comparison `json:"held,omitempty"`
	// Problem is why nothing goes on at the moment, for people.
	Problem string `json:"problem,omitempty"`
}

// Status says how far the vectors are.
func (x *Indexer) Status(ctx context.Context) (IndexStatus, error) {
	var s IndexStatus
	var err error
	if s.Generations, err = counted(ctx, x.c.Index); err != nil {
		return s, err
	}
	able := x.c.Index.Able(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	if g, ok := InState(s.Generations, Building); ok {
		if c, ok := x.held[g.ID]; ok {
			s.Held = &c
		}
	}
	problem := x.problem
	if problem == nil {
		problem = able
	}
	if problem != nil {
		s.Problem = agent.PublicText(problem)
	}
	return s, nil
}

// RankingByWords says how recall ranks without vectors, for people.
const RankingByWords = "ranks by words (BM25, neighbours, speakers, dates, recency); there is no embedding model, so it does not search by meaning"

// Ranking says in one sentence how recall ranks with this status and the configured
// model, for people.
func (s IndexStatus) Ranking(model string) string {
	const words = "ranks by words (BM25, neighbours, speakers, dates, recency)"
	var say []string
	g, ok := InState(s.Generations, Current)
	switch {
	case !ok:
		say = append(say, words+", until the vectors of "+model+" are made")
	case g.Model != model:
		say = append(say, words+" and by vectors of "+g.Model+"; the settings name "+model+": run sous memory reembed")
	default:
		say = append(say, words+" and by vectors of "+g.Model)
	}
	for _, g := range s.Generations {
		if p := g.progress(); p != "" {
			say = append(say, p)
		}
	}
	if s.Held != nil {
		say = append(say, "the new vectors are held back: "+s.Held.String())
	}
	if s.Problem != "" {
		say = append(say, s.Problem)
	}
	return strings.Join(say, "; ")
}

// counted returns the generations with their counts.
func counted(ctx context.Context, index Index) ([]Generation, error) {
	all, err := index.Generations(ctx)
	for n := range all {
		if err == nil {
			all[n].Vectors, all[n].Waiting, err = index.Progress(ctx, all[n].ID)
		}
	}
	return all, err
}

// progress says how far a generation is, "" when there is nothing to say.
func (g Generation) progress() string {
	switch {
	case g.State == Building && g.Waiting > 0:
		return fmt.Sprintf("vectors of %s are being made, %d items to go", g.Model, g.Waiting)
	case g.State == Building:
		return "vectors of " + g.Model + " are made and not in use yet"
	case g.State == Current && g.Waiting > 0:
		return fmt.Sprintf("%d items wait for their vectors", g.Waiting)
	}
	return ""
}
