// Package blockkit renders Slack's Block Kit as HTML, near enough to how Slack
// shows it that people can judge a card, a modal or a home tab without Slack. What
// it does not know it says, so that nothing is missing unseen.
package blockkit

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
)

// Names says how people and channels are called, by id.
type Names map[string]string

// Message renders a message's blocks.
func Message(raw json.RawMessage, names Names) (template.HTML, error) {
	r := renderer{names: names}
	return r.blocks(raw)
}

// View is a modal or a home tab that was rendered.
type View struct {
	Home                 bool
	Title, Submit, Close string
	Body                 template.HTML
}

// RenderView renders a modal or a home tab.
func RenderView(raw json.RawMessage, names Names) (View, error) {
	var v struct {
		Type                 string
		Title, Submit, Close struct{ Text string }
		Blocks               json.RawMessage
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return View{}, fmt.Errorf("no view: %w", err)
	}
	r := renderer{names: names}
	body, err := r.blocks(v.Blocks)
	return View{Home: v.Type == "home", Title: v.Title.Text, Submit: v.Submit.Text, Close: v.Close.Text, Body: body}, err
}

// node is any part of Block Kit: only what is drawn is read.
type node struct {
	Type        string            `json:"type"`
	Text        json.RawMessage   `json:"text"`
	Title       json.RawMessage   `json:"title"`
	Fields      []node            `json:"fields"`
	Elements    []json.RawMessage `json:"elements"`
	Tasks       []node            `json:"tasks"`
	Accessory   *node             `json:"accessory"`
	Element     *node             `json:"element"`
	Label       *node             `json:"label"`
	Hint        *node             `json:"hint"`
	Placeholder *node             `json:"placeholder"`
	Optional    bool              `json:"optional"`
	Style       json.RawMessage   `json:"style"`
	Status      string            `json:"status"`
	Details     *node             `json:"details"`
	Output      *node             `json:"output"`
	Sources     []struct {
		URL, Text string
	} `json:"sources"`
	InitialValue string `json:"initial_value"`
	Multiline    bool   `json:"multiline"`
	Options      []struct {
		Text        node
		Description *node
		Value       string
	} `json:"options"`
	InitialOption *struct {
		Text node
	} `json:"initial_option"`
	InitialOptions      []struct{ Value string } `json:"initial_options"`
	InitialConversation string                   `json:"initial_conversation"`
	Positive            *node                    `json:"positive_button"`
	Negative            *node                    `json:"negative_button"`
	AltText             string                   `json:"alt_text"`
	URL                 string                   `json:"url"`
	Visible             []string                 `json:"visible_to_user_ids"`
}

// words is a text object or a bare string.
func words(raw json.RawMessage) (text string, marked bool) {
	var bare string
	if json.Unmarshal(raw, &bare) == nil {
		return bare, false
	}
	var t struct{ Type, Text string }
	_ = json.Unmarshal(raw, &t)
	return t.Text, t.Type == "mrkdwn"
}

type renderer struct{ names Names }

// show is a text object as HTML.
func (r renderer) show(raw json.RawMessage) string {
	text, marked := words(raw)
	if marked {
		return r.mrkdwn(text)
	}
	return lines(template.HTMLEscapeString(emoji(text)))
}

func lines(s string) string { return strings.ReplaceAll(s, "\n", "<br>") }

func (r renderer) blocks(raw json.RawMessage) (template.HTML, error) {
	var all []node
	if err := json.Unmarshal(raw, &all); err != nil {
		return "", fmt.Errorf("no blocks: %w", err)
	}
	var b strings.Builder
	for _, n := range all {
		b.WriteString(r.block(n))
	}
	return template.HTML(b.String()), nil //nolint:gosec // made of escaped parts
}

func (r renderer) block(n node) string {
	switch n.Type {
	case "header":
		return `<h2 class="header">` + r.show(n.Text) + `</h2>`
	case "section":
		return r.section(n)
	case "divider":
		return `<hr>`
	case "context":
		return `<div class="context">` + r.each(n.Elements, func(e node) string { return `<span>` + r.textNode(e) + `</span>` }) + `</div>`
	case "actions", "context_actions":
		return `<div class="` + n.Type + `">` + r.each(n.Elements, r.element) + `</div>`
	case "input":
		return r.input(n)
	case "markdown":
		text, _ := words(n.Text)
		return `<div class="section">` + lines(template.HTMLEscapeString(text)) + `</div>`
	case "plan":
		title, _ := words(n.Title)
		var b strings.Builder
		for _, task := range n.Tasks {
			b.WriteString(r.task(task))
		}
		return `<div class="plan"><div class="plan-title">` + template.HTMLEscapeString(title) + `</div>` + b.String() + `</div>`
	case "task_card":
		return r.task(n)
	case "rich_text":
		return `<div class="section">` + r.rich(n) + `</div>`
	case "image":
		return `<div class="image">` + template.HTMLEscapeString(n.AltText) + `</div>`
	}
	return `<div class="unknown">` + template.HTMLEscapeString(n.Type) + `: not drawn here</div>`
}

func (r renderer) each(all []json.RawMessage, f func(node) string) string {
	var b strings.Builder
	for _, raw := range all {
		var n node
		if json.Unmarshal(raw, &n) == nil {
			b.WriteString(f(n))
		}
	}
	return b.String()
}

