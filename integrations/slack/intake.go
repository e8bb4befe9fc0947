package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// maxFiles is how many files one message may carry.
const maxFiles = 20

// event takes in what happened. When it returns nil nothing of it can be lost.
func (b *Bot) event(ctx context.Context, body []byte) (any, error) {
	env, ev, err := parseEvent(body)
	switch {
	case err != nil:
		return nil, err
	case env.Type == "url_verification":
		return map[string]string{"challenge": env.Challenge}, nil
	case env.Type == "app_rate_limited":
		b.Log.WarnContext(ctx, "slack: events are withheld, more came than Slack delivers in an hour")
		return nil, nil
	}
	me, err := b.known(ctx)
	if err != nil {
		return nil, err
	}
	if me.team != "" && !env.isFor(me) {
		b.Log.WarnContext(ctx, "slack: an event of another workspace", slog.String("team", env.Team))
		return nil, nil
	}
	switch ev.Type {
	case "message", "app_mention", "agent_session_stopped":
		id, lane, err := b.request(ctx, me, env, ev)
		if err != nil || id == "" {
			return nil, err
		}
		return nil, b.takeEvent(ctx, me, ev, delivery.Delivery{ID: id, Queue: lane, Body: body})
	}
	if me, err = b.self(ctx); err != nil {
		return nil, err
	}
	b.happened(ctx, me, ev)
	return nil, nil
}

// known is who the app is as far as that is known. While Slack has not said, an
// event is kept all the same, and judged when it has.
func (b *Bot) known(ctx context.Context) (identity, error) {
	if me := b.people.whoami(); me.team != "" || b.Workspace != "" {
		return me, nil
	}
	return b.self(ctx)
}

func (e envelope) isFor(me identity) bool {
	return me.isHome(e.Team, e.Enterprise) || slices.ContainsFunc(e.Authorizations, func(a authorization) bool { return me.isHome(a.Team, a.Enterprise) })
}

// happened notes what is no request.
func (b *Bot) happened(ctx context.Context, me identity, ev inner) {
	switch ev.Type {
	case "app_home_opened":
		b.looks(string(ev.User), ev.Context.channel())
		b.later(ctx, "home", func(ctx context.Context) error { return b.opened(ctx, ev) })
	case "app_context_changed":
		b.looks(string(ev.User), ev.Context.channel())
	case "assistant_thread_started", "assistant_thread_context_changed":
		if a := ev.Assistant; a != nil {
			b.looks(a.User, a.Context.Channel)
			if ev.Type == "assistant_thread_started" {
				b.later(ctx, "prompts", func(ctx context.Context) error { return b.suggest(ctx, a.Channel, a.Thread) })
			}
		}
	case "user_change", "team_join":
		b.outdated(ctx, news{User: string(ev.User)})
	case "subteam_created", "subteam_updated", "subteam_members_changed":
		b.outdated(ctx, news{Groups: true})
	case "member_joined_channel", "member_left_channel", "channel_shared", "channel_unshared":
		b.outdated(ctx, news{Channel: string(ev.Channel)})
	case "team_access_granted", "team_access_revoked":
		// Whose groups count, and whose channels are ours, is another than before.
		b.outdated(ctx, news{})
	case "app_uninstalled":
		b.expelled(slack.SlackErrorResponse{Err: "app_uninstalled"})
	case "tokens_revoked":
		if slices.Contains(ev.Tokens.Bot, me.user) {
			b.expelled(slack.SlackErrorResponse{Err: "token_revoked"})
		}
	}
}

func (b *Bot) message(ctx context.Context, me identity, ev inner) error {
	switch ev.Subtype {
	case "", "file_share", "thread_broadcast", "me_message":
		return b.said(ctx, me, ev, "")
	case "message_changed":
		return b.changed(ctx, me, ev)
	case "message_deleted":
		if ev.Previous == nil {
			return nil
		}
		_, err := b.stopMessage(ctx, me, string(ev.Channel), ev.DeletedTS, *ev.Previous)
		return err
	}
	return nil
}

// said takes a message in if it is meant for Sous. again is the time stamp of the
// edit when the message was asked anew.
func (b *Bot) said(ctx context.Context, me identity, ev inner, again string) error {
	if !sayable(me, ev) {
		return nil
	}
	user, channel := string(ev.User), string(ev.Channel)
	at := where{me.team, channel, or(ev.Thread, ev.TS)}
	meant, err := b.meant(ctx, me, ev, at)
	if err != nil || !meant {
		return err
	}
	by, err := b.whoIs(ctx, ev.UserTeam, user)
	if err != nil || by.Kind == agent.Program {
		return err
	}
	// A request that is taken for one in front of strangers is refused what its author
	// may well ask for: rather it waits until Slack says who reads along.
	place, err := b.people.place(ctx, channel, ev.ChannelType, user)
	if err != nil {
		return err
	}
	text, outside := b.readable(ctx, me, ev.Text)
	files, notes, err := b.fetch(ctx, by, place, ev.Files)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		f, err := b.meantFile(ctx, by, place, ev, text)
		switch {
		case err != nil:
			notes = append(notes, agent.PublicText(err))
		case f.ID != "":
			files = append(files, f.ID)
		}
	}
	id := turnID(me.team, channel, ev.TS)
	if again != "" {
		id += "-e" + again
	}
	if text == "" && len(files) == 0 {
		if len(notes) > 0 {
			b.notice(ctx, at, id, strings.Join(notes, "\n"))
			return nil
		}
		text = "help"
	}
	if err := b.accept(ctx, by, at, loop.Incoming{Event: id, Conversation: at.conversation(), Place: place, Text: text, Files: files, Outside: outside}); err != nil {
		return err
	}
	if len(notes) > 0 {
		b.notice(ctx, at, id, strings.Join(notes, "\n"))
	}
	return nil
}

