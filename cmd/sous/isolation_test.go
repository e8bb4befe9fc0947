package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/transfer"
)

// ours is in all that the workspace of the test holds and nowhere else.
const ours = "kitchens-own-secret"

// TestNoEndpointGivesAnotherWorkspaceAnything asks every operation of the API and
// every page and form of the web, as their own lists have them, in the name of
// another workspace's owner for each id there is. Nothing is found, told or changed,
// and what is said is what is said of an id that nobody has. An endpoint that is
// added is asked without being named here.
func TestNoEndpointGivesAnotherWorkspaceAnything(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(t *testing.T) string{
		"SQLite": func(*testing.T) string { return "" },
		// One connection serves all: whatever stayed on it of the other would show.
		"PostgreSQL": func(t *testing.T) string { return pgtest.Empty(t).URL + "&pool_max_conns=1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			staff := filepath.Join(t.TempDir(), "people.yaml")
			if err := os.WriteFile(staff, []byte("people:\n  - {id: owner, name: "+ours+", owner: true}\n  - {id: carol, name: "+ours+"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c := &cli{world: world{environ: []string{"SOUS_DATA=" + t.TempDir(), "HOME=" + t.TempDir(), "SOUS_PEOPLE_FILE=" + staff, "SOUS_DATABASE_URL=" + database(t)}, stdout: io.Discard, stderr: io.Discard, user: "Tester"}}
			s, _, err := c.open(t.Context(), "test", runTurns)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.close() }()
			a := s.Service.(service).app
			a.assistant.People = everywhere{a.people.source}
			w := &asked{t: t, svc: s.Service.(service), theirs: []string{string(s.by.ID), "ticket_create"}, fresh: map[string]bool{}}
			w.fill(s.by)
			stranger := agent.Actor{Workspace: "globex", ID: s.by.ID, Kind: agent.Member, Name: "Eve", Owner: true, Groups: []string{"owners"}}
			all := append(w.operations(s.by, stranger), w.pages(s.by, stranger)...)
			// What a stranger makes is in lists of their own after that.
			slices.SortStableFunc(all, func(a, b served) int { return strings.Compare(a.method, b.method) })
			// Tickets are remembered beside the turns that wrote to them.
			a.lateTickets.work.Wait()
			before := w.dump()
			for _, e := range all {
				w.askFor(e)
			}
			a.lateTickets.work.Wait()
			if after := w.dump(); after != before {
				t.Errorf("a stranger changed what is ours:\n%s\n\nwas\n\n%s", after, before)
			}
			t.Logf("%d endpoints, %d ids", len(all), len(w.ids))
		})
	}
}

// everywhere knows everybody of any other workspace as an owner.
type everywhere struct{ people.Source }

func (e everywhere) Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (people.Person, error) {
	if ws != workspace {
		return people.Person{Actor: agent.Actor{Workspace: ws, ID: id, Kind: agent.Member, Name: "Eve", Owner: true}, Active: true, AsOf: time.Now()}, nil
	}
	return e.Source.Person(ctx, ws, id)
}

// served is something that can be asked for over HTTP.
type served struct {
	// name is what it is called where it is listed.
	name, method, path string
	// mine answers whoever has the things that are there, theirs a stranger.
	mine, theirs http.Handler
	// body, with its type, and more of the query and the header are about an id.
	kind   string
	body   func(id string) string
	query  []string
	header []string
}

// reads reports whether nothing is changed by asking.
func (e served) reads() bool { return e.method == http.MethodGet }

// itsOwn are endpoints that make, change or count something of whatever workspace
// asks, so that there is nothing to find: why.
var itsOwn = map[string]string{
	"pause": "of any name, whether it is there or not", "resume": "of any name", "POST /pause": "of any name", "POST /resume": "of any name",
	"hold-person": "of any name", "issue-token": "of any name", "revoke-token": "of any name", "release-person": "of any name",
	"personal-data": "of any name, and nothing when there is nothing", "erase-person": "of any name, as personal-data",
	"purge": "of all that is old", "upload-file": "something new", "import-document": "something new", "POST /files": "something new",
	"reembed": "of all vectors", "cancel-reembed": "of all vectors", "get-vectors": "of all vectors",
	"tool-schema": "the tools are everybody's", "remove-imports": "of a source, whether it is there or not",
}

