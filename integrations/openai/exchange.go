package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxBody    = 32 << 20 // bytes of an answer that are read
	maxError   = 64 << 10 // bytes of an error's body that are read
	maxMessage = 300      // runes of a server's error message that reach the log
)

// exchange is one HTTP request and its answer. It stands between the library
// and the HTTP client because the library keeps neither Retry-After nor the end
// of a stream, reads bodies without bound, and prints them in its errors.
type exchange struct {
	http *http.Client
	now  func() time.Time
	key  string
	// tools goes into the request as its member of this name, as it is.
	tools []byte

	// whole is the body of a JSON document that came instead of a stream.
	whole []byte
	body  *tailReader
}

func (c *Client) exchange() *exchange {
	return &exchange{http: c.c.HTTPClient, now: c.c.Now, key: c.c.APIKey}
}

// Do implements the library's HTTPDoer.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	if err := x.addTools(req); err != nil {
		return nil, err
	}
	resp, err := x.http.Do(req) //nolint:gosec // the address is the administrator's setting, not a stranger's
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, x.statusError(resp)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	streaming := req.Header.Get("Accept") == "text/event-stream"
	switch {
	case kind == "text/html":
		defer resp.Body.Close()
		return nil, errWebPage
	case streaming && kind == "application/json":
		defer resp.Body.Close()
		x.whole, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		return nil, errWhole
	}
	x.body = &tailReader{ReadCloser: resp.Body, left: maxBody}
	resp.Body = x.body
	return resp, nil
}

// done reports whether the stream ended with the mark of its end. The library
// says io.EOF for that and for a broken connection alike.
func (x *exchange) done() bool {
	if x.body == nil {
		return false
	}
	tail := bytes.TrimSpace(x.body.tail)
	before, ok := bytes.CutSuffix(tail, []byte("[DONE]"))
	// Within JSON the mark could not follow "data:" at the start of a line.
	return ok && bytes.HasSuffix(bytes.TrimRight(before, " "), []byte("\ndata:"))
}

// tailReader remembers the last bytes read and stops after left bytes.
type tailReader struct {
	io.ReadCloser

	left int
	tail []byte
}

const tailSize = 64

func (r *tailReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	n, err := r.ReadCloser.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.tail = append(r.tail, p[max(0, n-tailSize):max(0, n)]...)
	if extra := len(r.tail) - tailSize; extra > 0 {
		r.tail = append(r.tail[:0], r.tail[extra:]...)
	}
	return n, err
}

// statusError is an answer other than 2xx. Its text is for logs: one line,
// short, without the key.
type statusError struct {
	status        int
	after         time.Duration
	code, message string
}

func (e *statusError) Error() string {
	return strings.TrimRight(fmt.Sprintf("status %d %s: %s", e.status, e.code, e.message), ": ")
}

// says reports whether code or message holds one of the words, in lower case.
func (e *statusError) says(words ...string) bool {
	text := strings.ToLower(e.code + " " + e.message)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

func (x *exchange) statusError(resp *http.Response) *statusError {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	code, message := errorBody(raw)
	return &statusError{
		status: resp.StatusCode, after: retryAfter(resp.Header, x.now()),
		code: x.clean(code), message: x.clean(message),
	}
}

// errorBody finds code and message in the forms that servers use:
// {"error":{"message","code","type"}}, {"error":"…"}, {"message":…}, {"detail":…}.
func errorBody(raw []byte) (code, message string) {
	var top map[string]any
	if json.Unmarshal(raw, &top) != nil {
		return "", ""
	}
	inner, ok := top["error"].(map[string]any)
	if !ok {
		inner = top
	}
	for _, name := range []string{"message", "detail", "error"} {
		if v, ok := inner[name]; ok && message == "" {
			message = fmt.Sprint(v)
		}
	}
	if param, ok := inner["param"].(string); ok && !strings.Contains(message, param) {
		message = param + ": " + message
	}
	for _, name := range []string{"code", "type"} {
		if v, ok := inner[name].(string); ok && code == "" {
			code = v
		}
	}
	return code, message
}

// clean makes a server's text fit for a log line and takes the key out of it.
func (x *exchange) clean(s string) string {
	if x.key != "" {
		s = strings.ReplaceAll(s, x.key, "[key]")
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxMessage {
		s = string(r[:maxMessage]) + "…"
	}
	return s
}

// retryAfter reads how long to wait: retry-after-ms, or Retry-After in seconds
// or as a date (RFC 9110, section 10.2.3); 0 when neither can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return seconds(ms / 1000)
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return seconds(s)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// seconds turns a server's number into a wait of at most a day.
func seconds(s float64) time.Duration {
	const day = 24 * 60 * 60
	switch {
	case s >= day:
		return day * time.Second
	case s > 0:
		return time.Duration(s * float64(time.Second))
	}
	return 0
}
