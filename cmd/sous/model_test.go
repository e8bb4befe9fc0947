package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

// fakeModel starts an OpenAI-compatible server and fails the test when Sous
// sent it anything the real API would refuse.
func fakeModel(t *testing.T, steps ...openaifake.Step) *openaifake.Server {
	t.Helper()
	s, err := openaifake.Start(openaifake.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Script(steps...)
	t.Cleanup(func() {
		s.Close()
		for _, p := range s.Problems() {
			t.Error(p)
		}
	})
	return s
}

// askModel runs `sous ask --json` in this process against the fake.
func askModel(t *testing.T, s *openaifake.Server, data string, args ...string) answer {
	t.Helper()
	if data == "" {
		data = t.TempDir()
	}
	t.Chdir(data)
	var out, errOut strings.Builder
	code := run(context.Background(), world{
		args: append([]string{"ask", "--json"}, args...), user: "Tester",
		environ: []string{
			"SOUS_DATA=" + data, "HOME=" + data, "OPENAI_BASE_URL=" + s.BaseURL(),
			"OPENAI_API_KEY=sk-test", "OPENAI_MODEL=test-model",
		},
		stdin: strings.NewReader(""), stdout: &out, stderr: io.MultiWriter(&errOut),
	}, hooks{})
	var a answer
	if err := json.Unmarshal([]byte(out.String()), &a); err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out.String(), errOut.String())
	}
	return a
}

func TestALanguageModelWorksThroughTheWholeProgram(t *testing.T) {
	create := openaifake.Call{Name: "ticket_create", Args: `{"title":"the oven is broken"}`}
	search := openaifake.Call{Name: "ticket_search", Args: `{"query":"oven broken"}`}
	for _, c := range []struct {
		name   string
		steps  []openaifake.Step
		ask    string
		status string
		want   string
		// degraded is part of what the answer says of the fallback.
		degraded string
		effects  int
		waiting  int
	}{
		{name: "a plain answer", steps: []openaifake.Step{openaifake.Answer("Forty-two.")}, ask: "what is the answer?", status: "done", want: "Forty-two."},
		{name: "tool calls that were ordered in words run", ask: "open a ticket: the oven is broken", status: "done", want: "T-1 is open.", effects: 1,
			steps: []openaifake.Step{openaifake.Calls(search), openaifake.Calls(create), openaifake.Answer("T-1 is open.")}},
		{name: "a create without a search is sent back", ask: "open a ticket: the oven is broken", status: "done", want: "I have to search first.",
			steps: []openaifake.Step{openaifake.Calls(create), openaifake.Answer("I have to search first.")}},
		{name: "what the model adds of its own asks", ask: "something is wrong with the oven", status: "waiting", waiting: 1,
			steps: []openaifake.Step{openaifake.Calls(search), openaifake.Calls(create)}},
		{name: "malformed arguments and unknown tools go back to the model", ask: "do odd things", status: "done", want: "I could not.",
			steps: []openaifake.Step{openaifake.Calls(openaifake.Call{Name: "ticket_create", Args: `{"title":`}, openaifake.Call{Name: "no_such", Args: `{}`}), openaifake.Answer("I could not.")}},
		{name: "429 is waited out", ask: "hello there?", status: "done", want: "After all.",
			steps: []openaifake.Step{openaifake.TooMany("1"), openaifake.Answer("After all.")}},
		{name: "errors for ever fall back to the built-in model, and say so", ask: "what can you do?", status: "done", want: "ticket", degraded: "test-model",
			steps: []openaifake.Step{openaifake.Fail(500, "", "x"), openaifake.Fail(500, "", "x"), openaifake.Fail(500, "", "x"), openaifake.Fail(500, "", "x")}},
		{name: "a refused key falls back at once and names the setting", ask: "what can you do?", status: "done", want: "ticket", degraded: "OPENAI_API_KEY",
			steps: []openaifake.Step{openaifake.Fail(401, "invalid_api_key", "x")}},
		{name: "a cut-off stream is asked again", ask: "tell me?", status: "done", want: "The whole story.",
			steps: []openaifake.Step{openaifake.Cut(openaifake.Answer("Half a story that breaks off"), 150), openaifake.Answer("The whole story.")}},
		{name: "nonsense in place of JSON falls back", ask: "what can you do?", status: "done", want: "ticket", degraded: "test-model",
			steps: []openaifake.Step{openaifake.Malformed(), openaifake.Malformed(), openaifake.Malformed(), openaifake.Page()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fakeModel(t, c.steps...)
			a := askModel(t, s, "", c.ask)
			if a.Status != c.status || !strings.Contains(a.Answer, c.want) || len(a.Effects) != c.effects || !strings.Contains(a.Degraded, c.degraded) || (c.degraded == "") != (a.Degraded == "") {
				t.Errorf("got %+v", a)
			}
			if len(a.Approvals) != c.waiting {
				t.Errorf("%d approvals; want %d", len(a.Approvals), c.waiting)
			}
			if a.Degraded == "" && a.Status == "done" && a.Model != "test-model" {
				t.Errorf("answered by %q", a.Model)
			}
		})
	}
}

func TestAModelThatNeverAnswersIsGivenUp(t *testing.T) {
	s := fakeModel(t, openaifake.Hang(), openaifake.Hang(), openaifake.Hang())
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "sous.yaml"), []byte("model:\n  timeout: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a := askModel(t, s, data, "what can you do?")
	if a.Status != "done" || a.Degraded == "" {
		t.Errorf("got %+v after %s", a, time.Since(began))
	}
}

func TestNamesOfTheWorkspaceAreKeptFromAModelOutsideWhenThatIsOn(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := fakeModel(t, openaifake.Answer("They are well."))
		data := t.TempDir()
		settings := fmt.Sprintf("owner: Ann Keller\nredact:\n  names: %t\n", on)
		if err := os.WriteFile(filepath.Join(data, "sous.yaml"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		a := askModel(t, s, data, "how is ann keller, ann@example.com?")
		var seen strings.Builder
		for _, r := range s.Requests() {
			seen.Write(r.Body)
		}
		if got := !strings.Contains(strings.ToLower(seen.String()), "ann keller"); got != on || strings.Contains(seen.String(), "ann@example.com") || a.Answer != "They are well." {
			t.Errorf("names masked: %t, want %t; the model saw %s", got, on, seen.String())
		}
	}
}
