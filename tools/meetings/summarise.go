package meetings

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// Prompt is the text that tells a model how to write minutes, with the
// name@digest it is known by.
type Prompt struct {
	Ref, Text string
}

// Config is what Summarise needs. Model, Prompt and Clock are required.
type Config struct {
	Model model.Model
	// Fallback, when not nil, makes the minutes when Model is unavailable or
	// its answers are no minutes; the report then says why.
	Fallback model.Model
	Prompt   Prompt
	// Clock times the work.
	Clock func() time.Time
	// PartChars bounds a part in bytes; 0 means DefaultPartChars, or the whole
	// meeting for the built-in model, which needs to see it whole. Negative
	// means the whole meeting for any model.
	PartChars int
	// MaxTokens bounds each answer; 0 leaves it to the model.
	MaxTokens int
}

// Report says how minutes came about.
type Report struct {
	// Model names what answered; Degraded says why it was not the first choice.
	Model    string
	Degraded string
	// Prompt is the name@digest of the prompt.
	Prompt string
	Usage  agent.Usage
	// Parts is how many parts the meeting was read in.
	Parts int
	// Repaired counts answers that had to be asked for again.
	Repaired int
	Warnings []string
	Took     time.Duration
}

// partsAtOnce bounds the requests to the model that run at a time.
const partsAtOnce = 2

const builtInModel = "built-in"

// Summarise has the model write a draft of each part, merges the drafts and
// verifies the result. An answer that is not the JSON asked for is asked for
// once more; then Fallback takes over, or the error is of kind Unavailable.
// Other errors of the model keep their kind.
func Summarise(ctx context.Context, cfg Config, t Transcript) (agent.Minutes, Report, error) {
	if cfg.Model == nil || cfg.Clock == nil || cfg.Prompt.Ref == "" {
		return agent.Minutes{}, Report{}, fmt.Errorf("summarise: Model, Prompt and Clock are required")
	}
	if len(t.Cues) == 0 {
		return agent.Minutes{}, Report{}, agent.Errorf(agent.Invalid, "the transcript holds no utterances")
	}
	m, report, err := summarise(ctx, cfg, t)
	if err == nil || cfg.Fallback == nil || agent.KindOf(err) != agent.Unavailable || ctx.Err() != nil {
		return m, report, err
	}
	why := agent.PublicText(err)
	first := cfg.Model.Name()
	cfg.Model, cfg.Fallback = cfg.Fallback, nil
	m, report, err = summarise(ctx, cfg, t)
	report.Degraded = fmt.Sprintf("%s could not make the minutes (%s), so %s did", first, why, report.Model)
	return m, report, err
}

func summarise(ctx context.Context, cfg Config, t Transcript) (agent.Minutes, Report, error) {
	schema, err := Schema()
	if err != nil {
		return agent.Minutes{}, Report{}, err
	}
	s := &session{Config: cfg, transcript: t, schema: schema}
	began := cfg.Clock()
	parts := Parts(t, s.partChars())
	answers, err := s.drafts(ctx, parts)
	if err != nil {
		return agent.Minutes{}, Report{}, err
	}
	report := Report{Prompt: cfg.Prompt.Ref, Parts: len(parts), Warnings: append([]string(nil), t.Warnings...)}
	merged := mergeDrafts(answers)
	for _, a := range answers {
		report.add(a)
	}
	if len(parts) > 1 {
		whole, err := s.whole(ctx, answers)
		if agent.KindOf(err) == agent.Cancelled && err != nil {
			return agent.Minutes{}, Report{}, err
		}
		if err != nil {
			report.Warnings = append(report.Warnings, "the summaries of the parts could not be made one; they stand one after another")
		} else {
			merged.Summary = whole.draft.Summary
			report.add(whole)
		}
	}
	m := Verify(merged, t)
	m.Model = report.Model
	report.Took = cfg.Clock().Sub(began)
	return m, report, nil
}

