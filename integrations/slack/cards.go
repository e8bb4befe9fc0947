package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// The buttons. A value holds ids alone; who pressed comes from Slack's signed
// delivery, and whether they may is asked of the store.
const (
	actApprove    = "sous_approve"
	actReject     = "sous_reject"
	actEdit       = "sous_edit"
	actAsk        = "sous_ask"
	actApproveAll = "sous_approve_all"
	actUndo       = "sous_undo"
	actHome       = "sous_home"
)

// How long texts may be in blocks.
const (
	maxSection = 2900
	maxHeader  = 150
	maxValue   = 2000
	maxInput   = 3000
)

func plain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

func mark(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
}

func section(s string) slack.Block {
	return slack.NewSectionBlock(mark(clip(s, maxSection)), nil, nil)
}

// small is a context block with one text.
func small(s string) slack.Block {
	return slack.NewContextBlock("", mark(clip(s, maxSection)))
}

func header(s string) slack.Block {
	return slack.NewHeaderBlock(plain(clip(or(strings.TrimSpace(s), "—"), maxHeader)))
}

func button(action, value, label string, style slack.Style) *slack.ButtonBlockElement {
	b := slack.NewButtonBlockElement(action, value, plain(label))
	b.Style = style
	return b
}

// when is a time that Slack shows in the reader's own zone and language.
func when(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2 Jan 2006 15:04 MST"))
}

// person names somebody: a Slack account as a mention that notifies nobody twice,
// others by name.
func person(id agent.ActorID, name string) string {
	if user, ok := userOf(id); ok {
		return "<@" + user + ">"
	}
	return escape(clip(visible(or(name, string(id))), 80))
}

