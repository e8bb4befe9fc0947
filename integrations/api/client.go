package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/internal/sse"
)

// Client is a Service that asks a running server. The server decides who is
// asking, so the actor given to its methods is not sent. Errors keep their kind
// and text; a server that cannot be reached is Unavailable.
type Client struct {
	http *http.Client
	base string
}

var _ Service = (*Client)(nil)

// NewClient returns a client of the server at base, such as "http://127.0.0.1:8420".
// The http client may dial a socket or add a token; a nil one is http.DefaultClient.
func NewClient(client *http.Client, base string) *Client {
	if client == nil {
		client = http.DefaultClient
	}
	return &Client{http: client, base: strings.TrimRight(base, "/")}
}

// request is one request of the client.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
}

// open sends a request and returns an answer that is no error.
func (c *Client) open(ctx context.Context, q request) (*http.Response, error) {
	address := c.base + base + q.path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, address, bytes.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	req.Header.Set("Accept", "application/json")
	maps.Copy(req.Header, q.header)
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, agent.WrapError(agent.Unavailable, err, "Sous cannot be reached; is it running?")
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, errorOf(resp)
	}
	return resp, nil
}

// ask sends a request and decodes its answer.
func ask[O any](ctx context.Context, c *Client, q request) (O, error) {
	var out O
	resp, err := c.open(ctx, q)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		return out, agent.WrapError(agent.Unavailable, err, "the answer of the server broke off or is not what this version understands")
	}
	return out, nil
}

func get(path string, query url.Values) request {
	return request{method: http.MethodGet, path: path, query: query}
}

func post(path string, body any) (request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return request{}, fmt.Errorf("encode request: %w", err)
	}
	return request{method: http.MethodPost, path: path, body: raw, header: http.Header{"Content-Type": {"application/json"}}}, nil
}

func pathTo(kind, id, rest string) string { return "/" + kind + "/" + url.PathEscape(id) + rest }

// Accept implements Turns. Where a message was said is for the server to know:
// the place of in is not sent.
func (c *Client) Accept(ctx context.Context, _ agent.Actor, in loop.Incoming) (loop.Acceptance, error) {
	var m messageIn
	m.Body.Text, m.Body.Conversation, m.Body.Files = in.Text, in.Conversation, in.Files
	q, err := post("/messages", m.Body)
	if err != nil {
		return loop.Acceptance{}, err
	}
	if in.Event != "" {
		q.header.Set("Idempotency-Key", in.Event)
	}
	acc, err := ask[acceptance](ctx, c, q)
	return loop.Acceptance(acc), err
}

// Upload implements Turns. The file is for the sender alone.
//
//nolint:revive // the parameters are those of loop.Assistant
func (c *Client) Upload(ctx context.Context, _ agent.Actor, _ agent.Place, name, media string, content []byte) (agent.FileRef, error) {
	query := url.Values{"name": {name}}
	if media == "" {
		media = "application/octet-stream"
	}
	return ask[agent.FileRef](ctx, c, request{
		method: http.MethodPost, path: "/files", query: query, body: content, header: http.Header{"Content-Type": {media}},
	})
}

// View implements Turns.
func (c *Client) View(ctx context.Context, _ agent.Actor, id string) (loop.View, error) {
	return ask[loop.View](ctx, c, get(pathTo("turns", id, ""), nil))
}

// Watch implements Turns. A stream that breaks off ends like one that is over.
func (c *Client) Watch(ctx context.Context, _ agent.Actor, id string, after int) (func() (loop.Event, bool), error) {
	q := get(pathTo("turns", id, "/events"), url.Values{"after": {strconv.Itoa(after)}})
	q.header = http.Header{"Accept": {"text/event-stream, application/problem+json"}}
	resp, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { resp.Body.Close() })
	events := sse.NewReader(resp.Body)
	return func() (loop.Event, bool) {
		m, err := events.Next()
		var ev loop.Event
		if err != nil || json.Unmarshal(m.Data, &ev) != nil {
			resp.Body.Close()
			return loop.Event{}, false
		}
		return ev, true
	}, nil
}

// Stop implements Turns.
func (c *Client) Stop(ctx context.Context, _ agent.Actor, id string) error {
	_, err := ask[struct{}](ctx, c, request{method: http.MethodPost, path: pathTo("turns", id, "/stop")})
	return err
}

// Undo implements Turns.
func (c *Client) Undo(ctx context.Context, _ agent.Actor, key string) (loop.Acceptance, error) {
	acc, err := ask[acceptance](ctx, c, request{method: http.MethodPost, path: pathTo("effects", key, "/undo")})
	return loop.Acceptance(acc), err
}

// Tickets implements Records.
func (c *Client) Tickets(ctx context.Context, _ agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error) {
	query := url.Values{}
	set(query, "q", q.Text)
	statuses := make([]string, len(q.Statuses))
	for i, s := range q.Statuses {
		statuses[i] = string(s)
	}
	set(query, "status", strings.Join(statuses, ","))
	number(query, "limit", int64(q.Limit))
	return ask[[]agent.Ticket](ctx, c, get("/tickets", query))
}

// Ticket implements Records.
func (c *Client) Ticket(ctx context.Context, _ agent.Actor, id string) (Ticket, error) {
	return ask[Ticket](ctx, c, get(pathTo("tickets", id, ""), nil))
}

// Memories implements Records.
func (c *Client) Memories(ctx context.Context, _ agent.Actor, text string, limit int) ([]Memory, error) {
	query := url.Values{}
	set(query, "q", text)
	number(query, "limit", int64(limit))
	return ask[[]Memory](ctx, c, get("/memory", query))
}

// Audit implements Records.
func (c *Client) Audit(ctx context.Context, _ agent.Actor, f audit.Filter) ([]audit.Entry, error) {
	query := url.Values{}
	kinds := make([]string, len(f.Kinds))
	for i, k := range f.Kinds {
		kinds[i] = string(k)
	}
	set(query, "kind", strings.Join(kinds, ","))
	set(query, "turn", f.Turn)
	set(query, "tool", f.Tool)
	set(query, "actor", string(f.Actor))
	set(query, "approval", f.Approval)
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			query.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	number(query, "after", f.After)
	number(query, "limit", int64(f.Limit))
	if f.Newest {
		query.Set("newest", "true")
	}
	return ask[[]audit.Entry](ctx, c, get("/audit", query))
}

// Info implements Records.
func (c *Client) Info(ctx context.Context) (Info, error) {
	return ask[Info](ctx, c, get("/info", nil))
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func number(query url.Values, name string, n int64) {
	if n != 0 {
		query.Set(name, strconv.FormatInt(n, 10))
	}
}
