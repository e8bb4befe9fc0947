package api

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/internal/sse"
)

// Config is what the handler is made of. Service and Authenticate are required.
type Config struct {
	Service Service
	// Authenticate says who sent a request: the owner on a socket that only the
	// owner can open, else the bearer of a token or a signed-in browser. An
	// error refuses the request.
	Authenticate func(*http.Request) (agent.Actor, error)
	// MaxUpload is the largest file accepted, in bytes; 0 for 64 MiB.
	MaxUpload int64
	// Local says that only this machine can ask, by a socket that is its owner's;
	// Access is served there.
	Local bool
	Log   *slog.Logger
}

// base is the path under which this version of the API lives.
const base = "/api/v1"

type server struct {
	Config
	cursor sse.Cursor
	beat   time.Duration
}

// New returns the handler of everything under /api/. The description is at
// /api/openapi.json, readable without authentication.
func New(c Config) (http.Handler, error) {
	if c.Service == nil || c.Authenticate == nil {
		return nil, errors.New("api: Service and Authenticate are required")
	}
	if c.MaxUpload <= 0 {
		c.MaxUpload = 64 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{Config: c, cursor: sse.Cursor{Boot: rand.Text()[:8]}, beat: 15 * time.Second}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Sous", "1")
	config.Info.Description = "What the web chat and the terminal do, for programs. Errors are RFC 9457 problems with a kind."
	config.Components.Schemas = schemas()
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/api/openapi", "", ""
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{s.withKind}
	h := humago.New(mux, config)
	s.routes(h)
	if c.Local {
		s.access(h)
	}
	describeKind(h.OpenAPI())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, agent.Errorf(agent.NotFound, "there is no such path or method in this API"))
	})
	return s.signedIn(mux), nil
}

// schemas names types by package and name, since two packages may use one word.
func schemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if pkg := t.PkgPath(); strings.Contains(pkg, "/sous/") && t.Name() != "" {
			name = strings.ToUpper(path.Base(pkg)[:1]) + path.Base(pkg)[1:] + name
		}
		return name
	})
	r.RegisterTypeAlias(reflect.TypeFor[agent.Readers](), reflect.TypeFor[readersSchema]())
	return r
}

// readersSchema describes agent.Readers as they are written.
type readersSchema struct{}

// Schema implements huma.SchemaProvider.
func (readersSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "Who may read: everybody, every member of the workspace, or the people named.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeString, Enum: []any{string(agent.Everybody), string(agent.WholeWorkspace)}},
			{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
		},
	}
}

// describeKind adds to the framework's problem what we add to it.
func describeKind(doc *huma.OpenAPI) {
	if m := doc.Components.Schemas.Map()["ErrorModel"]; m != nil {
		kinds := make([]any, 0, agent.Cancelled+1)
		for k := agent.Internal; k <= agent.Cancelled; k++ {
			kinds = append(kinds, k.String())
		}
		m.Properties["kind"] = &huma.Schema{Type: huma.TypeString, Enum: kinds, Description: "What a caller can do about it."}
	}
}

type actorKey struct{}

// signedIn lets requests pass that name somebody. The actor travels in the
// request's context only from here to call, which hands it on as an argument.
func (s *server) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/openapi.json" || r.URL.Path == "/api/openapi.yaml" {
			next.ServeHTTP(w, r)
			return
		}
		by, err := s.Authenticate(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, by)))
	})
}

// call lifts a function of actor and input to an operation.
func call[I, O any](s *server, f func(ctx context.Context, by agent.Actor, in *I) (O, error)) func(context.Context, *I) (*answer[O], error) {
	return func(ctx context.Context, in *I) (*answer[O], error) {
		by, ok := ctx.Value(actorKey{}).(agent.Actor)
		if !ok {
			return nil, s.failed(ctx, agent.Errorf(agent.Forbidden, "nobody is signed in"))
		}
		out, err := f(ctx, by, in)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &answer[O]{Body: out}, nil
	}
}

type answer[O any] struct{ Body O }

// failed logs what callers are not told, and says what they are.
func (s *server) failed(ctx context.Context, err error) error {
	if agent.KindOf(err) == agent.Internal {
		s.Log.ErrorContext(ctx, "api request failed", slog.Any("err", err))
	}
	return problemOf(err)
}

// events answers with a turn's events as they come. Their ids let a reader that
// sends Last-Event-ID go on where it was; "after" does the same by number.
func (s *server) events(ctx context.Context, in *eventsIn) (*huma.StreamResponse, error) {
	by, _ := ctx.Value(actorKey{}).(agent.Actor)
	after := in.After
	if in.LastEventID != "" {
		after = s.cursor.After(in.LastEventID)
	}
	next, err := s.Service.Watch(ctx, by, in.ID, after)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		//nolint:contextcheck // the request's context is ctx
		err := sse.Serve(r.Context(), w, s.beat, func() (sse.Message, bool) { return s.message(next()) })
		if err != nil {
			s.Log.DebugContext(ctx, "event stream cut off", slog.String("turn", in.ID), slog.Any("err", err))
		}
	}}, nil
}

func (s *server) message(ev loop.Event, ok bool) (sse.Message, bool) {
	if !ok {
		return sse.Message{}, false
	}
	data, err := jsonOf(ev)
	return sse.Message{ID: s.cursor.ID(ev.N), Event: string(ev.Type), Data: data}, err == nil
}
