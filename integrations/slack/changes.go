package slack

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// undoBlock begins the id of the block with an offer to undo; the effect's number and
// the turn follow. perMessage is how many effects one message shows.
const (
	undoBlock  = "undo/"
	perMessage = 40
)

// Changes are what a turn changed.
type Changes struct {
	// Turn is the one that changed it.
	Turn    string
	Effects []loop.Effect
	// Undone says, by the key of an effect, who asked to take it back.
	Undone map[string]agent.Actor
	// Now is when this is shown: an offer that has ended is shown no more.
	Now time.Time
}

// ends is when the next offer to undo ends, zero when none stands.
func (c Changes) ends() time.Time {
	var next time.Time
	for _, e := range c.Effects {
		if _, undone := c.Undone[e.Key]; !undone && e.CanUndo(c.Now) && (next.IsZero() || e.UndoUntil.Before(next)) {
			next = e.UndoUntil
		}
	}
	return next
}

// Blocks are the messages that show the changes, with links, and with buttons to
// take each back for as long as that is offered.
func (c Changes) Blocks() [][]slack.Block {
	var blocks []slack.Block
	for i, e := range c.Effects {
		line, offered := c.line(e)
		b := slack.NewSectionBlock(mark(clip(line, maxSection)), nil, nil)
		if id := fmt.Sprintf("%s%d/%s", undoBlock, i, c.Turn); offered && len(e.Key) <= maxValue && len(id) <= 255 {
			b.Accessory, b.BlockID = slack.NewAccessory(button(actUndo, e.Key, "Undo", slack.StyleDefault)), id
		}
		blocks = append(blocks, b)
	}
	var messages [][]slack.Block
	for some := range slices.Chunk(blocks, perMessage) {
		messages = append(messages, append([]slack.Block{section("*What I changed*")}, some...))
	}
	return messages
}

// line says what became of an effect, and whether taking it back is offered.
func (c Changes) line(e loop.Effect) (line string, offered bool) {
	line = ":white_check_mark: " + escape(toolTitle(e.Call.Tool))
	switch {
	case e.State == "done":
	case agent.Status(e.Outcome.Status) == agent.Unknown || e.State == "unknown":
		line = ":grey_question: " + escape(toolTitle(e.Call.Tool)) + " — it may or may not have happened; please look"
	default:
		line = ":x: " + escape(toolTitle(e.Call.Tool)) + " — " + escape(clip(visible(or(e.Outcome.Error, e.State)), 300))
	}
	if m := madeOf(e.Outcome.Result); m.ID != "" {
		label := escape(clip(visible(m.ID+" "+m.Title), 200))
		if strings.HasPrefix(m.URL, "http://") || strings.HasPrefix(m.URL, "https://") {
			label = "<" + escape(m.URL) + "|" + strings.ReplaceAll(label, "|", "/") + ">"
		}
		line += ": " + label
	}
	by, undone := c.Undone[e.Key]
	switch {
	case undone:
		return line + "\n_" + person(by.ID, by.Name) + " asked to undo this_", false
	case e.CanUndo(c.Now):
		return line + "\n_Can be undone until " + when(e.UndoUntil) + "_", true
	}
	return line, false
}

// changes reads what a turn changed, and what of it was taken back.
func (b *Bot) changes(ctx context.Context, v loop.View) Changes {
	c := Changes{Turn: v.ID, Effects: v.Effects, Undone: map[string]agent.Actor{}, Now: b.Clock()}
	for _, e := range v.Effects {
		if e.UndoTool == "" {
			continue
		}
		if u, err := b.Desk.View(ctx, v.Actor, loop.UndoTurn(e.Key)); err == nil {
			c.Undone[e.Key] = u.Actor
		}
	}
	return c
}

// changed posts where a request belongs and what the turn changed, which ends it.
func (s *show) changed(ctx context.Context, v loop.View) error {
	if err := s.routed(ctx, v); err != nil {
		return err
	}
	c := s.changes(ctx, v)
	for i, blocks := range c.Blocks() {
		if err := s.once(ctx, fmt.Sprintf("changes/%d", i), "What I changed", blocks); err != nil {
			return err
		}
	}
	s.offered(v.Turn, c)
	s.say(ctx, "")
	s.session(ctx, slack.AgentSessionStatusActive)
	return nil
}