// textNode is an element of a context: the node itself is the text.
func (r renderer) textNode(n node) string {
	var text string
	if json.Unmarshal(n.Text, &text) != nil {
		return r.element(n)
	}
	if n.Type == "mrkdwn" {
		return r.mrkdwn(text)
	}
	return lines(template.HTMLEscapeString(emoji(text)))
}

func (r renderer) section(n node) string {
	var b strings.Builder
	b.WriteString(`<div class="section"><div class="text">`)
	if len(n.Text) > 0 {
		b.WriteString(r.show(n.Text))
	}
	if len(n.Fields) > 0 {
		b.WriteString(`<div class="fields">`)
		for _, f := range n.Fields {
			b.WriteString(`<div>` + r.textNode(f) + `</div>`)
		}
		b.WriteString(`</div>`)
	}
	b.WriteString(`</div>`)
	if n.Accessory != nil {
		b.WriteString(`<div class="accessory">` + r.element(*n.Accessory) + `</div>`)
	}
	return b.String() + `</div>`
}

func (r renderer) input(n node) string {
	var b strings.Builder
	b.WriteString(`<div class="input"><label>`)
	if n.Label != nil {
		b.WriteString(r.textNode(*n.Label))
	}
	if n.Optional {
		b.WriteString(` <span class="optional">(optional)</span>`)
	}
	b.WriteString(`</label>`)
	if n.Element != nil {
		b.WriteString(r.element(*n.Element))
	}
	if n.Hint != nil {
		b.WriteString(`<div class="hint">` + r.textNode(*n.Hint) + `</div>`)
	}
	return b.String() + `</div>`
}

func (r renderer) element(n node) string {
	holder := ""
	if n.Placeholder != nil {
		holder = r.textNode(*n.Placeholder)
	}
	switch n.Type {
	case "button":
		var style string
		_ = json.Unmarshal(n.Style, &style)
		some := ""
		if len(n.Visible) > 0 {
			some = ` some`
		}
		return `<span class="button ` + template.HTMLEscapeString(style) + some + `">` + r.show(n.Text) + `</span>`
	case "feedback_buttons":
		return thumb("up", r.show(n.Positive.Text)) + thumb("down", r.show(n.Negative.Text))
	case "icon_button":
		return `<span class="icon">` + r.show(n.Text) + `</span>`
	case "plain_text_input":
		class := "field"
		if n.Multiline {
			class += " tall"
		}
		text := template.HTMLEscapeString(n.InitialValue)
		if text == "" {
			text = `<span class="hold">` + holder + `</span>`
		}
		return `<div class="` + class + `">` + lines(text) + `</div>`
	case "static_select", "conversations_select", "users_select", "multi_static_select":
		chosen := `<span class="hold">` + holder + `</span>`
		if n.InitialOption != nil {
			chosen = r.textNode(n.InitialOption.Text)
		}
		if n.InitialConversation != "" {
			chosen = template.HTMLEscapeString("# " + r.name(n.InitialConversation))
		}
		return `<span class="select">` + chosen + `<b>⌄</b></span>`
	case "checkboxes", "radio_buttons":
		var b strings.Builder
		for _, o := range n.Options {
			on, more := "", ""
			for _, chosen := range n.InitialOptions {
				if chosen.Value == o.Value {
					on = " on"
				}
			}
			if o.Description != nil {
				more = `<div class="hint">` + r.textNode(*o.Description) + `</div>`
			}
			b.WriteString(`<div class="choice"><i class="` + n.Type + on + `"></i><div>` + r.textNode(o.Text) + more + `</div></div>`)
		}
		return `<div class="choices">` + b.String() + `</div>`
	case "image":
		return `<span class="avatar"></span>`
	}
	return `<span class="unknown">` + template.HTMLEscapeString(n.Type) + `: not drawn here</span>`
}

// thumb is one of the two feedback buttons, for which Slack draws a thumb.
func thumb(way, label string) string {
	return `<span class="icon thumb ` + way + `" title="` + label + `"><svg viewBox="0 0 20 20" width="15" height="15"><path d="M2 9h3v8H2zM7 9l3-7c2 0 2.500 2 2 4l-.4 2H17c1 0 1.500 1 1 2l-2 6c-.3.700-.7 1-1.500 1H7z" fill="none" stroke="#616061" stroke-width="1.400"/></svg></span>`
}

// task is one step of a plan.
func (r renderer) task(n node) string {
	title, _ := words(n.Title)
	mark := map[string]string{"complete": "✓", "in_progress": "◌", "error": "!", "pending": "·"}[n.Status]
	var b strings.Builder
	fmt.Fprintf(&b, `<div class="task %s"><i>%s</i><div>%s`, template.HTMLEscapeString(n.Status), mark, template.HTMLEscapeString(title))
	for _, part := range []*node{n.Details, n.Output} {
		if part != nil {
			b.WriteString(`<div class="small">` + r.rich(*part) + `</div>`)
		}
	}
	for _, s := range n.Sources {
		b.WriteString(`<a class="source">` + template.HTMLEscapeString(s.Text) + `</a>`)
	}
	return b.String() + `</div></div>`
}

// rich is the words of a rich text, without its styles.
func (r renderer) rich(n node) string {
	if len(n.Elements) == 0 {
		text, _ := words(n.Text)
		return lines(template.HTMLEscapeString(text))
	}
	return r.each(n.Elements, r.rich)
}

func (r renderer) name(id string) string {
	if n := r.names[id]; n != "" {
		return n
	}
	return id
}
