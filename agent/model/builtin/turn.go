package builtin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// completeTurn answers the prompt "turn": it reads what the person asked for,
// looks at what was done so far in this turn, and plans the next tool calls or
// writes the answer. What is asked for follows from the person's own words
// alone; results of tools fill in values and never add a kind of call.
func (m *Model) completeTurn(ctx context.Context, req model.Request, delta func(text string)) (model.Response, error) {
	if err := ctx.Err(); err != nil {
		return model.Response{}, fmt.Errorf("built-in turn: %w", err)
	}
	if lastRequest(req.Messages) < 0 {
		return model.Response{}, agent.Errorf(agent.Invalid, "there is no request to answer")
	}
	p := newPlanner(newView(req))
	s := p.next()
	resp := model.Response{Finish: model.FinishStop, Model: Name}
	for _, m := range req.Messages {
		resp.Usage.InputTokens += countWords(m.Text)
	}
	if len(s.calls) > 0 {
		resp.Finish, resp.Text = model.FinishCalls, s.text
		resp.Usage.OutputTokens = countWords(s.text)
		for i, c := range s.calls {
			args := string(c.json())
			resp.Calls = append(resp.Calls, model.ToolCall{
				ID: "builtin-" + strconv.Itoa(p.planned()+i+1), Name: c.tool, Args: args,
			})
			resp.Usage.OutputTokens += countWords(args)
		}
		return resp, stream(ctx, s.text, delta)
	}
	text := s.text
	if cut, ok := firstWords(text, req.MaxTokens); ok {
		text, resp.Finish = cut, model.FinishLength
	}
	resp.Text = text
	resp.Usage.OutputTokens = countWords(text)
	return resp, stream(ctx, text, delta)
}

// stream gives the text in pieces of a line or so.
func stream(ctx context.Context, text string, delta func(text string)) error {
	if delta == nil {
		return nil
	}
	for text != "" {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("built-in turn: %w", err)
		}
		n := strings.IndexByte(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		delta(text[:n])
		text = text[n:]
	}
	return nil
}

// countWords counts words. There is no tokeniser here, so a word is the token
// of this prompt's usage.
func countWords(s string) int {
	n, in := 0, false
	for i := range len(s) {
		space := s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r'
		if !space && !in {
			n++
		}
		in = !space
	}
	return n
}

// firstWords returns the first n words when there are more; n 0 is no bound.
func firstWords(s string, n int) (string, bool) {
	if n <= 0 {
		return s, false
	}
	in := false
	for i := range len(s) {
		space := s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r'
		if !space && !in {
			if n == 0 {
				return strings.TrimRight(s[:i], " \n\t\r"), true
			}
			n--
		}
		in = !space
	}
	return s, false
}

// lastRequest is the index of the last user message, -1 when there is none.
func lastRequest(msgs []model.Message) int {
	for i, m := range slices.Backward(msgs) {
		if m.Role == model.RoleUser {
			return i
		}
	}
	return -1
}

// fileIDs returns the ids of the files, each once.
func fileIDs(files []agent.FileRef) []string {
	var out []string
	seen := map[string]bool{}
	for _, f := range files {
		if f.ID != "" && !seen[f.ID] {
			seen[f.ID] = true
			out = append(out, f.ID)
		}
	}
	return out
}
