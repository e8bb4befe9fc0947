package feedback_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/feedback"
)

func TestWhoMayRateWhatAndHow(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	ann := agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member, Name: "Ann"}
	turn := agent.Turn{ID: "t", Workspace: "w", Place: agent.Place{Kind: agent.DM, Members: []agent.ActorID{"ann"}}, Status: agent.TurnDone, Model: "m", Prompt: "p"}
	got, err := feedback.New(ann, turn, feedback.Opinion{Reasons: []feedback.Reason{feedback.Wrong, feedback.Incomplete, feedback.Wrong}, Text: " the date \x00"}, now)
	if err != nil || got.Verdict() != "bad" || len(got.Reasons) != 2 || got.Text != "the date" || got.Model != "m" || got.By != "ann" {
		t.Errorf("rated %+v, %v", got, err)
	}
	running := turn
	running.Status = agent.TurnRunning
	for name, c := range map[string]struct {
		by   agent.Actor
		turn agent.Turn
		say  feedback.Opinion
		want agent.Kind
	}{
		"somebody who may not see it": {agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}, turn, feedback.Opinion{}, agent.NotFound},
		"another workspace":           {agent.Actor{Workspace: "v", ID: "ann", Kind: agent.Member}, turn, feedback.Opinion{}, agent.NotFound},
		"nobody":                      {agent.Actor{Workspace: "w"}, turn, feedback.Opinion{}, agent.NotFound},
		"before the answer":           {ann, running, feedback.Opinion{}, agent.Conflict},
		"a reason of one's own":       {ann, turn, feedback.Opinion{Reasons: []feedback.Reason{"ugly"}}, agent.Invalid},
		"a novel":                     {ann, turn, feedback.Opinion{Text: strings.Repeat("é", feedback.MaxText+1)}, agent.Invalid},
	} {
		if _, err := feedback.New(c.by, c.turn, c.say, now); err == nil || agent.KindOf(err) != c.want {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
}
