package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/internal/transfer"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

// Whole is a fresh store with everything that can be kept in it.
type Whole struct {
	Stores
	Tracker  tickets.Tracker
	Memories memory.Store
	Cases    routing.Cases
	Feedback feedback.Store
	// DB is what keeps all the rest, and is opened again for the record.
	DB interface {
		delivery.Store
		review.Store
		install.Store
		audit.Trees
		Dump(ctx context.Context, f func(transfer.Row) error) error
		Hold(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error)
		SetToken(ctx context.Context, by agent.Actor, person agent.ActorID, hash string) error
	}
	// Record opens the audit record beside the store.
	Record func() io.Closer
}

// marker is in every text that acme keeps and nowhere else.
const marker = "ACMES-OWN"

// acme's person, and the owner of another workspace who asks for what is acme's.
func acmeOwner() agent.Actor {
	return agent.Actor{Workspace: "acme", ID: "ann", Name: marker, Kind: agent.Member, Owner: true}
}

func stranger() agent.Actor {
	return agent.Actor{Workspace: "globex", ID: "ann", Name: "Eve", Kind: agent.Member, Owner: true}
}

// Isolation calls every method that every store exports twice: in the workspace
// whose things are there, to find arguments with which it works, and with the very
// same ids in another workspace. There it finds nothing, tells nothing and changes
// nothing. A method that is added is called without being named here.
func Isolation(t *testing.T, open func(t *testing.T) Whole) {
	t.Helper()
	own, other := open(t), open(t)
	ids, theirs := own.fill(t), other.fill(t)
	works := map[string]int{}
	own.each(t, false, func(m method) {
		var last error
		for n, id := range ids {
			c := m.call(t, acmeOwner(), id)
			if last = c.err; c.err == nil && !c.empty() {
				works[m.name] = n
				break
			}
		}
		if _, ok := works[m.name]; !ok {
			t.Errorf("%s works with none of the ids in its own workspace: teach storetest.Isolation what it needs (%v)", m.name, last)
		}
	})
	before := other.dump(t)
	other.each(t, true, func(m method) {
		n, ok := works[m.name]
		if !ok {
			return
		}
		id := theirs[n]
		// Whatever connection serves the next call has just served acme.
		for _, serve := range other.servesAcme(theirs[approvalAt]) {
			if err := serve(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.judge(t, m.call(t, stranger(), id))
			if slices.Contains(makesItsOwn, m.name) {
				break // it makes one of its own, once
			}
		}
		if after := other.dump(t); after != before {
			t.Errorf("%s in another workspace changed what is acme's:\n%s", m.name, difference(before, after))
			before = after
		}
	})
}

// errTornDown ends a transaction from within.
var errTornDown = errors.New("torn down")

// servesAcme are ways in which a connection serves acme: a transaction that is
// rolled back, a question that finds nothing, one that finds something.
func (w Whole) servesAcme(approvalID string) []func(context.Context) error {
	return []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := w.Change(ctx, acmeOwner(), approvalID, func(a approval.Approval) (approval.Approval, error) { return a, errTornDown })
			if !errors.Is(err, errTornDown) {
				return fmt.Errorf("a change that is torn down ends with %w", err)
			}
			return nil
		},
		func(ctx context.Context) error {
			if _, _, _, err := w.Turn(ctx, "acme", "nobody's"); agent.KindOf(err) != agent.NotFound {
				return fmt.Errorf("a turn that nobody has: %w", err)
			}
			return nil
		},
		func(ctx context.Context) error {
			_, err := w.Messages(ctx, "acme", "c", 1)
			return err
		},
	}
}

// method is an exported method of one of the stores.
type method struct {
	name string
	f    reflect.Value
}

// called is what came of a call: results, what was passed to its callbacks, and
// its error.
type called struct {
	results []reflect.Value
	heard   []any
	// calls says that it takes a callback, whether it called it or not.
	calls bool
	err   error
}

