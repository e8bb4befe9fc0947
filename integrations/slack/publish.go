package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/review"
)

// issue makes what is still to be made of a review's outlets. again says that a
// former process may have begun.
func (b *Bot) issue(ctx context.Context, ws agent.WorkspaceID, id string, again bool) error {
	if !b.mine(id) {
		return nil
	}
	var wrong []error
	for more := true; more; more = b.free(id) {
		err := b.issueAll(ctx, ws, id, again)
		wrong = append(wrong, err)
		// What failed half-way was left behind by this process itself.
		again = again || err != nil
	}
	return errors.Join(wrong...)
}

func (b *Bot) issueAll(ctx context.Context, ws agent.WorkspaceID, id string, again bool) (err error) {
	r, err := b.Reviews.Review(ctx, ws, id)
	if err != nil || !unissued(r) {
		return err
	}
	// Of several processes one makes them, for as long as the others hear of it.
	ctx = b.inTerm(ctx)
	about := fmt.Sprintf("review/%s/%d", r.ID, len(r.Outlets))
	is, err := b.Deliveries.Take(ctx, b.front(), delivery.Lease{About: about, Holder: b.Holder, For: issuing})
	if err != nil || is != delivery.Mine {
		return err
	}
	defer func() {
		if err == nil {
			b.clerk.settle(delivery.Settled{Over: []string{about}})
		}
	}()
	var wrong []error
	for i, o := range r.Outlets {
		switch {
		case !o.Open():
		case !o.Tried:
			wrong = append(wrong, b.make(ctx, r, i))
		case again:
			wrong = append(wrong, b.leftBehind(ctx, r, i))
		}
	}
	err = errors.Join(wrong...)
	return err
}

// issuing is how long a process has to make a review's outlets before another does.
const issuing = 10 * time.Minute

func unissued(r review.Review) bool {
	return slices.ContainsFunc(r.Outlets, review.Outlet.Open)
}

// takeUpReviews makes what another process left of published minutes.
func (b *Bot) takeUpReviews(ctx context.Context) error {
	if b.Reviews == nil {
		return nil
	}
	all, err := b.Reviews.Reviews(ctx, b.workspace(), "")
	if err != nil {
		return err
	}
	for _, r := range all {
		if unissued(r) && b.Clock().Sub(r.Decided) < lately {
			b.longer(ctx, "minutes", func(ctx context.Context) error { return b.issue(ctx, r.Workspace, r.ID, true) })
		}
	}
	return nil
}

// mine takes a review for one goroutine of this process; who comes while it works
// leaves it to look once more.
func (b *Bot) mine(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, busy := b.issuing[id]
	b.issuing[id] = busy
	return !busy
}

// free gives a review back, unless somebody came meanwhile.
func (b *Bot) free(id string) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if more = b.issuing[id]; more {
		b.issuing[id] = false
		return true
	}
	delete(b.issuing, id)
	return false
}

// make makes one outlet, if nobody else does. What Slack refuses is noted; a canvas
// or list that this Slack does not have becomes a message.
func (b *Bot) make(ctx context.Context, r review.Review, i int) error {
	if err := b.awake(ctx); err != nil {
		return err
	}
	by := r.Reviewer
	r, err := b.Reviews.ChangeReview(ctx, by, r.ID, func(r review.Review) (review.Review, error) { return r.Try(i) })
	if agent.KindOf(err) == agent.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	return b.finishOutlet(ctx, r, i)
}

// leftBehind sees to an outlet that a process ended in the middle of: a message is
// looked for and posted if it is not there; of a canvas or a list nobody knows.
func (b *Bot) leftBehind(ctx context.Context, r review.Review, i int) error {
	if r.Outlets[i].Form == review.Message {
		return b.finishOutlet(ctx, r, i)
	}
	return b.settleOutlet(ctx, r, i, nil, "", "It is not known whether Slack made it: please look, and publish again if it is not there.")
}

func (b *Bot) finishOutlet(ctx context.Context, r review.Review, i int) error {
	o := r.Outlets[i]
	var refs []string
	var url string
	var err error
	switch o.Form {
	case review.Message:
		refs, err = b.asMessage(ctx, r, o)
	case review.Canvas:
		refs, url, err = b.asCanvas(ctx, r, o)
	case review.List:
		refs, url, err = b.asList(ctx, r, o)
	}
	if err == nil {
		return b.settleOutlet(ctx, r, i, refs, url, "")
	}
	if ctx.Err() != nil || errors.Is(err, errAsleep) {
		return err
	}
	if err := b.settleOutlet(ctx, r, i, nil, "", outletFailure(o.Form, err)); err != nil {
		return err
	}
	if o.Form == review.Message {
		return nil
	}
	// Nothing is lost because a form is not to be had.
	got, err := b.Reviews.ChangeReview(ctx, r.Reviewer, r.ID, func(r review.Review) (review.Review, error) {
		return r.Publish(r.Reviewer, review.Outlet{Form: review.Message, To: o.To, Under: o.Under}, b.Clock())
	})
	if err != nil {
		return err
	}
	n := slices.IndexFunc(got.Outlets, func(p review.Outlet) bool { return p.Form == review.Message && p.To == o.To && p.Under == o.Under })
	if n < 0 || !got.Outlets[n].Open() || got.Outlets[n].Tried {
		return nil
	}
	return b.make(ctx, got, n)
}

