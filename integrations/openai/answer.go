package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// answer collects what a server said, at once or in pieces.
type answer struct {
	text, refusal strings.Builder
	calls         []model.ToolCall
	// slot maps the index of a streamed call to its place in calls.
	slot   map[int]int
	finish openai.FinishReason
	usage  agent.Usage
	// given counts the bytes of text already passed on.
	given int
}

// ask sends one request and collects the answer.
func (c *Client) ask(ctx context.Context, x *exchange, req openai.ChatCompletionRequest, give func(string) bool) (*answer, error) {
	api := c.api(x)
	if !req.Stream {
		doc, err := api.CreateChatCompletion(ctx, req)
		if err != nil {
			return nil, err
		}
		return whole(doc)
	}
	stream, err := api.CreateChatCompletionStream(ctx, req)
	if errors.Is(err, errWhole) {
		var doc openai.ChatCompletionResponse
		if err := json.Unmarshal(x.whole, &doc); err != nil {
			return nil, fmt.Errorf("parse the answer: %w", err)
		}
		return whole(doc)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }() // it was read to its end or is given up
	if x.body == nil {
		return nil, errCutOff
	}
	p := newPieces(x.body)
	defer p.close()
	return read(p, x, give)
}

func whole(doc openai.ChatCompletionResponse) (*answer, error) {
	if len(doc.Choices) == 0 {
		return nil, errEmpty
	}
	choice := doc.Choices[0]
	a := &answer{finish: choice.FinishReason}
	a.text.WriteString(choice.Message.Content)
	for _, part := range choice.Message.MultiContent {
		a.text.WriteString(part.Text)
	}
	a.refusal.WriteString(choice.Message.Refusal)
	for _, c := range choice.Message.ToolCalls {
		a.calls = append(a.calls, model.ToolCall{ID: c.ID, Name: c.Function.Name, Args: c.Function.Arguments})
	}
	a.count(&doc.Usage)
	return a, nil
}

// read collects a stream. It is complete when the server gave a reason to
// finish or the mark of the end; anything else was cut off.
func read(p *pieces, x *exchange, give func(string) bool) (*answer, error) {
	a := &answer{slot: map[int]int{}}
	before := 0
	for {
		var c chunk
		data, err := p.next()
		if err == nil {
			c, err = decode(data)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && x.done(), a.finish != "":
			return a, nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errCutOff
		default:
			return nil, err
		}
		if c.Usage != nil {
			a.count(c.Usage)
		}
		for _, choice := range c.Choices {
			if choice.Index == 0 {
				a.add(choice)
			}
		}
		if p.more() {
			continue // what has come already is given at once
		}
		// An empty piece is a sign of life: reasoning and calls take their time.
		said := a.text.Len()
		if piece := a.text.String()[before:]; give(piece) {
			a.given += len(piece)
		}
		before = said
	}
}

func (a *answer) add(choice pieceOf) {
	a.text.WriteString(choice.Delta.Content)
	a.refusal.WriteString(choice.Delta.Refusal)
	for _, c := range choice.Delta.ToolCalls {
		call := &a.calls[a.place(c)]
		call.Name += c.Function.Name
		call.Args += c.Function.Arguments
		if c.ID != "" {
			call.ID = c.ID
		}
	}
	if choice.FinishReason != "" && choice.FinishReason != openai.FinishReasonNull {
		a.finish = choice.FinishReason
	}
}

// place returns where in calls a fragment belongs. Some servers send no index,
// some the same index for every call: then another id or, when there is none
// either, a name begins another call.
func (a *answer) place(c openai.ToolCall) int {
	index := 0
	if c.Index != nil {
		index = *c.Index
	}
	at, known := a.slot[index]
	switch {
	case !known:
	case c.ID != "" && a.calls[at].ID != "" && c.ID != a.calls[at].ID:
	case c.Index == nil && c.ID == "" && c.Function.Name != "":
	default:
		return at
	}
	a.calls = append(a.calls, model.ToolCall{})
	a.slot[index] = len(a.calls) - 1
	return a.slot[index]
}

// count takes over usage; servers have been seen to send less than nothing.
func (a *answer) count(u *openai.Usage) {
	a.usage = agent.Usage{InputTokens: max(0, u.PromptTokens), OutputTokens: max(0, u.CompletionTokens)}
}

// response is the answer in our words.
func (a *answer) response(req model.Request) model.Response {
	resp := model.Response{Text: a.text.String(), Calls: a.calls, Usage: a.usage, Finish: model.FinishStop}
	if len(req.Schema) > 0 && len(a.calls) == 0 {
		resp.Text = unfenced(resp.Text)
	}
	nameCalls(resp.Calls, len(req.Messages))
	switch {
	case a.finish == openai.FinishReasonContentFilter:
		resp.Finish = model.FinishFilter
	case a.finish == openai.FinishReasonLength:
		resp.Finish = model.FinishLength
	case len(a.calls) > 0:
		resp.Finish = model.FinishCalls
	case a.refusal.Len() > 0:
		resp.Finish = model.FinishFilter
		if resp.Text == "" {
			resp.Text = a.refusal.String()
		}
	}
	return resp
}

// nameCalls gives calls without an id of their own one that is new in the
// conversation: it holds the number of messages before it.
func nameCalls(calls []model.ToolCall, messages int) {
	seen := map[string]bool{}
	for i := range calls {
		if calls[i].ID == "" || seen[calls[i].ID] {
			calls[i].ID = fmt.Sprintf("call_%d_%d", messages, i+1)
		}
		seen[calls[i].ID] = true
	}
}

// unfenced takes a Markdown code fence off a JSON answer.
func unfenced(text string) string {
	s := strings.TrimSpace(text)
	if !strings.HasPrefix(s, "```") || !strings.HasSuffix(s, "```") {
		return s
	}
	_, s, ok := strings.Cut(strings.TrimSuffix(s, "```"), "\n")
	if !ok {
		return text
	}
	return strings.TrimSpace(s)
}
