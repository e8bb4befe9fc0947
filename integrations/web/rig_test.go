package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/integrations/web"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/recall"
	"github.com/sous-hq/sous/tools/tickets"
)

const token = "a-token-long-enough-to-be-secret"

func ann() agent.Actor {
	return agent.Actor{Workspace: "w", ID: "ann", Name: "Ann", Kind: agent.Member, Owner: true}
}

// rig is the whole of Sous behind the pages, with a scripted model.
type rig struct {
	*loop.Assistant
	db      *sqlite.DB
	tracker *sqlite.Tracker
	server  *httptest.Server
	memory  *memory.Memory
	ledger  *sqlite.Ledger
	// by is who a signed-in browser is.
	by agent.Actor
	// ahead is how far the rig's clock is ahead, in nanoseconds.
	ahead atomic.Int64
	// client is signed in and follows no redirects.
	client *http.Client
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newRig(t testing.TB, change ...func(*web.Config)) *rig {
	t.Helper()
	return newRigOf(t, "", change...)
}

// crew are several people: Ann asks, any two of the others decide on money.
const crew = `
people:
  - {id: ann, name: Ann, owner: true}
  - {id: bob, name: Bob}
  - {id: cat, name: Cat}
  - {id: dan, name: Dan}
`

// newRigOf is newRig in a workspace of several people; "" is Ann alone.
func newRigOf(t testing.TB, staff string, change ...func(*web.Config)) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{by: ann()}
	var directory people.Source
	if staff != "" {
		file := filepath.Join(t.TempDir(), "people.yaml")
		if err := os.WriteFile(file, []byte(staff), 0o600); err != nil {
			t.Fatal(err)
		}
		directory = must[*people.File](t)(people.OpenFile("w", file, r.now))
	}
	r.db = must[*sqlite.DB](t)(sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "sous.db"), Clock: r.now}))
	t.Cleanup(func() { r.db.Close() })
	r.tracker = sqlite.NewTracker(r.db, nil)
	r.memory = must[*memory.Memory](t)(memory.New(memory.Config{Store: sqlite.NewMemories(r.db), Clock: r.now}))
	all := must[[]tools.Tool](t)(tickets.New(tickets.Config{Tracker: r.tracker, Now: r.now}))
	all = append(all, must[[]tools.Tool](t)(recall.All(recall.Config{Memory: r.memory, Files: r.db, Documents: documents.New(documents.Config{}), Threads: noThreads{}}))...)
	registry := must[*tools.Registry](t)(tools.NewRegistry(append(all, r.readMeeting(), critical())...))
	r.ledger = must[*sqlite.Ledger](t)(sqlite.NewLedger(r.db, sqlite.LedgerConfig{ApprovalTTL: time.Hour, UndoTTL: 24 * time.Hour, People: directory}))
	gate := must[*policy.Engine](t)(policy.New(policy.Config{Sole: func() bool { return staff == "" }}))
	executor := must[*tools.Executor](t)(tools.NewExecutor(registry, gate, r.ledger))
	effects := must[*loop.Effects](t)(loop.NewEffects(loop.Config{
		Store: r.db, Model: script{}, Executor: executor, Prompter: prompt{}, Hub: loop.NewHub(), Clock: r.now, People: directory,
	}))
	engine := must[*journal.Engine](t)(journal.New(journal.Config{Store: r.db}))
	r.Assistant = must[*loop.Assistant](t)(loop.NewAssistant(effects, engine))
	if err := engine.Launch(ctx, effects.Funcs()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close(5 * time.Second) })

	c := web.Config{
		Desk: r.Assistant, Threads: r.db, Approvals: r.Assistant, Decisions: r.Assistant, Token: token,
		Tickets: r, Memory: r, Control: r, Audit: r.db, Stories: r, MaxUpload: 1 << 20, Now: r.now,
		Actor: func(web.Session) (agent.Actor, error) { return r.by, nil },
		Info:  func() web.Info { return web.Info{Version: "test", Model: "script", Store: "SQLite"} },
	}
	for _, f := range change {
		f(&c)
	}
	s := must[*web.Server](t)(web.New(c))
	r.server = httptest.NewServer(s.Handler())
	t.Cleanup(r.server.Close)
	t.Cleanup(r.server.CloseClientConnections)
	r.client = r.browser(t)
	r.get(t, "/?token="+token)
	return r
}