// outletFailure says for people why a form is not to be had.
func outletFailure(f review.Form, err error) string {
	what := map[review.Form]string{review.Canvas: "Canvases are", review.List: "Slack lists are", review.Message: "Messages are"}[f]
	word := code(err)
	switch word {
	case "missing_scope":
		return what + " not available: the app lacks the scope for them."
	case "":
		return what + " not available right now."
	case "not_in_channel", "channel_not_found":
		return "I am not in that channel: invite me first."
	}
	return what + " not available here (" + word + ")."
}

func (b *Bot) settleOutlet(ctx context.Context, r review.Review, i int, refs []string, url, failed string) error {
	_, err := b.Reviews.ChangeReview(ctx, r.Reviewer, r.ID, func(r review.Review) (review.Review, error) { return r.Made(i, refs, url, failed) })
	if agent.KindOf(err) == agent.Conflict {
		return nil
	}
	return err
}

// asMessage posts the minutes, in as many messages as it takes, each once.
func (b *Bot) asMessage(ctx context.Context, r review.Review, o review.Outlet) ([]string, error) {
	found, err := b.post.find(ctx, o.To, o.Under)
	if err != nil {
		return nil, err
	}
	var refs []string
	under := o.Under
	for i, m := range b.published(ctx, r) {
		m.channel, m.thread, m.key = o.To, under, publishedKey(r, o, i)
		ts := found[m.key]
		if ts == "" {
			if ts, err = b.post.once(ctx, m); err != nil {
				return nil, err
			}
		}
		if refs = append(refs, ts); under == "" {
			// What does not fit goes below the first.
			under = ts
		}
	}
	return refs, nil
}

func publishedKey(r review.Review, o review.Outlet, i int) string {
	return fmt.Sprintf("%s/published/%s/%s/%d", r.Turn, r.ID, o.To+o.Under, i)
}

// published are the minutes as everybody sees them.
func (b *Bot) published(ctx context.Context, r review.Review) []post {
	var all []post
	for _, blocks := range minutesBlocks(r.Minutes, look{links: b.quoted(ctx, r), review: &r}) {
		all = append(all, post{text: minutesText(r.Minutes), blocks: blocks})
	}
	return all
}

// reissue shows what changed in the messages that are published.
func (b *Bot) reissue(ctx context.Context, r review.Review) error {
	posts := b.published(ctx, r)
	for _, o := range r.Outlets {
		if o.Form != review.Message {
			continue
		}
		for i, ts := range o.Refs[:min(len(o.Refs), len(posts))] {
			m := posts[i]
			m.key = publishedKey(r, o, i)
			if err := b.post.update(ctx, o.To, ts, m); err != nil && !isCode(err, "message_not_found") {
				return err
			}
		}
	}
	return nil
}

func isCode(err error, word string) bool { return err != nil && code(err) == word }

// asCanvas makes a canvas of the minutes in the channel's tabs and says so there.
func (b *Bot) asCanvas(ctx context.Context, r review.Review, o review.Outlet) ([]string, string, error) {
	id, err := b.api.CreateCanvasContext(ctx, clip("Minutes: "+r.Minutes.Title, 200),
		slack.DocumentContent{Type: "markdown", Markdown: canvasMarkdown(r, b.quoted(ctx, r))}, slack.CreateCanvasOptionChannelID(o.To))
	if err != nil {
		return nil, "", err
	}
	url := b.fileLink(ctx, id)
	return []string{id}, url, b.announce(ctx, r, o, "canvas", id, url)
}

