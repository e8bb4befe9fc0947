package looptest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools"
)

// Engine is what an adapter gives the suite.
type Engine interface {
	loop.Engine
	Launch(ctx context.Context, funcs loop.EffectFuncs) error
	Close(timeout time.Duration) error
}

// Store is what the rig needs of a store beside the loop's own part.
type Store interface {
	loop.Store
	Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
	Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
	Close() error
}

// Parts are what an engine is made of. Recover and Heard are the assistant's, for
// when another process is gone or has changed a turn.
type Parts struct {
	Limits  loop.Limits
	Clock   func() time.Time
	Recover func(ctx context.Context) error
	Heard   func(turn string)
}

// Bench is an engine on a kind of store.
type Bench struct {
	// Stores prepares a place for the test and returns how a process opens the store
	// there; nil is a SQLite file.
	Stores func(t testing.TB) func(clock func() time.Time) (Store, tools.Ledger)
	// Engine makes an engine over the store; it is not launched yet.
	Engine func(t testing.TB, db Store, p Parts) Engine
}

// inFile keeps the store in a SQLite file.
func inFile(t testing.TB) func(clock func() time.Time) (Store, tools.Ledger) {
	path := filepath.Join(t.TempDir(), "sous.db")
	return func(clock func() time.Time) (Store, tools.Ledger) {
		db, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, Clock: clock})
		check(t, err)
		ledger, err := sqlite.NewLedger(db, sqlite.LedgerConfig{ApprovalTTL: ApprovalTTL})
		check(t, err)
		return db, ledger
	}
}

// ApprovalTTL is how long people have to decide in the rig.
const ApprovalTTL = time.Hour

// Ann is the one person of the rig's workspace.
func Ann() agent.Actor {
	return agent.Actor{Workspace: "w", ID: "ann", Name: "Ann", Kind: agent.Member, Owner: true}
}

// Desk is where Ann talks to Sous.
func Desk() agent.Place {
	return agent.Place{ID: "desk", Kind: agent.DM, Members: []agent.ActorID{"ann"}}
}

// World is what outlives a restart: the outside system and the store's file.
type World struct {
	t      testing.TB
	limits loop.Limits
	bench  Bench
	stores func(clock func() time.Time) (Store, tools.Ledger)
	answer func(model.Request) (model.Response, error)

	mu sync.Mutex
	// things are what the thing_make tool made outside, by idempotency key.
	things map[string]int
	runs   int
	// Hold, when set, is called while an effect runs.
	Hold func(ctx context.Context)
	// Clock is the rig's time.
	Clock func() time.Time
	// Prompter names what the model is told; nil for something plain.
	Prompter loop.Prompter
}

// NewWorld returns a world whose model answers with f.
func NewWorld(t testing.TB, on Bench, limits loop.Limits, f func(model.Request) (model.Response, error)) *World {
	if on.Stores == nil {
		on.Stores = inFile
	}
	return &World{t: t, stores: on.Stores(t), bench: on, limits: limits, answer: f, things: map[string]int{}, Clock: time.Now}
}

// Things counts what exists outside and how often the tool ran.
func (w *World) Things() (made, runs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.things), w.runs
}

// Process is one run of Sous over the world.
type Process struct {
	*loop.Assistant
	Model  *Script
	DB     Store
	engine Engine
	once   sync.Once
	t      testing.TB
}

// Start starts a process; Stop or the end of the test stops it.
func (w *World) Start() *Process {
	w.t.Helper()
	ctx := context.Background()
	db, ledger := w.stores(w.Clock)
	registry, err := tools.NewRegistry(w.make(), w.look())
	check(w.t, err)
	gate, err := policy.New(policy.Config{Sole: func() bool { return true }})
	check(w.t, err)
	executor, err := tools.NewExecutor(registry, gate, ledger)
	check(w.t, err)
	p := &Process{Model: Answer(w.answer), DB: db, t: w.t}
	effects, err := loop.NewEffects(loop.Config{
		Store: db, Model: p.Model, Executor: executor, Prompter: w.prompter(),
		Hub: loop.NewHub(), Limits: w.limits, Clock: w.Clock,
	})
	check(w.t, err)
	p.engine = w.bench.Engine(w.t, db, Parts{
		Limits: w.limits, Clock: w.Clock, Recover: func(ctx context.Context) error { return p.Recover(ctx) },
		Heard: func(turn string) { p.Heard(turn) },
	})
	p.Assistant, err = loop.NewAssistant(effects, p.engine)
	check(w.t, err)
	check(w.t, p.engine.Launch(ctx, effects.Funcs()))
	check(w.t, p.Recover(ctx))
	w.t.Cleanup(p.Stop)
	return p
}

