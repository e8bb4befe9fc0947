package openaifake

import (
	"net/http"
	"time"
)

// Call is a tool call of a scripted answer. Args is sent as it is.
type Call struct {
	ID, Name, Args string
}

// Step is what one request gets: an answer or a fault.
type Step struct {
	// Text and Calls are the answer.
	Text  string
	Calls []Call
	// Finish is the finish_reason; empty is "tool_calls" with calls, else "stop".
	Finish string
	// Refusal is what the model says instead of an answer.
	Refusal string

	// Status other than 0 answers with this status, Code and Message in an error
	// in OpenAI's form, and RetryAfter as that header when set.
	Status        int
	Code, Message string
	RetryAfter    string
	// Body, when set, is sent in place of everything, as ContentType (default
	// application/json).
	Body, ContentType string
	// Hang sends nothing until the client leaves or the server closes.
	Hang bool
	// HangAfter, when more than 0, sends so many bytes of the answer and hangs.
	HangAfter int
	// CutAfter, when more than 0, sends so many bytes of the answer and then
	// breaks the connection.
	CutAfter int
	// Drip waits this long before each event of a streamed answer.
	Drip time.Duration
	// NoUsage, NoDone and NoFinish leave out what some servers never send.
	NoUsage, NoDone, NoFinish bool
	// NoIndex and NoID leave these out of streamed tool calls.
	NoIndex, NoID bool
	// Whole answers a streaming request with one JSON document.
	Whole bool
	// StreamError sends an error event after the text of a stream.
	StreamError string
}

// Answer returns a step that says text.
func Answer(text string) Step { return Step{Text: text} }

// Calls returns a step that asks for tool calls.
func Calls(calls ...Call) Step { return Step{Calls: calls} }

// Fail returns a step that answers with an HTTP error.
func Fail(status int, code, message string) Step {
	return Step{Status: status, Code: code, Message: message}
}

// TooMany returns a step that answers 429 with a Retry-After header.
func TooMany(retryAfter string) Step {
	return Step{
		Status: http.StatusTooManyRequests, Code: "rate_limit_exceeded",
		Message: "Rate limit reached.", RetryAfter: retryAfter,
	}
}

// Hang returns a step that never answers.
func Hang() Step { return Step{Hang: true} }

// Cut returns the step, broken off after n bytes of its body.
func Cut(s Step, n int) Step {
	s.CutAfter = n
	return s
}

// Malformed returns a step whose body is JSON that ends too early, streamed or not.
func Malformed() Step {
	return Step{Body: `{"id":"x","choices":[{"index":0,"message":{"role":"assi`}
}

// Page returns a step that answers 200 with a web page, as a proxy's login does.
func Page() Step {
	return Step{Body: "<!doctype html><title>Sign in</title>", ContentType: "text/html; charset=utf-8"}
}

func (s Step) finish() string {
	switch {
	case s.Finish != "":
		return s.Finish
	case len(s.Calls) > 0:
		return "tool_calls"
	}
	return "stop"
}
