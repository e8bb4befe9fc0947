package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/review"
)

// The buttons and forms of minutes; a button's value is the review's id.
const (
	actPublish     = "sous_publish"
	actPublishMore = "sous_publish_more"
	actReviewEdit  = "sous_review_edit"
	actDiscard     = "sous_discard"
	actMine        = "sous_mine"
	actNotMe       = "sous_not_me"

	modalPublish = "sous_publish_modal"
	modalReview  = "sous_review_modal"
)

// reviewed shows the minutes of a turn to whoever asked for them, who publishes
// them. In a channel that is a direct message and a word in the thread.
func (s *show) reviewed(ctx context.Context, v loop.View) error {
	raw := v.Artifacts["minutes"]
	if raw == nil {
		return nil
	}
	if s.Reviews == nil {
		return s.minutes(ctx, raw)
	}
	id := review.NewID(v.ID, raw)
	if s.drafts[id] {
		return nil
	}
	draft, err := review.New(v.Turn, raw, s.Clock())
	if err != nil {
		return nil //nolint:nilerr // what is no minutes is not shown as some
	}
	r, err := s.Reviews.OpenReview(ctx, draft)
	if err != nil {
		return err
	}
	if r.State == review.Draft {
		if err := s.draft(ctx, r); err != nil {
			return err
		}
	}
	s.drafts[id] = true
	return nil
}

// minutes posts the minutes a turn made where nobody reviews them.
func (s *show) minutes(ctx context.Context, raw json.RawMessage) error {
	var m agent.Minutes
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	for i, blocks := range minutesBlocks(m, look{}) {
		if err := s.once(ctx, fmt.Sprintf("minutes/%s/%d", digest(string(raw)), i), minutesText(m), blocks); err != nil {
			return err
		}
	}
	return nil
}

func minutesText(m agent.Minutes) string { return "Minutes: " + escape(clip(m.Title, 200)) }

// draft posts the minutes for their reviewer's eyes.
func (s *show) draft(ctx context.Context, r review.Review) error {
	to, err := s.desk(ctx, r)
	if err != nil {
		return err
	}
	for _, m := range s.draftPosts(ctx, r) {
		m.channel, m.thread = to.channel, to.thread()
		if err := s.hidden(ctx, m); err != nil {
			return err
		}
	}
	if to.channel == s.at.channel {
		return nil
	}
	return s.once(ctx, "review-note/"+r.ID, fmt.Sprintf("The minutes of “%s” are a draft; <@%s> reads them before they are published.", escape(clip(visible(r.Minutes.Title), 200)), s.actor), nil)
}

// desk is where a review is shown to its reviewer: the thread it was asked in when
// nobody else reads that, else their direct messages.
func (b *Bot) desk(ctx context.Context, r review.Review) (where, error) {
	at, ok := whereOf(r.Conversation)
	user, ours := userOf(r.Reviewer.ID)
	switch {
	case !ok || !ours:
		return where{}, agent.Errorf(agent.NotFound, "the minutes were not asked for in Slack")
	case r.Place.Kind == agent.DM:
		return at, nil
	}
	dm, err := b.people.dm(ctx, user)
	return where{team: at.team, channel: dm}, err
}

// draftKey is the key of the i-th piece of a draft; -1 is the card.
func draftKey(r review.Review, i int) string {
	if i < 0 {
		return r.Turn + "/review/" + r.ID
	}
	return fmt.Sprintf("%s/draft/%s/%d", r.Turn, r.ID, i)
}

// draftPosts are the minutes as a draft, and last the card that decides about them.
func (b *Bot) draftPosts(ctx context.Context, r review.Review) []post {
	var all []post
	for i, blocks := range minutesBlocks(r.Minutes, look{links: b.quoted(ctx, r), draft: true}) {
		all = append(all, post{key: draftKey(r, i), text: minutesText(r.Minutes), blocks: blocks})
	}
	return append(all, post{key: draftKey(r, -1), text: reviewText(r), blocks: ReviewCard(r)})
}

// hidden posts for the reviewer, once.
func (s *show) hidden(ctx context.Context, m post) error {
	switch here := m.channel == s.at.channel; {
	case here:
		if is, err := s.missing(ctx, m.key); err != nil || !is {
			return err
		}
	case s.posted[m.key] != "":
		return nil
	case s.again:
		ts, err := s.sent(ctx, m.channel, m.key)
		if err != nil {
			return err
		}
		if s.posted[m.key] = ts; ts != "" {
			return nil
		}
	}
	ts, err := s.post.once(ctx, m)
	if err == nil {
		s.posted[m.key] = ts
		s.noted(m.key, place{m.channel, ts, m.key})
	}
	return err
}