// toolTitle turns "ticket_create" into "Ticket create".
func toolTitle(tool string) string {
	words := strings.ReplaceAll(tool, "_", " ")
	if words == "" {
		return words
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// cardText is a card where blocks are not shown, such as in a notification.
func cardText(a approval.Approval) string {
	return escape(stateWord(a) + ": " + toolTitle(a.Call.Tool))
}

func stateWord(a approval.Approval) string {
	switch a.State {
	case approval.Approved, approval.Spent:
		return "Approved"
	case approval.Denied:
		return "Rejected"
	case approval.Expired:
		return "Expired"
	case approval.Superseded:
		return "Asked anew"
	case approval.Withdrawn:
		return "Not needed any more"
	case approval.Asked:
	}
	if a.Kind == approval.ByRequester {
		return "Please confirm"
	}
	return "Approval needed"
}

// Card is an approval: exactly what would be done, why it is asked, where the
// arguments came from, how risky it is and what undoing would do. Decided, it is
// locked and says by whom and when. Its buttons show for the deciders alone, by their
// user ids, and for everybody when none are named; that is courtesy, since whether a
// person may is asked of the store.
func Card(a approval.Approval, deciders ...string) []slack.Block {
	blocks := []slack.Block{header(stateWord(a) + ": " + toolTitle(a.Call.Tool))}
	shown, whole := argumentBlocks(a)
	blocks = append(blocks, shown...)
	facts := []string{"Asked by " + person(a.Call.Actor.ID, a.Call.Actor.Name), a.Tier.String()}
	if a.Reason != "" {
		facts = append(facts, "Why: "+escape(clip(visible(a.Reason), 400)))
	}
	if a.Undo != "" {
		facts = append(facts, "Undo: "+escape(clip(visible(a.Undo), 400)))
	} else {
		facts = append(facts, "Cannot be undone")
	}
	blocks = append(blocks, small(strings.Join(facts, "  ·  ")))
	if len(a.Marked) > 0 {
		from := ""
		if len(a.Sources) > 0 {
			from = " (" + escape(clip(visible(strings.Join(a.Sources, ", ")), 300)) + ")"
		}
		blocks = append(blocks, small(":warning: What is marked was not said by "+person(a.Call.Actor.ID, a.Call.Actor.Name)+": it comes from text of others"+from+"."))
	}
	for _, n := range a.Notes[max(0, len(a.Notes)-3):] {
		blocks = append(blocks, small(person(n.By, n.Name)+": "+escape(clip(visible(n.Text), 500))))
	}
	if a.State != approval.Asked {
		return append(blocks, small(locked(a)))
	}
	if a.Needs() > 1 || len(a.Votes) > 0 {
		blocks = append(blocks, small(fmt.Sprintf("%d of %d have approved%s", len(a.Votes), a.Needs(), voters(a))))
	}
	if way := passedOn(a); way != "" {
		blocks = append(blocks, small(way))
	}
	who := ""
	if g := a.Groups(); len(g) > 0 {
		who = "Decided by " + escape(strings.Join(g, ", ")) + ". "
	}
	buttons := decisionButtons(a, whole, deciders)
	return append(blocks,
		slack.NewActionBlock("decide-"+a.ID, buttons...),
		small(fmt.Sprintf("%sExpires %s  ·  %s", who, when(a.Expires), a.ID)))
}

// decisionButtons are what one may press on an open card. Who asked may change the
// arguments too.
func decisionButtons(a approval.Approval, whole bool, deciders []string) []slack.BlockElement {
	writers := slices.Clone(deciders)
	if user, ok := userOf(a.Call.Actor.ID); ok && len(deciders) > 0 && !slices.Contains(deciders, user) {
		writers = append(writers, user)
	}
	seen := func(b *slack.ButtonBlockElement, by []string) slack.BlockElement {
		b.VisibleToUserIDs = by
		return b
	}
	var buttons []slack.BlockElement
	if whole {
		label := map[bool]string{true: "Confirm", false: "Approve"}[a.Kind == approval.ByRequester]
		buttons = append(buttons, seen(button(actApprove, a.ID, label, slack.StylePrimary), deciders))
	}
	buttons = append(buttons, seen(button(actReject, a.ID, "Reject", slack.StyleDanger), deciders))
	if whole && editable(a.Call.Args) {
		buttons = append(buttons, seen(button(actEdit, a.ID, "Edit", slack.StyleDefault), writers))
	}
	return append(buttons, button(actAsk, a.ID, "Ask", slack.StyleDefault))
}

// passedOn says who else decides by now, and to whom it goes next and when.
func passedOn(a approval.Approval) string {
	var all []string
	for _, d := range a.Handed {
		all = append(all, person(d.From, "")+" handed their say to "+person(d.To, d.Name))
	}
	if n := min(a.Stage, len(a.Chain)); n > 0 {
		all = append(all, ":arrow_up: Nobody decided in time, so "+escape(strings.Join(a.Chain[n-1].Groups, ", "))+" decide as well")
	}
	if at := a.EscalatesAt(); !at.IsZero() && at.Before(a.Expires) {
		all = append(all, "Goes to "+escape(strings.Join(a.Chain[a.Stage].Groups, ", "))+" "+when(at)+" when nobody has decided")
	}
	return strings.Join(all, "\n")
}

func voters(a approval.Approval) string {
	var who []string
	for _, v := range a.Votes {
		who = append(who, person(v.By, v.Name))
	}
	if len(who) == 0 {
		return ""
	}
	return ": " + strings.Join(who, ", ")
}

// locked says what became of an approval, by whom and when.
func locked(a approval.Approval) string {
	line := stateWord(a)
	if a.State == approval.Superseded && len(a.Edited) > 0 {
		line = "Changed"
	}
	if a.DecidedBy != "" {
		line += " by " + person(a.DecidedBy, a.DecidedName)
	}
	if !a.DecidedAt.IsZero() {
		line += " " + when(a.DecidedAt)
	} else if a.State == approval.Expired {
		line += " " + when(a.Expires)
	}
	if a.Comment != "" {
		line += " — " + escape(clip(visible(a.Comment), 500))
	}
	return line + "  ·  " + a.ID
}

// argument is one argument of a call, with its value as people read it.
type argument struct {
	Name, Value string
	Text        bool
	Marked      bool
	raw         json.RawMessage
}

// arguments lists a call's arguments in the order they were given, as they will be
// used: of a repeated name the last value counts, as it does for a tool.
func arguments(raw json.RawMessage, marked []string) ([]argument, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var all []argument
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil, false
		}
		a := argument{Name: fmt.Sprint(name), raw: value}
		var text string
		if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
			a.Value, a.Text = text, true
		} else {
			if a.Value, err = layout(value); err != nil {
				return nil, false
			}
		}
		a.Marked = slices.ContainsFunc(marked, func(m string) bool {
			return m == a.Name || strings.HasPrefix(m, a.Name+".") || strings.HasPrefix(m, a.Name+"[")
		})
		all = slices.DeleteFunc(all, func(o argument) bool { return o.Name == a.Name })
		all = append(all, a)
	}
	return all, true
}

// layout is a JSON value as people read it: on one line when it is short.
func layout(value json.RawMessage) (string, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, value); err != nil {
		return "", err
	}
	if utf8.RuneCount(out.Bytes()) <= 70 {
		return out.String(), nil
	}
	out.Reset()
	err := json.Indent(&out, value, "", "  ")
	return out.String(), err
}

