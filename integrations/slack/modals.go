package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// The modals, by callback id, and the ids of their fields.
const (
	modalReject = "sous_reject_modal"
	modalEdit   = "sous_edit_modal"
	modalAsk    = "sous_ask_modal"
	// modalQuestion is the form of the global shortcut.
	modalQuestion = "sous_question_modal"
	fieldText     = "text"
	inputID       = "value"
)

// meta is what a modal carries: ids alone.
type meta struct {
	Approval string `json:"approval,omitempty"`
	Channel  string `json:"channel,omitempty"`
	Thread   string `json:"thread,omitempty"`
	// Review is set where a form is about minutes, Message is the card it came from.
	Review  string `json:"review,omitempty"`
	Message string `json:"message,omitempty"`
	// Turn is set where a form is about a turn and no approval.
	Turn string `json:"turn,omitempty"`
}

func (m meta) String() string {
	raw, err := json.Marshal(m)
	if err != nil {
		return "{}"
	}
	return string(raw)
}

func modal(callback, title, submit string, m meta, blocks ...slack.Block) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type: slack.VTModal, Title: plain(title), Submit: plain(submit), Close: plain("Back"), CallbackID: callback,
		PrivateMetadata: m.String(), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

func input(block, label, value string, optional bool) *slack.InputBlock {
	e := slack.NewPlainTextInputBlockElement(nil, inputID)
	e.InitialValue, e.MaxLength = value, maxInput
	e.Multiline = len(value) > 60 || strings.Contains(value, "\n") || block == fieldText
	b := slack.NewInputBlock(block, plain(label), nil, e)
	b.Optional = optional
	return b
}

// RejectModal asks for the reason of a no.
func RejectModal(a approval.Approval, m meta) slack.ModalViewRequest {
	return modal(modalReject, "Reject", "Reject", m,
		section("*"+escape(toolTitle(a.Call.Tool))+"* will not be done. The reason goes back to the request."),
		input(fieldText, "Reason", "", false))
}

// AskModal asks for a question about an approval.
func AskModal(a approval.Approval, m meta) slack.ModalViewRequest {
	return modal(modalAsk, "Ask a question", "Ask", m,
		section("*"+escape(toolTitle(a.Call.Tool))+"* stays open. Everybody who sees the card sees the question."),
		input(fieldText, "Question", "", false))
}

// QuestionModal asks what the person wants, from wherever they are.
func QuestionModal() slack.ModalViewRequest {
	return modal(modalQuestion, "Ask Sous", "Ask", meta{},
		section("I answer in our direct messages. Nobody else sees the question or the answer."),
		input(fieldText, "What can I do for you?", "", false))
}

// EditModal shows every argument for editing.
func EditModal(a approval.Approval, m meta) slack.ModalViewRequest {
	blocks := []slack.Block{section("*" + escape(toolTitle(a.Call.Tool)) + "* with other arguments is a request of its own: it is checked again, and whoever wrote the arguments does not approve them, unless their own yes is enough.")}
	all, _ := arguments(a.Call.Args, nil)
	for _, arg := range all {
		label := arg.Name
		if !arg.Text {
			label += " (JSON)"
		}
		blocks = append(blocks, input(arg.Name, clip(label, 200), arg.Value, true))
	}
	return modal(modalEdit, "Edit", "Ask with these", m, blocks...)
}

// edited puts the values of the form in place of the arguments; the errors are by
// field.
func editedArgs(was json.RawMessage, values map[string]string) (json.RawMessage, map[string]string) {
	all, ok := arguments(was, nil)
	if !ok {
		return nil, map[string]string{}
	}
	wrong := map[string]string{}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, arg := range all {
		value, given := values[arg.Name]
		raw := arg.raw
		switch {
		case given && arg.Text:
			raw, _ = json.Marshal(value) //nolint:errchkjson // a string
		case given && !json.Valid([]byte(value)):
			wrong[arg.Name] = "This is not JSON."
			continue
		case given:
			raw = json.RawMessage(value)
		case arg.Text:
			raw = json.RawMessage(`""`)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(arg.Name) //nolint:errchkjson // a string
		fmt.Fprintf(&out, "%s:%s", name, raw)
	}
	out.WriteByte('}')
	if len(wrong) > 0 {
		return nil, wrong
	}
	return out.Bytes(), nil
}

// refusal is the public text of an error, as a sentence.
func refusal(err error) string {
	text := agent.PublicText(err)
	if text == "" {
		return "That did not work."
	}
	return strings.ToUpper(text[:1]) + text[1:] + map[bool]string{true: "", false: "."}[strings.HasSuffix(text, ".")]
}
