package web

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// status maps an error's kind to HTTP, here and nowhere else.
func status(k agent.Kind) int {
	switch k {
	case agent.Internal:
		return http.StatusInternalServerError
	case agent.Invalid:
		return http.StatusBadRequest
	case agent.NotFound:
		return http.StatusNotFound
	case agent.Forbidden:
		return http.StatusForbidden
	case agent.Conflict, agent.Cancelled:
		return http.StatusConflict
	case agent.Expired:
		return http.StatusGone
	case agent.TooLarge:
		return http.StatusRequestEntityTooLarge
	case agent.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with what people may read of the error and logs the rest.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && agent.KindOf(err) == agent.Cancelled {
		return // nobody is left to read it
	}
	if after := model.RetryAfter(err); after > 0 && agent.KindOf(err) == agent.Unavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	s.failWith(w, r, status(agent.KindOf(err)), err)
}

type errorView struct {
	frame
	Status int
	Text   string
}

func (s *Server) failWith(w http.ResponseWriter, r *http.Request, code int, err error) {
	level := slog.LevelInfo
	if code >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.Log.LogAttrs(r.Context(), level, "request failed", slog.Int("status", code), slog.Any("err", err))
	text := sentence(agent.PublicText(err))
	if wantsJSON(r) {
		s.json(w, r, code, map[string]string{"error": text, "kind": agent.KindOf(err).String()})
		return
	}
	s.render(w, r, code, "error", errorView{frame: frame{Title: http.StatusText(code)}, Status: code, Text: text})
}

func (s *Server) json(w http.ResponseWriter, r *http.Request, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.DebugContext(r.Context(), "answer not written", slog.Any("err", err))
	}
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// sentence makes an error's text a sentence.
func sentence(text string) string {
	if text == "" {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}
