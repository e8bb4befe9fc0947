package slack

import (
	"fmt"
	"slices"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// maxTasks is how many steps of a turn are shown one by one.
const maxTasks = 25

// task is one call of a turn as its plan shows it.
type task struct {
	id, title, detail string
	status            slack.TaskCardStatus
	// sent says that the stream shows it as it is.
	sent bool
}

// taskOf is the task of a step.
func taskOf(id string, step agent.Step) task {
	t := task{id: id, title: clip(toolTitle(step.Tool), 120), status: taskStatus(step.Status)}
	if t.status == slack.TaskCardStatusError {
		t.detail = clip(visible(step.Detail), 200)
	}
	return t
}

// taskStatus is what became of a call, in Slack's words. A call that waits for a
// person is not done; the card beside it says what it waits for.
func taskStatus(status string) slack.TaskCardStatus {
	switch status {
	case agent.Done.String():
		return slack.TaskCardStatusComplete
	case "running":
		return slack.TaskCardStatusInProgress
	case agent.Waiting.String():
		return slack.TaskCardStatusPending
	}
	return slack.TaskCardStatusError
}

// note takes a call's beginning or end into the plan that is streamed.
func (s *stream) note(ev loop.Event) {
	if ev.Call == "" || ev.Step == nil || ev.Step.Kind != "call" {
		return
	}
	if s.began.IsZero() {
		s.began = s.Clock()
	}
	if ev.Type == loop.EventCall {
		s.quiet = false
	}
	t := taskOf(ev.Call, *ev.Step)
	i := slices.IndexFunc(s.tasks, func(o task) bool { return o.id == t.id })
	switch {
	case i >= 0:
		s.tasks[i] = t
	case len(s.tasks) < maxTasks:
		s.tasks = append(s.tasks, t)
	}
}

// chunks are what the stream does not show yet: tasks that moved and a piece of text.
func (s *stream) chunks(piece string) []slack.StreamChunk {
	var all []slack.StreamChunk
	if slices.ContainsFunc(s.tasks, func(t task) bool { return !t.sent }) {
		all = append(all, slack.NewPlanUpdateChunk(planTitle(s.tasks)))
	}
	for _, t := range s.tasks {
		if !t.sent {
			c := slack.NewTaskUpdateChunk(t.id, t.title)
			c.Status, c.Details = t.status, t.detail
			all = append(all, c)
		}
	}
	if piece != "" {
		all = append(all, slack.NewMarkdownTextChunk(piece))
	}
	return all
}

// forgetTasks leaves the tasks to be shown anew, by another message.
func (s *stream) forgetTasks() {
	for i := range s.tasks {
		s.tasks[i].sent = false
	}
}

func (s *stream) tasksSent() {
	for i := range s.tasks {
		s.tasks[i].sent = true
	}
}

// planTitle says how far the tasks are.
func planTitle(all []task) string {
	done, wrong := 0, 0
	for _, t := range all {
		switch t.status {
		case slack.TaskCardStatusComplete:
			done++
		case slack.TaskCardStatusError:
			wrong++
		case slack.TaskCardStatusPending, slack.TaskCardStatusInProgress:
		}
	}
	title := plural(len(all), "step")
	if done < len(all) {
		title = fmt.Sprintf("%d of %s done", done, title)
	}
	if wrong > 0 {
		title += fmt.Sprintf(", %d failed", wrong)
	}
	return title
}

// planBlock is what a turn did, step by step, above its answer; nil when it did
// nothing but answer.
func planBlock(steps []agent.Step) slack.Block {
	var all []task
	var cards []*slack.TaskCardBlock
	for _, step := range steps {
		if step.Kind != "call" || len(all) >= maxTasks {
			continue
		}
		t := taskOf(fmt.Sprintf("step-%d", step.N), step)
		all = append(all, t)
		c := slack.NewTaskCardBlock(t.id, t.title).WithStatus(t.status)
		if t.detail != "" {
			c.WithDetails(slack.NewRichTextBlock("", slack.NewRichTextSection(slack.NewRichTextSectionTextElement(t.detail, nil))))
		}
		cards = append(cards, c)
	}
	if len(all) == 0 {
		return nil
	}
	return slack.NewPlanBlock(planTitle(all)).WithTasks(cards...)
}

// answerBlocks are one piece of an answer with, before the first, what was done for
// it and, after the last, what people think of it. simple is the same of parts that
// every Slack takes; none means that the text says it all.
func answerBlocks(piece string, plan slack.Block, turn string) (blocks, simple []slack.Block) {
	if plan == nil && turn == "" {
		return nil, nil
	}
	var body []slack.Block
	for _, p := range split(piece, maxSection-100) {
		body = append(body, slack.NewSectionBlock(mark(p), nil, nil, slack.SectionBlockOptionExpand(true)))
	}
	if plan != nil {
		blocks = append(blocks, plan)
	}
	blocks, simple = append(blocks, body...), slices.Clone(body)
	if turn != "" {
		blocks, simple = append(blocks, feedbackBlock(turn)), append(simple, feedbackButtons(turn))
	}
	return blocks, simple
}
