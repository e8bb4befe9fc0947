package textclass

import (
	"math"
	"testing"
)

func TestTemperatureUndoesOverconfidence(t *testing.T) {
	// A model that always says 0.99 and is right in 3 of 4 cases.
	var results []heldOut
	for i := range 400 {
		h := heldOut{label: 0, right: true, logs: []float64{math.Log(0.99), math.Log(0.01)}}
		if i%4 == 0 {
			h.label, h.right = 1, false
		}
		results = append(results, h)
	}
	temperature := fitTemperature(results)
	said := math.Exp(math.Log(0.99)/temperature - logSumExp(results[0].logs, 1/temperature))
	if math.Abs(said-0.75) > 0.02 {
		t.Errorf("says %.3f after calibration; want 0.75", said)
	}
}

func TestTheBorderLeavesTheWantedShareOnEachSide(t *testing.T) {
	result := func(label int, right bool, score float64) heldOut {
		return heldOut{label: label, right: right, signals: [signals]float64{netSignal: score}}
	}
	var in, both []heldOut
	for i := range 100 {
		in = append(in, result(0, true, float64(i)))
		both = append(both, result(0, true, float64(i)), result(-1, false, float64(i)/2-10.75))
	}
	opts := Options{Accept: 0.9, Reject: 0.8}
	count := func(s scope, label int, results []heldOut) (inScope int) {
		for i, h := range results {
			if h.label == label && s.of(&results[i].signals) >= 0 {
				inScope++
			}
		}
		return inScope
	}
	if n := count(newScope(in, opts), 0, in); n != 90 {
		t.Errorf("%d of 100 accepted; want 90", n)
	}
	if n := count(newScope(both, Options{Background: "none", Reject: opts.Reject}), -1, both); n != 20 {
		t.Errorf("%d of 100 background accepted; want 20", n)
	}
	if n := count(newScope(both, Options{Accept: 0.3}), 0, both); n != 61 {
		t.Errorf("%d of 100 accepted; want the 61 that stand above all stand-ins", n)
	}
	if n := count(newScope(both, Options{Accept: 0.9}), 0, both); n != 90 {
		t.Errorf("%d of 100 accepted; want 90, as stand-ins must not push the border higher", n)
	}
}

func TestFoldsHoldOutNoTextTheyTrainOn(t *testing.T) {
	var samples []sample
	for i := range 60 {
		samples = append(samples, sample{string(rune('a' + i%20)), i % 4})
	}
	samples = append(samples, sample{"alone", 4}, sample{"outside", -1}, sample{"outside too", -1})
	fold := assignFolds(samples, 3, 1)
	of := map[string]int{}
	for i, s := range samples {
		if f, ok := of[s.text]; ok && f != fold[i] {
			t.Errorf("%q is in folds %d and %d", s.text, f, fold[i])
		}
		of[s.text] = fold[i]
	}
	if of["alone"] != -1 {
		t.Errorf("the only example of a label is in fold %d; want none", of["alone"])
	}
	if of["outside"] == of["outside too"] {
		t.Error("both background examples are in one fold")
	}
}
