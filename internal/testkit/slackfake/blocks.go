package slackfake

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Surface is where blocks are shown.
type Surface int

// The surfaces.
const (
	MessageSurface Surface = iota
	ModalSurface
	HomeSurface
)

// block is what the checks look at.
type block struct {
	Type      string    `json:"type"`
	BlockID   string    `json:"block_id"`
	Text      *textObj  `json:"-"`
	RawText   any       `json:"text"`
	Fields    []textObj `json:"fields"`
	Elements  []element `json:"elements"`
	Accessory *element  `json:"accessory"`
	Element   *element  `json:"element"`
	Label     *textObj  `json:"label"`
	Hint      *textObj  `json:"hint"`
	Title     any       `json:"title"`
	TaskID    string    `json:"task_id"`
	Status    string    `json:"status"`
	Tasks     []block   `json:"tasks"`
}

type textObj struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type element struct {
	Type         string         `json:"type"`
	ActionID     string         `json:"action_id"`
	RawText      any            `json:"text"`
	Value        string         `json:"value"`
	URL          string         `json:"url"`
	Style        string         `json:"style"`
	Placeholder  *textObj       `json:"placeholder"`
	InitialValue any            `json:"initial_value"`
	Options      []selectOption `json:"options"`
	Confirm      *struct {
		Title, Text, Confirm, Deny textObj
	} `json:"confirm"`
	Positive *thumb `json:"positive_button"`
	Negative *thumb `json:"negative_button"`
	Icon     string `json:"icon"`
}

// selectOption is one choice of a menu or a group of boxes.
type selectOption struct {
	Text  textObj `json:"text"`
	Value string  `json:"value"`
}

// thumb is one of the two feedback buttons.
type thumb struct {
	Text  *textObj `json:"text"`
	Value string   `json:"value"`
	Label string   `json:"accessibility_label"`
}

// CheckBlocks returns why Slack would refuse the blocks, or nil. No blocks are fine.
func CheckBlocks(raw json.RawMessage, on Surface) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var all []block
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("blocks are no list of blocks: %w", err)
	}
	limit := maxBlocks
	if on != MessageSurface {
		limit = maxViewBlocks
	}
	if len(all) > limit {
		return fmt.Errorf("%d blocks; at most %d", len(all), limit)
	}
	ids := map[string]bool{}
	markdown := 0
	for i, b := range all {
		if b.BlockID != "" && ids[b.BlockID] {
			return fmt.Errorf("block %d: block_id %q stands twice", i, b.BlockID)
		}
		ids[b.BlockID] = true
		if b.Type == "markdown" {
			markdown += runes(asString(b.RawText))
		}
		if err := b.check(on); err != nil {
			return fmt.Errorf("block %d (%s): %w", i, b.Type, err)
		}
	}
	if markdown > maxMarkdown {
		return fmt.Errorf("%d characters of markdown; at most %d", markdown, maxMarkdown)
	}
	return nil
}

func (b block) check(on Surface) error {
	if runes(b.BlockID) > 255 {
		return fmt.Errorf("block_id is too long")
	}
	switch b.Type {
	case "section":
		return b.section()
	case "header":
		return plain(asText(b.RawText), 1, 150)
	case "context":
		return b.context()
	case "actions":
		if len(b.Elements) == 0 || len(b.Elements) > 25 {
			return fmt.Errorf("%d elements; 1 to 25", len(b.Elements))
		}
		return actionElements(b.Elements)
	case "input":
		if on == MessageSurface || b.Element == nil {
			return fmt.Errorf("input blocks need an element and a view")
		}
		if err := plain(b.Label, 1, 2000); err != nil {
			return err
		}
		return b.Element.check()
	case "markdown":
		if on != MessageSurface || asString(b.RawText) == "" {
			return fmt.Errorf("markdown needs text and a message")
		}
		return nil
	case "context_actions":
		return b.contextActions()
	case "plan", "task_card":
		if on != MessageSurface {
			return fmt.Errorf("only messages have it")
		}
		return b.tasks()
	case "divider", "rich_text", "image", "table", "video", "file":
		return nil
	}
	return fmt.Errorf("unsupported block type")
}

func (b block) section() error {
	text := asText(b.RawText)
	if text == nil && len(b.Fields) == 0 {
		return fmt.Errorf("neither text nor fields")
	}
	if text != nil {
		if err := sized(text, 1, 3000); err != nil {
			return err
		}
	}
	if len(b.Fields) > 10 {
		return fmt.Errorf("%d fields; at most 10", len(b.Fields))
	}
	for _, f := range b.Fields {
		if err := sized(&f, 1, 2000); err != nil {
			return err
		}
	}
	if b.Accessory != nil {
		return b.Accessory.check()
	}
	return nil
}

func (b block) context() error {
	if len(b.Elements) == 0 || len(b.Elements) > 10 {
		return fmt.Errorf("%d elements; 1 to 10", len(b.Elements))
	}
	for _, e := range b.Elements {
		switch e.Type {
		case "mrkdwn", "plain_text":
			if n := runes(asString(e.RawText)); n == 0 || n > 3000 {
				return fmt.Errorf("a context text of %d characters", n)
			}
		case "image":
		default:
			return fmt.Errorf("%s in a context", e.Type)
		}
	}
	return nil
}

