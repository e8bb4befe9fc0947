package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// Personal is what people may ask of Sous about themselves.
type Personal interface {
	// Remembered lists what Sous remembers that this person had it remember, newest
	// first and at most limit, and how much that is in all.
	Remembered(ctx context.Context, by agent.Actor, limit int) (all []Remembered, total int, err error)
	// ForgetItem takes one of them out.
	ForgetItem(ctx context.Context, by agent.Actor, id string) error
	// Export is all that is held about the person, as JSON.
	Export(ctx context.Context, by agent.Actor) ([]byte, error)
	// Erase takes it all out, or with dry counts it, by kind. elsewhere names the
	// copies Sous cannot reach.
	Erase(ctx context.Context, by agent.Actor, dry bool) (counts map[string]int64, elsewhere []string, err error)
}

// Remembered is one thing Sous remembers.
type Remembered struct {
	ID, Title, Kind string
	At              time.Time
}

// System is something Sous works with, and how it is.
type System struct {
	Name string
	// State is "ok", "off" or "bad".
	State, Text string
}

// The buttons of the home tab.
const (
	actForget = "sous_forget"
	actExport = "sous_export"
	actErase  = "sous_erase"

	modalErase = "sous_erase_modal"
)

// How much of each the home tab lists. Slack takes 100 blocks.
const (
	homeApprovals = 8
	homeRequests  = 6
	homeMemories  = 6
)

// Home is what a person's home tab shows.
type Home struct {
	Status, Pages string
	// Mine wait for this person, Others for somebody else.
	Mine, Others []approval.Approval
	// Requests are this person's that are not answered yet.
	Requests []HomeRequest
	// Memories are the newest things remembered, of Total. Known says that it could
	// be found out at all.
	Memories []Remembered
	Total    int
	Known    bool
	Systems  []System
}

// HomeRequest is a request that is under way.
type HomeRequest struct {
	Text, URL string
	Status    agent.TurnStatus
	At        time.Time
}

// HomeView is the app's home tab of one person.
func HomeView(h Home) slack.HomeTabViewRequest {
	blocks := []slack.Block{header("Sous")}
	if h.Status != "" {
		blocks = append(blocks, small(escape(h.Status)))
	}
	blocks = append(blocks, section("Write to me in the *Messages* tab, or mention me in a channel. Drop a transcript (VTT, SRT or text) and I write the minutes."))
	blocks = append(blocks, homeDecisions(h)...)
	blocks = append(blocks, homeRequestBlocks(h)...)
	blocks = append(blocks, homeMemory(h)...)
	blocks = append(blocks, homeSystems(h.Systems)...)
	last := []slack.BlockElement{button(actHome, "refresh", "Refresh", slack.StyleDefault)}
	if strings.HasPrefix(h.Pages, "http") {
		open := button("sous_pages", "", "Open the web chat", slack.StyleDefault)
		open.URL = h.Pages
		last = append(last, open)
	}
	blocks = append(blocks, slack.NewDividerBlock(), slack.NewActionBlock("home-last", last...))
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, CallbackID: actHome, Blocks: slack.Blocks{BlockSet: blocks}}
}

func homeDecisions(h Home) []slack.Block {
	blocks := []slack.Block{slack.NewDividerBlock(), section(fmt.Sprintf("*Waiting for you: %d*", len(h.Mine)))}
	for _, a := range h.Mine[:min(len(h.Mine), homeApprovals)] {
		blocks = append(blocks, homeItem(a, true)...)
	}
	blocks = append(blocks, left(len(h.Mine), homeApprovals)...)
	if len(h.Others) == 0 {
		return blocks
	}
	blocks = append(blocks, slack.NewDividerBlock(), section(fmt.Sprintf("*Waiting for others: %d*", len(h.Others))))
	for _, a := range h.Others[:min(len(h.Others), homeApprovals)] {
		blocks = append(blocks, homeItem(a, false)...)
	}
	return append(blocks, left(len(h.Others), homeApprovals)...)
}

// left says how many are not listed.
func left(n, most int) []slack.Block {
	if n <= most {
		return nil
	}
	return []slack.Block{small(fmt.Sprintf("%d more.", n-most))}
}

func homeRequestBlocks(h Home) []slack.Block {
	if len(h.Requests) == 0 {
		return nil
	}
	blocks := []slack.Block{slack.NewDividerBlock(), section(fmt.Sprintf("*Your requests under way: %d*", len(h.Requests)))}
	for _, r := range h.Requests[:min(len(h.Requests), homeRequests)] {
		text := escape(clip(or(oneLine(visible(r.Text)), "a request"), 120))
		if r.URL != "" {
			text = "<" + escape(r.URL) + "|" + strings.ReplaceAll(text, "|", "/") + ">"
		}
		state := map[agent.TurnStatus]string{agent.TurnQueued: "waits for the one before it", agent.TurnRunning: "is being worked on", agent.TurnWaiting: "waits for a person"}[r.Status]
		blocks = append(blocks, small(text+" — "+state+", since "+when(r.At)))
	}
	return append(blocks, left(len(h.Requests), homeRequests)...)
}

