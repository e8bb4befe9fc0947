package slack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/review"
)

// The fields of the forms.
const (
	fieldWhere     = "where"
	fieldForms     = "forms"
	fieldTitle     = "title"
	fieldSummary   = "summary"
	fieldDecisions = "decisions"
	fieldActions   = "actions"
	fieldQuestions = "questions"
)

// reviewText is the card of minutes where blocks are not shown.
func reviewText(r review.Review) string {
	return map[review.State]string{review.Draft: "Draft minutes", review.Published: "Published", review.Discarded: "Discarded"}[r.State] +
		": " + escape(clip(visible(r.Minutes.Title), 200))
}

// ReviewCard is what the reviewer decides about minutes with; decided, it says what
// became of them.
func ReviewCard(r review.Review) []slack.Block {
	title := "“" + escape(clip(visible(r.Minutes.Title), 200)) + "”"
	facts := []string{plural(len(r.Minutes.Decisions), "decision"), plural(len(r.Minutes.Actions), "action item"), plural(len(r.Minutes.Questions), "open question")}
	if r.Minutes.Model != "" {
		facts = append(facts, "drafted by "+escape(clip(visible(r.Minutes.Model), 60)))
	}
	if r.Edits > 0 {
		facts = append(facts, "edited by "+person(r.Reviewer.ID, r.Reviewer.Name))
	}
	fact := small(strings.Join(facts, "  ·  "))
	switch r.State {
	case review.Discarded:
		return []slack.Block{section(":x: *Discarded* the minutes of " + title + ". Nobody else sees them."), small(when(r.Decided))}
	case review.Published:
		blocks := []slack.Block{section(":white_check_mark: *Published* the minutes of " + title + "."), fact}
		for _, o := range r.Outlets[:min(len(r.Outlets), 20)] {
			blocks = append(blocks, small(outletLine(o)))
		}
		return append(blocks, slack.NewActionBlock("", button(actPublishMore, r.ID, "Publish elsewhere…", slack.StyleDefault)))
	case review.Draft:
	}
	buttons := []slack.BlockElement{button(actPublishMore, r.ID, "Publish…", slack.StylePrimary)}
	if _, ok := whereOf(r.Conversation); ok && r.Place.Kind != agent.DM {
		buttons = []slack.BlockElement{button(actPublish, r.ID, "Publish in the thread", slack.StylePrimary), button(actPublishMore, r.ID, "Elsewhere…", slack.StyleDefault)}
	}
	discard := button(actDiscard, r.ID, "Discard", slack.StyleDanger)
	discard.Confirm = slack.NewConfirmationBlockObject(plain("Discard the draft?"), plain("Nobody else will see these minutes."), plain("Discard"), plain("Back"))
	buttons = append(buttons, button(actReviewEdit, r.ID, "Edit", slack.StyleDefault), discard)
	return []slack.Block{
		slack.NewDividerBlock(),
		section("*This is a draft of the minutes of " + title + ".* Nobody else sees it until you publish it."), fact,
		slack.NewActionBlock("", buttons...),
	}
}

// outletLine says where minutes are published, or why they are not.
func outletLine(o review.Outlet) string {
	what := map[review.Form]string{review.Message: "Message", review.Canvas: "Canvas", review.List: "List of action items"}[o.Form]
	if o.URL != "" {
		what = "<" + escape(o.URL) + "|" + what + ">"
	}
	switch {
	case o.Failed != "":
		return ":warning: " + what + " in <#" + o.To + ">: " + escape(clip(o.Failed, 300))
	case o.Open():
		return what + " in <#" + o.To + "> is on its way …"
	}
	return what + " in <#" + o.To + ">, " + when(o.At)
}

// PublishModal asks where and how.
func PublishModal(r review.Review, m meta) slack.ModalViewRequest {
	where := slack.NewOptionsSelectBlockElement(slack.OptTypeConversations, plain("Choose a channel"), inputID)
	where.Filter = &slack.SelectBlockElementFilter{Include: []string{"public", "private"}, ExcludeExternalSharedChannels: true, ExcludeBotUsers: true}
	if at, ok := whereOf(r.Conversation); ok && r.Place.Kind != agent.DM {
		where.InitialConversation = at.channel
	}
	option := func(f review.Form, words, more string) *slack.OptionBlockObject {
		return slack.NewOptionBlockObject(string(f), plain(words), plain(more))
	}
	message := option(review.Message, "Message", "With “That's mine” on each action item")
	forms := slack.NewCheckboxGroupsBlockElement(inputID, message, option(review.Canvas, "Canvas", "A document in the channel's tabs"))
	if len(r.Minutes.Actions) > 0 {
		forms.Options = append(forms.Options, option(review.List, "List of action items", "On paid plans; else they stay in the message"))
	}
	forms.InitialOptions = []*slack.OptionBlockObject{message}
	return modal(modalPublish, "Publish the minutes", "Publish", m,
		section("*"+escape(clip(visible(r.Minutes.Title), 200))+"*\nEverybody in the channel will see them. You and I have to be in it."),
		slack.NewInputBlock(fieldWhere, plain("Where"), nil, where), slack.NewInputBlock(fieldForms, plain("As"), nil, forms))
}

