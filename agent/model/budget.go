package model

import (
	"context"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// Budget refuses requests of more than maxChars characters (Unicode code
// points of messages, tools and schema together) with agent.TooLarge, before
// they cost anything. A maxChars of 0 or less is no limit.
func Budget(m Model, maxChars int) Model { return &budget{m, maxChars} }

type budget struct {
	Model

	maxChars int
}

func (b *budget) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	if n := Size(req); b.maxChars > 0 && n > b.maxChars {
		return Response{}, agent.Errorf(agent.TooLarge,
			"the request to the model %s is too long: %d characters, the limit is %d", b.Name(), n, b.maxChars)
	}
	return b.Model.Complete(ctx, req, delta)
}

// Size returns how many characters (Unicode code points) a request holds.
func Size(req Request) int {
	n := utf8.RuneCount(req.Schema)
	for _, m := range req.Messages {
		n += utf8.RuneCountInString(Rendered(m))
		for _, c := range m.Calls {
			n += utf8.RuneCountInString(c.Name) + utf8.RuneCountInString(c.Args)
		}
	}
	for _, t := range req.Tools {
		n += utf8.RuneCountInString(t.Name) + utf8.RuneCountInString(t.Description) + utf8.RuneCount(t.Schema)
	}
	return n
}
