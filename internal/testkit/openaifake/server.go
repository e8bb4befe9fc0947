// Package openaifake is an HTTP server on 127.0.0.1 that speaks the OpenAI API
// (chat completions, streamed and not, embeddings, models) from a script. It
// fails as real servers do, records what it was sent, and refuses requests the
// real API would refuse, so that tests of a client check its requests too.
package openaifake

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Config adjusts a Server; the zero value will do.
type Config struct {
	// Key, when set, must come as the bearer token. The refusal repeats what was
	// sent, as some servers do.
	Key string
	// Model, when set, is the only model there is; others get 404.
	Model string
	// Default answers a chat request when the script is empty; nil refuses it.
	Default func(Request) Step
	// Forgetful keeps no list of requests, for long runs.
	Forgetful bool
	// Embed gives the vector of a text by a model; nil is Vector.
	Embed func(model, text string) []float32
	// Schema is the path of OpenAI's OpenAPI document (JSON); when set every
	// request must be valid by it.
	Schema string
}

// Request is one request as it was received.
type Request struct {
	// Path is below the base URL, such as "/chat/completions".
	Path   string
	Header http.Header
	Body   json.RawMessage
	// Chat is Body decoded; zero for other paths.
	Chat Chat
	// Problem says why the real API would refuse it, empty when it would not.
	Problem string
}

// Server is a running fake.
type Server struct {
	c        Config
	http     *httptest.Server
	schemas  map[string]validator
	released chan struct{}

	mu         sync.Mutex // guards what follows
	chat       []Step
	embeddings []Step
	requests   []Request
	closed     bool
}

// Start starts a server. The caller closes it.
func Start(c Config) (*Server, error) {
	s := &Server{c: c, released: make(chan struct{})}
	if c.Schema != "" {
		var err error
		if s.schemas, err = loadSchemas(c.Schema); err != nil {
			return nil, fmt.Errorf("openaifake: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.serveChat)
	mux.HandleFunc("POST /v1/embeddings", s.serveEmbeddings)
	mux.HandleFunc("GET /v1/models", s.serveModels)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "", "Invalid URL ("+r.Method+" "+r.URL.Path+")")
	})
	s.http = httptest.NewServer(mux)
	return s, nil
}

// BaseURL is what a client is configured with; it ends in /v1.
func (s *Server) BaseURL() string { return s.http.URL + "/v1" }

// Close releases hanging requests and stops the server.
func (s *Server) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.released)
		s.http.CloseClientConnections()
		s.http.Close()
	}
}

// Script adds steps; each chat request takes the next one.
func (s *Server) Script(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chat = append(s.chat, steps...)
}

// ScriptEmbeddings adds steps for embeddings requests. When none is left they
// get vectors that depend on the text alone.
func (s *Server) ScriptEmbeddings(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.embeddings = append(s.embeddings, steps...)
}

// Requests returns what was received so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Problems returns what the real API would have refused, one line a request.
func (s *Server) Problems() []string {
	var out []string
	for _, r := range s.Requests() {
		if r.Problem != "" {
			out = append(out, r.Path+": "+r.Problem)
		}
	}
	return out
}

// Left returns how many scripted steps nobody has asked for.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.chat) + len(s.embeddings)
}

// Drop forgets the steps nobody has asked for.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chat, s.embeddings = nil, nil
}

// receive reads, checks and records a request. It reports false when it has
// answered already.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (Request, bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "", "cannot read the body: "+err.Error())
		return Request{}, false
	}
	req := Request{Path: strings.TrimPrefix(r.URL.Path, "/v1"), Header: r.Header.Clone(), Body: body}
	req.check(s.schemas)
	if !s.c.Forgetful {
		s.mu.Lock()
		s.requests = append(s.requests, req)
		s.mu.Unlock()
	}
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.c.Key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(s.c.Key)) == 0:
		refuse(w, http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided: "+key+".")
	case req.Problem != "":
		refuse(w, http.StatusBadRequest, "invalid_request_error", req.Problem)
	case s.c.Model != "" && req.Chat.Model != "" && req.Chat.Model != s.c.Model:
		refuse(w, http.StatusNotFound, "model_not_found", "The model `"+req.Chat.Model+"` does not exist or you do not have access to it.")
	default:
		return req, true
	}
	return req, false
}

// next takes a step off a queue; ok is false when it is empty.
func (s *Server) next(queue *[]Step) (Step, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*queue) == 0 {
		return Step{}, false
	}
	step := (*queue)[0]
	*queue = (*queue)[1:]
	return step, true
}

func (s *Server) serveModels(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.receive(w, r); !ok {
		return
	}
	name := s.c.Model
	if name == "" {
		name = "fake-model"
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{
		map[string]any{"id": name, "object": "model", "created": 0, "owned_by": "openaifake"},
	}})
}

// refuse answers with an error in OpenAI's form.
func refuse(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": "invalid_request_error", "param": nil, "code": code,
	}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that left does not want the rest.
	_ = json.NewEncoder(w).Encode(v)
}
