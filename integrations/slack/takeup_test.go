package slack_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// A turn may take long, and a process end between its end and its answer's post, with
// any number of others asked meanwhile.
func TestAnAnswerThatWasNotPostedIsHoweverManyWereAskedSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		dm := w.slack.DM(ann)
		root, _, _ := w.slack.Mention(ann, dm, "slowly")
		ended := func(id, conversation string) {
			t.Helper()
			by := agent.Actor{Workspace: "w", ID: w.actor(ann), Kind: agent.Member}
			turn := agent.Turn{ID: id, Workspace: "w", Conversation: conversation, Actor: by, Place: agent.Place{ID: dm, Kind: agent.DM, Members: []agent.ActorID{by.ID}}}
			must[loop.Acceptance](t)(p.db.Accept(t.Context(), turn, agent.Message{ID: "m-" + id, Author: by, Text: "slowly"}, nil))
			turn.Status, turn.Answer = agent.TurnDone, "It is done at last."
			_, err := p.db.Finish(t.Context(), loop.Finish{Turn: turn, Answer: agent.Message{
				ID: loop.AnswerID(id), Text: turn.Answer, Author: agent.Actor{Workspace: "w", ID: "sous", Kind: agent.System},
				Label: agent.Label{Readers: agent.Only(by.ID)},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		id := "slack-" + w.slack.Team + "-" + dm + "-" + root
		ended(id, id)
		for i := range 120 {
			ended(fmt.Sprint("web-", i), fmt.Sprint("web-", i))
		}
		p.stop()
		w.start(t)
		w.reply(t, dm, root, "It is done at last.")
		if n := w.answers(dm, root); n != 1 {
			t.Errorf("%d answers", n)
		}
	})
}
