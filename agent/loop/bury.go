package loop

import (
	"context"
	"fmt"

	"github.com/sous-hq/sous/agent"
)

// Letters are the turns that stand still until somebody looks at them.
type Letters interface {
	// Bury sets a turn aside, in one transaction with its audit row: it waits, says
	// the answer, and is nobody's. On an ended turn it is a no-op.
	Bury(ctx context.Context, ws agent.WorkspaceID, id string, s Stuck, answer string) error
	// Revive has a turn that was set aside run again, carried by ReplicaOf(ctx), with
	// an audit row of the actor. It is a Conflict when the turn is not stuck.
	Revive(ctx context.Context, by agent.Actor, id string) error
	// FindTurns lists turns, newest first.
	FindTurns(ctx context.Context, ws agent.WorkspaceID, f TurnFilter) ([]Listed, error)
}

// TurnFilter selects turns; empty fields select all.
type TurnFilter struct {
	ID       string
	Statuses []agent.TurnStatus
	// Stuck selects those that were set aside.
	Stuck bool
	// Limit keeps the newest; 0 for as many as the store returns at once.
	Limit int
}

// Listed is a turn as those who look after Sous see it.
type Listed struct {
	agent.Turn
	// Stuck is why it was set aside, nil when it was not.
	Stuck *Stuck `json:"stuck,omitempty"`
	// Carrier is the process that has it, "" for none, and Tries how many ended
	// while they ran it.
	Carrier string `json:"carrier,omitempty"`
	Tries   int    `json:"tries,omitempty"`
	// Steps counts the steps in its journal.
	Steps int `json:"journal,omitempty"`
}

// rest makes a turn wait that was set aside, run again, and has nothing to do yet.
func (e *Effects) rest(ctx context.Context, in Start) (struct{}, error) {
	t, _, _, err := e.turn(ctx, in)
	if err != nil {
		return struct{}{}, err
	}
	if err := e.status(ctx, in, t, agent.TurnWaiting); err != nil {
		return struct{}{}, err
	}
	t.Status = agent.TurnWaiting
	e.Hub.Park(t)
	return struct{}{}, nil
}

// bury sets a turn aside and tells whoever asked.
func (e *Effects) bury(ctx context.Context, b Burial) (struct{}, error) {
	t, _, _, err := e.turn(ctx, b.Start)
	if err != nil {
		return struct{}{}, err
	}
	answer := fmt.Sprintf("I cannot go on with this. %s I tried %d times. It is set aside until somebody who looks after Sous has looked at it; what I did until now stands in the record.", b.Reason, b.Tries)
	if err := e.Store.Bury(ctx, t.Workspace, t.ID, b.Stuck, answer); err != nil {
		return struct{}{}, err
	}
	t.Status, t.Answer = agent.TurnWaiting, answer
	// Whoever stopped it while it was about to be set aside is not kept waiting.
	if s, told, err := e.toldToStop(ctx, t); err != nil || told {
		if err != nil {
			return struct{}{}, err
		}
		by, err := e.known(ctx, agent.Actor{Workspace: t.Workspace, ID: s.By})
		if err != nil {
			by = agent.Actor{Workspace: t.Workspace, ID: s.By}
		}
		return struct{}{}, e.endAside(ctx, by, t, b.Stuck)
	}
	e.Hub.Publish(Event{Turn: t.ID, Type: EventStatus, Status: t.Status.String(), At: e.Clock()})
	e.Hub.Park(t)
	return struct{}{}, nil
}
