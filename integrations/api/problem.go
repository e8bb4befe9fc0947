package api

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// problem is an error on the wire: RFC 9457 problem details with the kind.
type problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title,omitempty"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Kind is the name of the agent.Kind.
	Kind string `json:"kind"`
	// after is when it may be tried again, 0 for nobody knows.
	after time.Duration
	// Errors says which parts of a request are wrong.
	Errors []*huma.ErrorDetail `json:"errors,omitempty"`
}

const problemMedia = "application/problem+json"

// maxProblem is the longest problem a client reads, in bytes.
const maxProblem = 64 << 10

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return problemMedia }

// GetHeaders implements huma.HeadersError: who is turned away for now is told when to
// come again.
func (p *problem) GetHeaders() http.Header {
	if p.Status != http.StatusServiceUnavailable || p.after <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(p.after.Seconds())))}}
}

// problemOf says of an error what people may read.
func problemOf(err error) *problem {
	k := agent.KindOf(err)
	code := status(k)
	return &problem{Title: http.StatusText(code), Status: code, Detail: agent.PublicText(err), Kind: k.String(), after: model.RetryAfter(err)}
}

// status maps an error's kind to HTTP.
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

// kindOfStatus is the kind of an answer that names none.
func kindOfStatus(code int) agent.Kind {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
		return agent.Forbidden
	case http.StatusNotFound:
		return agent.NotFound
	case http.StatusConflict:
		return agent.Conflict
	case http.StatusGone:
		return agent.Expired
	case http.StatusRequestEntityTooLarge:
		return agent.TooLarge
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return agent.Unavailable
	}
	if code >= http.StatusBadRequest && code < http.StatusInternalServerError {
		return agent.Invalid
	}
	return agent.Internal
}

// kindNamed is the kind of that name, else what the status says.
func kindNamed(name string, code int) agent.Kind {
	for k := agent.Internal; k <= agent.Cancelled; k++ {
		if k.String() == name {
			return k
		}
	}
	return kindOfStatus(code)
}

// withKind gives the API framework's own errors a kind, and one text.
func (s *server) withKind(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &problem{Title: m.Title, Status: m.Status, Detail: m.Detail, Kind: kindOfStatus(m.Status).String(), Errors: m.Errors}
	if m.Status == http.StatusRequestEntityTooLarge {
		p.Detail = tooLarge(s.MaxUpload).Error()
	}
	for _, e := range m.Errors {
		// What was sent is not sent back.
		e.Value = nil
		p.Detail += "; " + strings.TrimPrefix(e.Location+": ", ": ") + e.Message
	}
	return p, nil
}

func tooLarge(limit int64) error {
	return agent.Errorf(agent.TooLarge, "that is larger than %d MiB, the most accepted at once", limit>>20)
}

// refuse answers outside the framework.
func refuse(w http.ResponseWriter, code int, err error) {
	p := problemOf(err)
	p.Status, p.Title = code, http.StatusText(code)
	w.Header().Set("Content-Type", problemMedia)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(p)
}

// errorOf is the error that an answer reports: its kind and its text.
func errorOf(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var p problem
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Detail == "" {
		return agent.Errorf(kindOfStatus(resp.StatusCode), "the server answered %s", resp.Status)
	}
	return agent.Errorf(kindNamed(p.Kind, resp.StatusCode), "%s", p.Detail)
}
