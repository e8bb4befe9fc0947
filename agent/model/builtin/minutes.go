package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// draft is the answer to the prompt "minutes": the JSON contract of the prompt.
type draft struct {
	Summary   string        `json:"summary"`
	Decisions []draftItem   `json:"decisions"`
	Actions   []draftAction `json:"actions"`
	Questions []draftItem   `json:"questions"`
}

type draftItem struct {
	Text  string `json:"text"`
	Cues  []int  `json:"cues"`
	Quote string `json:"quote"`
}

type draftAction struct {
	Text  string  `json:"text"`
	Owner *string `json:"owner"`
	Due   *string `json:"due"`
	Cues  []int   `json:"cues"`
	Quote string  `json:"quote"`
}

// completeMinutes reads the numbered cues of the last user message and answers
// with a draft. Everything in the draft is made of words of the cues and a few
// fixed phrases around them.
func (m *Model) completeMinutes(ctx context.Context, req model.Request, delta func(text string)) (model.Response, error) {
	if err := ctx.Err(); err != nil {
		return model.Response{}, fmt.Errorf("built-in minutes: %w", err)
	}
	text := ""
	for _, msg := range req.Messages {
		if msg.Role == model.RoleUser {
			text = msg.Text
		}
	}
	d, err := m.draft(text)
	if err != nil {
		return model.Response{}, err
	}
	b, err := json.Marshal(d)
	if err != nil {
		return model.Response{}, fmt.Errorf("built-in minutes: %w", err)
	}
	if delta != nil {
		delta(string(b))
	}
	return model.Response{
		Text: string(b), Finish: model.FinishStop, Model: Name,
		Usage: agent.Usage{InputTokens: estimate(len(text)), OutputTokens: estimate(len(b))},
	}, nil
}

// estimate counts tokens as people do for English: four bytes each.
func estimate(bytes int) int { return (bytes + 3) / 4 }

func (m *Model) draft(text string) (draft, error) {
	empty := draft{Decisions: []draftItem{}, Actions: []draftAction{}, Questions: []draftItem{}}
	if _, parts, ok := strings.Cut(text, "\nPart summaries:\n"); ok {
		empty.Summary = joinParts(parts)
		return empty, nil
	}
	lines := readCues(text)
	if len(lines) == 0 {
		return draft{}, agent.Errorf(agent.Invalid, "there are no numbered cues to make minutes of")
	}
	t := m.words.read(lines)
	t.settling = t.decided()
	t.calls = t.callNames()
	t.taken = t.takings()
	d := empty
	d.Summary = t.summary()
	d.Decisions = append(d.Decisions, t.decisions()...)
	d.Actions = append(d.Actions, t.actions()...)
	d.Questions = append(d.Questions, t.questions()...)
	return d, nil
}

// cueLine is one line "[12 00:03:21] Ann: text".
type cueLine struct {
	id      int
	speaker string
	text    string
}

// readCues takes the rendered cues out of a message; other lines are ignored.
func readCues(text string) []cueLine {
	var out []cueLine
	if _, after, ok := strings.Cut(text, "Transcript:\n"); ok {
		text = after
	}
	for line := range strings.SplitSeq(text, "\n") {
		if c, ok := readCue(line); ok {
			out = append(out, c)
		}
	}
	return out
}

func readCue(line string) (cueLine, bool) {
	if !strings.HasPrefix(line, "[") {
		return cueLine{}, false
	}
	head, rest, ok := strings.Cut(line[1:], "] ")
	if !ok {
		return cueLine{}, false
	}
	number, _, _ := strings.Cut(head, " ")
	id, err := strconv.Atoi(number)
	speaker, said, named := strings.Cut(rest, ": ")
	if err != nil || !named {
		return cueLine{}, false
	}
	if speaker == "(unknown)" {
		speaker = ""
	}
	return cueLine{id: id, speaker: speaker, text: said}, true
}

// joinParts makes one summary of the summaries of parts: the leading sentences
// of each, as many as fit.
func joinParts(text string) string {
	var parts [][]string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "[part ") {
			continue
		}
		if _, body, ok := strings.Cut(line, "] "); ok {
			var sentences []string
			for _, s := range splitSentences(body) {
				sentences = append(sentences, strings.TrimSpace(body[s.from:s.to]))
			}
			parts = append(parts, sentences)
		}
	}
	take := make([]int, len(parts))
	words := 0
	for round := 0; ; round++ {
		more := false
		for i, p := range parts {
			if round >= len(p) {
				continue
			}
			n := strings.Count(p[round], " ") + 1
			if words > 0 && words+n > maxSummaryWords+20 {
				continue
			}
			more = true
			words += n
			take[i] = round + 1
		}
		if !more {
			break
		}
	}
	var out []string
	for i, p := range parts {
		out = append(out, p[:take[i]]...)
	}
	return strings.Join(out, " ")
}
