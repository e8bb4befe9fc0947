package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/telemetry"
)

// scrape returns what a Prometheus server reads.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("scrape: status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text, "\n"+l+"\n") {
			t.Errorf("no line %q in the scrape", l)
		}
	}
}

func TestAScrapeShowsWhatHappened(t *testing.T) {
	m := telemetry.New("v1.2.3")
	m.Turn("answered", 3*time.Second)
	m.Turn("answered", 50*time.Millisecond)
	m.ModelRequest("built-in", "ok", 2*time.Millisecond)
	m.ToolCall("ticket_create", "done")
	m.Approval("approved")
	if err := m.PendingApprovals(func() (int, error) { return 7, nil }); err != nil {
		t.Fatal(err)
	}
	if err := m.Paused(func() (int, error) { return 2, nil }); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, m)
	wantLines(t, text,
		`sous_paused 2`,
		`sous_turns_total{status="answered"} 2`,
		`sous_turn_seconds_count 2`,
		`sous_turn_seconds_bucket{le="0.05"} 1`,
		`sous_model_requests_total{model="built-in",outcome="ok"} 1`,
		`sous_model_seconds_count{model="built-in"} 1`,
		`sous_tool_calls_total{outcome="done",tool="ticket_create"} 1`,
		`sous_approvals_total{state="approved"} 1`,
		`sous_approvals_pending 7`,
	)
	for _, part := range []string{`version="v1.2.3"`, "sous_build_info", "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in the scrape", part)
		}
	}
}

func TestAFigureThatCannotBeReadIsLeftOutAndSaid(t *testing.T) {
	m := telemetry.New("dev")
	if err := m.PendingApprovals(func() (int, error) { return 0, errors.New("the store is locked") }); err != nil {
		t.Fatal(err)
	}
	m.Approval("asked")
	var log bytes.Buffer
	rec := httptest.NewRecorder()
	m.Handler(slog.New(slog.NewTextHandler(&log, nil))).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if strings.Contains(rec.Body.String(), "sous_approvals_pending") {
		t.Error("a figure was made up")
	}
	wantLines(t, rec.Body.String(), `sous_approvals_total{state="asked"} 1`)
	if !strings.Contains(log.String(), "the store is locked") {
		t.Errorf("log = %q, want the reason", log.String())
	}
	if err := m.PendingApprovals(func() (int, error) { return 0, nil }); err == nil {
		t.Error("a second source of the same figure was taken")
	}
}

func TestTwoRegistriesDoNotMeet(t *testing.T) {
	a, b := telemetry.New("a"), telemetry.New("b")
	a.Turn("answered", time.Second)
	if strings.Contains(scrape(t, b), "sous_turns_total") {
		t.Error("a turn counted in one registry shows in another")
	}
}

// served is a mux behind the middleware with its log; each reading of the clock is 5 ms later.
func served(t *testing.T, level slog.Level) (*httptest.Server, *telemetry.Metrics, *logBuffer) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tickets/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /quiet", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: 1\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-r.Context().Done()
	})
	m, out := telemetry.New("dev"), &logBuffer{}
	log, err := telemetry.NewLogger(out, level, "json")
	if err != nil {
		t.Fatal(err)
	}
	clock := &ticking{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), step: 5 * time.Millisecond}
	srv := httptest.NewServer(telemetry.HTTPConfig{Metrics: m, Log: log, Now: clock.Now}.Middleware(mux))
	t.Cleanup(srv.Close)
	return srv, m, out
}

func do(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the handler that panics breaks the connection
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func TestRequestsAreCountedAndLoggedByRoute(t *testing.T) {
	srv, m, log := served(t, slog.LevelDebug)
	do(t, http.MethodPost, srv.URL+"/tickets/planted-path?token=planted-query", "planted-body")
	do(t, http.MethodGet, srv.URL+"/quiet", "")
	do(t, http.MethodGet, srv.URL+"/nowhere/planted-path", "")
	do(t, "PLANTEDMETHOD", srv.URL+"/quiet", "")
	do(t, http.MethodPost, srv.URL+"/panic", "")
	srv.Close() // every handler has ended

	text := scrape(t, m)
	wantLines(t, text,
		`sous_http_requests_total{code="201",route="/tickets/{id}"} 1`,
		`sous_http_requests_total{code="200",route="/quiet"} 1`,
		`sous_http_requests_total{code="404",route="none"} 1`,
		`sous_http_requests_total{code="405",route="none"} 1`,
		`sous_http_requests_total{code="500",route="/panic"} 1`,
		`sous_http_seconds_count{code="201",route="/tickets/{id}"} 1`,
	)
	if all := strings.ToLower(text + log.String()); strings.Contains(all, "planted") {
		t.Errorf("what a stranger sent was kept:\n%s", log.String())
	}
	var line map[string]any
	first, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatal(err)
	}
	if line["msg"] != "http request" || line["method"] != "POST" || line["route"] != "/tickets/{id}" || line["status"] != 201.0 || line["ms"] != 5.0 {
		t.Errorf("first line = %v", line)
	}
}

func TestWhatSucceedsIsLoggedOnlyWhenDebugging(t *testing.T) {
	srv, _, log := served(t, slog.LevelInfo)
	do(t, http.MethodGet, srv.URL+"/quiet", "")
	do(t, http.MethodGet, srv.URL+"/nowhere", "")
	do(t, http.MethodPost, srv.URL+"/panic", "")
	srv.Close()
	got := log.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, `"level":"INFO"`) || !strings.Contains(got, `"level":"ERROR"`) {
		t.Errorf("log = %s, want a line for 404 and an error for the panic", got)
	}
}

func TestEventStreamsFlushThroughTheMiddleware(t *testing.T) {
	srv, _, _ := served(t, slog.LevelDebug)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "data: 1\n\n" {
		t.Errorf("read %q, %v while the handler still runs", got, err)
	}
}

func TestLoggerForms(t *testing.T) {
	for format, want := range map[string]string{"text": `msg="turn ended" turn=t1`, "json": `"msg":"turn ended","turn":"t1"`} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, slog.LevelInfo, format)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("left out")
		log.Info("turn ended", "turn", "t1")
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "left out") {
			t.Errorf("%s: %q, want %q", format, out.String(), want)
		}
	}
	if _, err := telemetry.NewLogger(io.Discard, slog.LevelInfo, "xml"); err == nil {
		t.Error("an unknown format was taken")
	}
}

// ticking is a clock that moves by step at each reading.
type ticking struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func (c *ticking) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

// logBuffer is written by handlers and read by the test.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