type asked struct {
	t   *testing.T
	svc service
	ids []string
	// theirs are ids that a stranger has too.
	theirs []string
	// fresh are the kinds of id that there is one of already.
	fresh map[string]bool
}

// fill has the workspace hold something of every kind, and finds out the ids.
func (w *asked) fill(by agent.Actor) {
	t, ctx := w.t, w.t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ref, err := w.svc.Upload(ctx, by, agent.Place{}, ours+".txt", "text/plain", []byte(strings.ReplaceAll(meeting, "display", ours)))
	must(err)
	ask := func(in loop.Incoming, want agent.TurnStatus) agent.Turn {
		t.Helper()
		acc, err := w.svc.Accept(ctx, by, in)
		must(err)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			v, err := w.svc.View(ctx, by, acc.Turn.ID)
			must(err)
			if v.Status == want {
				return acc.Turn
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q is %s: %s", in.Text, v.Status, v.Answer)
			}
		}
	}
	made := ask(loop.Incoming{Text: "open a ticket to mend the " + ours}, agent.TurnDone)
	ask(loop.Incoming{Text: "remember that the " + ours + " is in the cellar"}, agent.TurnDone)
	waits := ask(loop.Incoming{Text: "Summarise this meeting and open tickets for the action items", Files: []string{ref.ID}}, agent.TurnWaiting)
	_, err = w.svc.HoldPerson(ctx, by, "carol", ours)
	must(err)
	w.ids = []string{ref.ID, "carol", string(by.ID), "ticket_create", made.ID, made.Conversation, waits.ID, waits.Conversation}
	own := w.api(by)
	for _, path := range []string{"/tickets", "/memory", "/approvals", "/effects", "/memory/facts", "/memory/imports", "/audit?limit=500", "/turns/" + made.ID} {
		status, body := w.ask(own, served{method: http.MethodGet}, "/api/v1"+path, "")
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		var v any
		must(json.Unmarshal([]byte(body), &v))
		w.collect(path, v)
	}
	slices.Sort(w.ids)
	w.ids = slices.DeleteFunc(slices.Compact(w.ids), func(id string) bool { return id == "" })
}

// collect takes up whatever may be an id, one of each kind.
func (w *asked) collect(at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			text, ok := inner.(string)
			if ok && slices.Contains([]string{"id", "key", "turn", "call", "approval", "conversation", "request"}, name) && !w.fresh[at+name] {
				w.fresh[at+name] = text != ""
				w.ids = append(w.ids, text)
			}
			w.collect(at+"."+name, inner)
		}
	case []any:
		for _, inner := range v {
			w.collect(at, inner)
		}
	}
}

// askFor asks for something that is served with each id, and looks at what a stranger is told.
func (w *asked) askFor(e served) {
	w.t.Helper()
	about := strings.Contains(e.path, "{")
	works := false
	for _, id := range w.ids {
		status, said := w.ask(e.theirs, e, pathOf(e.path, id), id)
		w.judge(e, id, status, said)
		if e.reads() && !works {
			status, _ = w.ask(e.mine, e, pathOf(e.path, id), id)
			works = status < http.StatusBadRequest
		}
	}
	if e.reads() && about && !works {
		w.t.Errorf("%s works with none of the ids in its own workspace", e.name)
	}
}