// asList makes a list of the action items, readable for the channel, and says so there.
func (b *Bot) asList(ctx context.Context, r review.Review, o review.Outlet) ([]string, string, error) {
	made, err := b.api.CreateListContext(ctx, clip("Action items: "+r.Minutes.Title, 200), slack.CreateListOptionTodoMode(true))
	if err != nil {
		return nil, "", err
	}
	columns := map[slack.ListColumnType]string{}
	for _, col := range made.ListMetadata.Schema {
		kind := col.Type
		if col.IsPrimaryColumn != nil && *col.IsPrimaryColumn {
			kind = slack.ListColumnText
		}
		columns[kind] = col.ID
	}
	for i := range r.Minutes.Actions {
		err := b.post.again(ctx, func() error {
			_, err := b.api.CreateListItemContext(ctx, made.ListID, slack.CreateListItemOptionInitialFields(listFields(r, i, columns)))
			return err
		})
		if err != nil {
			return nil, "", err
		}
	}
	if err := b.api.SetListAccessContext(ctx, made.ListID, slack.ListAccessWrite, slack.SetListAccessOptionChannelIDs([]string{o.To})); err != nil {
		return nil, "", err
	}
	url := b.fileLink(ctx, made.ListID)
	return []string{made.ListID}, url, b.announce(ctx, r, o, "list", made.ListID, url)
}

// listFields are an action item as a row: its words, who took it and when it is due.
func listFields(r review.Review, i int, columns map[slack.ListColumnType]string) []slack.ListItemField {
	a := r.Minutes.Actions[i]
	words := a.Text
	owner, known := r.Owner(i)
	user, ours := userOf(owner.By)
	if known && !ours {
		words += " — " + owner.Name
	}
	rich := slack.NewRichTextBlock("", slack.NewRichTextSection(slack.NewRichTextSectionTextElement(clip(visible(words), 2000), nil)))
	all := []slack.ListItemField{{ColumnID: columns[slack.ListColumnText], RichText: []slack.RichTextBlock{*rich}}}
	if col := columns[slack.ListColumnTodoAssignee]; known && ours && col != "" {
		all = append(all, slack.ListItemField{ColumnID: col, User: []string{user}})
	}
	if col := columns[slack.ListColumnTodoDueDate]; a.Due != nil && *a.Due != "" && col != "" {
		all = append(all, slack.ListItemField{ColumnID: col, Date: []string{*a.Due}})
	}
	return all
}

// fileLink is where people open a canvas or a list; "" when Slack does not say.
func (b *Bot) fileLink(ctx context.Context, id string) string {
	f, _, _, err := b.api.GetFileInfoContext(ctx, id, 0, 0)
	if err != nil {
		return ""
	}
	return f.Permalink
}

// announce says in the channel that there is a canvas or a list.
func (b *Bot) announce(ctx context.Context, r review.Review, o review.Outlet, what, id, url string) error {
	words := map[string]string{"canvas": "The minutes of “%s” are a canvas", "list": "The action items of “%s” are a list"}[what]
	text := fmt.Sprintf(words, escape(clip(visible(r.Minutes.Title), 200)))
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		text += ": <" + escape(url) + "|open it>"
	}
	_, err := b.post.once(ctx, post{channel: o.To, thread: o.Under, key: r.Turn + "/announced/" + id, text: text + "."})
	return err
}

// canvasMarkdown are minutes as a document: decisions with what supports them, and
// the action items as boxes to tick (docs.slack.dev/surfaces/canvases).
func canvasMarkdown(r review.Review, links map[string]string) string {
	m := r.Minutes
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if facts := minutesFacts(m); len(facts) > 0 {
		line("_%s_\n", mdText(strings.Join(facts, " · ")))
	}
	if m.Summary != "" {
		line("%s\n", mdText(m.Summary))
	}
	quote := func(all []agent.Evidence) {
		for _, e := range all[:min(len(all), 1)] {
			from := mdText(strings.TrimSpace(e.Speaker + " " + e.Time))
			if l := links[e.Quote]; l != "" {
				from = "[" + or(from, "message") + "](" + l + ")"
			}
			line("> “%s” %s\n", mdText(e.Quote), from)
		}
	}
	if len(m.Decisions) > 0 {
		line("## Decisions")
		for _, d := range m.Decisions {
			line("- %s", mdText(d.Text))
			quote(d.Evidence)
		}
	}
	if len(m.Actions) > 0 {
		line("## Action items")
		for i, a := range m.Actions {
			line("- [ ] %s — %s", mdText(a.Text), canvasOwner(r, i))
		}
	}
	if len(m.Questions) > 0 {
		line("## Open questions")
		for _, q := range m.Questions {
			line("- %s", mdText(q.Text))
		}
	}
	return b.String()
}

func canvasOwner(r review.Review, i int) string {
	owner, known := r.Owner(i)
	text := "no owner"
	if user, ours := userOf(owner.By); known && ours {
		text = "![](@" + user + ")"
	} else if known {
		text = mdText(owner.Name)
	}
	if due := r.Minutes.Actions[i].Due; due != nil && *due != "" {
		text += ", due " + mdText(*due)
	}
	return text
}

// mdText is text that makes no Markdown.
func mdText(s string) string {
	s = strings.Join(strings.Fields(visible(s)), " ")
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "#", `\#`, "|", `\|`, "!", `\!`, "~", `\~`).Replace(s)
}
