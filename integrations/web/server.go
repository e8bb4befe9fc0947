package web

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Config is what the web console is made of. All from Desk to Token and Actor are
// required.
type Config struct {
	Desk      Desk
	Threads   Threads
	Approvals Approvals
	Decisions Decisions
	Tickets   Tickets
	Memory    Memory
	Control   Control
	Audit     audit.Reader
	Stories   Stories
	// Token is the secret that signs the operator in, by `/?token=…` or typed.
	Token string
	// SignIn knows the tokens of other people; nil when there are none.
	SignIn SignIn
	// Actor says who a signed-in browser is now, or why they may not use their
	// account any more.
	Actor func(Session) (agent.Actor, error)
	// Hosts are host names, with or without port, that requests may name besides
	// the loopback names with the port that was listened on.
	Hosts []string
	// Info says what the pages show of this Sous.
	Info func() Info
	// MaxUpload is the largest file accepted, in bytes; 0 for 64 MiB.
	MaxUpload int64
	// Ready reports whether requests can be served, for /readyz.
	Ready func(context.Context) error
	// Metrics answers /metrics and API what is under /api/, when set. API does
	// its own sign-in; Server.Authenticate knows the browser's.
	Metrics, API http.Handler
	Log          *slog.Logger
	Now          func() time.Time
	// Zone is the time zone of what is shown.
	Zone *time.Location
}

// SignIn knows the secrets people sign in with, each their own; people.SignIn is one.
type SignIn interface {
	// Find returns whose token it is; nobody's is an error.
	Find(ctx context.Context, token string) (agent.ActorID, error)
	// Key returns what a person's sessions are signed with: another one for each
	// token they are given, and an error when theirs was taken back.
	Key(ctx context.Context, person agent.ActorID) ([]byte, error)
}

// Server answers the browser.
type Server struct {
	Config
	pages  *template.Template
	assets map[string]asset
	key    []byte
	// boot names this process in its event streams.
	boot string
	beat time.Duration
}

// New checks the config and reads the embedded pages. It starts nothing.
func New(c Config) (*Server, error) {
	switch {
	case c.Desk == nil || c.Threads == nil || c.Approvals == nil || c.Decisions == nil || c.Actor == nil:
		return nil, errors.New("web: Desk, Threads, Approvals, Decisions and Actor are required")
	case c.Tickets == nil || c.Memory == nil || c.Control == nil || c.Audit == nil || c.Stories == nil:
		return nil, errors.New("web: Tickets, Memory, Control, Audit and Stories are required")
	case len(c.Token) < minToken:
		return nil, errors.New("web: the token is too short to be a secret")
	}
	if c.Info == nil {
		c.Info = func() Info { return Info{} }
	}
	if c.MaxUpload <= 0 {
		c.MaxUpload = 64 << 20
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the one place the pages get their clock
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	s := &Server{Config: c, boot: rand.Text()[:8], key: sessionKey(c.Token), beat: 15 * time.Second}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	s.pages, err = template.New("").Funcs(s.funcs()).ParseFS(templateFiles, "templates/*.html")
	return s, err
}

// Handler returns all routes behind the guard.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /static/{file}", s.static)
	mux.HandleFunc("GET /favicon.ico", s.favicon)
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	if s.API != nil {
		mux.Handle("/api/", s.API)
	}
	for pattern, h := range s.routes() {
		mux.Handle(pattern, s.handle(h))
	}
	return s.guard(mux)
}

// Routes lists what people who are signed in can ask for, as patterns of
// http.ServeMux, in order.
func (s *Server) Routes() []string { return slices.Sorted(maps.Keys(s.routes())) }

// routes are the pages and forms of people who are signed in.
func (s *Server) routes() map[string]handler {
	return map[string]handler{
		"GET /{$}":                     s.newChat,
		"GET /c/{conversation}":        s.conversation,
		"POST /send":                   s.send,
		"POST /files":                  s.upload,
		"GET /events":                  s.events,
		"GET /queue":                   s.queue,
		"GET /turns/{turn}":            s.turnPage,
		"GET /turns/{turn}/fragment":   s.turnFragment,
		"POST /turns/{turn}/stop":      s.stop,
		"POST /effects/{key}/undo":     s.undo,
		"GET /approvals":               s.approvalsPage,
		"GET /approvals/{id}":          s.approvalPage,
		"GET /approvals/{id}/edit":     s.editPage,
		"POST /approvals/approve":      s.approveAll,
		"POST /approvals/{id}/approve": s.approve,
		"POST /approvals/{id}/deny":    s.deny,
		"POST /approvals/{id}/edit":    s.edit,
		"POST /approvals/{id}/hand":    s.hand,
		"POST /approvals/{id}/notes":   s.note,
		"GET /tickets":                 s.ticketsPage,
		"GET /tickets/{id}":            s.ticketPage,
		"GET /memory":                  s.memoryPage,
		"GET /memory/{id}":             s.itemPage,
		"POST /memory/{id}/forget":     s.forget,
		"POST /memory/{id}/restore":    s.restore,
		"GET /effects":                 s.effectsPage,
		"POST /effects/{key}/resolve":  s.resolve,
		"GET /audit":                   s.auditPage,
		"GET /audit/story/{id...}":     s.storyPage,
		"GET /pause":                   s.pausePage,
		"POST /pause":                  s.pause,
		"POST /resume":                 s.resume,
		"/":                            s.missing,
	}
}

// handler answers a signed-in actor, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, by agent.Actor) error

// handle signs the request in and turns the handler's error into a page.
func (s *Server) handle(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, err := s.Authenticate(r)
		if err != nil {
			s.askToSignIn(w, r, err)
			return
		}
		if got, ok := s.session(r); ok && s.Now().Sub(got.Issued) > renew {
			s.issue(w, r, got)
		}
		if err := h(w, r, by); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) missing(http.ResponseWriter, *http.Request, agent.Actor) error {
	return agent.Errorf(agent.NotFound, "there is no such page")
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		s.Log.WarnContext(r.Context(), "not ready", slog.Any("err", err))
		http.Error(w, agent.PublicText(err), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}
