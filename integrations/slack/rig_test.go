package slack_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/policy"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/memnet"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
	"github.com/sous-hq/sous/prompts"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/meetings"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

// The people of the test workspace: Ann asks, Bob, Cat and the others are members,
// Gus is a guest and Eve comes from another company.
const (
	ann, bob, cat, gus, eve = "U0ANN", "U0BOB", "U0CAT", "U0GUS", "U0EVE"
	general, secret, shared = "C0GENERAL", "G0SECRET", "C0SHARED"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// world is what outlives a process: Slack and the store's file.
type world struct {
	slack *slackfake.Server
	// net is what Slack and Sous are on, client somebody else there.
	net    *memnet.Net
	client *http.Client
	path   string
	log    *slog.Logger
	// answer is the model; nil is the built-in one.
	answer func(ctx context.Context, req model.Request, delta func(string)) (model.Response, error)
	// socket says by which transport the events come.
	socket bool
	change func(*front.Config)
	// rules are the policy; "" is the default.
	rules string
	// teams is the teams' file; "" means that nothing is routed.
	teams string
	// installs says that the app is installed by its install page, and not by a token.
	installs bool
	// gate decides whether requests are taken; nil takes all.
	gate *admission.Gate
	// ttl is how long an approval is open; 0 means 8 hours.
	ttl time.Duration
}

func newWorld(t testing.TB, change ...func(*slackfake.Config)) *world {
	t.Helper()
	// The app has the scopes of its manifest and no other.
	n := &memnet.Net{}
	c := slackfake.Config{Scopes: append(manifest(t).OAuth.Scopes.Bot, manifest(t).OAuth.Scopes.Optional...), Net: n}
	for _, f := range change {
		f(&c)
	}
	w := &world{net: n, client: n.Client(), slack: slackfake.New(c), path: filepath.Join(t.TempDir(), "data", "sous.db"), log: slog.New(slog.DiscardHandler)}
	copyStore(t, filepath.Dir(w.path))
	t.Cleanup(w.slack.Close)
	t.Cleanup(w.client.CloseIdleConnections)
	s := w.slack
	for id, name := range map[string]string{ann: "Ann Archer", bob: "Bob Brown", cat: "Cat Cole"} {
		s.AddUser(slackfake.User{ID: id, RealName: name})
	}
	s.AddUser(slackfake.User{ID: gus, RealName: "Gus Guest", Restricted: true})
	s.AddUser(slackfake.User{ID: eve, RealName: "Eve Elsewhere", Team: "T0OTHER"})
	s.AddChannel(slackfake.Channel{ID: general, Name: "general", Members: []string{ann, bob, cat, s.BotUser}})
	s.AddChannel(slackfake.Channel{ID: secret, Name: "secret", Private: true, Members: []string{ann, bob, s.BotUser}})
	s.AddChannel(slackfake.Channel{ID: shared, Name: "shared", ExtShared: true, Members: []string{ann, eve, gus, s.BotUser}})
	return w
}

// appManifest is what the tests read of the app's manifest.
type appManifest struct {
	OAuth struct {
		Scopes struct {
			Bot      []string
			Optional []string `json:"bot_optional"`
		}
	} `json:"oauth_config"`
	Settings struct {
		Events struct {
			Bot []string `json:"bot_events"`
		} `json:"event_subscriptions"`
	}
}

func manifest(t testing.TB) (m appManifest) {
	t.Helper()
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("../../deploy/slack/manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// process is one run of Sous over the world.
type process struct {
	*loop.Assistant
	db      *sqlite.DB
	tracker *sqlite.Tracker
	bot     *front.Bot
	fleet   *front.Fleet
	ratings *sqlite.Feedback
	cases   *sqlite.RoutingCases
	server  *httptest.Server
	client  *http.Client
	stop    func()
	unread  string
	// ended is closed when Run has returned err; expelled says that it should.
	ended    chan struct{}
	err      error
	expelled bool
}

// policy writes the rules down.
func (w *world) policy(t testing.TB) string {
	t.Helper()
	if w.rules == "" {
		return ""
	}
	path := filepath.Join(t.TempDir(), "rules.cedar")
	if err := os.WriteFile(path, []byte(w.rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type prompt struct{}

func (prompt) TurnPrompt(t agent.Turn, now time.Time) (ref, text string, err error) {
	p, err := prompts.Latest("turn")
	if err != nil {
		return "", "", err
	}
	text, err = p.Render(map[string]any{"workspace": "w", "person": t.Actor.Name, "today": now.Format("Monday, 2 January 2006 (2006-01-02)")})
	return p.Ref(), text, err
}

type scripted func(ctx context.Context, req model.Request, delta func(string)) (model.Response, error)

func (scripted) Name() string { return "script" }

func (f scripted) Complete(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	return f(ctx, req, delta)
}

// payIn is what the riskiest tool of the tests takes.
type payIn struct {
	To     string `json:"to"`
	Amount string `json:"amount"`
}

// pay is a tool that needs another person; paid counts what it did.
func (w *world) pay(paid *counter) tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "money_send", Doc: "Send money.", Tier: agent.TierOutward, Class: tools.Keyed, Timeout: time.Minute, Control: []string{"to", "amount"},
	}, tools.Funcs[payIn, payIn]{
		Run: func(_ context.Context, inv tools.Invocation, in payIn) (payIn, error) {
			paid.add(inv.Key)
			return in, nil
		},
		Label: func(inv tools.Invocation, _, _ payIn) agent.Label { return agent.Label{Readers: inv.Place.Readers()} },
	}))
}

// counter counts what was done, and how often.
type counter struct {
	mu   sync.Mutex
	runs map[string]int
}

func (c *counter) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[string]int{}
	}
	c.runs[key]++
}

