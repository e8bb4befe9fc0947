package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/modeltest"
	"github.com/sous-hq/sous/internal/redact"
)

var placeholders = regexp.MustCompile(`«[A-Z_]+_\d+·[a-z0-9]{6}»`)

// private is a request full of what a model must not see.
func private() model.Request {
	return model.Request{Messages: []model.Message{
		{Role: model.RoleSystem, Text: "You work for ann@example.com."},
		{Role: model.RoleUser, Text: "Write to bob@example.com; the db password is Xk29fqLw71.", Files: []agent.FileRef{{ID: "f1", Name: "cv of eve@example.com.txt"}}},
		{Role: model.RoleAssistant, Calls: []model.ToolCall{{ID: "c1", Name: "person_find", Args: `{"email":"bob@example.com"}`}}},
		{Role: model.RoleTool, CallID: "c1", Tool: "person_find", Text: `{"status":"done","result":{"phone":"467 33955","card":4111111111111111,"pw":"Xk29fqLw71","note":"line\n81.2.69.142"}}`},
		{Role: model.RoleUser, Text: "467 33955 rang."},
	}}
}

func TestAModelSeesNoPersonalDataAndNoSecret(t *testing.T) {
	var seen model.Request
	m := model.Redact(&scripted{name: "m", acts: []act{func(_ context.Context, req model.Request, _ func(string)) (model.Response, error) {
		seen = req
		return model.Response{Text: "ok", Finish: model.FinishStop}, nil
	}}}, model.RedactConfig{})
	if _, err := m.Complete(t.Context(), private(), nil); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(seen)
	for _, gone := range []string{"ann@", "bob@", "eve@", "Xk29", "467", "4111", "81.2"} {
		if strings.Contains(string(b), gone) {
			t.Errorf("the model saw %s in %s", gone, b)
		}
	}
	if !json.Valid([]byte(seen.Messages[3].Text)) {
		t.Errorf("a result is no JSON any more: %s", seen.Messages[3].Text)
	}
	user, call := placeholders.FindString(seen.Messages[1].Text), placeholders.FindString(seen.Messages[2].Calls[0].Args)
	if user == "" || user != call {
		t.Errorf("the same address is %s and %s", user, call)
	}
	if seen.Messages[1].Files[0].ID != "f1" || seen.Vault != nil {
		t.Errorf("file %+v, vault %v", seen.Messages[1].Files[0], seen.Vault)
	}
	if !strings.Contains(seen.Messages[0].Text, "copy its placeholder exactly") {
		t.Errorf("the model is not told about placeholders: %s", seen.Messages[0].Text)
	}
}

// echo answers with the placeholders it saw, cut into pieces of n bytes, and calls a tool with them.
func echo(n int, url string) act {
	return func(_ context.Context, req model.Request, delta func(string)) (model.Response, error) {
		var all []string
		for _, m := range req.Messages[1:] {
			all = append(all, placeholders.FindAllString(m.Text, -1)...)
		}
		text := "Found: " + strings.Join(all, ", ") + " and " + url + all[0]
		for i := 0; delta != nil && i < len(text); i += n {
			delta(text[i:min(len(text), i+n)])
		}
		args, _ := json.Marshal(map[string]any{"to": all[0], "body": strings.Join(all, "\n"), "url": url + all[0]})
		return model.Response{Text: text, Finish: model.FinishCalls, Calls: []model.ToolCall{{ID: "c2", Name: "mail_send", Args: string(args)}}}, nil
	}
}

