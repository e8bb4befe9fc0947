package meetings_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/tools/meetings"
)

// scripted answers each request by a function of the request and its number.
type scripted struct {
	answer func(n int, req model.Request) (model.Response, error)
	mu     sync.Mutex
	reqs   []model.Request
}

func (s *scripted) Name() string { return "scripted" }

func (s *scripted) Complete(_ context.Context, req model.Request, _ func(string)) (model.Response, error) {
	s.mu.Lock()
	s.reqs = append(s.reqs, req)
	n := len(s.reqs)
	s.mu.Unlock()
	return s.answer(n, req)
}

func config(m model.Model) meetings.Config {
	now := time.Date(2024, 5, 8, 9, 0, 0, 0, time.UTC)
	return meetings.Config{
		Model: m, Clock: func() time.Time { return now },
		Prompt: meetings.Prompt{Ref: "minutes/v1@0123456789ab", Text: "Write minutes."},
	}
}

func TestTheBuiltInModelMakesWholeMinutes(t *testing.T) {
	tr := parse(t, "zoom.vtt")
	m, rep, err := meetings.Summarise(t.Context(), config(builtin.New()), tr)
	if err != nil {
		t.Fatal(err)
	}
	if m.Model != "built-in" || m.Summary == "" || rep.Parts != 1 || rep.Usage.InputTokens == 0 || rep.Prompt == "" {
		t.Errorf("model %q, summary %q, report %+v", m.Model, m.Summary, rep)
	}
	want := `zoom | 2024-05-08 | zoom.vtt | [Ann Lee Bob Ross Carla Gomez] | 0 dropped
decision: Launch on Monday, so the form has to work before that | 3 0:00:11
action: Fix the signup form by Friday | Bob Ross | 2024-05-10 | 4 0:00:16
action: Send the press list to Bob tomorrow | Carla Gomez | 2024-05-09 | 5 0:00:21
question: What is the budget for the ads? | 7 0:00:30
`
	if got := outline(m); got != want {
		t.Errorf("minutes:\n%swant:\n%s", got, want)
	}
}

// outline writes minutes in a few lines, without the summary.
func outline(m agent.Minutes) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s | %s | %s | %s | %d dropped\n", m.Title, m.Date, m.Source, m.Participants, m.Dropped)
	where := func(e []agent.Evidence) string { return fmt.Sprintf("%d %s", e[0].Cue, e[0].Time) }
	for _, d := range m.Decisions {
		fmt.Fprintf(&b, "decision: %s | %s\n", d.Text, where(d.Evidence))
	}
	for _, a := range m.Actions {
		fmt.Fprintf(&b, "action: %s | %s | %s | %s\n", a.Text, val(a.Owner), val(a.Due), where(a.Evidence))
	}
	for _, q := range m.Questions {
		fmt.Fprintf(&b, "question: %s | %s\n", q.Text, where(q.Evidence))
	}
	return b.String()
}

func TestEveryFormatEndsInMinutesThatHold(t *testing.T) {
	for _, file := range []string{"zoom.vtt", "teams.vtt", "captions.srt", "meet.txt", "above.txt", "plain.txt", "lines.jsonl", "captions.sbv"} {
		tr := parse(t, file)
		m, _, err := meetings.Summarise(t.Context(), config(builtin.New()), tr)
		if err != nil || m.Summary == "" {
			t.Errorf("%s: %v, summary %q", file, err, m.Summary)
		}
		if bad := meetings.Unverified(m, tr); bad != nil {
			t.Errorf("%s: %q", file, bad)
		}
	}
}

const good = `{"summary":"They spoke.","decisions":[],"actions":[],"questions":[]}`

func TestAMalformedAnswerIsAskedForOnceMore(t *testing.T) {
	s := &scripted{answer: func(n int, _ model.Request) (model.Response, error) {
		if n == 1 {
			return model.Response{Text: "Sure! Here are your minutes.", Usage: agent.Usage{InputTokens: 5}}, nil
		}
		return model.Response{Text: "```json\n" + good + "\n```", Model: "m", Usage: agent.Usage{InputTokens: 7}}, nil
	}}
	m, rep, err := meetings.Summarise(t.Context(), config(s), parse(t, "zoom.vtt"))
	if err != nil || m.Summary != "They spoke." || rep.Repaired != 1 || rep.Usage.InputTokens != 12 || m.Model != "m" {
		t.Errorf("%v, %+v, %+v", err, m, rep)
	}
	last := s.reqs[1].Messages
	if len(last) != 4 || !strings.Contains(last[3].Text, "no JSON object") || !strings.Contains(last[3].Text, "[4 00:00:16] Bob Ross:") {
		t.Errorf("the second request does not say what was wrong: %+v", last)
	}
}