// meantFile stores what was said in the thread or channel that the words ask about;
// without such words there is no file.
func (b *Bot) meantFile(ctx context.Context, by agent.Actor, place agent.Place, ev inner, text string) (agent.FileRef, error) {
	switch {
	case ev.Thread != "" && asksForThread(text):
		me, err := b.self(ctx)
		if err != nil {
			return agent.FileRef{}, err
		}
		return b.threadFile(ctx, by, place, where{me.team, string(ev.Channel), ev.Thread})
	case channelWords.MatchString(text):
		return b.channelFile(ctx, by, place, ev, text)
	}
	return agent.FileRef{}, nil
}

// accept hands a request in. What it is refused for is told to the person; what
// may go better another time is returned.
func (b *Bot) accept(ctx context.Context, by agent.Actor, at where, in loop.Incoming) error {
	err := b.hand(ctx, by, in)
	if err != nil {
		switch agent.KindOf(err) {
		case agent.Invalid, agent.TooLarge, agent.Forbidden, agent.NotFound, agent.Conflict, agent.Expired:
			b.notice(ctx, at, in.Event, agent.PublicText(err))
			return nil
		case agent.Internal, agent.Unavailable, agent.Cancelled:
		}
		if admission.IsBusy(err) {
			// It is kept and handed in again until there is room.
			b.notice(ctx, at, in.Event+"/busy", "I have more to do than I can begin right now. Your request is kept and I take it up by myself; there is no need to send it again.")
		}
		return err
	}
	return nil
}

// hand makes a turn of a request and begins to show it.
func (b *Bot) hand(ctx context.Context, by agent.Actor, in loop.Incoming) error {
	acc, err := b.Desk.Accept(ctx, by, in)
	if err != nil {
		return err
	}
	b.engageIn(in.Conversation)
	b.begin(followed{turn: acc.Turn, again: acc.Duplicate, said: in.Text})
	return nil
}

// meant reports whether a message is for Sous: in a direct message, by mention, or
// in a thread it has a part in, unless the words go to somebody else there. Before
// Slack has said who Sous is, whatever may be for it is.
func (b *Bot) meant(ctx context.Context, me identity, ev inner, at where) (bool, error) {
	mention := strings.Contains(ev.Text, "<@")
	switch {
	case ev.ChannelType == "im", ev.Type == "app_mention", strings.Contains(ev.Text, "<@"+me.user+">"), mention && me.user == "":
		b.engageIn(at.conversation())
		return true, nil
	case ev.Thread == "", mention:
		return false, nil
	}
	return b.engaged(ctx, me, at)
}

// engaged reports whether Sous has a part in a thread.
func (b *Bot) engaged(ctx context.Context, me identity, at where) (bool, error) {
	b.mu.Lock()
	known := b.engage[at.conversation()]
	b.mu.Unlock()
	if known || me.team == "" {
		return true, nil
	}
	turns, err := b.Records.Recent(ctx, b.workspace(), at.conversation(), 1)
	if err != nil || len(turns) == 0 {
		return false, err
	}
	b.engageIn(at.conversation())
	return true, nil
}

// maxEngaged bounds of how many threads it is known without asking the store that
// Sous has a part in them.
const maxEngaged = 2_000

func (b *Bot) engageIn(conversation string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.engage) >= maxEngaged {
		clear(b.engage)
	}
	b.engage[conversation] = true
}

// changed asks anew when the words of a request that is not answered yet changed,
// and asks at all when an edit brought the mention.
func (b *Bot) changed(ctx context.Context, me identity, ev inner) error {
	if !edits(ev) {
		return nil
	}
	now := *ev.Message
	now.Channel, now.ChannelType, now.Type = ev.Channel, ev.ChannelType, "message"
	known, err := b.stopMessage(ctx, me, string(ev.Channel), now.TS, now)
	switch {
	case err != nil:
		return err
	case known == 0 && strings.Contains(now.Text, "<@"+me.user+">"):
		return b.said(ctx, me, now, "")
	case known == live:
		return b.said(ctx, me, now, now.Edited.TS)
	}
	return nil
}

// What is known of the turns that a message began.
const (
	live  = 1
	ended = 2
)