func (c *counter) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.runs {
		n += k
	}
	return n
}

// start starts Sous; the end of the test stops it.
func (w *world) start(t testing.TB, paid ...*counter) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{client: w.client}
	p.db = must[*sqlite.DB](t)(sqlite.Open(ctx, sqlite.Config{Path: w.path, Clock: time.Now}))
	p.tracker = sqlite.NewTracker(p.db, func(id string) string { return "https://sous.example/tickets/" + id })
	own := builtin.New()
	minutes := must[prompts.Prompt](t)(prompts.Latest("minutes"))
	text := must[string](t)(minutes.Render(nil))
	var chat model.Model = own
	if w.answer != nil {
		chat = scripted(w.answer)
	}
	meeting := must[tools.Tool](t)(meetings.Tool(meetings.ToolConfig{Files: p.db, Summarise: meetings.Config{
		Model: own, Fallback: own, Prompt: meetings.Prompt{Ref: minutes.Ref(), Text: text}, Clock: time.Now,
	}}))
	all := append(must[[]tools.Tool](t)(tickets.New(tickets.Config{Tracker: p.tracker, Now: time.Now})), meeting)
	if len(paid) > 0 {
		all = append(all, w.pay(paid[0]))
	}
	var teams *routing.Directory
	if w.teams != "" {
		teams = must[*routing.Directory](t)(routing.Parse("teams.yaml", []byte(w.teams)))
		p.cases = sqlite.NewRoutingCases(p.db)
		r := must[*routing.Router](t)(routing.NewRouter(routing.Config{Directory: teams, Cases: p.cases, Now: time.Now}))
		all = append(all, must[[]tools.Tool](t)(r.Tools())...)
	}
	registry := must[*tools.Registry](t)(tools.NewRegistry(all...))
	directory := front.NewDirectory(front.DirectoryConfig{BotToken: w.slack.BotToken, APIURL: w.slack.URL(), Workspace: "w", Clock: time.Now, Dial: w.net.DialContext})
	var known people.Source = directory
	installed := front.NewInstalled(p.db, front.DirectoryConfig{APIURL: w.slack.URL(), Clock: time.Now, Dial: w.net.DialContext})
	if w.installs {
		if err := installed.Load(ctx); err != nil {
			t.Fatal(err)
		}
		known = installed
	}
	ledger := must[*sqlite.Ledger](t)(sqlite.NewLedger(p.db, sqlite.LedgerConfig{ApprovalTTL: cmp.Or(w.ttl, 8*time.Hour), People: known}))
	gate := must[*policy.Engine](t)(policy.New(policy.Config{Path: w.policy(t)}))
	executor := must[*tools.Executor](t)(tools.NewExecutor(registry, gate, ledger))
	effects := must[*loop.Effects](t)(loop.NewEffects(loop.Config{
		Store: p.db, Model: chat, Executor: executor, Prompter: prompt{}, Hub: loop.NewHub(), People: known, Log: w.log, Gate: w.gate,
	}))
	engine := must[*journal.Engine](t)(journal.New(journal.Config{Store: p.db}))
	p.Assistant = must[*loop.Assistant](t)(loop.NewAssistant(effects, engine))
	if err := engine.Launch(ctx, effects.Funcs()); err != nil {
		t.Fatal(err)
	}
	if err := p.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	p.unread = filepath.Join(t.TempDir(), "unread")
	p.ratings = sqlite.NewFeedback(p.db)
	c := front.Config{
		Desk: p.Assistant, Opinions: p, Reviews: p.db, Decisions: p.Assistant, Records: p.db, Deliveries: p.db, Unread: front.Dir(p.unread), Directory: directory, Workspace: "w",
		BotToken: w.slack.BotToken, SigningSecret: w.slack.SigningSecret, APIURL: w.slack.URL(), Dial: w.net.DialContext, Log: w.log,
		Timing: front.Timing{Pace: time.Millisecond, Backoff: 5 * time.Millisecond, StreamEvery: 10 * time.Millisecond, StreamAfter: 30 * time.Millisecond},
	}
	if teams != nil {
		c.Teams = teams.Teams
	}
	if w.socket {
		c.AppToken = w.slack.AppToken
	}
	if w.change != nil {
		w.change(&c)
	}
	serve, run := http.Handler(nil), func(context.Context) error { return nil }
	if w.installs {
		c.BotToken, c.Workspace, c.Directory, c.Clock, c.Everybody = "", "", nil, time.Now, installed
		p.fleet = must[*front.Fleet](t)(front.NewFleet(front.FleetConfig{
			Bot: c, Installs: p.db, Installed: installed, ClientID: w.slack.ClientID, ClientSecret: w.slack.ClientSecret,
			Redirect: w.slack.Redirects[0], Every: 2 * time.Minute, Authorize: "https://slack.fake/oauth/v2/authorize", Scopes: w.slack.Scopes,
		}))
		serve, run = p.fleet.Handler(), p.fleet.Run
	} else {
		p.bot = must[*front.Bot](t)(front.New(c))
		serve, run = p.bot.Handler(), p.bot.Run
	}
	p.server = w.net.Serve("sous.fake:80", serve)
	p.ended = make(chan struct{})
	go func() { defer close(p.ended); p.err = run(ctx) }()
	w.slack.Connect(p.server.URL)
	if w.socket {
		w.slack.UseSocket()
		wait(t, "two sockets", func() bool { return w.slack.Sockets() == 2 })
	}
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			p.server.Close()
			cancel()
			if <-p.ended; p.err != nil && !p.expelled {
				t.Errorf("run: %v", p.err)
			}
			_ = engine.Close(5 * time.Second)
			p.db.Close()
		})
	}
	t.Cleanup(p.stop)
	return p
}