// noWorkspace are methods that belong to no workspace: a process looks after all of
// them, or the argument is a secret of its own.
var noWorkspace = map[string]string{
	"Abandon": "of replicas", "AtWork": "of replicas", "Alone": "of replicas", "Present": "of replicas", "Process": "of replicas", "Join": "of replicas", "Replicas": "of replicas",
	"Adopt": "of replicas", "Carriers": "of replicas", "GiveBack": "of replicas", "Ready": "of replicas", "Carried": "of replicas",
	"EnginePool": "of the engine", "Pool": "of the tests", "SQL": "of the engine", "Path": "a file's name", "Close": "ends it", "Ping": "reads nothing",
	"Sound": "checks the file", "Copy": "a backup", "Dump": "a backup", "Load": "a backup", "Sweep": "cleans the file",
	"Keys": "of the installation", "RotateKEK": "of the installation", "Recorded": "a number", "Heads": "all are signed",
	"Pauses": "a pause of everything is everybody's", "Unfinished": "a process takes up all", "Installations": "a process serves all",
	"Workspaces": "the names of all", "TurnWorkspaces": "the names of all", "HashReader": "reads when it is asked",
	"Strays":        "of damage, and there is none",
	"Ledger.Settle": "the key is a digest over its workspace", "Renew": "the secret before is the proof",
	"Able":  "of the server",
	"Begin": "of vectors of all", "Drop": "of vectors of all", "Generations": "of vectors of all", "Progress": "of vectors of all",
	"Sample": "of vectors of all", "SaveVectors": "of vectors of all", "Seal": "of vectors of all", "Switch": "of vectors of all", "Work": "of vectors of all",
}

// makesItsOwn are methods that keep something new, which in another workspace is
// something of its own whatever it is called, or take away what may not be there.
var makesItsOwn = []string{
	"DB.Accept", "DB.SaveFile", "DB.Keep", "DB.Settle", "DB.SaveCheckpoint", "DB.SetToken", "DB.Install", "DB.OpenReview", "DB.Pause", "DB.Hold", "DB.Take",
	"DB.Forget", "Ledger.Ask", "Ledger.Refuse", "Tracker.Create", "RoutingCases.Record", "Feedback.Rate", "Memories.SaveItem", "DB.Show",
	"DB.Erase", "DB.EraseSubject", "DB.Spread", "DB.RecordSettings", "DB.Purge", "Feedback.Forget", "Ledger.Intend", "DB.Untaken", "DB.Uninstall", "DB.Record",
}

// doesAndTells change what the id names and tell of something else.
var doesAndTells = []string{"DB.Finish"}

// late are methods that take away what others need to work.
var late = []string{"Claim", "SetStatus", "Park", "Finish", "Change", "ChangeReview", "Unrecord", "Resume", "Release", "Uninstall", "Remove", "Purge", "Forget", "Erase", "EraseSubject"}

// each calls f with every method: those of the record, then those that find, then
// those that make something, after or, when makersLast, before which come those
// that take something away.
func (w Whole) each(t *testing.T, makersLast bool, f func(method)) {
	t.Helper()
	r := w.Record()
	for _, m := range methodsOf(r) {
		f(m)
	}
	// Some of what follows waits until nobody reads.
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	all := methodsOf(w.DB, w.Ledger, w.Tracker, w.Memories, w.Cases, w.Feedback)
	slices.SortStableFunc(all, func(a, b method) int { return a.order(makersLast) - b.order(makersLast) })
	for _, m := range all {
		f(m)
	}
}

func methodsOf(stores ...any) (all []method) {
	for _, s := range stores {
		v := reflect.ValueOf(s)
		for i := range v.NumMethod() {
			name := v.Type().Method(i).Name
			full := reflect.Indirect(v).Type().Name() + "." + name
			if noWorkspace[name] == "" && noWorkspace[full] == "" || full == "Record.Keys" {
				all = append(all, method{full, v.Method(i)})
			}
		}
	}
	return all
}