func homeMemory(h Home) []slack.Block {
	if !h.Known {
		return nil
	}
	blocks := []slack.Block{slack.NewDividerBlock(), section(fmt.Sprintf("*What I remember of you: %s*\nYou told me these or had me remember them. Nobody is shown what they could not read where it was said.", plural(h.Total, "thing")))}
	for _, m := range h.Memories[:min(len(h.Memories), homeMemories)] {
		text := escape(clip(or(oneLine(visible(m.Title)), "untitled"), 150)) + "\n_" + escape(m.Kind) + ", " + when(m.At) + "_"
		forget := button(actForget, m.ID, "Forget", slack.StyleDefault)
		forget.Confirm = slack.NewConfirmationBlockObject(plain("Forget this?"), plain("I will not recall it any more."), plain("Forget"), plain("Back"))
		blocks = append(blocks, slack.NewSectionBlock(mark(text), nil, slack.NewAccessory(forget)))
	}
	blocks = append(blocks, left(h.Total, min(len(h.Memories), homeMemories))...)
	return append(blocks, slack.NewActionBlock("home-privacy",
		button(actExport, "all", "Export all you hold on me", slack.StyleDefault), button(actErase, "all", "Erase all about me…", slack.StyleDanger)))
}

func homeSystems(all []System) []slack.Block {
	if len(all) == 0 {
		return nil
	}
	var lines []string
	for _, s := range all[:min(len(all), 15)] {
		sign := map[string]string{"ok": ":white_check_mark:", "bad": ":x:"}[s.State]
		lines = append(lines, strings.TrimSpace(or(sign, "–")+" *"+escape(s.Name)+"* — "+escape(clip(visible(s.Text), 160))))
	}
	return []slack.Block{slack.NewDividerBlock(), section("*What I work with*\n" + strings.Join(lines, "\n"))}
}

// homeItem is an approval on the home tab: short, so a yes is given on the card.
func homeItem(a approval.Approval, mine bool) []slack.Block {
	line := "*" + escape(toolTitle(a.Call.Tool)) + "* asked by " + person(a.Call.Actor.ID, a.Call.Actor.Name) + ", expires " + when(a.Expires) + "  ·  " + a.ID
	blocks := []slack.Block{section(line)}
	if args, ok := arguments(a.Call.Args, a.Marked); ok {
		var short []string
		for _, arg := range args {
			if arg.Value != "" && len(short) < 4 {
				short = append(short, escape(clip(visible(arg.Name), 40))+": "+escape(clip(oneLine(visible(arg.Value)), 120)))
			}
		}
		if len(short) > 0 {
			blocks = append(blocks, small(strings.Join(short, "\n")))
		}
	}
	if mine {
		blocks = append(blocks, slack.NewActionBlock("home-"+a.ID, button(actHome, a.ID, "Show the card", slack.StylePrimary)))
	}
	return blocks
}

// home publishes a person's home tab; with an approval's id it posts that card to
// them as well.
func (b *Bot) home(ctx context.Context, by agent.Actor, user, show string) error {
	h := b.homeOf(ctx, by)
	for _, a := range h.Mine {
		if a.ID != show {
			continue
		}
		dm, err := b.people.dm(ctx, user)
		if err != nil {
			return err
		}
		if _, err := b.post.once(ctx, post{channel: dm, key: fmt.Sprintf("shown/%s/%d", show, b.Clock().UnixNano()), text: cardText(a), blocks: Card(a)}); err != nil {
			return err
		}
	}
	return b.post.again(ctx, func() error {
		_, err := b.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: user, View: HomeView(h)})
		return err
	})
}

// homeOf gathers what a person's home tab shows. What cannot be found out is left
// out rather than the tab.
func (b *Bot) homeOf(ctx context.Context, by agent.Actor) Home {
	h := Home{Status: b.Status(), Pages: b.Pages}
	var wrong []error
	var err error
	h.Mine, err = b.Decisions.Queue(ctx, by)
	wrong = append(wrong, err)
	pending, err := b.Decisions.Pending(ctx, by)
	wrong = append(wrong, err)
	for _, a := range pending {
		if !slices.ContainsFunc(h.Mine, func(m approval.Approval) bool { return m.ID == a.ID }) {
			h.Others = append(h.Others, a)
		}
	}
	h.Requests, err = b.underWay(ctx, by)
	wrong = append(wrong, err)
	if b.Personal != nil {
		h.Memories, h.Total, err = b.Personal.Remembered(ctx, by, homeMemories)
		h.Known = err == nil
		wrong = append(wrong, err)
	}
	if b.Systems != nil {
		h.Systems = b.Systems(ctx)
	}
	if err := errors.Join(wrong...); err != nil {
		b.Log.WarnContext(ctx, "slack: a home tab is not whole", slog.Any("err", err))
	}
	return h
}

