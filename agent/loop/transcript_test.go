package loop_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// TestTranscripts plays each testdata/*.txtar: what a person says and decides,
// what the model answers, and what must follow.
//
//	-- ask --         what Ann says
//	-- model --       one answer a paragraph: "call tool {json}" lines, or text
//	-- decide --      one decision a line: yes, no and a reason, edit and arguments,
//	                  or ask and a question; may be missing
//	-- transcript --  what happened: the record, then the answer
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := func(name string) string {
				for _, f := range a.Files {
					if f.Name == name {
						return strings.TrimSpace(string(f.Data))
					}
				}
				return ""
			}
			got := play(t, part("ask"), part("model"), part("decide"))
			if *update {
				i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "transcript" })
				if i < 0 {
					a.Files = append(a.Files, txtar.File{Name: "transcript"})
					i = len(a.Files) - 1
				}
				a.Files[i].Data = []byte(got + "\n")
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := part("transcript"); got != want {
				t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
			}
		})
	}
}

func play(t *testing.T, ask, script, decide string) string {
	answers := strings.Split(script, "\n\n")
	n := 0
	w := looptest.NewWorld(t, onSQLite, loop.Limits{Thinks: 5}, func(model.Request) (model.Response, error) {
		if n >= len(answers) {
			return looptest.Say("(the script is over)")
		}
		n++
		return scriptedAnswer(answers[n-1])
	})
	p := w.Start()
	turn := p.Ask("e", "c", ask)
	for line := range strings.Lines(decide) {
		v := p.Until(turn, agent.TurnWaiting)
		i := slices.IndexFunc(v.Approvals, func(a approval.Approval) bool { return a.State == approval.Asked })
		word, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		decided(t, p, v.Approvals[i], word, reason)
	}
	v := settled(t, p, turn)
	rows, err := p.DB.Audit(context.Background(), "w", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-10s %s\n", "ann", ask)
	for _, r := range rows {
		if strings.HasPrefix(r.Note, "facts/") {
			r.Note = "" // what the ruling stood on; the policy's own tests read it
		}
		fields := []string{}
		for _, s := range []string{r.Tool, r.Ruling, r.Rule, r.Status, string(r.Args), r.Note} {
			if s != "" {
				fields = append(fields, s)
			}
		}
		fmt.Fprintln(&out, strings.TrimSpace(fmt.Sprintf("%-18s %s", r.Kind, strings.Join(fields, "  "))))
	}
	made, _ := w.Things()
	fmt.Fprintf(&out, "%-18s %d\n%-18s %s\n", "things made", made, "turn", v.Status)
	if v.Question != "" {
		fmt.Fprintf(&out, "%-18s %s\n", "asks", v.Question)
	}
	fmt.Fprintf(&out, "%-18s %s", "sous", v.Answer)
	return strings.TrimSpace(out.String())
}

// decided does to an approval what a line says, and waits for what follows at once.
func decided(t *testing.T, p *looptest.Process, a approval.Approval, word, rest string) {
	t.Helper()
	ctx, ann := context.Background(), looptest.Ann()
	var err error
	switch word {
	case "yes", "no":
		_, err = p.Decide(ctx, ann, a.ID, word == "yes", rest)
	case "edit":
		_, err = p.Edit(ctx, ann, a.ID, json.RawMessage(rest), "")
	case "ask":
		_, err = p.Note(ctx, ann, a.ID, rest, "")
	default:
		t.Fatalf("nobody knows how to %s", word)
	}
	if err != nil {
		t.Fatal(err)
	}
	for word == "yes" && !ran(t, p, a.Call.Turn, a.ID) || word == "edit" && !ranAsEdited(t, p, a) {
		time.Sleep(2 * time.Millisecond)
	}
}

// ranAsEdited reports whether the call that was asked has an outcome under other
// arguments.
func ranAsEdited(t *testing.T, p *looptest.Process, a approval.Approval) bool {
	v, err := p.View(context.Background(), looptest.Ann(), a.Call.Turn)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(v.Effects, func(e loop.Effect) bool { return e.Call.ID == a.Call.ID && e.Digest != a.Digest && e.State != "intent" })
}

// ran reports whether the approved call has its outcome.
func ran(t *testing.T, p *looptest.Process, turn, id string) bool {
	v, err := p.View(context.Background(), looptest.Ann(), turn)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(v.Effects, func(e loop.Effect) bool { return e.Approval == id && e.State != "intent" })
}

// settled waits until the turn ends or is parked for good.
func settled(t *testing.T, p *looptest.Process, turn string) loop.View {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		v, err := p.View(context.Background(), looptest.Ann(), turn)
		if err != nil {
			t.Fatal(err)
		}
		decided := slices.ContainsFunc(v.Approvals, func(a approval.Approval) bool { return a.State == approval.Approved })
		open := v.Question != "" || slices.ContainsFunc(v.Approvals, func(a approval.Approval) bool { return a.State == approval.Asked })
		if v.Status.Ended() || v.Status == agent.TurnWaiting && open && !decided {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("the turn is still %s", v.Status)
		}
	}
}

func scriptedAnswer(text string) (model.Response, error) {
	var calls []string
	for line := range strings.Lines(text) {
		if c, ok := strings.CutPrefix(strings.TrimSpace(line), "call "); ok {
			calls = append(calls, c)
		}
	}
	if len(calls) > 0 {
		return looptest.Call(calls...)
	}
	return looptest.Say(strings.TrimSpace(text))
}

// onSQLite is the embedded engine on the embedded store.
var onSQLite = looptest.Bench{Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
	e, err := journal.New(journal.Config{Store: db, Limits: p.Limits, Clock: p.Clock})
	if err != nil {
		t.Fatal(err)
	}
	return e
}}