func TestAModelThatAnswersNonsenseIsUnavailable(t *testing.T) {
	for _, text := range []string{"", "no", "{}", `{"summary":""}`, `{"summary":"x","actions":"none"}`, `[1,2]`} {
		s := &scripted{answer: func(int, model.Request) (model.Response, error) { return model.Response{Text: text}, nil }}
		_, _, err := meetings.Summarise(t.Context(), config(s), parse(t, "zoom.vtt"))
		if agent.KindOf(err) != agent.Unavailable || len(s.reqs) != 2 {
			t.Errorf("%q: %v after %d requests", text, err, len(s.reqs))
		}
	}
	s := &scripted{answer: func(int, model.Request) (model.Response, error) {
		return model.Response{}, agent.Errorf(agent.Forbidden, "no key")
	}}
	if _, _, err := meetings.Summarise(t.Context(), config(s), parse(t, "zoom.vtt")); agent.KindOf(err) != agent.Forbidden {
		t.Errorf("the model's own error: %v", err)
	}
}

// long is a transcript of n numbered utterances.
func long(t testing.TB, n int) meetings.Transcript {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("%s: I'll paint wall number %d today.", []string{"Ann", "Bob"}[i%2], i+1))
	}
	return talk(t, lines...)
}

func TestLongMeetingsAreReadInOverlappingParts(t *testing.T) {
	tr := long(t, 300)
	parts := meetings.Parts(tr, 4000)
	next := 1
	for i, p := range parts {
		if len(p.Text) > 4000 {
			t.Errorf("part %d has %d bytes", i+1, len(p.Text))
		}
		if p.First > next || i > 0 && p.First == next {
			t.Errorf("part %d begins at cue %d; want before %d", i+1, p.First, next)
		}
		if strings.Count(p.Text, "\n")+1 != p.Last-p.First+1 || !strings.HasPrefix(p.Text, fmt.Sprintf("[%d] ", p.First)) {
			t.Errorf("part %d is not its cues", i+1)
		}
		next = p.Last + 1
	}
	if next != 301 || len(parts) < 3 {
		t.Errorf("%d parts up to cue %d", len(parts), next-1)
	}
}

func TestPartsAreDraftedMergedAndVerified(t *testing.T) {
	tr := long(t, 300)
	parts := meetings.Parts(tr, 4000)
	s := &scripted{answer: firstAndLast}
	cfg := config(s)
	cfg.PartChars = 4000
	m, rep, err := meetings.Summarise(t.Context(), cfg, tr)
	if err != nil || m.Summary != "They painted." || rep.Parts != len(parts) || rep.Usage.OutputTokens != len(parts)+1 {
		t.Fatalf("%v, %q, %+v", err, m.Summary, rep)
	}
	if m.Dropped != 0 || len(m.Actions) != 2*len(parts) || len(meetings.Unverified(m, tr)) > 0 {
		t.Errorf("%d actions, %d dropped", len(m.Actions), m.Dropped)
	}
	if a := m.Actions[0]; val(a.Owner) != "Ann" || val(a.Due) != "2024-05-08" {
		t.Errorf("first action: %+v", a)
	}
}

// firstAndLast promises what the first and the last cue of a part do.
func firstAndLast(_ int, req model.Request) (model.Response, error) {
	ask := req.Messages[len(req.Messages)-1].Text
	if strings.Contains(ask, "Part summaries:") {
		return model.Response{Text: strings.Replace(good, "They spoke", "They painted", 1), Usage: agent.Usage{OutputTokens: 1}}, nil
	}
	first := strings.Index(ask, "I'll paint")
	quote := ask[first : first+strings.Index(ask[first:], "\n")]
	id := ask[strings.LastIndex(ask[:first], "[")+1 : strings.LastIndex(ask[:first], "]")]
	last := strings.LastIndex(ask, "[")
	seam := strings.TrimSpace(ask[strings.Index(ask[last:], ": ")+last+2:])
	lastID := ask[last+1 : last+strings.Index(ask[last:], "]")]
	return model.Response{Usage: agent.Usage{OutputTokens: 1}, Text: fmt.Sprintf(
		`{"summary":"Part.","decisions":[],"questions":[],"actions":[`+
			`{"text":%q,"owner":"me","due":"today","cues":[%s],"quote":%q},{"text":%q,"owner":"me","due":null,"cues":[%s],"quote":%q}]}`,
		quote, id, quote, seam, lastID, seam)}, nil
}

