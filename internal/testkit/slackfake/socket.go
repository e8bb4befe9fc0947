package slackfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// pingEvery is how often a socket is pinged.
const pingEvery = 2 * time.Second

// socket is one open Socket Mode connection.
type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex
	acks map[string]chan json.RawMessage
	done chan struct{}
	once sync.Once
}

func (c *socket) close() {
	c.once.Do(func() {
		close(c.done)
		_ = c.conn.Close()
	})
}

func (c *socket) write(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return c.conn.WriteJSON(v)
}

func (s *Server) connectionsOpen(args) (answer, string) {
	ticket := fmt.Sprintf("ticket-%d", s.ids.next())
	s.tickets[ticket] = true
	return answer{"url": strings.Replace(s.http.URL, "http://", "ws://", 1) + "/socket?ticket=" + ticket}, ""
}

// serveSocket takes a connection whose ticket has not been used.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	fine := s.tickets[ticket] && !s.down
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !fine {
		http.Error(w, "invalid ticket", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &socket{conn: conn, acks: map[string]chan json.RawMessage{}, done: make(chan struct{})}
	s.mu.Lock()
	s.sockets = append(s.sockets, c)
	n := len(s.sockets)
	s.mu.Unlock()
	defer s.drop(c)
	if c.write(map[string]any{"type": "hello", "num_connections": n, "connection_info": map[string]any{"app_id": appID}, "debug_info": map[string]any{"host": "fake"}}) != nil {
		return
	}
	go s.ping(c)
	for {
		var ack struct {
			EnvelopeID string          `json:"envelope_id"`
			Payload    json.RawMessage `json:"payload"`
		}
		if conn.ReadJSON(&ack) != nil {
			return
		}
		c.mu.Lock()
		if waits := c.acks[ack.EnvelopeID]; waits != nil {
			waits <- ack.Payload
			delete(c.acks, ack.EnvelopeID)
		}
		c.mu.Unlock()
	}
}

func (s *Server) ping(c *socket) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		c.mu.Lock()
		err := c.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second))
		c.mu.Unlock()
		if err != nil {
			c.close()
			return
		}
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
	}
}

func (s *Server) drop(c *socket) {
	c.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = slices.DeleteFunc(s.sockets, func(o *socket) bool { return o == c })
}

// Sockets counts the open connections.
func (s *Server) Sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// CutSockets ends all connections: politely with a disconnect message, or not.
func (s *Server) CutSockets(politely bool) {
	s.mu.Lock()
	open := slices.Clone(s.sockets)
	s.mu.Unlock()
	for _, c := range open {
		if politely {
			_ = c.write(map[string]any{"type": "disconnect", "reason": "refresh_requested", "debug_info": map[string]any{"host": "fake"}})
			continue
		}
		c.close()
	}
}

// overSocket sends an envelope over one connection and waits for its
// acknowledgement.
func (s *Server) overSocket(p payload, n int, reason string) (int, []byte) {
	kind := map[string]string{"events": "events_api", "interactions": "interactive", "commands": "slash_commands"}[p.kind]
	id := fmt.Sprintf("env-%d", s.ids.next())
	s.mu.Lock()
	var c *socket
	if len(s.sockets) > 0 {
		c = s.sockets[s.ids.next()%len(s.sockets)]
	}
	s.mu.Unlock()
	if c == nil {
		return 0, nil
	}
	acked := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.acks[id] = acked
	c.mu.Unlock()
	env := map[string]any{"type": kind, "envelope_id": id, "payload": p.body, "accepts_response_payload": kind != "events_api"}
	if n > 0 {
		env["retry_attempt"], env["retry_reason"] = n, reason
	}
	if c.write(env) != nil {
		return 0, nil
	}
	select {
	case out := <-acked:
		return http.StatusOK, out
	case <-c.done:
		return 0, nil
	case <-time.After(s.AckWithin):
		return 0, nil
	}
}