// stopMessage stops the turns that a message began, in its author's name.
func (b *Bot) stopMessage(ctx context.Context, me identity, channel, ts string, m inner) (int, error) {
	at := where{me.team, channel, m.Thread}
	if at.root == "" {
		at.root = ts
	}
	turns, err := b.Records.Recent(ctx, b.workspace(), at.conversation(), 20)
	if err != nil {
		return 0, err
	}
	by := b.people.Actor(ctx, "", string(m.User))
	known, id := 0, turnID(me.team, channel, ts)
	for _, t := range turns {
		if t.ID != id && !strings.HasPrefix(t.ID, id+"-e") {
			continue
		}
		if t.Status.Ended() || t.Actor.ID != by.ID {
			known = max(known, ended)
			continue
		}
		if err := b.Desk.Stop(ctx, by, t.ID); err != nil && agent.KindOf(err) != agent.Conflict {
			return known, err
		}
		return live, nil
	}
	return known, nil
}

// stop ends what runs in a thread, when the person may.
func (b *Bot) stop(ctx context.Context, me identity, at where, user string) error {
	if at.root == "" {
		return nil
	}
	turns, err := b.Records.Recent(ctx, b.workspace(), at.conversation(), 20)
	if err != nil {
		return err
	}
	by := b.people.Actor(ctx, "", user)
	for _, t := range turns {
		if t.Status.Ended() {
			continue
		}
		if err := b.Desk.Stop(ctx, by, t.ID); err != nil && agent.KindOf(err) != agent.Conflict {
			b.tell(ctx, at.channel, at.thread(), user, agent.PublicText(err))
		}
	}
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// fetch downloads what hangs on a message. What cannot be read is a note to the
// person; what may go better another time is an error.
func (b *Bot) fetch(ctx context.Context, by agent.Actor, place agent.Place, all []dropped) (ids, notes []string, err error) {
	if len(all) > maxFiles {
		notes = append(notes, fmt.Sprintf("I read the first %d of %d files.", maxFiles, len(all)))
		all = all[:maxFiles]
	}
	for _, f := range all {
		ref, err := b.download(ctx, by, place, f)
		switch agent.KindOf(err) {
		case agent.Unavailable, agent.Cancelled:
			return nil, nil, err
		case agent.Internal, agent.Invalid, agent.NotFound, agent.Forbidden, agent.Conflict, agent.Expired, agent.TooLarge:
			if err != nil {
				notes = append(notes, agent.PublicText(err))
				continue
			}
			ids = append(ids, ref.ID)
		}
	}
	return ids, notes, nil
}

func (b *Bot) download(ctx context.Context, by agent.Actor, place agent.Place, f dropped) (agent.FileRef, error) {
	if f.Access == "check_file_info" {
		info, _, _, err := b.api.GetFileInfoContext(ctx, f.ID, 0, 0)
		if err != nil {
			return agent.FileRef{}, unreachable(err, "a file of another workspace")
		}
		f = dropped{ID: f.ID, Name: info.Name, Media: info.Mimetype, Mode: info.Mode, URL: info.URLPrivateDownload, External: info.IsExternal, Size: int64(info.Size)}
	}
	name := clip(visible(or(f.Name, f.ID)), 80)
	switch {
	case f.External || f.Mode == "external" || f.URL == "":
		return agent.FileRef{}, agent.Errorf(agent.Invalid, "I cannot read “%s”: it lives outside Slack. Drop the file itself, as VTT, SRT or text.", name)
	case f.Size > b.MaxFile:
		return agent.FileRef{}, agent.Errorf(agent.TooLarge, "“%s” is too large: I read files up to %d MB.", name, b.MaxFile>>20)
	}
	out := limited{most: b.MaxFile}
	if err := b.api.GetFileContext(ctx, f.URL, &out); err != nil {
		if out.over {
			return agent.FileRef{}, agent.Errorf(agent.TooLarge, "“%s” is too large: I read files up to %d MB.", name, b.MaxFile>>20)
		}
		return agent.FileRef{}, unreachable(err, "“"+name+"”")
	}
	if f.Media != "text/html" && bytes.HasPrefix(bytes.TrimSpace(out.Bytes()), []byte("<!DOCTYPE html>")) {
		return agent.FileRef{}, agent.Errorf(agent.Invalid, "I may not read “%s”.", name)
	}
	return b.Desk.Upload(ctx, by, place, clip(or(f.Name, f.ID), 255), f.Media, out.Bytes())
}

// unreachable says whether Slack was away or said no.
func unreachable(err error, what string) error {
	if why, _ := judge(err); why == refused {
		return agent.WrapError(agent.Invalid, err, "I may not read "+what+".")
	}
	// slack-go says these two in words alone: a redirect to the sign-in page, and an
	// address that must not get the token.
	if s := err.Error(); strings.Contains(s, "sign-in page") || strings.Contains(s, "refusing to send the token") {
		return agent.WrapError(agent.Invalid, err, "I may not read "+what+".")
	}
	return agent.WrapError(agent.Unavailable, err, "Slack does not hand out "+what+" right now")
}

// limited is a buffer with an end.
type limited struct {
	bytes.Buffer
	most int64
	over bool
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if int64(l.Len()+len(p)) > l.most {
		l.over = true
		return 0, errors.New("the file is too large")
	}
	return l.Buffer.Write(p)
}
