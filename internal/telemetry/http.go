package telemetry

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HTTPConfig is what Middleware needs.
type HTTPConfig struct {
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time
}

// Middleware counts, times and logs each request that next answers: method, route, status and
// milliseconds. The route is the pattern of the mux that matched, so neither paths with ids nor query
// strings nor bodies are kept. A handler that panics counts as 500 and the panic goes on.
func (c HTTPConfig) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := c.Now()
		answer := &recorder{ResponseWriter: w}
		finished := false
		defer func() {
			status := answer.status
			if !finished {
				status = http.StatusInternalServerError
			} else if status == 0 {
				status = http.StatusOK
			}
			c.record(r, status, c.Now().Sub(start))
		}()
		next.ServeHTTP(answer, r)
		finished = true
	})
}

func (c HTTPConfig) record(r *http.Request, status int, took time.Duration) {
	route, code := route(r), strconv.Itoa(status)
	c.Metrics.httpRequests.WithLabelValues(route, code).Inc()
	c.Metrics.httpSeconds.WithLabelValues(route, code).Observe(took.Seconds())
	c.Log.LogAttrs(r.Context(), levelOf(status), "http request",
		slog.String("method", method(r)), slog.String("route", route),
		slog.Int("status", status), slog.Int64("ms", took.Milliseconds()))
}

// levelOf keeps the everyday out of the log of a quiet server.
func levelOf(status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status >= http.StatusBadRequest:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// route is the pattern that http.ServeMux matched, without its method.
func route(r *http.Request) string {
	pattern := r.Pattern
	if _, after, ok := strings.Cut(pattern, " "); ok {
		pattern = after
	}
	if pattern == "" {
		return "none"
	}
	return pattern
}

// method is the request's method if it is a usual one: strangers may send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// recorder remembers the first status that was written. Unwrap lets http.ResponseController flush
// event streams through it.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the final status; informational ones (1xx) come before it.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts as 200 when nothing was said before.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Flush serves handlers that ask for an http.Flusher.
func (r *recorder) Flush() {
	_ = http.NewResponseController(r.ResponseWriter).Flush() // an unsupported flush is no failure
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
