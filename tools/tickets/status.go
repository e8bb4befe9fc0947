package tickets

import (
	"context"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type transitionIn struct {
	ID     string `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Status string `json:"status" jsonschema:"the new status: open, in_progress, done or closed"`
}

type closeIn struct {
	ID     string `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Reason string `json:"reason,omitempty" jsonschema:"why it is closed, in one line"`
}

type reopenIn struct {
	ID string `json:"id" jsonschema:"the ticket's id, such as T-12"`
}

// move is a change of status as the three tools ask for it.
type move struct {
	id     string
	to     agent.TicketStatus
	reason string
}

func (f family) transition() (tools.Tool, error) {
	return mover(f, "ticket_transition", func(in transitionIn) move {
		return move{in.ID, agent.TicketStatus(in.Status), ""}
	})
}

func (f family) close() (tools.Tool, error) {
	return mover(f, "ticket_close", func(in closeIn) move { return move{in.ID, agent.TicketClosed, in.Reason} })
}

func (f family) reopen() (tools.Tool, error) {
	return mover(f, "ticket_reopen", func(in reopenIn) move { return move{in.ID, agent.TicketOpen, ""} })
}

// mover declares a tool that changes a ticket's status. Undoing puts the status
// back that the ticket had.
func mover[In any](f family, name string, of func(In) move) (tools.Tool, error) {
	s, err := spec(name, agent.TierWrite, "Puts back the status the ticket had.", "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[In, editOut]{
		About: func(ctx context.Context, by agent.Actor, in In) ([]agent.Note, error) {
			return f.about(ctx, by, of(in).id)
		},
		Check: func(ctx context.Context, inv tools.Invocation, in In) error {
			m := of(in)
			if !m.to.Known() {
				return agent.Errorf(agent.Invalid, "there is no status %.40q; it is one of open, in_progress, done, closed", m.to)
			}
			if _, err := line("the reason", m.reason, maxSource); err != nil {
				return err
			}
			return f.exists(ctx, inv, m.id)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in In) (editOut, error) {
			m := of(in)
			return editOf(f.tracker.Transition(ctx, write(inv), m.id, m.to, m.reason))
		},
		Label: editLabel[In],
		Undo: func(_ In, out editOut) (string, any, bool) {
			return "ticket_transition", transitionIn{ID: out.ID, Status: string(out.Was)}, out.Changed
		},
	})
}