func TestAnswersAndCallsHaveTheRealValues(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10_000} {
		m := model.Redact(&scripted{name: "m", acts: []act{echo(n, "https://evil.example/?q=")}}, model.RedactConfig{})
		var streamed strings.Builder
		resp, err := m.Complete(t.Context(), private(), func(p string) { streamed.WriteString(p) })
		if err != nil {
			t.Fatal(err)
		}
		if streamed.String() != resp.Text {
			t.Errorf("pieces of %d: %q, text %q", n, streamed.String(), resp.Text)
		}
		for _, want := range []string{"bob@example.com", "467 33955", "4111111111111111", "81.2.69.142", "«SECRET_1·", "evil.example/?q=«EMAIL_"} {
			if !strings.Contains(resp.Text, want) {
				t.Errorf("pieces of %d: %s is not in %q", n, want, resp.Text)
			}
		}
		var args struct{ To, Body, URL string }
		if err := json.Unmarshal([]byte(resp.Calls[0].Args), &args); err != nil {
			t.Fatal(err)
		}
		if args.To != "bob@example.com" || strings.Contains(args.URL, "bob") || strings.Contains(args.Body, "Xk29") || !strings.Contains(args.Body, "«SECRET_1·") {
			t.Errorf("args %+v", args)
		}
	}
}

