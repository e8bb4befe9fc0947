package meetings_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/meetings"
	"github.com/sous-hq/sous/tools/toolstest"
)

// shelf holds files that Ann alone may read.
type shelf map[string]agent.File

func (s shelf) File(_ context.Context, by agent.Actor, id string) (agent.File, error) {
	f, ok := s[id]
	if !ok || !f.Label.Readers.Includes(by) {
		return agent.File{}, agent.Errorf(agent.NotFound, "there is no file %s", id)
	}
	return f, nil
}

func executor(t *testing.T, m model.Model) (*toolstest.Executor, agent.Label) {
	label := agent.Label{Readers: agent.Only("ann"), Scanned: true, Sources: []string{"file f1"}}
	files := shelf{
		"f1": {FileRef: agent.FileRef{ID: "f1", Name: "zoom.vtt"}, Label: label, Content: read(t, "zoom.vtt")},
		"f2": {FileRef: agent.FileRef{ID: "f2", Name: "x.png"}, Label: label, Content: []byte("\x89PNG....")},
	}
	cfg := config(m)
	cfg.Fallback = builtin.New()
	tool, err := meetings.Tool(meetings.ToolConfig{Files: files, Summarise: cfg})
	if err != nil {
		t.Fatal(err)
	}
	return toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool}, nil)), label
}

func TestTheToolKeepsTheConventions(t *testing.T) {
	tool, err := meetings.Tool(meetings.ToolConfig{Files: shelf{}, Summarise: config(builtin.New())})
	if err != nil {
		t.Fatal(err)
	}
	if c := toolstest.Complaints(tool); len(c) > 0 {
		t.Errorf("%q", c)
	}
	if _, err := meetings.Tool(meetings.ToolConfig{}); err == nil {
		t.Error("a tool without files was declared")
	}
}

func TestTheToolReturnsMinutesUnderTheFilesLabel(t *testing.T) {
	e, label := executor(t, builtin.New())
	var got meetings.Result
	o := e.Done("meeting_minutes", map[string]any{"file": "f1", "title": "Launch", "date": "2024-05-15"}, &got)
	if !reflect.DeepEqual(o.Label, label) {
		t.Errorf("label = %+v; want the file's", o.Label)
	}
	if got.Title != "Launch" || got.Date != "2024-05-15" || got.File != "f1" || len(got.Actions) == 0 || got.Degraded != "" {
		t.Errorf("result = %+v", got)
	}
	if due := val(got.Actions[0].Due); due != "2024-05-17" {
		t.Errorf("the given date moves Friday: due %s", due)
	}
}

func TestTheToolRefusesWhatItCannotRead(t *testing.T) {
	e, _ := executor(t, builtin.New())
	for _, c := range []struct {
		args map[string]any
		kind agent.Kind
		says string
	}{
		{map[string]any{"file": "nope"}, agent.NotFound, "no file"},
		{map[string]any{"file": "f2"}, agent.Invalid, "picture"},
		{map[string]any{"file": ""}, agent.Invalid, "empty"},
		{map[string]any{"file": "f1", "date": "May"}, agent.Invalid, "2026-03-01"},
		{map[string]any{}, agent.Invalid, "file"},
	} {
		o := e.Do("meeting_minutes", c.args)
		if o.Status != agent.Failed || o.Kind != c.kind.String() || !strings.Contains(o.Error, c.says) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
	e.Actor.ID = "eve"
	if o := e.Do("meeting_minutes", map[string]any{"file": "f1"}); o.Kind != agent.NotFound.String() {
		t.Errorf("somebody else's file: %+v", o)
	}
}

func TestTheFallbackTakesOverFromAModelThatCannot(t *testing.T) {
	e, _ := executor(t, &scripted{answer: func(int, model.Request) (model.Response, error) {
		return model.Response{Text: "lovely weather"}, nil
	}})
	var got meetings.Result
	e.Done("meeting_minutes", map[string]any{"file": "f1"}, &got)
	if got.Model != "built-in" || !strings.Contains(got.Degraded, "scripted could not") {
		t.Errorf("model %q, degraded %q", got.Model, got.Degraded)
	}
}

// TestATitleCarriesWhatItWasMadeFrom: the title is the model's, who may have been
// told to put into it what only Ann may read; the file is everybody's.
func TestATitleCarriesWhatItWasMadeFrom(t *testing.T) {
	everybody := agent.Label{Readers: agent.Readers{Scope: agent.WholeWorkspace}, Scanned: true, Sources: []string{"file f1"}}
	files := shelf{"f1": {FileRef: agent.FileRef{ID: "f1", Name: "zoom.vtt"}, Label: everybody, Content: read(t, "zoom.vtt")}}
	tool, err := meetings.Tool(meetings.ToolConfig{Files: files, Summarise: config(builtin.New())})
	e := toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool}, err))
	e.Context = agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann"), Scanned: true, Data: []string{"hr"}}
	o := e.Done("meeting_minutes", map[string]any{"file": "f1", "title": "Ann earns 90,000"}, nil)
	if o.Label.Readers.Includes(agent.Actor{ID: "bob", Kind: agent.Member}) || !slices.Contains(o.Label.Data, "hr") {
		t.Errorf("what only Ann may read is labelled %+v", o.Label)
	}
	if o := e.Done("meeting_minutes", map[string]any{"file": "f1"}, nil); !reflect.DeepEqual(o.Label, everybody) {
		t.Errorf("minutes of the file alone are labelled %+v", o.Label)
	}
}
