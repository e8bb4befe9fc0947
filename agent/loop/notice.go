package loop

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// Notice is something Sous tells people of its own accord. They find it as a
// conversation of theirs, and may go on in it.
type Notice struct {
	Workspace agent.WorkspaceID
	// Key names it: the same again is told once.
	Key string
	// Conversation is where it is told, To who reads it. Other people are told in
	// another conversation.
	Conversation string
	To           []agent.ActorID
	Title, Text  string
}

// noticePrefix begins the ids of the turns that are notices.
const noticePrefix = "notice-"

func isNotice(t agent.Turn) bool {
	return t.Actor.Kind == agent.System && strings.HasPrefix(t.ID, noticePrefix)
}

// Tell stores a notice as a turn that is over. When it fails it may be told
// again: it then takes up where it was.
func (e *Effects) Tell(ctx context.Context, n Notice) error {
	if n.Workspace == "" || n.Key == "" || n.Conversation == "" || len(n.To) == 0 {
		return errors.New("a notice needs a workspace, a key, a conversation and somebody who reads it")
	}
	by := system(n.Workspace)
	place := agent.Place{ID: n.Conversation, Kind: agent.Private, Members: n.To}
	if len(n.To) == 1 {
		place.Kind = agent.DM
	}
	now := e.Clock()
	t := agent.Turn{
		ID: noticePrefix + n.Key, Workspace: n.Workspace, Conversation: n.Conversation, Place: place, Actor: by, Created: now,
		Request: noticePrefix + n.Key + "/request",
	}
	label := agent.Label{Integrity: agent.Organisation, Readers: place.Readers()}
	m := agent.Message{ID: t.Request, Conversation: t.Conversation, Turn: t.ID, Author: by, Text: n.Title, Label: tools.Scanned(label, n.Title), At: now}
	acc, err := e.Store.Accept(ctx, t, m, nil)
	if err != nil {
		return fmt.Errorf("tell: %w", err)
	}
	return e.told(ctx, acc.Turn, n.Text)
}

// told ends the turn of a notice, which nothing else may answer.
func (e *Effects) told(ctx context.Context, t agent.Turn, text string) error {
	if t.Status.Ended() {
		return nil
	}
	t.Status, t.Answer, t.Ended = agent.TurnDone, text, e.Clock()
	label := agent.Label{Integrity: agent.Organisation, Readers: t.Place.Readers()}
	answer := agent.Message{
		ID: t.ID + "/answer", Conversation: t.Conversation, Turn: t.ID, Text: text, At: t.Ended, Author: t.Actor, Label: tools.Scanned(label, text),
	}
	queued, err := e.Store.Finish(ctx, Finish{Turn: t, Answer: answer})
	if err != nil {
		return fmt.Errorf("tell: %w", err)
	}
	e.Hub.End(t, queued)
	return nil
}