// contextActions are feedback buttons and icon buttons alone, 1 to 5.
func (b block) contextActions() error {
	if len(b.Elements) == 0 || len(b.Elements) > 5 {
		return fmt.Errorf("%d elements; 1 to 5", len(b.Elements))
	}
	for _, e := range b.Elements {
		switch e.Type {
		case "feedback_buttons":
			for _, t := range []*thumb{e.Positive, e.Negative} {
				if t == nil || plain(t.Text, 1, 75) != nil || runes(t.Value) == 0 || runes(t.Value) > 2000 || runes(t.Label) > 75 {
					return fmt.Errorf("a feedback button lacks its text or value, or they are too long")
				}
			}
		case "icon_button":
			if e.Icon == "" || plain(asText(e.RawText), 1, 75) != nil {
				return fmt.Errorf("an icon button lacks its icon or text")
			}
		default:
			return fmt.Errorf("%s in context actions", e.Type)
		}
	}
	return nil
}

// tasks checks a plan or a task of one.
func (b block) tasks() error {
	if asString(b.Title) == "" {
		return fmt.Errorf("title is missing")
	}
	all := b.Tasks
	if b.Type == "task_card" {
		all = []block{b}
	}
	ids := map[string]bool{}
	for _, t := range all {
		switch t.Status {
		case "", "pending", "in_progress", "complete", "error":
		default:
			return fmt.Errorf("status %q", t.Status)
		}
		if t.Type != "task_card" || t.TaskID == "" || asString(t.Title) == "" || ids[t.TaskID] {
			return fmt.Errorf("a task lacks its type, id or title, or stands twice")
		}
		ids[t.TaskID] = true
	}
	return nil
}

func actionElements(all []element) error {
	ids := map[string]bool{}
	for _, e := range all {
		if e.ActionID != "" && ids[e.ActionID] {
			return fmt.Errorf("action_id %q stands twice", e.ActionID)
		}
		ids[e.ActionID] = true
		if err := e.check(); err != nil {
			return err
		}
	}
	return nil
}

func (e element) check() error {
	if runes(e.ActionID) > 255 {
		return fmt.Errorf("action_id is too long")
	}
	if e.Placeholder != nil {
		if err := plain(e.Placeholder, 1, 150); err != nil {
			return err
		}
	}
	if c := e.Confirm; c != nil {
		for _, t := range []struct {
			*textObj
			most int
		}{{&c.Title, 100}, {&c.Text, 300}, {&c.Confirm, 30}, {&c.Deny, 30}} {
			if err := sized(t.textObj, 1, t.most); err != nil {
				return fmt.Errorf("confirm: %w", err)
			}
		}
	}
	switch e.Type {
	case "button":
		switch {
		case runes(e.Value) > 2000 || runes(e.URL) > 3000:
			return fmt.Errorf("button value or url is too long")
		case e.Style != "" && e.Style != "primary" && e.Style != "danger":
			return fmt.Errorf("button style %q", e.Style)
		}
		return plain(asText(e.RawText), 1, 75)
	case "static_select", "radio_buttons", "checkboxes", "overflow", "multi_static_select":
		if len(e.Options) == 0 || len(e.Options) > 100 {
			return fmt.Errorf("%d options", len(e.Options))
		}
		for _, o := range e.Options {
			if err := sized(&o.Text, 1, 75); err != nil || runes(o.Value) > 150 {
				return fmt.Errorf("option %q is too long", o.Value)
			}
		}
		return nil
	case "plain_text_input":
		if runes(asString(e.InitialValue)) > 3000 {
			return fmt.Errorf("initial_value is too long")
		}
		return nil
	case "datepicker", "users_select", "conversations_select", "channels_select", "image", "checkbox", "rich_text_input", "url_text_input", "email_text_input", "number_input":
		return nil
	}
	return fmt.Errorf("unsupported element type %q", e.Type)
}

func plain(t *textObj, least, most int) error {
	if t != nil && t.Type != "plain_text" {
		return fmt.Errorf("text must be plain_text, not %q", t.Type)
	}
	return sized(t, least, most)
}

func sized(t *textObj, least, most int) error {
	if t == nil {
		return fmt.Errorf("text is missing")
	}
	if t.Type != "plain_text" && t.Type != "mrkdwn" {
		return fmt.Errorf("text of type %q", t.Type)
	}
	if n := runes(t.Text); n < least || n > most {
		return fmt.Errorf("text of %d characters; %d to %d", n, least, most)
	}
	return nil
}

func runes(s string) int { return utf8.RuneCountInString(s) }

func asString(v any) string { t, _ := v.(string); return t }

func asText(v any) *textObj {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return &textObj{Type: asString(m["type"]), Text: asString(m["text"])}
}

// CheckView returns why Slack would refuse a view, or nil.
func CheckView(raw json.RawMessage) error {
	var v struct {
		Type            string          `json:"type"`
		Title           *textObj        `json:"title"`
		Submit          *textObj        `json:"submit"`
		Close           *textObj        `json:"close"`
		Blocks          json.RawMessage `json:"blocks"`
		PrivateMetadata string          `json:"private_metadata"`
		CallbackID      string          `json:"callback_id"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("no view: %w", err)
	}
	if runes(v.PrivateMetadata) > 3000 || runes(v.CallbackID) > 255 {
		return fmt.Errorf("private_metadata or callback_id is too long")
	}
	switch v.Type {
	case "home":
		return CheckBlocks(v.Blocks, HomeSurface)
	case "modal":
		if err := plain(v.Title, 1, 24); err != nil {
			return fmt.Errorf("title: %w", err)
		}
		for _, t := range []*textObj{v.Submit, v.Close} {
			if t != nil {
				if err := plain(t, 1, 24); err != nil {
					return fmt.Errorf("button: %w", err)
				}
			}
		}
		return CheckBlocks(v.Blocks, ModalSurface)
	}
	return fmt.Errorf("view of type %q", v.Type)
}