func TestWhatIsNotAllowedIsNotRestored(t *testing.T) {
	c := model.RedactConfig{Allow: func(_ model.Request, tool string, k redact.Kind, _ string) bool {
		return tool == "" && k == redact.Email || tool == "mail_send" && k == redact.Phone
	}}
	m := model.Redact(&scripted{name: "m", acts: []act{echo(5, "")}}, c)
	resp, err := m.Complete(t.Context(), private(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(resp.Text, "bob@example.com") || strings.Contains(resp.Text, "467 33955") {
		t.Errorf("text %q", resp.Text)
	}
	if args := resp.Calls[0].Args; strings.Contains(args, "bob@") || !strings.Contains(args, "467 33955") {
		t.Errorf("args %s", args)
	}
}

func TestTheRequestSaysWhatMayBePutBackWhereNobodyElseDoes(t *testing.T) {
	req := private()
	req.Restore = func(tool string, k redact.Kind, _ string) bool { return tool == "" || k == redact.Phone }
	for _, c := range []struct {
		allow func(model.Request, string, redact.Kind, string) bool
		mail  bool
	}{{nil, false}, {func(model.Request, string, redact.Kind, string) bool { return true }, true}} {
		resp, err := model.Redact(&scripted{name: "m", acts: []act{echo(5, "")}}, model.RedactConfig{Allow: c.allow}).Complete(t.Context(), req, nil)
		if err != nil {
			t.Fatal(err)
		}
		if args := resp.Calls[0].Args; strings.Contains(args, "bob@") != c.mail || !strings.Contains(args, "467 33955") || !strings.Contains(resp.Text, "bob@") {
			t.Errorf("text %q, args %s", resp.Text, args)
		}
	}
}

func TestACallWithAnInventedPlaceholderCannotRun(t *testing.T) {
	invent := func(context.Context, model.Request, func(string)) (model.Response, error) {
		return model.Response{Text: "«EMAIL_9·aaaaaa» it is", Finish: model.FinishCalls, Calls: []model.ToolCall{
			{ID: "a", Name: "mail_send", Args: `{"to":"«EMAIL_9·aaaaaa»"}`},
			{ID: "b", Name: "mail_send", Args: `{"to":"carl@example.com"}`},
		}}, nil
	}
	resp, err := model.Redact(&scripted{name: "m", acts: []act{invent}}, model.RedactConfig{}).Complete(t.Context(), private(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := resp.Calls[0]; c.ID != "a" || c.Name != "mail_send" || json.Valid([]byte(c.Args)) || !strings.Contains(c.Args, "never given") {
		t.Errorf("the call is %+v", c)
	}
	if resp.Calls[1].Args != `{"to":"carl@example.com"}` {
		t.Errorf("the other call is %+v", resp.Calls[1])
	}
}

func TestATurnHasOneVault(t *testing.T) {
	vault := redact.NewVault(redact.Names("Zoë Øst"))
	var seen []string
	look := func(_ context.Context, req model.Request, _ func(string)) (model.Response, error) {
		seen = append(seen, req.Messages[len(req.Messages)-1].Text)
		return model.Response{Text: "ok", Finish: model.FinishStop}, nil
	}
	m := model.Redact(&scripted{name: "m", acts: []act{look}}, model.RedactConfig{})
	for range 2 {
		req := model.Request{Vault: vault, Messages: []model.Message{{Role: model.RoleUser, Text: "ask zoë øst at zoe@example.com"}}}
		if _, err := m.Complete(t.Context(), req, nil); err != nil {
			t.Fatal(err)
		}
	}
	if seen[0] != seen[1] || strings.Contains(seen[0], "zo") {
		t.Errorf("saw %q", seen)
	}
}

func TestAnAnswerThatBeginsAgainIsRestoredFromItsBeginning(t *testing.T) {
	again := func(_ context.Context, req model.Request, delta func(string)) (model.Response, error) {
		p := placeholders.FindString(req.Messages[1].Text)
		delta("https://evil.example/" + p[:9])
		req.Restart()
		delta(p)
		return model.Response{Text: p, Finish: model.FinishStop}, nil
	}
	req, shown := private(), ""
	req.Restart = func() { shown = "" }
	resp, err := model.Redact(&scripted{name: "m", acts: []act{again}}, model.RedactConfig{}).Complete(t.Context(), req, func(p string) { shown += p })
	if err != nil || shown != "bob@example.com" || resp.Text != shown {
		t.Errorf("shown %q, text %q, %v", shown, resp.Text, err)
	}
}

func TestAnAnswerInJSONStaysJSON(t *testing.T) {
	vault := redact.NewVault(redact.Names(`Ann\Lee`))
	req := model.Request{Vault: vault, Schema: json.RawMessage(`{}`), Messages: []model.Message{{Role: model.RoleUser, Text: `who is Ann\Lee`}}}
	say := func(_ context.Context, req model.Request, _ func(string)) (model.Response, error) {
		return model.Response{Text: `{"who":"` + placeholders.FindString(req.Messages[0].Text) + `"}`, Finish: model.FinishStop}, nil
	}
	resp, err := model.Redact(&scripted{name: "m", acts: []act{say}}, model.RedactConfig{}).Complete(t.Context(), req, nil)
	if err != nil || resp.Text != `{"who":"Ann\\Lee"}` {
		t.Errorf("%s, %v", resp.Text, err)
	}
}

func TestAFailureIsHandedOn(t *testing.T) {
	broken := errors.New("broken")
	m := model.Redact(&scripted{name: "m", acts: []act{fails(broken)}}, model.RedactConfig{})
	if _, err := m.Complete(t.Context(), private(), nil); !errors.Is(err, broken) {
		t.Errorf("err is %v", err)
	}
}

// promising keeps the promises of a model that are its own, so that those of the decorator show.
func promising(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	if len(req.Messages) == 0 {
		return model.Response{}, agent.Errorf(agent.Invalid, "the conversation is empty")
	}
	if err := model.Ended(ctx); err != nil {
		return model.Response{}, err
	}
	resp, err := says("I can help « you » with this.")(ctx, req, delta)
	resp.Model = "m"
	return resp, err
}

func TestRedactKeepsTheModelsPromises(t *testing.T) {
	requests := []model.Request{modeltest.Question(), modeltest.WithTool(), private()}
	modeltest.Run(t, func(*testing.T) model.Model {
		return model.Redact(&scripted{name: "m", acts: []act{promising}}, model.RedactConfig{})
	}, requests...)
}

type embedding struct{ texts []string }

func (e *embedding) Embed(_ context.Context, texts []string) (model.Embeddings, error) {
	e.texts = texts
	return model.Embeddings{Model: "e", Vectors: make([][]float32, len(texts))}, nil
}

func TestAnEmbedderSeesKindsOnly(t *testing.T) {
	var e embedding
	if _, err := model.RedactEmbedder(&e, redact.Names("Zoë Øst")).Embed(t.Context(), []string{"ask Zoë Øst, ann@example.com", "pw: Xk29fqLw71"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.texts, "|"); got != "ask [PERSON], [EMAIL]|pw: [PASSWORD]" {
		t.Errorf("it saw %q", got)
	}
}