// Rate implements front.Opinions.
func (p *process) Rate(ctx context.Context, by agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error) {
	v, err := p.View(ctx, by, turn)
	if err != nil {
		return feedback.Rating{}, err
	}
	r, err := feedback.New(by, v.Turn, o, time.Now())
	if err != nil {
		return r, err
	}
	return r, p.ratings.Rate(ctx, r)
}

// wait waits for something to become true. Time is the test's, so patience is free.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	pause := 2 * time.Millisecond
	for deadline := time.Now().Add(10 * time.Minute); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		pause = min(pause+pause/8, time.Second)
	}
}

// reply waits for a message of Sous in a thread that holds the words.
func (w *world) reply(t testing.TB, channel, root, words string) (found slackfake.Message) {
	t.Helper()
	defer func() {
		if t.Failed() && found.TS == "" {
			for _, m := range w.slack.Thread(channel, root) {
				t.Logf("in the thread: %.300s", m.Shown())
			}
		}
	}()
	wait(t, fmt.Sprintf("a reply with %q", words), func() bool {
		for _, m := range w.slack.Thread(channel, root) {
			if m.User == w.slack.BotUser && !m.Streaming && strings.Contains(m.Shown(), words) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// answers counts the messages of Sous in a thread that are a turn's answer.
func (w *world) answers(channel, root string) (n int) {
	for _, m := range w.slack.Thread(channel, root) {
		if key, _ := m.Metadata.EventPayload["key"].(string); strings.HasSuffix(key, "/answer/0") {
			n++
		}
	}
	return n
}

// press finds a button by its action.
func find(t testing.TB, m slackfake.Message, action string) slackfake.Button {
	t.Helper()
	for _, b := range m.Buttons() {
		if b.ActionID == action {
			return b
		}
	}
	t.Fatalf("no button %s on %s", action, m.Shown())
	return slackfake.Button{}
}
