package main

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/prompts"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/meetings"
	"github.com/sous-hq/sous/tools/recall"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

// catalogue lists every tool there is.
func (a *app) catalogue() (*tools.Registry, error) {
	minutes, err := prompts.Latest("minutes")
	if err != nil {
		return nil, err
	}
	text, err := minutes.Render(nil)
	if err != nil {
		return nil, err
	}
	a.meetings = meetings.ToolConfig{
		Files: a.db, Documents: a.documents,
		Summarise: meetings.Config{
			Model: a.models.chat, Fallback: a.models.own,
			Prompt: meetings.Prompt{Ref: minutes.Ref(), Text: text}, Clock: now,
		},
	}
	meeting, err := meetings.Tool(a.meetings)
	if err != nil {
		return nil, err
	}
	tracker, err := tickets.New(tickets.Config{Tracker: a.db.tracker, Now: now})
	if err != nil {
		return nil, err
	}
	route, err := a.router()
	if err != nil {
		return nil, err
	}
	remembering, err := recall.All(recall.Config{Memory: a.memory, Files: a.db, Documents: anyReader{a.documents}, Threads: threads{a.db}})
	if err != nil {
		return nil, err
	}
	var more []tools.Tool
	if a.hooks.tools != nil {
		if more, err = a.hooks.tools(); err != nil {
			return nil, err
		}
	}
	return tools.NewRegistry(slices.Concat([]tools.Tool{meeting}, tracker, route, remembering, more)...)
}

// router returns the routing tools over the teams' file.
func (a *app) router() ([]tools.Tool, error) {
	directory, err := routing.Load(a.cfg.RoutingFile)
	if err != nil {
		return nil, err
	}
	a.teams, a.teamsDigest = directory.Teams, directory.Digest
	r, err := routing.NewRouter(routing.Config{Directory: directory, Cases: a.db.cases, Now: now})
	if err != nil {
		return nil, err
	}
	return r.Tools()
}

// prompter names and renders the turn's prompt.
type prompter struct {
	cfg    config.Config
	people people.Source
}

// TurnPrompt implements loop.Prompter.
func (p prompter) TurnPrompt(t agent.Turn, now time.Time) (ref, text string, err error) {
	prompt, err := prompts.Latest("turn")
	if err != nil {
		return "", "", err
	}
	text, err = prompt.Render(map[string]any{
		"workspace": p.cfg.Workspace, "person": t.Actor.Name,
		"today": now.In(p.zone(t.Actor)).Format("Monday, 2 January 2006 (2006-01-02)"),
	})
	return prompt.Ref(), text, err
}

// zone is where the person is, as far as a directory knows: what is today for them
// may be tomorrow here.
func (p prompter) zone(by agent.Actor) *time.Location {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if who, err := p.people.Person(ctx, by.Workspace, by.ID); err == nil && who.Zone != nil {
		return who.Zone
	}
	return p.cfg.Timezone
}

// keeper remembers the minutes a turn made, with the transcript they quote.
type keeper struct{ app *app }

var _ loop.Keeper = keeper{}

// Keep implements loop.Keeper.
func (k keeper) Keep(ctx context.Context, t agent.Turn, o agent.Outcome) error {
	if o.Artifact != "minutes" {
		return nil
	}
	minutes, err := minutesOf(o)
	if err != nil {
		return err
	}
	cues, err := k.cues(ctx, t, minutes.Source)
	if err != nil {
		return err
	}
	_, err = k.app.memory.Remember(ctx, memory.FromMinutes(minutes, memory.Meeting{
		Workspace: t.Workspace, Author: t.Actor.ID, AuthorName: t.Actor.Name, Place: t.Place.ID, Where: recall.Where(t.Place),
		Label: o.Label, At: t.Created, Key: o.Call, Cues: cues,
	}))
	return err
}

// cues reads the transcript behind the minutes again. A file that is gone or
// cannot be parsed any more leaves the minutes without it.
func (k keeper) cues(ctx context.Context, t agent.Turn, source string) ([]agent.Cue, error) {
	_, request, _, err := k.app.db.Turn(ctx, t.Workspace, t.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(request.Files, func(f agent.FileRef) bool { return f.Name == source })
	if i < 0 {
		return nil, nil
	}
	f, err := k.app.db.File(ctx, t.Actor, request.Files[i].ID)
	if agent.KindOf(err) == agent.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parsed, err := k.app.meetings.Read(ctx, f.Name, f.Content)
	if err != nil {
		return nil, nil //nolint:nilerr // the minutes stand without the transcript
	}
	return parsed.Cues, nil
}

// threads shows a turn's conversation to the tools that remember it.
type threads struct{ db *stores }

// maxThread is how many messages of a conversation are remembered, the newest.
const maxThread = 1000

// Thread implements recall.Threads.
func (t threads) Thread(ctx context.Context, by agent.Actor, turn string) (string, []agent.Message, error) {
	of, request, _, err := t.db.Turn(ctx, by.Workspace, turn)
	if err != nil {
		return "", nil, err
	}
	all, err := t.db.Messages(ctx, by.Workspace, of.Conversation, maxThread)
	if err != nil {
		return "", nil, err
	}
	if i := slices.IndexFunc(all, func(m agent.Message) bool { return m.ID == request.ID }); i >= 0 {
		all = all[:i]
	}
	return of.Conversation, all, nil
}

// readAny reads a transcript in a format of subtitles, else a document.
func readAny(ctx context.Context, docs *documents.Reader, name string, content []byte) (memory.Parsed, error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".vtt", ".srt", ".sbv":
	default:
		return docs.Read(ctx, name, content)
	}
	t, err := meetings.Parse(name, content)
	if err != nil {
		return memory.Parsed{}, err
	}
	d := memory.Parsed{Format: t.Format, Title: t.Title, Warnings: t.Warnings}
	if day, err := time.Parse(time.DateOnly, t.Date); err == nil {
		d.At = day
	}
	for _, turn := range meetings.Turns(t.Cues) {
		text := turn.Text
		if turn.Speaker != "" {
			text = turn.Speaker + ": " + text
		}
		d.Blocks = append(d.Blocks, memory.Block{Text: text})
	}
	return d, nil
}