func TestItemsOfTheSeamAreKeptOnce(t *testing.T) {
	tr := long(t, 300)
	s := &scripted{answer: func(_ int, req model.Request) (model.Response, error) {
		ask := req.Messages[len(req.Messages)-1].Text
		if !strings.Contains(ask, "wall number 90 ") {
			return model.Response{Text: good}, nil
		}
		return model.Response{Text: `{"summary":"x","decisions":[],"questions":[],"actions":[` +
			`{"text":"Paint wall 90","owner":null,"due":null,"cues":[90],"quote":"paint wall number 90"},` +
			`{"text":"Paint the wall 90","owner":"Bob","due":null,"cues":[90],"quote":"I'll paint wall number 90"}]}`}, nil
	}}
	cfg := config(s)
	cfg.PartChars = 4000
	m, _, err := meetings.Summarise(t.Context(), cfg, tr)
	if err != nil || len(m.Actions) != 1 || val(m.Actions[0].Owner) != "Bob" {
		t.Errorf("%v, %+v", err, m.Actions)
	}
}

func TestTheWholeIsKeptInPartsWhenTheLastSummaryFails(t *testing.T) {
	s := &scripted{answer: func(_ int, req model.Request) (model.Response, error) {
		if strings.Contains(req.Messages[len(req.Messages)-1].Text, "Part summaries:") {
			return model.Response{}, agent.Errorf(agent.Unavailable, "busy")
		}
		return model.Response{Text: good}, nil
	}}
	cfg := config(s)
	cfg.PartChars = 4000
	m, rep, err := meetings.Summarise(t.Context(), cfg, long(t, 300))
	if err != nil || !strings.HasPrefix(m.Summary, "They spoke.\n\nThey spoke.") || len(rep.Warnings) != 1 {
		t.Errorf("%v, %q, %q", err, m.Summary, rep.Warnings)
	}
}

func TestTheBuiltInModelJoinsPartsOfItsOwn(t *testing.T) {
	cfg := config(builtin.New())
	cfg.PartChars = 4000
	m, rep, err := meetings.Summarise(t.Context(), cfg, long(t, 300))
	if err != nil || rep.Parts < 3 || m.Summary == "" || strings.Contains(m.Summary, "[part") || len(rep.Warnings) != 0 {
		t.Errorf("%v, %+v, %q", err, rep, m.Summary)
	}
}

func TestACancelledSummaryIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := meetings.Summarise(ctx, config(builtin.New()), parse(t, "zoom.vtt"))
	if !errors.Is(err, context.Canceled) || agent.KindOf(err) != agent.Cancelled {
		t.Errorf("%v", err)
	}
}

func TestTheSchemaTakesTheDraftAndRefusesOthers(t *testing.T) {
	raw, err := meetings.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("minutes.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("minutes.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{answer: func(int, model.Request) (model.Response, error) { return model.Response{Text: good}, nil }}
	if _, _, err := meetings.Summarise(t.Context(), config(s), parse(t, "zoom.vtt")); err != nil {
		t.Fatal(err)
	}
	resp, err := builtin.New().Complete(t.Context(), s.reqs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		resp.Text: true, good: true, `{"summary":"x"}`: false,
		`{"summary":1,"decisions":[],"actions":[],"questions":[]}`:                                                                                false,
		`{"summary":"x","decisions":[],"questions":[],"actions":[{"text":"t","owner":7,"due":null,"cues":[1],"quote":"q"}]}`:                      false,
		`{"summary":"x","decisions":[],"questions":[],"actions":[{"text":"t","owner":null,"due":"by Friday","cues":[1],"quote":"q"}]}`:            true,
		`{"summary":"x","decisions":[],"questions":[],"actions":[{"text":"t","owner":null,"due":null,"cues":[1],"quote":"q","priority":"high"}]}`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != ok {
			t.Errorf("%.80s: %v", text, err)
		}
	}
}
