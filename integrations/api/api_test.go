package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

var ann = looptest.Ann()

// local is the service in this process: the assistant and what it keeps.
type local struct {
	*loop.Assistant
	rig    *looptest.Process
	broken error
}

func (l local) Approval(ctx context.Context, by agent.Actor, id string) (approval.Approval, error) {
	return l.rig.DB.Approval(ctx, by.Workspace, id)
}

func (l local) Tickets(_ context.Context, by agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	return []agent.Ticket{{ID: "T-1", Title: q.Text, Status: agent.TicketOpen, CreatedBy: by.ID, Links: []string{fmt.Sprint(q.Statuses, q.Limit)}, Label: agent.Label{Readers: agent.Only("ann")}}}, nil
}

func (l local) Ticket(_ context.Context, _ agent.Actor, id string) (api.Ticket, error) {
	if id != "T-1" {
		return api.Ticket{}, agent.Errorf(agent.NotFound, "there is no ticket %s", id)
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return api.Ticket{
		Ticket: agent.Ticket{ID: id, Title: "one"}, Comments: []agent.TicketComment{{N: 1, Body: "said", At: at}},
		History: []agent.TicketChange{{Field: "created", At: at}},
	}, nil
}

func (l local) Memories(_ context.Context, _ agent.Actor, query string, limit int) ([]api.Memory, error) {
	return []api.Memory{{ID: "m-1", Text: query, Score: float64(limit)}}, nil
}

func (l local) Audit(ctx context.Context, by agent.Actor, f audit.Filter) ([]audit.Entry, error) {
	return l.rig.DB.Audit(ctx, by.Workspace, f)
}

func (l local) Rate(ctx context.Context, by agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error) {
	v, err := l.View(ctx, by, turn)
	if err != nil {
		return feedback.Rating{}, err
	}
	return feedback.New(by, v.Turn, o, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
}

func (l local) Ratings(_ context.Context, by agent.Actor, f feedback.Filter) (api.Ratings, error) {
	return api.Ratings{
		Tally: feedback.Tally{Bad: f.Limit, Reasons: map[feedback.Reason]int{feedback.Wrong: 1}}, Ratings: []feedback.Rating{{Turn: f.Turn, By: f.By, Good: f.Bad, At: f.Since}},
	}, nil
}

func (l local) Info(context.Context) (api.Info, error) {
	return api.Info{Version: "test", Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

// engines is the durable engine the product uses.
var engines = looptest.Bench{Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
	e, err := journal.New(journal.Config{Store: db, Limits: p.Limits, Clock: p.Clock})
	if err != nil {
		t.Fatal(err)
	}
	return e
}}

// makes answers "make X" by a call that has to be confirmed, since the words
// did not say it, and everything else by an echo.
func makes(req model.Request) (model.Response, error) {
	last := req.Messages[len(req.Messages)-1]
	if last.Role == model.RoleTool {
		return model.Response{Text: "Done with it.", Finish: model.FinishStop, Model: "script"}, nil
	}
	if what, ok := strings.CutPrefix(last.Text, "make "); ok {
		args, _ := json.Marshal(map[string]string{"name": "unsaid-" + what})
		return model.Response{Calls: []model.ToolCall{{ID: "1", Name: "thing_make", Args: string(args)}}, Finish: model.FinishCalls, Model: "script"}, nil
	}
	return model.Response{Text: "You said: " + last.Text, Finish: model.FinishStop, Model: "script"}, nil
}

func newLocal(t *testing.T) local {
	t.Helper()
	rig := looptest.NewWorld(t, engines, loop.Limits{}, makes).Start()
	return local{Assistant: rig.Assistant, rig: rig}
}

func handler(t *testing.T, svc api.Service, limit int64) http.Handler {
	t.Helper()
	h, err := api.New(api.Config{Service: svc, MaxUpload: limit, Local: true, Authenticate: func(r *http.Request) (agent.Actor, error) {
		if r.Header.Get("Authorization") == "Bearer wrong" {
			return agent.Actor{}, agent.Errorf(agent.Forbidden, "that token is not known")
		}
		return ann, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func serve(t *testing.T, svc api.Service) *api.Client {
	t.Helper()
	server := httptest.NewServer(handler(t, svc, 1<<20))
	t.Cleanup(server.Close)
	return api.NewClient(server.Client(), server.URL)
}

// both runs a test against the service itself and against a client of it: what
// is promised holds for either.
func both(t *testing.T, f func(t *testing.T, svc api.Service, p local)) {
	t.Run("in process", func(t *testing.T) { p := newLocal(t); f(t, p, p) })
	t.Run("through a server", func(t *testing.T) { p := newLocal(t); f(t, serve(t, p), p) })
}

func ask(t *testing.T, svc api.Service, text string) string {
	t.Helper()
	acc, err := svc.Accept(t.Context(), ann, loop.Incoming{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return acc.Turn.ID
}

// until watches the turn until an event of the type and returns it.
func until(t *testing.T, svc api.Service, turn string, want loop.EventType) loop.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	next, err := svc.Watch(ctx, ann, turn, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, ok := next()
		if !ok {
			t.Fatalf("the stream of %s ended before %q", turn, want)
		}
		if ev.Type == want {
			return ev
		}
	}
}

func TestARequestIsAnsweredAndStreamed(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		in := loop.Incoming{Event: "event 1/é", Text: "hello"}
		acc, err := svc.Accept(t.Context(), ann, in)
		if err != nil || acc.Turn.ID != in.Event || !acc.Start {
			t.Fatalf("accepted as %+v, %v", acc, err)
		}
		if end := until(t, svc, in.Event, loop.EventEnd); end.Text != "You said: hello" || end.Status != "done" {
			t.Errorf("end %+v", end)
		}
		again, err := svc.Accept(t.Context(), ann, in)
		if err != nil || !again.Duplicate {
			t.Errorf("the same event again: %+v, %v", again, err)
		}
		in.Text = "and good-bye"
		if other, err := svc.Accept(t.Context(), ann, in); agent.KindOf(err) != agent.Conflict && !other.Other {
			t.Errorf("another message under the same id: %+v, %v", other, err)
		}
		v, err := svc.View(t.Context(), ann, in.Event)
		if err != nil || v.Answer != "You said: hello" || v.Actor.ID != "ann" || v.Place.Kind != agent.DM {
			t.Errorf("view %+v, %v", v, err)
		}
	})
}

func TestADecisionIsTakenOnceAndItsEffectCanBeUndone(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		turn := ask(t, svc, "make a chair")
		asked := until(t, svc, turn, loop.EventApproval)
		pending, err := svc.ListApprovals(t.Context(), ann, loop.ApprovalQuery{States: []approval.State{approval.Asked}})
		if err != nil || len(pending) != 1 || pending[0].ID != asked.Approval || string(pending[0].Call.Args) != `{"name":"unsaid-a chair"}` {
			t.Fatalf("pending %+v, %v", pending, err)
		}
		got, err := svc.Answer(t.Context(), ann, loop.Answer{Approval: asked.Approval, Yes: true})
		if err != nil || got.State != approval.Approved || got.DecidedName != "Ann" {
			t.Fatalf("decided %+v, %v", got, err)
		}
		_, err = svc.Answer(t.Context(), ann, loop.Answer{Approval: asked.Approval, Comment: "no"})
		if agent.KindOf(err) != agent.Conflict || !strings.HasPrefix(agent.PublicText(err), "Ann already approved this, at 20") {
			t.Errorf("the second decision: %v", err)
		}
		until(t, svc, turn, loop.EventEnd)
		one, err := svc.ShowApproval(t.Context(), ann, asked.Approval)
		if err != nil || one.State != approval.Spent {
			t.Errorf("approval %+v, %v", one, err)
		}
		v, err := svc.View(t.Context(), ann, turn)
		if err != nil || len(v.Effects) != 1 || v.Effects[0].UndoTool == "" {
			t.Fatalf("view %+v, %v", v, err)
		}
		acc, err := svc.Undo(t.Context(), ann, v.Effects[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		p.rig.Until(acc.Turn.ID, agent.TurnDone)
		rows, err := svc.Audit(t.Context(), ann, audit.Filter{Turn: turn, Kinds: []audit.Kind{audit.CallIntent, audit.CallOutcome}})
		if err != nil || len(rows) != 2 || rows[0].Kind != audit.CallIntent || rows[1].Tier.Number() != 1 {
			t.Errorf("record %+v, %v", rows, err)
		}
	})
}

func TestATurnCanBeStopped(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		turn := ask(t, svc, "make a table")
		until(t, svc, turn, loop.EventApproval)
		if err := svc.Stop(t.Context(), ann, turn); err != nil {
			t.Fatal(err)
		}
		if end := until(t, svc, turn, loop.EventEnd); end.Status != "stopped" {
			t.Errorf("end %+v", end)
		}
		if err := svc.Stop(t.Context(), ann, turn); agent.KindOf(err) != agent.Conflict {
			t.Errorf("stopping what has ended: %v", err)
		}
	})
}

func TestAFileIsStoredWithItsNameAndContent(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		content := []byte("WEBVTT\n\x00\xff")
		ref, err := svc.Upload(t.Context(), ann, agent.Place{}, "Größe & co.vtt", "text/vtt", content)
		if err != nil || ref.Name != "Größe & co.vtt" || ref.Media != "text/vtt" || ref.Bytes != int64(len(content)) {
			t.Fatalf("stored as %+v, %v", ref, err)
		}
		f, err := p.rig.DB.File(t.Context(), ann, ref.ID)
		if err != nil || !bytes.Equal(f.Content, content) {
			t.Errorf("kept %q, %v", f.Content, err)
		}
		if _, err := svc.Accept(t.Context(), ann, loop.Incoming{Files: []string{ref.ID}}); err != nil {
			t.Errorf("a message of a file alone: %v", err)
		}
	})
}

func TestEveryErrorKeepsItsKindAndText(t *testing.T) {
	p := newLocal(t)
	client := serve(t, p)
	_, inside := p.View(t.Context(), ann, "nowhere")
	_, through := client.View(t.Context(), ann, "nowhere")
	if agent.KindOf(through) != agent.NotFound || agent.PublicText(through) != agent.PublicText(inside) {
		t.Errorf("inside %v, through the server %v", inside, through)
	}
	for k := agent.Invalid; k <= agent.Cancelled; k++ {
		p.broken = agent.WrapError(k, errors.New("dial tcp 10.0.0.7: refused"), "words for people")
		_, err := serve(t, p).Tickets(t.Context(), ann, agent.TicketQuery{})
		if agent.KindOf(err) != k || err.Error() != "words for people" {
			t.Errorf("%s came back as %s: %v", k, agent.KindOf(err), err)
		}
	}
	p.broken = errors.New("dial tcp 10.0.0.7: refused")
	if _, err := serve(t, p).Tickets(t.Context(), ann, agent.TicketQuery{}); agent.KindOf(err) != agent.Internal || strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("an internal error came through as %v", err)
	}
}

func TestRecordsSurviveTheWay(t *testing.T) {
	p := newLocal(t)
	client := serve(t, p)
	q := agent.TicketQuery{Text: "a & b", Statuses: []agent.TicketStatus{agent.TicketOpen, agent.TicketDone}, Limit: 7}
	same(t, func(s api.Service) (any, error) { return s.Tickets(t.Context(), ann, q) }, p, client)
	same(t, func(s api.Service) (any, error) { return s.Ticket(t.Context(), ann, "T-1") }, p, client)
	same(t, func(s api.Service) (any, error) { return s.Memories(t.Context(), ann, "remote control?", 3) }, p, client)
	same(t, func(s api.Service) (any, error) { return s.Info(t.Context()) }, p, client)
	turn := ask(t, client, "hello")
	until(t, client, turn, loop.EventEnd)
	said := feedback.Opinion{Reasons: []feedback.Reason{feedback.Slow}, Text: "late & <wrong>"}
	same(t, func(s api.Service) (any, error) { return s.Rate(t.Context(), ann, turn, said) }, p, client)
	asked := feedback.Filter{Turn: "t", By: "bob", Bad: true, Since: time.Date(2026, 3, 1, 9, 0, 0, 1000, time.UTC), Limit: 3}
	same(t, func(s api.Service) (any, error) { return s.Ratings(t.Context(), ann, asked) }, p, client)
	if _, err := client.Rate(t.Context(), ann, turn, feedback.Opinion{Reasons: []feedback.Reason{"ugly"}}); agent.KindOf(err) != agent.Invalid {
		t.Errorf("a reason nobody knows: %v", err)
	}
	f := audit.Filter{Kinds: []audit.Kind{audit.TurnAccepted, audit.TurnEnded}, Actor: "ann", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), Limit: 1, Newest: true}
	same(t, func(s api.Service) (any, error) { return s.Audit(t.Context(), ann, f) }, p, client)
}