// offer is what somebody's turn did and can be taken back until a time.
type offer struct {
	by    agent.Actor
	until time.Time
}

// maxOffers is of how many turns it is known when their offers end; with more, the
// buttons of some stay, and who presses one is told that it is too late.
const maxOffers = 2000

// offered notes when the next offer of a turn ends.
func (b *Bot) offered(t agent.Turn, c Changes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.offers, t.ID)
	if until := c.ends(); !until.IsZero() && len(b.offers) < maxOffers {
		by := t.Actor
		by.Name, by.Groups = "", nil // who looks at their own turn needs neither
		b.offers[t.ID] = offer{by, until}
	}
}

// missed is how long after its end an offer is still looked for that a former
// process made.
const missed = time.Hour

// offersOf takes up the offers of turns that a former process showed. What ended
// while nobody was there is closed now.
func (b *Bot) offersOf(ctx context.Context, turns []agent.Turn) {
	for _, t := range turns {
		if _, ours := whereOf(t.Conversation); !ours || t.Workspace != b.workspace() || !t.Status.Ended() || b.Clock().Sub(t.Ended) > lately {
			continue
		}
		v, err := b.Desk.View(ctx, t.Actor, t.ID)
		if err != nil {
			continue
		}
		c := Changes{Turn: t.ID, Effects: v.Effects, Now: b.Clock().Add(-missed)}
		b.offered(t, c)
	}
}

// closeOffers takes the buttons off the offers that have ended.
func (b *Bot) closeOffers(ctx context.Context) {
	now := b.Clock()
	over := map[string]agent.Actor{}
	b.mu.Lock()
	for id, o := range b.offers {
		if !now.Before(o.until) {
			over[id] = o.by
		}
	}
	b.mu.Unlock()
	for id, by := range over {
		err := b.showOffers(ctx, by, id)
		if agent.KindOf(err) == agent.NotFound {
			b.forgetOffer(id)
			continue
		}
		if err != nil && ctx.Err() == nil {
			b.Log.WarnContext(ctx, "slack: an offer to undo still stands that has ended", slog.String("turn", id), slog.Any("err", err))
		}
	}
}

func (b *Bot) forgetOffer(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.offers, id)
}

// showOffers shows what a turn changed as it is now, where it was posted: where that
// is noted, and in the messages that are named.
func (b *Bot) showOffers(ctx context.Context, by agent.Actor, turn string, also ...delivery.Post) error {
	v, err := b.Desk.View(ctx, by, turn)
	if err != nil {
		return err
	}
	at, ours := whereOf(v.Conversation)
	if !ours {
		return nil
	}
	posts, err := b.Deliveries.Posts(ctx, b.front(), v.ID)
	if err != nil {
		return err
	}
	posts = append(posts, also...)
	c := b.changes(ctx, v)
	for i, blocks := range c.Blocks() {
		key := fmt.Sprintf("%s/changes/%d", v.ID, i)
		done := map[string]bool{}
		for _, p := range posts {
			if p.Key != key || p.Place != at.channel || done[p.Ref] {
				continue
			}
			done[p.Ref] = true
			if err := b.post.update(ctx, at.channel, p.Ref, post{key: key, text: "What I changed", blocks: blocks}); err != nil && !isRefused(err) {
				return err
			}
		}
	}
	b.offered(v.Turn, c)
	return nil
}

// undo orders what an Undo button stands for, and takes the button away.
func (b *Bot) undo(ctx context.Context, by agent.Actor, c click, block, key string) error {
	acc, err := b.Desk.Undo(ctx, by, key)
	if err != nil {
		return err
	}
	rest, ours := strings.CutPrefix(block, undoBlock)
	number, turn, whole := strings.Cut(rest, "/")
	if n, err := strconv.Atoi(number); err == nil && ours && whole {
		here := delivery.Post{Key: fmt.Sprintf("%s/changes/%d", turn, n/perMessage), Place: or(c.Channel.ID, c.Container.Channel), Ref: or(c.Container.TS, c.Message.TS)}
		b.later(ctx, "changes", func(ctx context.Context) error { return b.showOffers(ctx, by, turn, here) })
	}
	if acc.Duplicate {
		return agent.Errorf(agent.Conflict, "this was undone already, or is being undone")
	}
	b.track(acc.Turn, false)
	return nil
}