// browser returns a client that keeps cookies and follows no redirects.
func (r *rig) browser(t testing.TB) *http.Client {
	jar := must[*cookiejar.Jar](t)(cookiejar.New(nil))
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (r *rig) Tickets(ctx context.Context, by agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error) {
	return r.tracker.Search(ctx, by.Workspace, q)
}

func (r *rig) Ticket(ctx context.Context, by agent.Actor, id string) (web.Ticket, error) {
	t, err := r.tracker.Ticket(ctx, by.Workspace, id)
	if err != nil {
		return web.Ticket{}, err
	}
	history, err := r.tracker.History(ctx, by.Workspace, id)
	return web.Ticket{Ticket: t, History: history}, err
}

// as does something as another person, whose browser the rig's then is.
func (r *rig) as(id agent.ActorID, f func()) {
	was := r.by
	defer func() { r.by = was }()
	r.by = agent.Actor{Workspace: "w", ID: id, Kind: agent.Member, Name: strings.ToUpper(string(id[:1])) + string(id[1:])}
	f()
}

// Memories implements web.Memory.
func (r *rig) Memories(ctx context.Context, by agent.Actor, query string, limit int) ([]web.Remembered, error) {
	hits, err := r.memory.Recall(ctx, memory.Query{Reader: by, Text: query, Limit: limit})
	var all []web.Remembered
	for _, h := range hits {
		all = append(all, web.Remembered{ID: h.Item.ID, Kind: string(h.Kind()), Title: h.Item.Title, Text: h.Chunk.Text, Source: h.Citation(), At: h.At(), Label: h.Label()})
	}
	return all, err
}

// Item implements web.Memory.
func (r *rig) Item(ctx context.Context, by agent.Actor, id string) (web.Remembered, error) {
	i, err := r.memory.Get(ctx, by, id)
	return web.Remembered{ID: i.ID, Kind: string(i.Kind), Title: i.Title, Text: i.Text(), Source: i.Source, At: i.At, Label: i.Label, Forgotten: !i.Live()}, err
}

// Forget implements web.Memory.
func (r *rig) Forget(ctx context.Context, by agent.Actor, id string) error {
	_, err := r.memory.Forget(ctx, by, id)
	return err
}

// Restore implements web.Memory.
func (r *rig) Restore(ctx context.Context, by agent.Actor, id string) error {
	_, err := r.memory.Restore(ctx, by, id)
	return err
}

// ListEffects implements web.Control.
func (r *rig) ListEffects(ctx context.Context, by agent.Actor, f loop.EffectFilter) ([]loop.Effect, error) {
	return r.db.FindEffects(ctx, by.Workspace, f)
}

// ResolveEffect implements web.Control.
func (r *rig) ResolveEffect(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error) {
	return r.ledger.Resolve(ctx, by, key, happened, note)
}

// Pauses implements web.Control.
func (r *rig) Pauses(ctx context.Context, _ agent.Actor) ([]pause.Pause, error) {
	return r.db.Pauses(ctx)
}

// Pause implements web.Control.
func (r *rig) Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error) {
	return r.db.Pause(ctx, by, s, target, reason)
}

// Resume implements web.Control.
func (r *rig) Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error) {
	return r.db.Resume(ctx, by, s, target)
}

// Explain implements web.Stories.
func (r *rig) Explain(ctx context.Context, by agent.Actor, id string) ([]audit.Story, error) {
	if !by.Owner {
		return nil, agent.Errorf(agent.Forbidden, "only an owner may read the record")
	}
	ring, err := r.db.Keys()
	if err != nil {
		return nil, err
	}
	record, err := sqlite.OpenRecord(ctx, r.db.Path())
	if err != nil {
		return nil, err
	}
	defer record.Close()
	return record.Explain(ctx, by.Workspace, ring.KEK, id)
}

// page is an answer to a browser.
type page struct {
	*http.Response
	body string
}

