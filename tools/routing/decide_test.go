package routing

import (
	"math"
	"testing"
	"time"
)

func TestAConfidenceThatIsNoneMakesItAsk(t *testing.T) {
	d := &Directory{do: 0.85, suggest: 0.5}
	for confidence, want := range map[float64]Decision{
		0: Ask, 0.499: Ask, 0.5: Suggest, 0.849: Suggest, 0.85: Do, 1: Do,
		1.001: Ask, -1: Ask, math.Inf(1): Ask, math.Inf(-1): Ask,
	} {
		if got := d.decide(confidence); got != want {
			t.Errorf("%v: %s, want %s", confidence, got, want)
		}
	}
	r := &Router{dir: d, now: func() time.Time { return time.Time{} }}
	if a := r.answer(guess{team: "x", confidence: math.NaN()}); a.Decision != Ask || a.Confidence != 0 {
		t.Errorf("not a number: %+v", a)
	}
}

func TestOpinionsThatAgreeStrengthenAndOthersWeaken(t *testing.T) {
	a, b := guess{team: "x", confidence: 0.7}, guess{team: "x", confidence: 0.6}
	if g := join(a, b); g.team != "x" || math.Abs(g.confidence-0.88) > 1e-9 {
		t.Errorf("agree: %+v", g)
	}
	b.team = "y"
	for _, g := range []guess{join(a, b), join(b, a)} {
		if g.team != "x" || g.runnerUp != "y" || math.Abs(g.confidence-0.49) > 1e-9 {
			t.Errorf("disagree: %+v", g)
		}
	}
	if g := join(guess{}, b); g.team != "y" || g.confidence != 0.6 {
		t.Errorf("one alone: %+v", g)
	}
}
