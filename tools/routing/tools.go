package routing

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

//go:embed *.md
var docs embed.FS

// timeout bounds one use; learning from all cases is part of it.
const timeout = 30 * time.Second

// maxText bounds a request, in bytes.
const maxText = 16 << 10

// Tools returns the routing tools.
func (r *Router) Tools() ([]tools.Tool, error) {
	var all []tools.Tool
	for _, declare := range []func() (tools.Tool, error){r.request, r.record, r.unrecord} {
		t, err := declare()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func spec(name string, tier agent.Tier, undo string, control ...string) (tools.Spec, error) {
	doc, err := docs.ReadFile(name + ".md")
	if err != nil {
		return tools.Spec{}, fmt.Errorf("tool %s: %w", name, err)
	}
	return tools.Spec{
		Name: name, Doc: string(doc), Tier: tier, Timeout: timeout, Class: tools.Keyed, Control: control, Undo: undo,
	}, nil
}

type requestIn struct {
	Text string `json:"text" jsonschema:"the request in the words of whoever made it"`
}

func (r *Router) request() (tools.Tool, error) {
	s, err := spec("route_request", agent.TierRead, "")
	if err != nil {
		return tools.Tool{}, err
	}
	s.Artifact = "routing"
	return tools.New(s, tools.Funcs[requestIn, Answer]{
		Check: func(_ context.Context, _ tools.Invocation, in requestIn) error { return checkText(in.Text) },
		Run: func(ctx context.Context, inv tools.Invocation, in requestIn) (Answer, error) {
			a, err := r.Route(ctx, Request{Workspace: inv.By.Workspace, Text: in.Text, Place: inv.Place.ID})
			a.Request = strings.TrimSpace(in.Text)
			return a, err
		},
		// The reasons quote words of the request, which the model took from what
		// it saw.
		Label: func(inv tools.Invocation, _ requestIn, _ Answer) agent.Label {
			l := inv.Context
			l.Integrity = min(l.Integrity, agent.Organisation)
			return l
		},
	})
}

type recordIn struct {
	Text string `json:"text" jsonschema:"the request in the words of whoever made it"`
	Team string `json:"team" jsonschema:"the name of the team it belongs to, as a person said or confirmed"`
}

type recordOut struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Team  string `json:"team"`
	label agent.Label
}

func (r *Router) record() (tools.Tool, error) {
	s, err := spec("route_record", agent.TierWrite, "Takes the case out again, so nothing is learned from it.", "team")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[recordIn, recordOut]{
		Check: func(_ context.Context, inv tools.Invocation, in recordIn) error {
			if err := member(inv); err != nil {
				return err
			}
			if _, err := r.teamNamed(in.Team); err != nil {
				return err
			}
			return checkText(in.Text)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in recordIn) (recordOut, error) {
			t, err := r.teamNamed(in.Team)
			if err != nil {
				return recordOut{}, err
			}
			c, err := r.cases.Record(ctx, write(inv), strings.TrimSpace(in.Text), t.name)
			return recordOut{c.ID, c.Text, c.Team, c.Label}, err
		},
		Label: func(_ tools.Invocation, _ recordIn, out recordOut) agent.Label { return out.label },
		Undo: func(_ recordIn, out recordOut) (string, any, bool) {
			return "route_unrecord", unrecordIn{ID: out.ID}, true
		},
	})
}

type unrecordIn struct {
	ID string `json:"id" jsonschema:"the id of the case, such as R-4"`
}

func (r *Router) unrecord() (tools.Tool, error) {
	s, err := spec("route_unrecord", agent.TierWrite, "Records the case again, under a new id.", "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[unrecordIn, recordOut]{
		Check: func(_ context.Context, inv tools.Invocation, _ unrecordIn) error { return member(inv) },
		Run: func(ctx context.Context, inv tools.Invocation, in unrecordIn) (recordOut, error) {
			c, err := r.cases.Unrecord(ctx, write(inv), in.ID)
			return recordOut{c.ID, c.Text, c.Team, c.Label}, err
		},
		Label: func(_ tools.Invocation, _ unrecordIn, out recordOut) agent.Label { return out.label },
		Undo: func(_ unrecordIn, out recordOut) (string, any, bool) {
			return "route_record", recordIn{Text: out.Text, Team: out.Team}, true
		},
	})
}

// teamNamed returns a configured team; another is Invalid.
func (r *Router) teamNamed(name string) (team, error) {
	if len(r.dir.teams) == 0 {
		return team{}, agent.Errorf(agent.Conflict, "no teams are configured; name a teams file in the settings")
	}
	t, ok := r.dir.team(name)
	if !ok {
		return team{}, agent.Errorf(agent.Invalid, "there is no team %.60q; the teams are %s", name, strings.Join(r.dir.Teams(), ", "))
	}
	return t, nil
}

func checkText(text string) error {
	switch {
	case bare(text) == "":
		return agent.Errorf(agent.Invalid, "the request has no words")
	case len(text) > maxText:
		return agent.Errorf(agent.Invalid, "the request is longer than %d KiB; give the part that says what is wanted", maxText>>10)
	}
	return nil
}

// member keeps those outside the workspace from teaching the router.
func member(inv tools.Invocation) error {
	if inv.By.Kind == agent.Member || inv.By.Kind == agent.System {
		return nil
	}
	return agent.Errorf(agent.Forbidden, "only members of the workspace can say where requests belong")
}

// write keeps the label the request was seen under; one person's words are a
// colleague's words to the next reader.
func write(inv tools.Invocation) agent.Write {
	l := inv.Context.Kept()
	l.Integrity = min(l.Integrity, agent.Organisation)
	return agent.Write{By: inv.By, Key: inv.Key, Label: l}
}
