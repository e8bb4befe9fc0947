package openaifake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const created = 1_700_000_000

func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	req, ok := s.receive(w, r)
	if !ok {
		return
	}
	step, ok := s.next(&s.chat)
	if !ok {
		if s.c.Default == nil {
			refuse(w, http.StatusBadRequest, "", "openaifake: the script has no step for this request")
			return
		}
		step = s.c.Default(req)
	}
	if s.fault(w, r, step) {
		return
	}
	if !req.Chat.Stream || step.Whole {
		body, _ := json.Marshal(completion(req.Chat.Model, step))
		w.Header().Set("Content-Type", "application/json")
		s.send(w, r, step, [][]byte{body})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	s.send(w, r, step, events(req.Chat, step))
}

// fault plays the faults that replace an answer and reports whether it did.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, step Step) bool {
	switch {
	case step.Hang:
		s.hang(r)
	case step.Status != 0:
		if step.RetryAfter != "" {
			w.Header().Set("Retry-After", step.RetryAfter)
		}
		if step.Body != "" {
			w.WriteHeader(step.Status)
			_, _ = w.Write([]byte(step.Body))
			break
		}
		refuse(w, step.Status, step.Code, step.Message)
	case step.Body != "":
		kind := step.ContentType
		if kind == "" {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(step.Body))
	default:
		return false
	}
	return true
}

func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.released:
	}
}

// send writes the parts, flushing each, and breaks off or hangs where told.
func (s *Server) send(w http.ResponseWriter, r *http.Request, step Step, parts [][]byte) {
	flusher := http.NewResponseController(w)
	stop := max(step.CutAfter, step.HangAfter)
	sent := 0
	for _, part := range parts {
		if step.Drip > 0 {
			select {
			case <-time.After(step.Drip):
			case <-r.Context().Done():
				return
			}
		}
		cut := stop > 0 && sent+len(part) >= stop
		if cut {
			part = part[:stop-sent]
		}
		n, err := w.Write(part)
		sent += n
		if err != nil || flusher.Flush() != nil {
			return
		}
		if !cut {
			continue
		}
		if step.HangAfter > 0 {
			s.hang(r)
			return
		}
		// net/http breaks the connection without a trailer and logs nothing.
		panic(http.ErrAbortHandler)
	}
}

// completion is the answer as one document.
func completion(model string, step Step) map[string]any {
	message := map[string]any{"role": "assistant", "content": nil, "refusal": nil}
	if step.Text != "" {
		message["content"] = step.Text
	}
	if step.Refusal != "" {
		message["refusal"] = step.Refusal
	}
	var calls []any
	for i, c := range step.Calls {
		calls = append(calls, callJSON(step, i, c.Name, c.Args, true))
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	doc := map[string]any{
		"id": "chatcmpl-fake", "object": "chat.completion", "created": created, "model": model,
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": step.finish(), "logprobs": nil}},
	}
	if !step.NoUsage {
		doc["usage"] = usage()
	}
	return doc
}

func usage() map[string]any {
	return map[string]any{"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
}

// callJSON is a tool call or, in a stream, a fragment of one; only the first
// fragment carries id and name.
func callJSON(step Step, i int, name, args string, first bool) map[string]any {
	c := map[string]any{"function": map[string]any{"arguments": args}}
	if first {
		c["type"] = "function"
		c["function"] = map[string]any{"name": name, "arguments": args}
		if !step.NoID {
			c["id"] = step.Calls[i].ID
		}
	}
	return c
}

// events are the server-sent events of a streamed answer.
func events(req Chat, step Step) [][]byte {
	var out [][]byte
	include := req.StreamOptions != nil && req.StreamOptions.IncludeUsage
	emit := func(delta map[string]any, finish any) {
		chunk := envelope(req.Model)
		chunk["choices"] = []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}
		if include && !step.NoUsage {
			chunk["usage"] = nil
		}
		out = append(out, event(chunk))
	}
	emit(map[string]any{"role": "assistant", "content": ""}, nil)
	for word := range strings.SplitAfterSeq(step.Text, " ") {
		if word != "" {
			emit(map[string]any{"content": word}, nil)
		}
	}
	if step.Refusal != "" {
		emit(map[string]any{"refusal": step.Refusal}, nil)
	}
	if step.StreamError != "" {
		return append(out, event(map[string]any{"error": map[string]any{"message": step.StreamError, "type": "server_error", "code": nil}}))
	}
	for _, fragment := range fragments(step) {
		emit(map[string]any{"tool_calls": []any{fragment}}, nil)
	}
	if !step.NoFinish {
		emit(map[string]any{}, step.finish())
	}
	if include && !step.NoUsage {
		last := envelope(req.Model)
		last["choices"] = []any{}
		last["usage"] = usage()
		out = append(out, event(last))
	}
	if !step.NoDone {
		out = append(out, []byte("data: [DONE]\n\n"))
	}
	return out
}

// fragments splits each call's arguments in three. Fragments of several calls
// alternate when they carry an index, as the API allows.
func fragments(step Step) []map[string]any {
	var out []map[string]any
	part := func(i, n int) {
		args := step.Calls[i].Args
		from, to := len(args)*n/3, len(args)*(n+1)/3
		f := callJSON(step, i, step.Calls[i].Name, args[from:to], n == 0)
		if !step.NoIndex {
			f["index"] = i
		}
		out = append(out, f)
	}
	if step.NoIndex {
		for i := range step.Calls {
			for n := range 3 {
				part(i, n)
			}
		}
		return out
	}
	for n := range 3 {
		for i := range step.Calls {
			part(i, n)
		}
	}
	return out
}

func envelope(model string) map[string]any {
	return map[string]any{"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": created, "model": model}
}

func event(v any) []byte {
	body, _ := json.Marshal(v)
	return fmt.Appendf(nil, "data: %s\n\n", bytes.TrimSpace(body))
}
