package slack

import (
	"context"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/feedback"
)

// Opinions takes what people think of an answer they may see.
type Opinions interface {
	Rate(ctx context.Context, by agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error)
}

// The feedback buttons, and the two that stand in for them where Slack does not
// take the block; the value is “good ” or “bad ” and the turn's id.
const (
	actFeedback = "sous_feedback"
	actGood     = "sous_good"
	actBad      = "sous_bad"

	modalFeedback = "sous_feedback_modal"
	fieldReasons  = "reasons"
)

// feedbackBlock asks what people think of an answer.
func feedbackBlock(turn string) slack.Block {
	label := func(text, value string) *slack.FeedbackButton {
		return &slack.FeedbackButton{Text: plain(text), Value: value + " " + turn, AccessibilityLabel: text}
	}
	return slack.NewContextActionsBlock("", slack.NewFeedbackButtonsBlockElement(actFeedback, label("Good answer", "good"), label("Bad answer", "bad")))
}

// feedbackButtons are feedbackBlock of parts that every Slack takes.
func feedbackButtons(turn string) slack.Block {
	return slack.NewActionBlock("", button(actGood, "good "+turn, "Good answer", slack.StyleDefault), button(actBad, "bad "+turn, "Bad answer", slack.StyleDefault))
}

// rated takes a press of a feedback button. A bad word is kept at once and asked
// for its reasons, which nobody has to give.
func (b *Bot) rated(ctx context.Context, by agent.Actor, c click, value string) error {
	verdict, turn, ok := strings.Cut(value, " ")
	if !ok || b.Opinions == nil {
		return nil
	}
	if _, err := b.Opinions.Rate(ctx, by, turn, feedback.Opinion{Good: verdict == "good"}); err != nil {
		return err
	}
	if verdict != "good" {
		if _, err := b.api.OpenViewContext(ctx, c.Trigger, FeedbackModal(turn)); err == nil {
			return nil
		}
	}
	b.tell(ctx, or(c.Channel.ID, c.Container.Channel), or(c.Message.Thread, c.Container.Thread), c.User.ID, "Thank you. I keep it with the answer.")
	return nil
}

// FeedbackModal asks why an answer was no good.
func FeedbackModal(turn string) slack.ModalViewRequest {
	var options []*slack.OptionBlockObject
	for _, r := range feedback.Reasons() {
		options = append(options, slack.NewOptionBlockObject(string(r.Reason), plain(r.Words), nil))
	}
	why := slack.NewInputBlock(fieldReasons, plain("What was wrong?"), nil, slack.NewCheckboxGroupsBlockElement(inputID, options...))
	why.Optional = true
	return modal(modalFeedback, "A bad answer", "Send", meta{Turn: turn},
		section("Your word is kept already. Whoever looks after me sees these reasons and what you write."), why, input(fieldText, "What should it have been?", "", true))
}

// explained takes the reasons of a bad word.
func (b *Bot) explained(ctx context.Context, by agent.Actor, c click, m meta) (any, error) {
	if b.Opinions == nil {
		return nil, nil
	}
	o := feedback.Opinion{Text: clip(c.text(fieldText), feedback.MaxText)}
	for _, chosen := range c.View.State.Values[fieldReasons][inputID].Chosen {
		o.Reasons = append(o.Reasons, feedback.Reason(chosen.Value))
	}
	if _, err := b.Opinions.Rate(ctx, by, m.Turn, o); err != nil {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldText: refusal(err)}), nil
	}
	return nil, nil
}
