package tickets

import (
	"context"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type commentIn struct {
	ID   string `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Body string `json:"body" jsonschema:"what to say on the ticket"`
}

type commentOut struct {
	ID      string `json:"id"`
	Comment int    `json:"comment"`
	URL     string `json:"url,omitempty"`
	label   agent.Label
}

func (f family) comment() (tools.Tool, error) {
	s, err := spec("ticket_comment", agent.TierWrite, "Marks the comment as retracted; its words stay readable.", "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[commentIn, commentOut]{
		About: func(ctx context.Context, by agent.Actor, in commentIn) ([]agent.Note, error) {
			return f.about(ctx, by, in.ID)
		},
		Check: func(ctx context.Context, inv tools.Invocation, in commentIn) error {
			switch {
			case strings.TrimSpace(in.Body) == "":
				return agent.Errorf(agent.Invalid, "the comment is empty")
			case len(in.Body) > maxBody:
				return agent.Errorf(agent.Invalid, "the comment is longer than %d KiB", maxBody>>10)
			}
			return f.exists(ctx, inv, in.ID)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in commentIn) (commentOut, error) {
			c, err := f.tracker.Comment(ctx, write(inv), in.ID, strings.TrimSpace(in.Body))
			if err != nil {
				return commentOut{}, err
			}
			t, err := f.tracker.Ticket(ctx, inv.By.Workspace, in.ID)
			return commentOut{ID: t.ID, Comment: c.N, URL: t.URL, label: c.Label}, afterwards(err)
		},
		Label: func(_ tools.Invocation, _ commentIn, out commentOut) agent.Label { return out.label },
		Undo: func(_ commentIn, out commentOut) (string, any, bool) {
			return "ticket_comment_retract", retractIn{ID: out.ID, Comment: out.Comment}, true
		},
	})
}

// afterwards is the error of a reading after something was written: whatever
// its kind, it does not mean that nothing happened.
func afterwards(err error) error {
	if err == nil {
		return nil
	}
	return agent.WrapError(agent.Unavailable, err, "The tracker took the change and could not be read afterwards.")
}

type retractIn struct {
	ID      string `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Comment int    `json:"comment" jsonschema:"the number of the comment on that ticket"`
	Restore bool   `json:"restore,omitempty" jsonschema:"true takes the retraction back"`
}

type retractOut struct {
	ID        string `json:"id"`
	Comment   int    `json:"comment"`
	Retracted bool   `json:"retracted"`
	// Changed is false when the comment was so already.
	Changed bool `json:"changed"`
	label   agent.Label
}

func (f family) retract() (tools.Tool, error) {
	s, err := spec("ticket_comment_retract", agent.TierWrite, "Takes the mark away again, or puts it back.", "id", "comment")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[retractIn, retractOut]{
		About: func(ctx context.Context, by agent.Actor, in retractIn) ([]agent.Note, error) {
			return f.about(ctx, by, in.ID)
		},
		Check: func(ctx context.Context, inv tools.Invocation, in retractIn) error {
			return f.exists(ctx, inv, in.ID)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in retractIn) (retractOut, error) {
			c, changed, err := f.tracker.Retract(ctx, write(inv), in.ID, in.Comment, !in.Restore)
			return retractOut{ID: in.ID, Comment: c.N, Retracted: c.Retracted, Changed: changed, label: c.Label}, err
		},
		Label: func(_ tools.Invocation, _ retractIn, out retractOut) agent.Label { return out.label },
		Undo: func(in retractIn, out retractOut) (string, any, bool) {
			return "ticket_comment_retract", retractIn{ID: in.ID, Comment: in.Comment, Restore: !in.Restore}, out.Changed
		},
	})
}

type assignIn struct {
	ID       string `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Assignee string `json:"assignee" jsonschema:"the person who is to do it; empty takes it from whoever has it"`
}

func (f family) assign() (tools.Tool, error) {
	s, err := spec("ticket_assign", agent.TierWrite, "Gives the ticket back to whoever had it.", "id", "assignee")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[assignIn, editOut]{
		About: func(ctx context.Context, by agent.Actor, in assignIn) ([]agent.Note, error) {
			return f.about(ctx, by, in.ID)
		},
		Check: func(ctx context.Context, inv tools.Invocation, in assignIn) error {
			if _, err := line("the assignee", in.Assignee, maxName); err != nil {
				return err
			}
			return f.exists(ctx, inv, in.ID)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in assignIn) (editOut, error) {
			return editOf(f.tracker.Assign(ctx, write(inv), in.ID, strings.TrimSpace(in.Assignee)))
		},
		Label: editLabel[assignIn],
		Undo: func(_ assignIn, out editOut) (string, any, bool) {
			return "ticket_assign", assignIn{ID: out.ID, Assignee: out.before.Assignee}, out.Changed
		},
	})
}

type labelIn struct {
	ID     string   `json:"id" jsonschema:"the ticket's id, such as T-12"`
	Add    []string `json:"add,omitempty" jsonschema:"labels to add, in lower case"`
	Remove []string `json:"remove,omitempty" jsonschema:"labels to take away"`
}

func (f family) label() (tools.Tool, error) {
	s, err := spec("ticket_label", agent.TierWrite, "Takes the added labels away and puts the removed ones back.", "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[labelIn, editOut]{
		About: func(ctx context.Context, by agent.Actor, in labelIn) ([]agent.Note, error) {
			return f.about(ctx, by, in.ID)
		},
		Check: func(ctx context.Context, inv tools.Invocation, in labelIn) error {
			if _, _, err := in.sets(); err != nil {
				return err
			}
			return f.exists(ctx, inv, in.ID)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in labelIn) (editOut, error) {
			add, remove, err := in.sets()
			if err != nil {
				return editOut{}, err
			}
			return editOf(f.tracker.Label(ctx, write(inv), in.ID, add, remove))
		},
		Label: editLabel[labelIn],
		Undo: func(_ labelIn, out editOut) (string, any, bool) {
			return "ticket_label", labelIn{
				ID: out.ID, Add: without(out.before.Labels, out.Labels), Remove: without(out.Labels, out.before.Labels),
			}, out.Changed
		},
	})
}

func (in labelIn) sets() (add, remove []string, err error) {
	if len(in.Add)+len(in.Remove) == 0 {
		return nil, nil, agent.Errorf(agent.Invalid, "name at least one label to add or to remove")
	}
	if add, err = labels(in.Add); err != nil {
		return nil, nil, err
	}
	if remove, err = labels(in.Remove); err != nil {
		return nil, nil, err
	}
	for _, l := range add {
		if slices.Contains(remove, l) {
			return nil, nil, agent.Errorf(agent.Invalid, "the label %q is to be added and removed", l)
		}
	}
	return add, remove, nil
}

// without returns the values of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(v string) bool { return slices.Contains(b, v) })
}
