package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/internal/sse"
)

// events streams what happens in the conversation c, if one is named, and how much
// waits for the reader whenever that may have changed. One stream carries all, as
// a browser has few connections to one server and shares them between its tabs.
// It begins with "hello", which names this process: the events that are kept come
// again, numbered by turn, and a reader passes over those it has seen from the
// same process.
func (s *Server) events(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	conversation := r.URL.Query().Get("c")
	if _, err := s.place(r, by, conversation); err != nil {
		return err
	}
	next := s.Desk.Follow(r.Context(), by, conversation)
	begun := false
	err := sse.Serve(r.Context(), w, s.beat, func() (sse.Message, bool) {
		if !begun {
			begun = true
			return sse.Message{Event: "hello", Data: []byte(`{"boot":"` + s.boot + `"}`)}, true
		}
		ev, ok := next()
		if !ok {
			return sse.Message{}, false
		}
		return s.message(r.Context(), by, ev)
	})
	if err != nil {
		// The answer has begun and its reader went away: there is no page to say it on.
		s.Log.DebugContext(r.Context(), "event stream cut off", slog.Any("err", err))
	}
	return nil
}

func (s *Server) message(ctx context.Context, by agent.Actor, ev loop.Event) (sse.Message, bool) {
	var v any = ev
	if ev.Type == loop.EventQueue {
		all, l, err := s.waiting(ctx, by)
		if err != nil {
			s.Log.WarnContext(ctx, "what waits cannot be read", slog.Any("err", err))
			return sse.Message{}, false // the reader comes back and tries again
		}
		v = queueState{Waiting: len(all), Late: l}
	}
	data, err := json.Marshal(v)
	return sse.Message{Event: string(ev.Type), Data: data}, err == nil
}