func (w *World) prompter() loop.Prompter {
	if w.Prompter != nil {
		return w.Prompter
	}
	return plainPrompt{}
}

// Stop ends the process; turns in flight stay as they are.
func (p *Process) Stop() {
	p.once.Do(func() {
		check(p.t, p.engine.Close(10*time.Second))
		check(p.t, p.DB.Close())
	})
}

// Crash ends the process where it stands: what it has not written by now is lost.
// release lets go of what the test holds up in it.
func (p *Process) Crash(release func()) {
	p.once.Do(func() {
		_ = p.DB.Close()
		release()
		_ = p.engine.Close(10 * time.Second)
	})
}

// Ask accepts a request and returns its turn's id.
func (p *Process) Ask(event, conversation, text string) string {
	p.t.Helper()
	acc, err := p.Accept(context.Background(), Ann(), loop.Incoming{Event: event, Conversation: conversation, Place: Desk(), Text: text})
	check(p.t, err)
	return acc.Turn.ID
}

// Carrier is the name under which the process carries turns.
func (p *Process) Carrier() string { return p.engine.Carrier() }

// Until waits for the turn to reach a status.
func (p *Process) Until(turn string, s agent.TurnStatus) loop.View {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		v, err := p.View(context.Background(), Ann(), turn)
		check(p.t, err)
		if v.Status == s {
			return v
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("turn %s is %s; want %s (answer %q)", turn, v.Status, s, v.Answer)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

type thingIn struct {
	Name string `json:"name" jsonschema:"what to make"`
}

type thingOut struct {
	ID string `json:"id"`
}

// own is for everybody in the place, but what is named "secret" for Ann alone.
func own(inv tools.Invocation, in thingIn, _ thingOut) agent.Label {
	if in.Name == "secret" {
		return agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann")}
	}
	return agent.Label{Integrity: agent.Organisation, Readers: inv.Place.Readers()}
}

// make returns the tool whose effect is counted; it takes a key.
func (w *World) make() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "thing_make", Doc: "Make a thing.", Tier: agent.TierWrite, Class: tools.Keyed,
		Timeout: 10 * time.Second, Undo: "The thing is unmade.",
	}, tools.Funcs[thingIn, thingOut]{
		Run: func(ctx context.Context, inv tools.Invocation, in thingIn) (thingOut, error) {
			w.mu.Lock()
			w.things[inv.Key]++
			w.runs++
			hold := w.Hold
			w.mu.Unlock()
			if hold != nil {
				hold(ctx)
			}
			return thingOut{ID: "thing " + in.Name}, nil
		},
		Label: own,
		Undo: func(in thingIn, _ thingOut) (string, any, bool) {
			return "thing_make", thingIn{Name: "anti-" + in.Name}, true
		},
	}))
}

// look returns a tool that only reads.
func (w *World) look() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "thing_look", Doc: "Look at things.", Tier: agent.TierRead, Timeout: 10 * time.Second,
	}, tools.Funcs[thingIn, thingOut]{
		Run: func(_ context.Context, _ tools.Invocation, in thingIn) (thingOut, error) {
			if in.Name == "missing" {
				return thingOut{}, agent.Errorf(agent.NotFound, "there is no thing %s", in.Name)
			}
			return thingOut{ID: "saw " + in.Name}, nil
		},
		Label: own,
	}))
}

type plainPrompt struct{}

// TurnPrompt implements loop.Prompter.
func (plainPrompt) TurnPrompt(t agent.Turn, _ time.Time) (string, string, error) {
	return "test/v1@000000000000", fmt.Sprintf("You talk with %s.", t.Actor.Name), nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
