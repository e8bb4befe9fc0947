package main

import (
	"math"
	"strings"
	"testing"
)

func TestStemsArePortersOwn(t *testing.T) {
	// The examples of the paper, rule by rule.
	for word, want := range map[string]string{
		"caresses": "caress", "ponies": "poni", "ties": "ti", "caress": "caress", "cats": "cat", "feed": "feed",
		"agreed": "agre", "plastered": "plaster", "bled": "bled", "motoring": "motor", "sing": "sing",
		"conflated": "conflat", "troubled": "troubl", "sized": "size", "hopping": "hop", "tanned": "tan",
		"falling": "fall", "hissing": "hiss", "fizzed": "fizz", "failing": "fail", "filing": "file",
		"happy": "happi", "sky": "sky", "relational": "relat", "conditional": "condit", "rational": "ration",
		"digitizer": "digit", "operator": "oper", "decisiveness": "decis", "hopefulness": "hope",
		"triplicate": "triplic", "formalize": "formal", "goodness": "good", "revival": "reviv",
		"allowance": "allow", "airliner": "airlin", "adjustable": "adjust", "replacement": "replac",
		"adoption": "adopt", "effective": "effect", "probate": "probat", "rate": "rate", "cease": "ceas",
		"controll": "control", "roll": "roll",
	} {
		if got := stem(word); got != want {
			t.Errorf("%s: %s; want %s", word, got, want)
		}
	}
}

func TestRougeCountsClippedOverlap(t *testing.T) {
	s := score("the cat sat on the mat", "The cat, the cat!")
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %v; want %v", name, got, want)
		}
	}
	near("r1", s.r1, 2*(3.0/4)*(3.0/6)/(3.0/4+3.0/6))
	near("r2", s.r2, 2*(1.0/3)*(1.0/5)/(1.0/3+1.0/5))
	near("rl", s.rl, 2*(3.0/4)*(3.0/6)/(3.0/4+3.0/6)) // the cat the
	if same := score("They discussed buttons.", "they discuss button"); same.r1 != 1 || same.r2 != 1 || same.rl != 1 {
		t.Errorf("stemmed equals: %+v", same)
	}
	if none := score("alpha", ""); none != (rouge{}) {
		t.Errorf("nothing in common: %+v", none)
	}
}

func TestMeetingsAreConvertedToNamedLines(t *testing.T) {
	var q qmsum
	for _, turn := range [][2]string{{"Ann", "So {disfmarker} we {vocalsound} go ."}, {"Bob", "{vocalsound}"}, {"Bob", "Yes ."}} {
		q.Meeting = append(q.Meeting, struct {
			Speaker string `json:"speaker"`
			Content string `json:"content"`
		}{turn[0], turn[1]})
	}
	if got := string(convert(q)); got != "Ann: So we go .\nBob: Yes .\n" {
		t.Errorf("%q", got)
	}
	if strings.Contains(string(convert(q)), "{") {
		t.Error("marks stayed")
	}
}