type session struct {
	Config
	transcript Transcript
	schema     json.RawMessage
}

// answer is one draft with what it cost.
type answer struct {
	draft    Draft
	usage    agent.Usage
	model    string
	degraded string
	repaired int
}

func (r *Report) add(a answer) {
	r.Usage = r.Usage.Add(a.usage)
	r.Repaired += a.repaired
	if r.Model == "" || a.degraded != "" {
		r.Model = a.model
	}
	r.Degraded = firstNonEmpty(r.Degraded, a.degraded)
}

func (s *session) partChars() int {
	if s.PartChars < 0 || s.PartChars == 0 && s.Model.Name() == builtInModel {
		return 1 << 40
	}
	return s.PartChars
}

func (s *session) drafts(ctx context.Context, parts []Part) ([]answer, error) {
	answers := make([]answer, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i, p := range parts {
		g.Go(func() error {
			ask := s.head() + fmt.Sprintf("Part %d of %d.\n\nTranscript:\n%s\n", i+1, len(parts), p.Text)
			a, err := s.ask(ctx, ask)
			if err != nil {
				return fmt.Errorf("minutes of part %d of %d: %w", i+1, len(parts), err)
			}
			answers[i] = a
			return nil
		})
	}
	return answers, g.Wait()
}

// whole asks for one summary made of the parts' summaries.
func (s *session) whole(ctx context.Context, parts []answer) (answer, error) {
	var b strings.Builder
	b.WriteString(s.head())
	b.WriteString("The meeting was read in parts. Below are their summaries in order. " +
		"Write one \"summary\" of the whole meeting from them and leave the lists empty.\n\nPart summaries:\n")
	for i, a := range parts {
		fmt.Fprintf(&b, "[part %d of %d] %s\n", i+1, len(parts), oneLine(a.draft.Summary))
	}
	return s.ask(ctx, b.String())
}

func (s *session) head() string {
	t := s.transcript
	var b strings.Builder
	fmt.Fprintf(&b, "Title: %s\n", oneLine(t.Title))
	if t.Date != "" {
		fmt.Fprintf(&b, "Date: %s\n", t.Date)
	}
	if len(t.Participants) > 0 {
		fmt.Fprintf(&b, "Participants: %s\n", strings.Join(t.Participants, "; "))
	}
	return b.String()
}

// ask sends one request and, when the answer is not a draft, one more that
// names the mistake.
func (s *session) ask(ctx context.Context, user string) (answer, error) {
	req := model.Request{
		Prompt: s.Prompt.Ref, Schema: s.schema, SchemaName: "minutes", MaxTokens: s.MaxTokens,
		Messages: []model.Message{
			{Role: model.RoleSystem, Text: s.Prompt.Text},
			{Role: model.RoleUser, Text: user},
		},
	}
	var a answer
	for {
		resp, err := s.Model.Complete(ctx, req, nil)
		if err != nil {
			return answer{}, fmt.Errorf("ask the model: %w", err)
		}
		a.usage = a.usage.Add(resp.Usage)
		a.model, a.degraded = firstNonEmpty(resp.Model, s.Model.Name()), resp.Degraded
		d, err := ParseDraft(resp.Text)
		if err == nil {
			a.draft = d
			return a, nil
		}
		if a.repaired > 0 {
			return answer{}, agent.WrapError(agent.Unavailable, err,
				"the model did not answer with minutes that can be read, also when asked again")
		}
		a.repaired++
		// The request is put last again, so that a model which reads only the
		// last user message still sees the transcript.
		req.Messages = append(req.Messages,
			model.Message{Role: model.RoleAssistant, Text: clip(resp.Text)},
			model.Message{Role: model.RoleUser, Text: fmt.Sprintf(
				"That could not be used: %v. Answer again, with one JSON object of the schema and nothing else.\n\n%s", err, user)})
	}
}

// clip bounds a useless answer that is shown to the model again.
func clip(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