func (r *rig) do(t testing.TB, req *http.Request) page {
	t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return page{resp, string(must[[]byte](t)(io.ReadAll(resp.Body)))}
}

func (r *rig) get(t testing.TB, path string) page {
	t.Helper()
	return r.do(t, must[*http.Request](t)(http.NewRequest(http.MethodGet, r.server.URL+path, nil)))
}

// post sends a form as a browser without JavaScript does.
func (r *rig) post(t testing.TB, path string, form url.Values) page {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.server.URL+path, strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return r.do(t, req)
}

// ask hands a request in behind the pages and waits for the turn's status.
func (r *rig) ask(t testing.TB, text string, want agent.TurnStatus, files ...string) loop.View {
	t.Helper()
	acc := must[loop.Acceptance](t)(r.Accept(context.Background(), r.by, loop.Incoming{Text: text, Files: files}))
	return r.until(t, acc.Turn.ID, want)
}

func (r *rig) until(t testing.TB, turn string, want agent.TurnStatus) loop.View {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		v := must[loop.View](t)(r.View(context.Background(), r.by, turn))
		if v.Status == want {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("turn %s is %s; want %s (%q)", turn, v.Status, want, v.Answer)
		}
	}
}

type readIn struct {
	File string `json:"file"`
}

// readMeeting reads a dropped transcript, as outsiders wrote it, into minutes.
func (r *rig) readMeeting() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "meeting_summarise", Doc: "Read a transcript.", Tier: agent.TierRead, Timeout: time.Minute, Artifact: "minutes",
	}, tools.Funcs[readIn, agent.Minutes]{
		Run: func(ctx context.Context, inv tools.Invocation, in readIn) (agent.Minutes, error) {
			f, err := r.db.File(ctx, inv.By, in.File)
			if err != nil {
				return agent.Minutes{}, err
			}
			owner, due := "Priya Nair", "2026-03-13"
			return agent.Minutes{
				Title: "Remote control, design review", Date: "2026-03-09", Participants: []string{"Priya Nair", "Tom Okafor", "Lena Fischer"},
				Summary: "The team settled on a rubber case and a single battery, and left the price open until the supplier answers.",
				Decisions: []agent.Item{
					{Text: "The case is made of rubber.", Evidence: []agent.Evidence{{Cue: 12, Time: "0:04:31", Speaker: "Lena Fischer", Quote: "Right, so we go with rubber for the case."}}},
					{Text: "One AA battery instead of two.", Evidence: []agent.Evidence{{Cue: 31, Time: "0:11:02", Speaker: "Tom Okafor", Quote: "A single double-A is enough, let's decide that."}}},
				},
				Actions: []agent.Action{
					{Text: "Ask the supplier for a price for the rubber case", Owner: &owner, Due: &due, Evidence: []agent.Evidence{{Cue: 18, Time: "0:06:10", Speaker: "Priya Nair", Quote: "I'll ask the supplier by Friday."}}},
					{Text: "Update the battery drawing", Evidence: []agent.Evidence{{Cue: 33, Time: "0:11:40", Speaker: "Tom Okafor", Quote: "Somebody has to update the drawing."}}},
				},
				Questions: []agent.Item{{Text: "What may the remote cost?", Evidence: []agent.Evidence{{Cue: 40, Time: "0:14:22", Speaker: "Lena Fischer", Quote: "So what may it cost in the end?"}}}},
				Source:    f.Name, Dropped: 1,
			}, nil
		},
		Label: func(inv tools.Invocation, in readIn, m agent.Minutes) agent.Label {
			return agent.Label{Integrity: agent.External, Readers: inv.Place.Readers(), Sources: []string{m.Source}}
		},
	}))
}

type payIn struct {
	To     string `json:"to"`
	Amount string `json:"amount"`
}

// critical is a tool of the highest tier.
func critical() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "money_send", Doc: "Send money.", Tier: agent.TierCritical, Class: tools.Keyed, Timeout: time.Minute, Control: []string{"to", "amount"},
	}, tools.Funcs[payIn, payIn]{
		Run:   func(_ context.Context, _ tools.Invocation, in payIn) (payIn, error) { return in, nil },
		Label: func(inv tools.Invocation, _, _ payIn) agent.Label { return agent.Label{Readers: inv.Place.Readers()} },
	}))
}