func same(t *testing.T, f func(api.Service) (any, error), a, b api.Service) {
	t.Helper()
	want, err := f(a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f(b)
	x, _ := json.Marshal(want)
	y, _ := json.Marshal(got)
	if err != nil || !bytes.Equal(x, y) || reflect.ValueOf(want).IsZero() {
		t.Errorf("in process %s\nthrough the server %s, %v", x, y, err)
	}
}

func TestAClientWorksOverASocket(t *testing.T) {
	p := newLocal(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler(t, p, 0)}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	client := api.NewClient(&http.Client{Transport: transport}, "http://sous")
	until(t, client, ask(t, client, "hello"), loop.EventEnd)
	server.Close()
	if _, err := client.Info(t.Context()); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("a server that is gone: %v", err)
	}
}

func TestWhoeverIsNotKnownIsRefused(t *testing.T) {
	h := handler(t, newLocal(t), 0)
	for _, path := range []string{"/api/v1/info", "/api/v1/audit", "/api/v1/nothing"} {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer wrong")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != http.StatusUnauthorized || rec.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(rec.Body.String(), `"kind":"forbidden"`) {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}

func TestBadRequestsAreProblemsWithAKind(t *testing.T) {
	h := handler(t, newLocal(t), 1<<20)
	for _, tc := range []struct {
		name, method, path, body, kind string
		status                         int
	}{
		{"a broken body", "POST", "/messages", `{"text":`, "invalid", 400},
		{"a wrong type", "POST", "/messages", `{"text":7}`, "invalid", 422},
		{"an unknown field", "POST", "/messages", `{"text":"x","actor":{"id":"eve"}}`, "invalid", 422},
		{"an empty message", "POST", "/messages", `{"text":"  "}`, "invalid", 400},
		{"a file without a name", "POST", "/files", `x`, "invalid", 422},
		{"a file that is too large", "POST", "/files?name=x", strings.Repeat("x", 1<<20+1), "too_large", 413},
		{"an unknown path", "GET", "/nothing", ``, "not_found", 404},
		{"an unknown approval", "POST", "/approvals/AAAAAAAA/decision", `{"approve":true}`, "not_found", 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := httptest.NewRequest(tc.method, "/api/v1"+tc.path, strings.NewReader(tc.body))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			var p struct {
				Kind, Detail string
				Status       int
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != tc.status || p.Status != tc.status || p.Kind != tc.kind || p.Detail == "" ||
				rec.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s %s, %v", rec.Code, rec.Header().Get("Content-Type"), rec.Body, err)
			}
		})
	}
}

func TestAStreamGoesOnWhereItsReaderWas(t *testing.T) {
	p := newLocal(t)
	server := httptest.NewServer(handler(t, p, 0))
	defer server.Close()
	turn := p.rig.Ask("e", "", "hello")
	p.rig.Until(turn, agent.TurnDone)
	read := func(lastID string) string {
		req, _ := http.NewRequest(http.MethodGet, server.URL+"/api/v1/turns/e/events", nil)
		req.Header.Set("Last-Event-ID", lastID)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		all, _ := io.ReadAll(resp.Body)
		return string(all)
	}
	whole := read("")
	ids := strings.Count(whole, "\nid: ")
	if ids < 2 || !strings.Contains(whole, "event: end") {
		t.Fatalf("the stream was %q", whole)
	}
	first, _, _ := strings.Cut(whole[strings.Index(whole, "id: ")+4:], "\n")
	if got := strings.Count(read(first), "\nid: "); got != ids-1 {
		t.Errorf("after the first of %d events came %d", ids, got)
	}
	if got := strings.Count(read("former-process.1"), "\nid: "); got != ids {
		t.Errorf("after an id of a former process came %d of %d events", got, ids)
	}
}

func TestTheDescriptionNamesEveryOperation(t *testing.T) {
	rec := httptest.NewRecorder()
	handler(t, newLocal(t), 0).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/openapi.json", nil))
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("%v in %.200s", err, rec.Body)
	}
	for _, want := range []string{
		"POST /messages", "POST /files", "GET /turns/{id}", "GET /turns/{id}/events", "POST /turns/{id}/stop", "POST /effects/{id}/undo",
		"GET /approvals", "GET /approvals/{id}", "POST /approvals/{id}/decision", "GET /tickets", "GET /tickets/{id}", "GET /memory", "GET /audit", "GET /info",
	} {
		method, path, _ := strings.Cut(want, " ")
		if doc.Paths["/api/v1"+path][strings.ToLower(method)].OperationID == "" {
			t.Errorf("%s is not described", want)
		}
	}
	if doc.Components.Schemas["ErrorModel"].Properties["kind"] == nil {
		t.Error("the kind of a problem is not described")
	}
}
