package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/feedback"
)

// Recorded is a store under test with its record.
type Recorded[S any] struct {
	Store S
	audit.Reader
}

// kinds lists what a workspace's record says, without when.
func (r Recorded[S]) kinds(t *testing.T, ws agent.WorkspaceID) (all []string) {
	t.Helper()
	rows, err := r.Audit(t.Context(), ws, audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows {
		all = append(all, string(e.Kind)+" "+e.Status)
	}
	return all
}

// Feedback checks feedback.Store. open returns an empty store.
func Feedback(t *testing.T, open func(t *testing.T) Recorded[feedback.Store]) {
	for _, p := range []struct {
		name  string
		check func(t *testing.T, s Recorded[feedback.Store])
	}{
		{"a rating is read as it was given, the newest first", feedbackReads},
		{"a person has one rating a turn, the last, however many at once", feedbackOnce},
		{"ratings are chosen and counted by turn, person, verdict and time", feedbackFilters},
		{"a forgotten person's words are gone and their verdicts stay", feedbackForgets},
		{"another workspace sees and forgets nothing", feedbackApart},
		{"the record says good or bad and why, and holds no comment", feedbackRecorded},
	} {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
}

// rated is a rating of the n-th minute.
func rated(turn, by string, good bool, n int, why ...feedback.Reason) feedback.Rating {
	return feedback.Rating{
		Workspace: acme, Turn: turn, By: agent.ActorID(by), Name: "Name of " + by, Good: good, Reasons: why, Text: "said by " + by,
		Model: "m", Prompt: "turn/v1", At: NewClock().Now().Add(time.Duration(n) * time.Minute),
	}
}

func rate(t *testing.T, s Recorded[feedback.Store], all ...feedback.Rating) {
	t.Helper()
	for _, r := range all {
		if err := s.Store.Rate(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func ratings(t *testing.T, s Recorded[feedback.Store], ws agent.WorkspaceID, f feedback.Filter) []feedback.Rating {
	t.Helper()
	all, err := s.Store.Ratings(t.Context(), ws, f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func feedbackReads(t *testing.T, s Recorded[feedback.Store]) {
	one, two := rated("t1", "ann", true, 1), rated("t2", "bob", false, 2, feedback.Incomplete, feedback.Wrong)
	two.Text = "it's “half” <done>\nand 'late'"
	rate(t, s, one, two)
	if got := ratings(t, s, acme, feedback.Filter{}); fmt.Sprint(got) != fmt.Sprint([]feedback.Rating{two, one}) {
		t.Errorf("read %+v", got)
	}
	if got := ratings(t, s, acme, feedback.Filter{Limit: 1}); len(got) != 1 || got[0].Turn != "t2" {
		t.Errorf("the newest is %+v", got)
	}
}

func feedbackOnce(t *testing.T, s Recorded[feedback.Store]) {
	rate(t, s, rated("t", "ann", true, 1))
	err := atOnce(func(i int) error { return s.Store.Rate(t.Context(), rated("t", "ann", false, 2, feedback.Slow)) })
	if got := ratings(t, s, acme, feedback.Filter{}); err != nil || len(got) != 1 || got[0].Good || len(got[0].Reasons) != 1 {
		t.Errorf("kept %+v, %v", got, err)
	}
}

func feedbackFilters(t *testing.T, s Recorded[feedback.Store]) {
	rate(t, s, rated("t1", "ann", true, 1), rated("t1", "bob", false, 2, feedback.Wrong), rated("t2", "ann", false, 3, feedback.Wrong, feedback.Slow), rated("t3", "cat", true, 4))
	for name, c := range map[string]struct {
		f    feedback.Filter
		want string
	}{
		"a turn":   {feedback.Filter{Turn: "t1"}, "1 good, 1 bad, map[wrong:1]"},
		"a person": {feedback.Filter{By: "ann"}, "1 good, 1 bad, map[slow:1 wrong:1]"},
		"bad":      {feedback.Filter{Bad: true}, "0 good, 2 bad, map[slow:1 wrong:2]"},
		"lately":   {feedback.Filter{Since: NewClock().Now().Add(3 * time.Minute)}, "1 good, 1 bad, map[slow:1 wrong:1]"},
		"all":      {feedback.Filter{}, "2 good, 2 bad, map[slow:1 wrong:2]"},
		"none":     {feedback.Filter{Turn: "t9"}, "0 good, 0 bad, map[]"},
	} {
		n, err := s.Store.Tally(t.Context(), acme, c.f)
		if got := fmt.Sprintf("%d good, %d bad, %v", n.Good, n.Bad, n.Reasons); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
		if got := len(ratings(t, s, acme, c.f)); got != n.Good+n.Bad {
			t.Errorf("%s: %d listed", name, got)
		}
	}
}

func feedbackForgets(t *testing.T, s Recorded[feedback.Store]) {
	rate(t, s, rated("t1", "ann", false, 1, feedback.Wrong), rated("t2", "ann", true, 2), rated("t1", "bob", true, 3))
	for i, want := range []int{2, 0} {
		if n, err := s.Store.Forget(t.Context(), ann(), "ann"); err != nil || n != want {
			t.Errorf("forgot %d, %v; want %d the %d. time", n, err, want, i+1)
		}
	}
	for _, r := range ratings(t, s, acme, feedback.Filter{}) {
		if gone := r.Name == "" && r.Text == ""; gone != (r.By == "ann") {
			t.Errorf("left %+v", r)
		}
	}
	if n, err := s.Store.Tally(t.Context(), acme, feedback.Filter{}); err != nil || n.Good != 2 || n.Bad != 1 {
		t.Errorf("counted %+v, %v", n, err)
	}
}

func feedbackApart(t *testing.T, s Recorded[feedback.Store]) {
	rate(t, s, rated("t", "ann", true, 1))
	if got := ratings(t, s, globex, feedback.Filter{}); len(got) != 0 {
		t.Errorf("seen elsewhere: %+v", got)
	}
	if n, err := s.Store.Forget(t.Context(), person(globex, "ann"), "ann"); err != nil || n != 0 {
		t.Errorf("forgotten from elsewhere: %d, %v", n, err)
	}
	if got := ratings(t, s, acme, feedback.Filter{}); len(got) != 1 || got[0].Text == "" {
		t.Errorf("left %+v", got)
	}
}

func feedbackRecorded(t *testing.T, s Recorded[feedback.Store]) {
	rate(t, s, rated("t", "ann", false, 1, feedback.Wrong))
	if _, err := s.Store.Forget(t.Context(), ann(), "ann"); err != nil {
		t.Fatal(err)
	}
	if got := s.kinds(t, acme); !slices.Equal(got, []string{"feedback.given bad", "feedback.forgotten "}) {
		t.Errorf("recorded %q", got)
	}
	rows, err := s.Audit(t.Context(), acme, audit.Filter{})
	if err != nil || rows[0].Note != "wrong" || rows[0].Turn != "t" {
		t.Errorf("recorded %+v, %v", rows, err)
	}
}