// reviewing takes a press on the card of minutes.
func (b *Bot) reviewing(ctx context.Context, by agent.Actor, c click, action, id string) error {
	if b.Reviews == nil {
		return nil
	}
	r, err := b.Reviews.Review(ctx, by.Workspace, id)
	if err != nil {
		return err
	}
	if err := r.MayReview(by); err != nil {
		return err
	}
	m := meta{Review: r.ID, Channel: or(c.Channel.ID, c.Container.Channel), Message: or(c.Message.TS, c.Container.TS)}
	switch action {
	case actDiscard:
		r, err = b.Reviews.ChangeReview(ctx, by, id, func(r review.Review) (review.Review, error) { return r.Discard(by, b.Clock()) })
		if err == nil {
			b.redrawn(ctx, r, m)
		}
		return err
	case actPublish:
		at, ok := whereOf(r.Conversation)
		if !ok || r.Place.Kind == agent.DM {
			return agent.Errorf(agent.Conflict, "say where to publish them")
		}
		return b.publish(ctx, by, r, []review.Outlet{{Form: review.Message, To: at.channel, Under: at.thread()}}, m)
	}
	if r.State != review.Draft && action == actReviewEdit {
		return agent.Errorf(agent.Conflict, "these minutes are %s already", r.State)
	}
	view := PublishModal(r, m)
	if action == actReviewEdit {
		view = ReviewModal(r, m)
	}
	if _, err := b.api.OpenViewContext(ctx, c.Trigger, view); err != nil {
		return agent.WrapError(agent.Unavailable, err, "Slack did not open the form; please press again")
	}
	return nil
}

// publish orders the minutes to be shown and sees to it.
func (b *Bot) publish(ctx context.Context, by agent.Actor, r review.Review, all []review.Outlet, m meta) error {
	for _, o := range all {
		if err := b.mayPublish(ctx, by, r, o.To); err != nil {
			return err
		}
	}
	got, err := b.Reviews.ChangeReview(ctx, by, r.ID, func(r review.Review) (review.Review, error) {
		var err error
		for _, o := range all {
			if r, err = r.Publish(by, o, b.Clock()); err != nil {
				return r, err
			}
		}
		return r, nil
	})
	if err != nil {
		return err
	}
	b.redrawn(ctx, got, m)
	b.longer(ctx, "minutes", func(ctx context.Context) error {
		err := b.issue(ctx, r.Workspace, r.ID, false)
		if now, readErr := b.Reviews.Review(ctx, r.Workspace, r.ID); readErr == nil {
			b.redrawn(ctx, now, m)
		}
		return err
	})
	return nil
}

// mayPublish is an error unless the minutes may be shown in a channel: the person
// and Sous are in it, and nobody from outside is, unless they were asked for there.
func (b *Bot) mayPublish(ctx context.Context, by agent.Actor, r review.Review, channel string) error {
	user, ok := userOf(by.ID)
	if !ok || channel == "" {
		return agent.Errorf(agent.Invalid, "choose a channel")
	}
	if err := b.isIn(ctx, channel, user); err != nil {
		return err
	}
	place := b.people.Place(ctx, channel, "", user)
	if at, _ := whereOf(r.Conversation); at.channel != channel && (place.Kind == agent.Shared || place.Kind == agent.UnknownPlace) {
		return agent.Errorf(agent.Forbidden, "people from outside your workspace are in <#%s>, or I cannot tell: publish the minutes elsewhere", channel)
	}
	return nil
}

// redrawn shows a review's card as it is now.
func (b *Bot) redrawn(ctx context.Context, r review.Review, m meta) {
	if m.Channel == "" || m.Message == "" {
		return
	}
	b.later(ctx, "review", func(ctx context.Context) error {
		return b.post.update(ctx, m.Channel, m.Message, post{key: draftKey(r, -1), text: reviewText(r), blocks: ReviewCard(r)})
	})
}

// chose takes the form that says where to publish.
func (b *Bot) chose(ctx context.Context, by agent.Actor, c click, m meta) (any, error) {
	fail := func(field string, err error) (any, error) {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{field: refusal(err)}), nil
	}
	to := c.View.State.Values[fieldWhere][inputID].Where
	var all []review.Outlet
	for _, form := range c.View.State.Values[fieldForms][inputID].Chosen {
		all = append(all, review.Outlet{Form: review.Form(form.Value), To: to})
	}
	if len(all) == 0 {
		return fail(fieldForms, agent.Errorf(agent.Invalid, "choose at least one"))
	}
	r, err := b.Reviews.Review(ctx, by.Workspace, m.Review)
	if err == nil {
		// In the channel the minutes were asked in they stay in their thread.
		if at, ok := whereOf(r.Conversation); ok && at.channel == to {
			for i := range all {
				all[i].Under = at.thread()
			}
		}
		err = b.publish(ctx, by, r, all, m)
	}
	if err != nil {
		return fail(fieldWhere, err)
	}
	return nil, nil
}