func (m method) order(makersLast bool) int {
	_, name, _ := strings.Cut(m.name, ".")
	switch {
	case slices.Contains(makesItsOwn, m.name) && makersLast:
		return len(late) + 1
	case slices.Contains(makesItsOwn, m.name) && !slices.Contains(late, name):
		return 0
	}
	if i := slices.Index(late, name); i >= 0 {
		return i + 1
	}
	return -1
}

// call calls the method as an actor, in the actor's workspace, with an id.
func (m method) call(t *testing.T, by agent.Actor, id string) called {
	t.Helper()
	c := called{}
	a := arguments{t: t, method: m.name, by: by, id: id, texts: slices.Clone(moreTexts[m.name]), heard: &c.heard}
	in := make([]reflect.Value, m.f.Type().NumIn())
	if len(in) == 0 || m.f.Type().In(0) != reflect.TypeFor[context.Context]() {
		t.Fatalf("%s takes no context: it is none of a store's, or teach storetest.Isolation about it", m.name)
	}
	for i := range in {
		in[i] = a.of(m.f.Type().In(i), 0)
		c.calls = c.calls || in[i].Kind() == reflect.Func
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in[0] = reflect.ValueOf(ctx)
	call := m.f.Call
	if m.f.Type().IsVariadic() {
		call = m.f.CallSlice
	}
	for _, out := range call(in) {
		if err, ok := out.Interface().(error); ok {
			c.err = err
		} else if out.Type() != reflect.TypeFor[error]() && !slices.Contains(doesAndTells, m.name) {
			c.results = append(c.results, out)
		}
	}
	return c
}

// empty reports whether nothing was found: no results but zeros and empty lists,
// and nothing heard.
func (c called) empty() bool {
	for _, r := range c.results {
		if !blank(r) {
			return false
		}
	}
	return len(c.heard) == 0 && (c.calls || len(c.results) > 0)
}

// blank reports whether a value holds nothing but zeros and empty lists.
func blank(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for i := range v.NumField() {
			if !blank(v.Field(i)) {
				return false
			}
		}
		return true
	default:
		return v.IsZero()
	}
}

// judge says what is wrong with what a stranger was told.
func (m method) judge(t *testing.T, c called) {
	t.Helper()
	told := make([]any, 0, len(c.results)+1)
	for _, r := range c.results {
		told = append(told, r.Interface())
	}
	text, err := json.Marshal(append(told, c.heard))
	if err != nil {
		t.Errorf("%s: %v", m.name, err)
	}
	if strings.Contains(string(text), marker) {
		t.Errorf("%s tells another workspace what is acme's: %s", m.name, text)
	}
	switch k := agent.KindOf(c.err); {
	case c.err == nil && c.empty(), slices.Contains(makesItsOwn, m.name) && (c.err == nil || k != agent.Internal && k != agent.Unavailable):
	case c.err == nil:
		t.Errorf("%s finds something in another workspace: %s", m.name, text)
	case k != agent.NotFound:
		t.Errorf("%s in another workspace: %v (%s); want not found", m.name, c.err, k)
	case strings.Contains(agent.PublicText(c.err), marker):
		t.Errorf("%s tells in its error what is acme's: %v", m.name, c.err)
	}
}

// dump is every row of acme's.
func (w Whole) dump(t *testing.T) string {
	t.Helper()
	var lines []string
	err := w.DB.Dump(t.Context(), func(r transfer.Row) error {
		for i, c := range r.Columns {
			if c == "workspace" && fmt.Sprint(r.Values[i]) == "acme" {
				lines = append(lines, fmt.Sprint(r.Table, " ", r.Values))
			}
		}
		return nil
	})
	if err != nil || len(lines) < 20 {
		t.Fatalf("dump: %d rows, %v", len(lines), err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func difference(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	var said []string
	for _, l := range was {
		if !slices.Contains(is, l) {
			said = append(said, "- "+l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			said = append(said, "+ "+l)
		}
	}
	return strings.Join(said, "\n")
}