// noThreads is where no conversation is remembered.
type noThreads struct{ recall.Threads }

type prompt struct{}

func (prompt) TurnPrompt(agent.Turn, time.Time) (string, string, error) {
	return "test/v1@000000000000", "Help.", nil
}

// script is a model that does what the words say, word by word.
type script struct{}

func (script) Name() string { return "script" }

// finalAnswer is what the model says at the end of a meeting: with an image and
// a link of an attacker who had the transcript.
const finalAnswer = "I filed what you approved.\n\n- **Supplier price** is with Priya\n- The drawing has no owner yet\n\n" +
	"See [the notes](https://evil.example/leak?q=secret) ![pixel](https://evil.example/p.png) <script>alert(1)</script>"

func (s script) Complete(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	asked, results := "", 0
	var files []agent.FileRef
	for _, m := range req.Messages {
		switch m.Role {
		case model.RoleUser:
			asked, files, results = m.Text, m.Files, 0
		case model.RoleTool:
			results++
		case model.RoleSystem, model.RoleAssistant:
		}
	}
	switch {
	case strings.HasPrefix(asked, "wait"):
		delta("Thinking about it")
		<-ctx.Done()
		return model.Response{}, ctx.Err()
	case strings.HasPrefix(asked, "which") && results == 0:
		return calls(model.ToolCall{Name: loop.AskUser, Args: `{"question":"Which project do you mean?"}`})
	case strings.HasPrefix(asked, "forget ") && results == 0:
		return calls(model.ToolCall{Name: "forget", Args: fmt.Sprintf(`{"id":%q}`, strings.TrimPrefix(asked, "forget "))})
	case strings.HasPrefix(asked, "forget "):
		return say("Forgotten.", delta)
	case strings.HasPrefix(asked, "pay") && results == 0:
		return calls(model.ToolCall{Name: "money_send", Args: `{"to":"Acme` + "\u202e" + `gro","amount":"100"}`})
	case len(files) > 0:
		return s.meeting(results, files[0].ID, delta)
	}
	return say("Hello **Ann**, you said: "+asked+"\n\nSee [the page](https://example.com/page).", delta)
}

func (script) meeting(results int, file string, delta func(string)) (model.Response, error) {
	titles := []string{"Ask the supplier for a price for the rubber case", "Update the battery drawing"}
	switch results {
	case 0:
		return calls(model.ToolCall{Name: "meeting_summarise", Args: fmt.Sprintf(`{"file":%q}`, file)})
	case 1:
		var all []model.ToolCall
		for _, title := range titles {
			args, _ := json.Marshal(map[string]string{"query": title})
			all = append(all, model.ToolCall{Name: "ticket_search", Args: string(args)})
		}
		return calls(all...)
	case 3:
		var all []model.ToolCall
		for i, title := range titles {
			args := map[string]any{"title": title, "body": "From the meeting of 9 March.\n“I'll ask the supplier by Friday.”", "labels": []string{"meeting", "remote"}}
			if i == 0 {
				args["assignee"], args["due"] = "Priya Nair", "2026-03-13"
			}
			raw, _ := json.Marshal(args)
			all = append(all, model.ToolCall{Name: "ticket_create", Args: string(raw)})
		}
		return calls(all...)
	}
	return say(finalAnswer, delta)
}

func calls(all ...model.ToolCall) (model.Response, error) {
	for i := range all {
		all[i].ID = fmt.Sprint(i)
	}
	return model.Response{Calls: all, Finish: model.FinishCalls, Model: "script"}, nil
}

func say(text string, delta func(string)) (model.Response, error) {
	for _, word := range strings.SplitAfter(text, " ") {
		delta(word)
		time.Sleep(5 * time.Millisecond)
	}
	return model.Response{Text: text, Finish: model.FinishStop, Model: "script", Usage: agent.Usage{InputTokens: 10, OutputTokens: 5}}, nil
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// safeBuffer is a buffer that a server may write while a test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *safeBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}