// ReviewModal shows the minutes for editing, a point on each line. What does not fit
// a form stays as it is.
func ReviewModal(r review.Review, m meta) slack.ModalViewRequest {
	blocks := []slack.Block{}
	long := 0
	for _, f := range minutesFields(r.Minutes) {
		if len([]rune(f.value)) > maxInput {
			long++
			continue
		}
		in := input(f.id, f.label, f.value, f.id != fieldTitle)
		if e, ok := in.Element.(*slack.PlainTextInputBlockElement); ok {
			e.Multiline = f.id != fieldTitle
		}
		if f.hint != "" {
			in.Hint = plain(f.hint)
		}
		blocks = append(blocks, in)
	}
	if long > 0 {
		blocks = append(blocks, small(fmt.Sprintf("Too long for a form, so it stays as it is: %s.", plural(long, "part"))))
	}
	return modal(modalReview, "Edit the minutes", "Save", m, blocks...)
}

type minutesField struct{ id, label, hint, value string }

func minutesFields(m agent.Minutes) []minutesField {
	texts := func(all []agent.Item) string {
		var lines []string
		for _, i := range all {
			lines = append(lines, oneLine(i.Text))
		}
		return strings.Join(lines, "\n")
	}
	var actions []string
	for _, a := range m.Actions {
		line := strings.ReplaceAll(oneLine(a.Text), "|", "/")
		if a.Owner != nil || a.Due != nil {
			line += " | " + oneLine(deref(a.Owner))
		}
		if a.Due != nil {
			line += " | " + oneLine(*a.Due)
		}
		actions = append(actions, line)
	}
	return []minutesField{
		{fieldTitle, "Title", "", oneLine(m.Title)},
		{fieldSummary, "Summary", "", m.Summary},
		{fieldDecisions, "Decisions", "One on each line", texts(m.Decisions)},
		{fieldActions, "Action items", "One on each line: what | who | when, such as Order displays | Carol | 2026-03-31", strings.Join(actions, "\n")},
		{fieldQuestions, "Open questions", "One on each line", texts(m.Questions)},
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// editedMinutes are the minutes with what a form says in place of what was. A point
// whose words are as they were keeps what supports it.
func editedMinutes(was agent.Minutes, c click) (agent.Minutes, map[string]string) {
	now, wrong := was, map[string]string{}
	given := func(field string) (string, bool) {
		_, there := c.View.State.Values[field]
		return strings.TrimSpace(c.text(field)), there
	}
	if text, ok := given(fieldTitle); ok {
		now.Title = oneLine(text)
	}
	if text, ok := given(fieldSummary); ok {
		now.Summary = text
	}
	if text, ok := given(fieldDecisions); ok {
		now.Decisions = editedItems(was.Decisions, text)
	}
	if text, ok := given(fieldQuestions); ok {
		now.Questions = editedItems(was.Questions, text)
	}
	if text, ok := given(fieldActions); ok {
		var err string
		if now.Actions, err = editedActions(was.Actions, text); err != "" {
			wrong[fieldActions] = err
		}
	}
	return now, wrong
}

// points are the lines of a form that say something.
func points(text string) []string {
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = oneLine(strings.TrimLeft(line, "-•* \t")); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func editedItems(was []agent.Item, text string) []agent.Item {
	now := []agent.Item{}
	for _, p := range points(text) {
		item := agent.Item{Text: p}
		if i := slices.IndexFunc(was, func(o agent.Item) bool { return oneLine(o.Text) == p }); i >= 0 {
			item = was[i]
		}
		now = append(now, item)
	}
	return now
}

func editedActions(was []agent.Action, text string) ([]agent.Action, string) {
	now := []agent.Action{}
	for _, p := range points(text) {
		parts := strings.SplitN(p, "|", 3)
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		parts = append(parts, "", "")
		if parts[2] != "" {
			if _, err := time.Parse(time.DateOnly, parts[2]); err != nil {
				return nil, fmt.Sprintf("“%s” is no date; write one like 2026-03-31, or none.", clip(parts[2], 40))
			}
		}
		a := agent.Action{Text: parts[0]}
		if i := slices.IndexFunc(was, func(o agent.Action) bool { return strings.ReplaceAll(oneLine(o.Text), "|", "/") == parts[0] }); i >= 0 {
			a = was[i]
		}
		a.Owner, a.Due = some(parts[1]), some(parts[2])
		now = append(now, a)
	}
	return now, ""
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// look is how minutes are shown: as a draft, or published with who took what.
type look struct {
	draft bool
	// links are the addresses of quoted messages, by quote.
	links map[string]string
	// review is set when people may take action items.
	review *review.Review
}

func minutesFacts(m agent.Minutes) []string {
	var facts []string
	if m.Date != "" {
		facts = append(facts, m.Date)
	}
	if len(m.Participants) > 0 {
		facts = append(facts, visible(strings.Join(m.Participants, ", ")))
	}
	if m.Source != "" {
		facts = append(facts, "from "+sourceName(m.Source))
	}
	return facts
}

// historyName is how the transcript of a thread or a channel is called.
var historyName = regexp.MustCompile(`^(thread|channel)-[A-Za-z0-9.]+\.txt$`) //nolint:gochecknoglobals // a compiled pattern, never changed

func sourceName(source string) string {
	if m := historyName.FindStringSubmatch(source); m != nil {
		return "this " + m[1]
	}
	return clip(visible(source), 100)
}

// minutesBlocks are minutes in as many messages as it takes.
func minutesBlocks(m agent.Minutes, l look) [][]slack.Block {
	title := "Minutes: " + clip(visible(m.Title), maxHeader-20)
	if l.draft {
		title += " (draft)"
	}
	blocks := []slack.Block{header(title)}
	if facts := minutesFacts(m); len(facts) > 0 {
		blocks = append(blocks, small(escape(strings.Join(facts, "  ·  "))))
	}
	if m.Summary != "" {
		blocks = append(blocks, paragraphs("", visible(m.Summary))...)
	}
	var lines []string
	for _, d := range m.Decisions {
		lines = append(lines, item(d.Text, d.Evidence, "", l.links))
	}
	blocks = append(blocks, list("Decisions", lines)...)
	blocks = append(blocks, actionBlocks(m, l)...)
	lines = nil
	for _, q := range m.Questions {
		lines = append(lines, item(q.Text, q.Evidence, "", l.links))
	}
	blocks = append(blocks, list("Open questions", lines)...)
	if m.Dropped > 0 && l.review == nil {
		blocks = append(blocks, small(fmt.Sprintf("Left out of the draft, because nothing in the transcript supports it: %s.", plural(m.Dropped, "point"))))
	}
	return slices.Collect(slices.Chunk(blocks, 46))
}

// actionBlocks are the action items: a list, or published each with its buttons.
func actionBlocks(m agent.Minutes, l look) []slack.Block {
	var lines []string
	if l.review == nil {
		for _, a := range m.Actions {
			lines = append(lines, item(a.Text, a.Evidence, ownerOf(a), l.links))
		}
		return list("Action items", lines)
	}
	var blocks []slack.Block
	for i, a := range m.Actions {
		title := ""
		if i == 0 {
			title = "*Action items*\n"
		}
		blocks = append(blocks, section(title+item(a.Text, a.Evidence, claimedBy(*l.review, i), l.links)))
		value := fmt.Sprintf("%s %d", l.review.ID, i)
		owner, known := l.review.Owner(i)
		var buttons []slack.BlockElement
		if owner.By == "" {
			buttons = append(buttons, button(actMine, value, "That's mine", slack.StyleDefault))
		}
		if known {
			buttons = append(buttons, button(actNotMe, value, "Not me", slack.StyleDefault))
		}
		blocks = append(blocks, slack.NewActionBlock("", buttons...))
	}
	return blocks
}

// claimedBy says whose an action item is and, of one somebody took, that they did.
func claimedBy(r review.Review, i int) string {
	owner, known := r.Owner(i)
	text := "no owner"
	switch user, ours := userOf(owner.By); {
	case known && ours:
		text = "<@" + user + "> took this"
	case known && owner.By != "":
		text = escape(visible(or(owner.Name, string(owner.By)))) + " took this"
	case known:
		text = escape(visible(owner.Name))
	}
	if due := r.Minutes.Actions[i].Due; due != nil && *due != "" {
		text += ", due " + escape(*due)
	}
	return " — _" + text + "_"
}
