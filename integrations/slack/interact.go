package slack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// interaction takes a click, a sent modal or a shortcut. The answer goes into the
// acknowledgement.
func (b *Bot) interaction(ctx context.Context, body []byte) (any, error) {
	c, err := parseClick(body)
	if err != nil {
		return nil, err
	}
	me, err := b.self(ctx)
	if err != nil {
		return nil, err
	}
	if !me.isHome(c.Team.ID, c.Enterprise.ID) || c.User.ID == "" || c.Trigger == "" {
		b.Log.WarnContext(ctx, "slack: a click of another workspace", slog.String("team", c.Team.ID))
		return nil, nil
	}
	if c.Type == "message_action" {
		lane := where{me.team, c.Channel.ID, or(c.Message.Thread, or(c.Message.TS, c.TS))}.lane()
		return nil, b.takeIn(ctx, delivery.Delivery{ID: keptShortcut + c.Trigger, Queue: lane, Body: body})
	}
	by, err := b.whoIs(ctx, c.User.Team, c.User.ID)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case "block_actions":
		for _, a := range c.Actions {
			value := a.Value
			if a.Option != nil {
				value = a.Option.Value
			}
			switch a.ID {
			case actRight, actReroute:
				err = b.refused(ctx, c, b.rerouted(ctx, by, c, a.Block, value))
			case actUndo:
				err = b.refused(ctx, c, b.undo(ctx, by, c, a.Block, value))
			default:
				err = b.pressed(ctx, by, c, a.ID, value)
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	case "view_submission":
		return b.submitted(ctx, by, c)
	case "shortcut":
		if c.Callback == shortAsk {
			if _, err := b.api.OpenViewContext(ctx, c.Trigger, QuestionModal()); err != nil {
				return nil, b.refused(ctx, c, agent.WrapError(agent.Unavailable, err, "Slack did not open the form; please try again"))
			}
		}
	}
	return nil, nil
}

// pressed acts on a button. What it is refused for is shown to the person.
func (b *Bot) pressed(ctx context.Context, by agent.Actor, c click, action, value string) error {
	var err error
	switch action {
	case actApprove:
		_, err = b.Decisions.Answer(ctx, by, loop.Answer{Approval: value, Yes: true, Event: "slack/" + c.Trigger})
	case actReject, actEdit, actAsk:
		err = b.openModal(ctx, by, c, action, value)
	case actApproveAll:
		err = b.approveAll(ctx, by, c, value)
	case actPublish, actPublishMore, actReviewEdit, actDiscard:
		err = b.reviewing(ctx, by, c, action, value)
	case actMine, actNotMe:
		err = b.claimed(ctx, by, c, value, action == actMine)
	case actFeedback, actGood, actBad:
		err = b.rated(ctx, by, c, value)
	case actForget, actExport, actErase:
		err = b.ownData(ctx, by, c, action, value)
	case actHome:
		b.later(ctx, "home", func(ctx context.Context) error { return b.home(ctx, by, c.User.ID, value) })
	}
	return b.refused(ctx, c, err)
}

// refused tells the person why; what may go better another time stays an error.
func (b *Bot) refused(ctx context.Context, c click, err error) error {
	if err == nil {
		return nil
	}
	if k := agent.KindOf(err); k == agent.Internal {
		b.Log.ErrorContext(ctx, "slack: a click failed", slog.Any("err", err))
	}
	b.tell(ctx, or(c.Channel.ID, c.Container.Channel), or(c.Message.Thread, c.Container.Thread), c.User.ID, refusal(err))
	return nil
}

// approveAll says yes to each of the calls the card stood for, as far as the person
// may; each is decided for itself.
func (b *Bot) approveAll(ctx context.Context, by agent.Actor, c click, value string) error {
	var wrong []error
	ids := strings.Split(value, ",")
	for _, id := range ids {
		_, err := b.Decisions.Answer(ctx, by, loop.Answer{Approval: id, Yes: true, Event: "slack/" + c.Trigger})
		if err != nil {
			wrong = append(wrong, agent.Errorf(agent.KindOf(err), "%s: %s", id, agent.PublicText(err)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return agent.Errorf(agent.Conflict, "%d of %d approved; %s", len(ids)-len(wrong), len(ids), strings.ReplaceAll(errors.Join(wrong...).Error(), "\n", "; "))
}

// seen returns an approval that the person may see or decide.
func (b *Bot) seenBy(ctx context.Context, by agent.Actor, id string) (approval.Approval, error) {
	a, err := b.Records.Approval(ctx, by.Workspace, id)
	if err != nil {
		return a, err
	}
	if !a.Place.Readers().Includes(by) && a.MayDecide(by) != nil {
		return approval.Approval{}, agent.Errorf(agent.NotFound, "there is no approval %s", id)
	}
	return a, nil
}

// openModal opens a form while the click's trigger is fresh.
func (b *Bot) openModal(ctx context.Context, by agent.Actor, c click, action, id string) error {
	a, err := b.seenBy(ctx, by, id)
	switch {
	case err != nil:
		return err
	case a.State != approval.Asked:
		return agent.Errorf(agent.Conflict, "%s", strings.ToLower(stateWord(a))+decider(a))
	}
	if action == actReject {
		if err := a.MayDecide(by); err != nil {
			return err
		}
	}
	m := meta{Approval: a.ID, Channel: or(c.Channel.ID, c.Container.Channel), Thread: or(c.Message.Thread, c.Container.Thread)}
	view := RejectModal(a, m)
	switch action {
	case actEdit:
		if !editable(a.Call.Args) {
			return agent.Errorf(agent.TooLarge, "these arguments do not fit a form; change them in the web chat")
		}
		view = EditModal(a, m)
	case actAsk:
		view = AskModal(a, m)
	}
	if _, err := b.api.OpenViewContext(ctx, c.Trigger, view); err != nil {
		return agent.WrapError(agent.Unavailable, err, "Slack did not open the form; please press again")
	}
	return nil
}

// decider says who decided.
func decider(a approval.Approval) string {
	if a.DecidedName == "" && a.DecidedBy == "" {
		return " already"
	}
	return " already, by " + or(a.DecidedName, string(a.DecidedBy))
}

// submitted acts on a modal. A refusal keeps it open, beside the field.
func (b *Bot) submitted(ctx context.Context, by agent.Actor, c click) (any, error) {
	values := map[string]string{}
	for field, inputs := range c.View.State.Values {
		if v := inputs[inputID].Value; v != nil {
			values[field] = *v
		}
	}
	if c.View.Callback == modalQuestion {
		return b.asked(ctx, by, c, values[fieldText])
	}
	var m meta
	if json.Unmarshal([]byte(c.View.Meta), &m) != nil {
		return nil, nil
	}
	switch {
	case c.View.Callback == modalErase:
		return b.erase(ctx, by, c)
	case c.View.Callback == modalFeedback:
		return b.explained(ctx, by, c, m)
	case c.View.Callback == modalPublish && b.Reviews != nil:
		return b.chose(ctx, by, c, m)
	case c.View.Callback == modalReview && b.Reviews != nil:
		return b.rewritten(ctx, by, c, m)
	}
	if m.Approval == "" {
		return nil, nil
	}
	var err error
	field := fieldText
	switch c.View.Callback {
	case modalReject:
		_, err = b.Decisions.Answer(ctx, by, loop.Answer{Approval: m.Approval, Comment: clip(values[fieldText], maxInput), Event: "slack/" + c.View.ID})
	case modalAsk:
		_, err = b.Decisions.Note(ctx, by, m.Approval, values[fieldText], "slack/"+c.View.ID)
	case modalEdit:
		a, seen := b.seenBy(ctx, by, m.Approval)
		if err = seen; err != nil {
			break
		}
		args, wrong := editedArgs(a.Call.Args, values)
		if len(wrong) > 0 {
			return slack.NewErrorsViewSubmissionResponse(wrong), nil
		}
		if all, ok := arguments(a.Call.Args, nil); ok && len(all) > 0 {
			field = all[0].Name
		}
		_, err = b.Decisions.Edit(ctx, by, m.Approval, args, "slack/"+c.View.ID)
	default:
		return nil, nil
	}
	if err != nil {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{field: refusal(err)}), nil
	}
	return nil, nil
}

// asked takes what was asked in the form of the global shortcut; the answer goes
// into the person's direct messages. The view's id makes it one turn.
func (b *Bot) asked(ctx context.Context, by agent.Actor, c click, text string) (any, error) {
	dm, err := b.people.dm(ctx, c.User.ID)
	if err == nil {
		err = b.askIn(ctx, by, where{c.Team.ID, dm, commandRoot(c.View.ID)}, loop.Incoming{Text: clip(text, maxInput)})
	}
	if err != nil {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldText: refusal(err)}), nil
	}
	return nil, nil
}

// The shortcuts: two on a message and one that is everywhere.
const (
	shortMinutes = "sous_minutes"
	shortSummary = "sous_summary"
	shortAsk     = "sous_ask_anywhere"
)

// shortcut makes the minutes of the thread a message belongs to.
func (b *Bot) shortcut(ctx context.Context, me identity, by agent.Actor, c click) error {
	ask := "Minutes of this thread"
	switch c.Callback {
	case shortMinutes:
	case shortSummary:
		ask = "Summarise this thread"
	default:
		return nil
	}
	at := where{me.team, c.Channel.ID, or(c.Message.Thread, or(c.Message.TS, c.TS))}
	place, err := b.people.place(ctx, at.channel, "", c.User.ID)
	if err != nil {
		return err
	}
	f, err := b.threadFile(ctx, by, place, at)
	switch {
	case err != nil && agent.KindOf(err) == agent.Unavailable:
		return err
	case err != nil:
		return b.refused(ctx, c, err)
	}
	return b.accept(ctx, by, at, loop.Incoming{
		Event: turnID(me.team, at.channel, commandRoot(c.Trigger)), Conversation: at.conversation(), Place: place, Text: ask, Files: []string{f.ID},
	})
}

// opened shows the home tab, or the prompts of the messages tab.
func (b *Bot) opened(ctx context.Context, ev inner) error {
	if ev.Tab == "messages" {
		return b.suggest(ctx, string(ev.Channel), "")
	}
	return b.home(ctx, b.people.Actor(ctx, "", string(ev.User)), string(ev.User), "")
}

func (b *Bot) suggest(ctx context.Context, channel, thread string) error {
	p := slack.AssistantThreadsSetSuggestedPromptsParameters{ChannelID: channel, ThreadTS: thread, Title: "What can I do for you?"}
	p.AddPrompt("Minutes of a meeting", "I drop a transcript: write the minutes and suggest tickets.")
	p.AddPrompt("What waits for me?", "Which approvals wait for me?")
	p.AddPrompt("Find a ticket", "Which tickets are open?")
	p.AddPrompt("Who handles this?", "Who should handle a broken laptop?")
	return b.post.again(ctx, func() error { return b.api.SetAssistantThreadsSuggestedPromptsContext(ctx, p) })
}