// rewritten takes the form with the reviewer's own words.
func (b *Bot) rewritten(ctx context.Context, by agent.Actor, c click, m meta) (any, error) {
	r, err := b.Reviews.Review(ctx, by.Workspace, m.Review)
	var now agent.Minutes
	wrong := map[string]string{}
	if err == nil {
		now, wrong = editedMinutes(r.Minutes, c)
	}
	if len(wrong) > 0 {
		return slack.NewErrorsViewSubmissionResponse(wrong), nil
	}
	if err == nil {
		r, err = b.Reviews.ChangeReview(ctx, by, m.Review, func(r review.Review) (review.Review, error) { return r.Edit(by, now) })
	}
	if err != nil {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldTitle: refusal(err)}), nil
	}
	b.longer(ctx, "minutes", func(ctx context.Context) error { return b.redraft(ctx, r) })
	return nil, nil
}

// redraft shows the draft as it is now in place of what it was.
func (b *Bot) redraft(ctx context.Context, r review.Review) error {
	to, err := b.desk(ctx, r)
	if err != nil {
		return err
	}
	found, err := b.post.find(ctx, to.channel, to.thread())
	if err != nil {
		return err
	}
	posts := b.draftPosts(ctx, r)
	for _, m := range posts {
		m.channel, m.thread = to.channel, to.thread()
		if ts := found[m.key]; ts != "" {
			err = b.post.update(ctx, to.channel, ts, m)
		} else {
			_, err = b.post.once(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	for i := len(posts) - 1; found[draftKey(r, i)] != ""; i++ {
		err := b.post.again(ctx, func() error {
			_, _, err := b.api.DeleteMessageContext(ctx, to.channel, found[draftKey(r, i)])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// claimed takes “that's mine” or “not me” on an action item from somebody who sees
// the published minutes.
func (b *Bot) claimed(ctx context.Context, by agent.Actor, c click, value string, mine bool) error {
	id, number, _ := strings.Cut(value, " ")
	n, err := strconv.Atoi(number)
	if err != nil || b.Reviews == nil {
		return nil
	}
	channel := or(c.Channel.ID, c.Container.Channel)
	r, err := b.Reviews.ChangeReview(ctx, by, id, func(r review.Review) (review.Review, error) {
		if !slices.ContainsFunc(r.Outlets, func(o review.Outlet) bool { return o.To == channel }) {
			return r, agent.Errorf(agent.NotFound, "these minutes are not published here")
		}
		return r.Say(by, n, mine, b.Clock())
	})
	if err != nil {
		return err
	}
	b.later(ctx, "minutes", func(ctx context.Context) error { return b.reissue(ctx, r) })
	return nil
}

// quoted finds the messages that the evidence of minutes of a thread quotes, and
// returns their addresses by quote. For other minutes there are none.
func (b *Bot) quoted(ctx context.Context, r review.Review) map[string]string {
	root, ok := strings.CutPrefix(r.Minutes.Source, "thread-")
	root, isText := strings.CutSuffix(root, ".txt")
	at, ours := whereOf(r.Conversation)
	if !ok || !isText || !ours {
		return nil
	}
	me, err := b.self(ctx)
	if err != nil || me.url == "" {
		return nil
	}
	said, err := b.replies(ctx, where{at.team, at.channel, root})
	if err != nil {
		b.Log.InfoContext(ctx, "slack: minutes without links", slog.Any("err", err))
		return nil
	}
	links := map[string]string{}
	for _, e := range evidenceOf(r.Minutes) {
		quote := strings.Join(strings.Fields(e.Quote), " ")
		for _, m := range said {
			if strings.Contains(b.line(ctx, me, m.Text), quote) {
				links[e.Quote] = permalink(me.url, at.channel, m.Timestamp, root)
				break
			}
		}
	}
	return links
}

// permalink is the address of a message (docs.slack.dev/reference/methods/chat.getPermalink).
func permalink(base, channel, ts, root string) string {
	link := strings.TrimRight(base, "/") + "/archives/" + channel + "/p" + strings.ReplaceAll(ts, ".", "")
	if root != "" && root != ts {
		link += "?thread_ts=" + root + "&cid=" + channel
	}
	return link
}

func evidenceOf(m agent.Minutes) []agent.Evidence {
	var all []agent.Evidence
	for _, i := range m.Decisions {
		all = append(all, i.Evidence...)
	}
	for _, a := range m.Actions {
		all = append(all, a.Evidence...)
	}
	for _, q := range m.Questions {
		all = append(all, q.Evidence...)
	}
	return all
}