// judge says what is wrong with what a stranger was told of an id of ours.
func (w *asked) judge(e served, id string, status int, said string) {
	w.t.Helper()
	about := fmt.Sprintf("%s (%s)", e.name, id)
	if strings.Contains(said, ours) {
		w.t.Errorf("%s tells what is ours: %d %s", about, status, said)
	}
	if status >= http.StatusInternalServerError {
		w.t.Errorf("%s fails: %d %s", about, status, said)
	}
	if itsOwn[e.name] != "" || slices.Contains(w.theirs, id) {
		return
	}
	nobodys := madeUp(id)
	otherStatus, other := w.ask(e.theirs, e, pathOf(e.path, nobodys), nobodys)
	if otherStatus != status || without(said, id) != without(other, nobodys) {
		w.t.Errorf("%s says %d %s; of %s, which nobody has, %d %s", about, status, said, nobodys, otherStatus, other)
	}
	lists := e.reads() && !strings.Contains(e.path, "{") && status == http.StatusOK
	if status != http.StatusNotFound && !lists {
		w.t.Errorf("%s: %d %.300s; want not found", about, status, said)
	}
}

// pathOf is the path about an id, in the place of all its parameters.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

func pathOf(path, id string) string {
	return parameter.ReplaceAllLiteralString(path, escaped(id))
}

// escaped is an id as a segment of a path.
func escaped(id string) string {
	return strings.ReplaceAll(strings.ReplaceAll(id, "/", "%2F"), " ", "%20")
}

// madeUp is an id of the same shape that nobody has.
func madeUp(id string) string {
	if number := strings.TrimPrefix(id, "T-"); number != id {
		return "T-77" + number
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return 'A' + (r-'A'+7)%26
		case r >= 'a' && r <= 'z':
			return 'a' + (r-'a'+7)%26
		}
		return r
	}, "q"+id[1:])
}

// volatile is what differs between two answers to the same question.
var volatile = regexp.MustCompile(`(?i)[A-Z2-7]{16,}|[0-9a-f]{12,}|\d\d:\d\d(:\d\d(\.\d+)?)?|\b[a-z0-9]{13}\b`)

// without is what was said but for the id and what differs anyway.
func without(said, id string) string {
	for _, form := range []string{id, escaped(id), strings.ToUpper(id), strings.ReplaceAll(escaped(id), "%", "%25")} {
		said = strings.ReplaceAll(said, form, "…")
	}
	return volatile.ReplaceAllString(said, "_")
}

// ask asks as its front end would; a stream is left when it has begun.
func (w *asked) ask(h http.Handler, e served, target, id string) (int, string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	body := ""
	if e.body != nil {
		body = e.body(id)
	}
	req := httptest.NewRequestWithContext(ctx, e.method, target, strings.NewReader(body))
	req.Host = "sous.test"
	q := req.URL.Query()
	for _, name := range e.query {
		q.Set(name, id)
	}
	req.URL.RawQuery = q.Encode()
	for _, name := range e.header {
		req.Header.Set(name, id)
	}
	if e.kind != "" {
		req.Header.Set("Content-Type", e.kind)
	}
	req.Header.Set("Accept", "text/event-stream, application/json")
	got := &begun{ResponseRecorder: httptest.NewRecorder(), leave: cancel}
	h.ServeHTTP(got, req)
	return got.Code, got.Body.String()
}

// begun leaves when the answer begins to stream.
type begun struct {
	*httptest.ResponseRecorder
	leave func()
}

func (b *begun) Flush() {
	b.ResponseRecorder.Flush()
	b.leave()
}

// dump is every row of our workspace.
func (w *asked) dump() string {
	w.t.Helper()
	var lines []string
	all, ok := w.svc.app.db.database.(interface {
		Dump(ctx context.Context, f func(transfer.Row) error) error
	})
	if !ok {
		w.t.Fatal("the store cannot be dumped")
	}
	err := all.Dump(w.t.Context(), func(r transfer.Row) error {
		for i, c := range r.Columns {
			if c == "workspace" && fmt.Sprint(r.Values[i]) == "local" {
				lines = append(lines, fmt.Sprint(r.Table, " ", r.Values))
			}
		}
		return nil
	})
	if err != nil || len(lines) < 20 {
		w.t.Fatalf("dump: %d rows, %v", len(lines), err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
