package meetings

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/plaintext"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

//go:embed meeting_minutes.md
var minutesDoc string

// ToolName is the name of the tool; ArtifactKind is under what its result is
// kept in a turn.
const (
	ToolName     = "meeting_minutes"
	ArtifactKind = "minutes"
)

// toolTimeout covers a long meeting in parts at a slow model.
const toolTimeout = 5 * time.Minute

// Files gives stored files to those who may read them.
type Files interface {
	// File returns the file with its content. The error is of kind NotFound
	// when there is none or the actor may not read it.
	File(ctx context.Context, by agent.Actor, id string) (agent.File, error)
}

// Documents reads files that word processors make; its errors say for people why
// one cannot be read.
type Documents interface {
	Read(ctx context.Context, name string, content []byte) (memory.Parsed, error)
}

// ToolConfig is what the tool needs; Files and Summarise are required.
type ToolConfig struct {
	Files Files
	// Documents, when set, reads transcripts that are DOCX or PDF.
	Documents Documents
	Summarise Config
	Options   Options
}

type minutesIn struct {
	File  string `json:"file" jsonschema:"id of the stored transcript file"`
	Title string `json:"title,omitempty" jsonschema:"title of the meeting, if the person gave one"`
	Date  string `json:"date,omitempty" jsonschema:"day of the meeting as YYYY-MM-DD, if the person gave one"`
}

// Result is what the tool returns: the minutes, with how they came about.
type Result struct {
	agent.Minutes
	// File is the id of the transcript.
	File string `json:"file"`
	// Degraded says why another model than the first choice wrote the draft.
	Degraded string `json:"degraded,omitempty"`
	// Warnings are sentences for people.
	Warnings []string `json:"warnings,omitempty"`

	label agent.Label
}

// Tool declares meeting_minutes. It reads one file and changes nothing; its
// result has the file's label.
func Tool(c ToolConfig) (tools.Tool, error) {
	if c.Files == nil || c.Summarise.Model == nil || c.Summarise.Clock == nil || c.Summarise.Prompt.Ref == "" {
		return tools.Tool{}, errors.New("meeting_minutes: files, model, prompt and clock are required")
	}
	return tools.New(tools.Spec{
		Name: ToolName, Doc: minutesDoc, Tier: agent.TierRead, Timeout: toolTimeout,
		Class: tools.Keyed, Control: []string{"file"}, Artifact: ArtifactKind,
	}, tools.Funcs[minutesIn, Result]{
		Check: func(_ context.Context, _ tools.Invocation, in minutesIn) error { return in.check() },
		Run:   c.run,
		Label: func(_ tools.Invocation, _ minutesIn, out Result) agent.Label { return out.label },
	})
}

func (in minutesIn) check() error {
	switch {
	case strings.TrimSpace(in.File) == "":
		return agent.Errorf(agent.Invalid, "file is empty; name the transcript by the id of its file")
	case in.Date != "" && !validDate(in.Date):
		return agent.Errorf(agent.Invalid, "date must be a day such as 2026-03-01")
	case len(in.Title) > 300:
		return agent.Errorf(agent.Invalid, "title is longer than 300 bytes")
	}
	return nil
}

func (c ToolConfig) run(ctx context.Context, inv tools.Invocation, in minutesIn) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	f, err := c.Files.File(ctx, inv.By, in.File)
	if err != nil {
		return Result{}, err
	}
	t, err := c.Read(ctx, f.Name, f.Content)
	if err != nil {
		return Result{}, err
	}
	if title := oneLine(in.Title); title != "" {
		t.Title = title
	}
	if in.Date != "" {
		t.Date = in.Date
	}
	m, report, err := Summarise(ctx, c.Summarise, t)
	if inv.Used != nil {
		inv.Used(report.Model, report.Usage)
	}
	if err != nil {
		return Result{}, err
	}
	label := f.Label.Kept()
	if oneLine(in.Title) != "" {
		// The words are the model's, who made them from what it saw.
		label = label.Join(inv.Context.Kept())
	}
	return Result{Minutes: m, File: in.File, Degraded: report.Degraded, Warnings: report.Warnings, label: label}, nil
}

// Read reads a transcript as Parse does, and one that is a document through
// Documents.
func (c ToolConfig) Read(ctx context.Context, name string, content []byte) (Transcript, error) {
	if k := plaintext.KindOf(content); c.Documents == nil || !k.Zip && !k.PDF && !k.OLE {
		return c.Options.Parse(name, content)
	}
	d, err := c.Documents.Read(ctx, name, content)
	if err != nil {
		return Transcript{}, fmt.Errorf("read transcript: %w", err)
	}
	t, err := c.Options.Parse(name, []byte(d.Text()))
	t.Warnings = append(t.Warnings, d.Warnings...)
	return t, err
}