// maxArguments is how many blocks the arguments may take; a call with more is
// approved in the web chat only.
const maxArguments = 25

// argumentBlocks shows the exact arguments; whole says that nothing was left out.
// What nobody could read here nobody can approve here.
func argumentBlocks(a approval.Approval) (blocks []slack.Block, whole bool) {
	all, ok := arguments(a.Call.Args, a.Marked)
	if !ok {
		all = []argument{{Name: "arguments", Value: string(a.Call.Args), Marked: len(a.Marked) > 0}}
	}
	for _, arg := range all {
		sign := ""
		if arg.Marked {
			sign = " :warning:"
		}
		value := escape(visible(arg.Value))
		if arg.Value == "" {
			value = "(empty)"
		}
		if !arg.Text {
			value = "```" + strings.ReplaceAll(value, "```", "'''") + "```"
		}
		for i, piece := range split(value, maxSection-200) {
			name := "*" + escape(clip(visible(arg.Name), 100)) + "*" + sign
			if i > 0 {
				name += " (continued)"
			}
			blocks = append(blocks, section(name+"\n"+piece))
		}
	}
	if over := len(blocks) - maxArguments; over > 0 {
		return append(blocks[:maxArguments], small(fmt.Sprintf(":warning: %d more parts do not fit here: %s can be approved in the web chat.", over, a.ID))), false
	}
	return blocks, true
}

// editable reports whether the arguments fit a form.
func editable(raw json.RawMessage) bool {
	all, ok := arguments(raw, nil)
	return ok && len(all) > 0 && len(all) <= 20 && !slices.ContainsFunc(all, func(a argument) bool {
		return len([]rune(a.Value)) > maxInput || len([]rune(a.Name)) > 100 || visible(a.Value) != a.Value
	})
}

// allBlocks is the card for all of a round: one yes to calls that each stand above.
func allBlocks(ids []string) []slack.Block {
	text := section(fmt.Sprintf("*%d actions wait for a decision.* Each stands above with what it would do. You can decide them one by one, or all at once.", len(ids)))
	value := strings.Join(ids, ",")
	if len(value) > maxValue {
		return []slack.Block{text}
	}
	b := button(actApproveAll, value, fmt.Sprintf("Approve all %d", len(ids)), slack.StylePrimary)
	b.Confirm = slack.NewConfirmationBlockObject(plain("Approve all?"), plain(fmt.Sprintf("%d actions will be done as shown.", len(ids))), plain("Approve all"), plain("Back"))
	return []slack.Block{text, slack.NewActionBlock("", b)}
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func ownerOf(a agent.Action) string {
	owner, due := "no owner", ""
	if a.Owner != nil {
		owner = escape(visible(*a.Owner))
	}
	if a.Due != nil {
		due = ", due " + escape(*a.Due)
	}
	return " — _" + owner + due + "_"
}

// item is a point with the first of the words that support it.
func item(text string, evidence []agent.Evidence, after string, links map[string]string) string {
	line := "• " + escape(clip(visible(text), 600)) + after
	if len(evidence) > 0 {
		e := evidence[0]
		who := escape(visible(strings.TrimSpace(e.Speaker + " " + e.Time)))
		if to := links[e.Quote]; to != "" {
			who = "<" + escape(to) + "|" + strings.ReplaceAll(or(who, "message"), "|", "/") + ">"
		}
		line += "\n> “" + escape(clip(oneLine(visible(e.Quote)), 300)) + "” " + who
	}
	return line
}

// list is a titled list in as many sections as it takes.
func list(title string, lines []string) []slack.Block {
	if len(lines) == 0 {
		return nil
	}
	var blocks []slack.Block
	text := "*" + title + "*"
	for _, l := range lines {
		if len([]rune(text))+len([]rune(l)) > maxSection-10 {
			blocks = append(blocks, section(text))
			text = "*" + title + "* (continued)"
		}
		text += "\n" + l
	}
	return append(blocks, section(text))
}

func paragraphs(title, text string) []slack.Block {
	var blocks []slack.Block
	for _, piece := range split(escape(text), maxSection-100) {
		blocks = append(blocks, section(title+piece))
	}
	return blocks
}

// made is what a tool's result says of the thing it made or changed.
type made struct{ ID, Title, URL string }

func madeOf(raw json.RawMessage) made {
	var r struct {
		made
		Ticket made
	}
	if json.Unmarshal(raw, &r) != nil {
		return made{}
	}
	if r.ID == "" {
		return r.Ticket
	}
	return r.made
}