// underWay are a person's requests that have not ended.
func (b *Bot) underWay(ctx context.Context, by agent.Actor) ([]HomeRequest, error) {
	open, err := b.Records.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	me, err := b.self(ctx)
	if err != nil {
		return nil, err
	}
	var all []HomeRequest
	for _, t := range open {
		if t.Workspace != by.Workspace || t.Actor.ID != by.ID {
			continue
		}
		r := HomeRequest{Status: t.Status, At: t.Created}
		if at, ok := whereOf(t.Conversation); ok && at.thread() != "" && me.url != "" {
			r.URL = permalink(me.url, at.channel, at.root, "")
		}
		if len(all) < homeRequests {
			said, err := b.Records.Messages(ctx, t.Workspace, t.Conversation, 50)
			if err != nil {
				return nil, err
			}
			for _, m := range said {
				if m.ID == t.Request {
					r.Text = m.Text
				}
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// ownData takes a press of the buttons about a person's own data. The buttons carry
// no person: whoever presses asks about themselves.
func (b *Bot) ownData(ctx context.Context, by agent.Actor, c click, action, value string) error {
	if b.Personal == nil {
		return nil
	}
	switch action {
	case actForget:
		if err := b.Personal.ForgetItem(ctx, by, value); err != nil {
			return err
		}
		b.later(ctx, "home", func(ctx context.Context) error { return b.home(ctx, by, c.User.ID, "") })
		return nil
	case actExport:
		b.longer(ctx, "export", func(ctx context.Context) error { return b.refused(ctx, c, b.export(ctx, by, c.User.ID)) })
		return nil
	}
	counts, elsewhere, err := b.Personal.Erase(ctx, by, true)
	if err != nil {
		return err
	}
	if _, err := b.api.OpenViewContext(ctx, c.Trigger, EraseModal(counts, elsewhere)); err != nil {
		return agent.WrapError(agent.Unavailable, err, "Slack did not open the form; please press again")
	}
	return nil
}

// export hands a person all that is held about them, as a file in their direct
// messages.
func (b *Bot) export(ctx context.Context, by agent.Actor, user string) error {
	raw, err := b.Personal.Export(ctx, by)
	if err != nil {
		return err
	}
	dm, err := b.people.dm(ctx, user)
	if err != nil {
		return err
	}
	_, err = b.api.UploadFileContext(ctx, slack.UploadFileParameters{
		Filename: "sous-" + b.Clock().UTC().Format(time.DateOnly) + ".json", Title: "All that Sous holds about you", FileSize: len(raw), Reader: strings.NewReader(string(raw)), Channel: dm,
		InitialComment: "All that I hold about you, as JSON. Nobody else was shown it.",
	})
	switch {
	case isCode(err, "missing_scope"):
		return agent.WrapError(agent.Forbidden, err, "the app may not upload files (files:write is not granted); whoever runs Sous can hand it to you: sous privacy export --user "+string(by.ID))
	case err != nil:
		return agent.WrapError(agent.Unavailable, err, "Slack did not take the file; please try again")
	}
	return nil
}

// EraseModal says what would go, and takes no press for a yes.
func EraseModal(counts map[string]int64, elsewhere []string) slack.ModalViewRequest {
	var lines []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[kind]; n > 0 {
			lines = append(lines, fmt.Sprintf("• %d %s", n, escape(visible(kind))))
		}
	}
	text := "*This goes, and cannot be brought back:*\n" + or(strings.Join(lines, "\n"), "nothing; I hold nothing about you")
	blocks := []slack.Block{section(clip(text, maxSection))}
	if len(elsewhere) > 0 {
		blocks = append(blocks, small("I cannot reach: "+escape(strings.Join(elsewhere, "; "))+"."))
	}
	in := input(fieldText, "To go on, write: erase", "", false)
	if e, ok := in.Element.(*slack.PlainTextInputBlockElement); ok {
		e.Multiline = false
	}
	return modal(modalErase, "Erase all about you", "Erase", meta{}, append(blocks, in)...)
}

// erase takes the form that EraseModal is.
func (b *Bot) erase(ctx context.Context, by agent.Actor, c click) (any, error) {
	if b.Personal == nil {
		return nil, nil
	}
	if !strings.EqualFold(strings.TrimSpace(c.text(fieldText)), "erase") {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldText: "Write the word erase, or go back."}), nil
	}
	b.longer(ctx, "erasure", func(ctx context.Context) error {
		counts, elsewhere, err := b.Personal.Erase(ctx, by, false)
		if err != nil {
			b.tell(ctx, "", "", c.User.ID, refusal(err))
			return err
		}
		var n int64
		for _, v := range counts {
			n += v
		}
		text := fmt.Sprintf("It is done: %d records about you are gone.", n)
		if len(elsewhere) > 0 {
			text += " What I cannot reach: " + strings.Join(elsewhere, "; ") + "."
		}
		b.tell(ctx, "", "", c.User.ID, text)
		return b.home(ctx, by, c.User.ID, "")
	})
	return nil, nil
}
