package textclass_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/internal/textclass"
)

// teams is a small set as a router has it after its first days.
func teams() []textclass.Example {
	of := func(label string, texts ...string) (out []textclass.Example) {
		for _, t := range texts {
			out = append(out, textclass.Example{Text: t, Label: label})
		}
		return out
	}
	return slices.Concat(
		of("payments",
			"the customer was charged twice for one invoice",
			"refund of an invoice does not reach the card",
			"card payment fails at checkout with a declined error",
			"the invoice shows the wrong amount",
			"please refund this charge"),
		of("platform",
			"the build pipeline is red since this morning",
			"deploy to staging hangs on the kubernetes cluster",
			"the server runs out of memory after the deploy",
			"pipeline cannot pull the docker image",
			"disk of the build server is full"),
		of("people",
			"how many days of vacation do I have left",
			"I want to hand in my parental leave",
			"who approves my vacation request",
			"when is the payslip of this month sent",
			"sick leave needs a doctor's note from which day"),
	)
}

func train(t testing.TB, examples []textclass.Example, opts textclass.Options) *textclass.Model {
	t.Helper()
	m, err := textclass.Train(examples, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFifteenExamplesAreEnoughForMessagesWordedAnew(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	for text, want := range map[string]string{
		"customer wants a refund for a wrong charge":       "payments",
		"two invoices were charged to the same card":       "payments",
		"staging deploys are failing, the pipeline is red": "platform",
		"the docker build has no memory left":              "platform",
		"can I move my vacation to next month":             "people",
		"question about parental leave and my payslip":     "people",
	} {
		if got := m.Classify(text).Ranked[0]; got.Label != want {
			t.Errorf("%q goes to %s (%.2f); want %s", text, got.Label, got.P, want)
		}
	}
}

func TestTheSameExamplesGiveTheSameModel(t *testing.T) {
	examples := teams()
	_, background := synthetic(1, 1, 20)
	opts := textclass.Options{Background: "none", Seed: 7}
	a, b := train(t, append(examples, background...), opts), train(t, append(examples, background...), opts)
	for _, e := range append(examples, background...) {
		x, y := a.Classify(e.Text), b.Classify(e.Text)
		if x.Scope != y.Scope || x.InScope != y.InScope || !slices.Equal(x.Ranked, y.Ranked) {
			t.Fatalf("%q: %v and then %v", e.Text, x, y)
		}
	}
}

func TestAMessageWithoutAKnownWordIsOutOfScope(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	for _, text := range []string{"", "   ", "?!…", "zxqv wwkrp", "привет мир", "今日は", "\xff\xfe", "🙂🙂"} {
		r := m.Classify(text)
		if r.InScope || r.Scope != 0 {
			t.Errorf("%q is in scope with %.2f", text, r.Scope)
		}
		if len(r.Ranked) != 3 {
			t.Errorf("%q has %d ranked labels; want all 3", text, len(r.Ranked))
		}
		if why := m.Explain(text); len(why) != 0 {
			t.Errorf("%q is explained by %v", text, why)
		}
	}
}

func TestEverydayTalkIsMostlyOutOfScopeOfAFewTeams(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	var accepted []string
	talk := []string{
		"the cat sat on the mat", "what a lovely song", "sing of the sea", "my sister plays football",
		"tell me a joke about penguins", "who won the match yesterday", "a good recipe for lentil soup",
		"is it raining", "which planet has the most moons", "translate good night into french",
	}
	for _, text := range talk {
		if m.Classify(text).InScope {
			accepted = append(accepted, text)
		}
	}
	if len(accepted) > 3 {
		t.Errorf("in scope of %d: %q", len(talk), accepted)
	}
}

func TestWhatWasLearnedIsInScope(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	for _, e := range teams() {
		r := m.Classify(e.Text)
		if r.Ranked[0].Label != e.Label || !r.InScope {
			t.Errorf("%q: %v; want %s, in scope", e.Text, r, e.Label)
		}
	}
}

func TestWritingDoesNotMatterToTheResult(t *testing.T) {
	m := train(t, append(teams(),
		textclass.Example{Text: "le café est froid", Label: "kitchen"},
		textclass.Example{Text: "café machine leaks", Label: "kitchen"},
		textclass.Example{Text: "コーヒーメーカーが故障", Label: "kitchen"},
	), textclass.Options{})
	for _, pair := range [][2]string{
		{"the CAFÉ is cold", "the cafe is cold"},
		{"cafe\u0301 machine", "café machine"},
		{"a doctor’s note", "a doctors note"},
		{"Refund!  (invoice, card)", "refund invoice card"},
		{"invoice 123", "invoice 987"},
		{"ＲＥＦＵＮＤ", "refund"},
	} {
		a, b := m.Classify(pair[0]), m.Classify(pair[1])
		if a.Scope != b.Scope || !slices.Equal(a.Ranked, b.Ranked) {
			t.Errorf("%q and %q differ: %v, %v", pair[0], pair[1], a, b)
		}
	}
	if got := m.Classify("コーヒーメーカー").Ranked[0].Label; got != "kitchen" {
		t.Errorf("part of a Japanese message goes to %s; want kitchen", got)
	}
}

func TestTrainingNeedsTwoLabels(t *testing.T) {
	one := []textclass.Example{{Text: "a b", Label: "x"}, {Text: "c d", Label: "x"}, {Text: "e f", Label: "none"}}
	for _, examples := range [][]textclass.Example{nil, one} {
		if _, err := textclass.Train(examples, textclass.Options{Background: "none"}); !errors.Is(err, textclass.ErrTooFewLabels) {
			t.Errorf("%d examples: error %v; want ErrTooFewLabels", len(examples), err)
		}
	}
}

func TestTrainingRefusesWhatMakesNoSense(t *testing.T) {
	if _, err := textclass.Train(append(teams(), textclass.Example{Text: "lost"}), textclass.Options{}); err == nil {
		t.Error("an example without a label is accepted")
	}
	for _, opts := range []textclass.Options{{Reject: 1.2}, {Accept: -1}, {Top: -1}, {Reject: math.NaN()}} {
		if _, err := textclass.Train(teams(), opts); err == nil {
			t.Errorf("%+v is accepted", opts)
		}
	}
}

func TestOneExampleOfEachLabelTrains(t *testing.T) {
	m := train(t, []textclass.Example{{Text: "refund invoice", Label: "a"}, {Text: "deploy server", Label: "b"}}, textclass.Options{})
	if got := m.Classify("the server").Ranked[0].Label; got != "b" {
		t.Errorf("goes to %s; want b", got)
	}
}

func TestEmptyExamplesTeachNothing(t *testing.T) {
	m := train(t, append(teams(), textclass.Example{Text: "", Label: "people"}, textclass.Example{Text: "...", Label: "people"}),
		textclass.Options{})
	if r := m.Classify("!"); r.InScope {
		t.Errorf("a message without words is in scope: %v", r)
	}
}

func TestBackgroundIsRejectedAsOftenAsWanted(t *testing.T) {
	examples, background := synthetic(4, 25, 90)
	m := train(t, append(examples, background[:40]...), textclass.Options{Background: "none", Reject: 0.9})
	if slices.Contains(m.Labels(), "none") {
		t.Fatal("the background is among the labels")
	}
	rejected, accepted := 0, 0
	for _, e := range background[40:] {
		if !m.Classify(e.Text).InScope {
			rejected++
		}
	}
	for _, e := range examples {
		if m.Classify(e.Text).InScope {
			accepted++
		}
	}
	if rejected < 40 { // of 50; 45 are expected
		t.Errorf("%d of 50 background messages are rejected; want 0.9 of them", rejected)
	}
	if accepted < 90 {
		t.Errorf("%d of 100 messages in scope are accepted", accepted)
	}
}

func TestExplainNamesTheWordsThatDecided(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	const text = "Hello zxqv, my Invoice – the invoice! – is wrong"
	why := m.Explain(text)
	if len(why) == 0 || why[0].Word != "Invoice" {
		t.Fatalf("reasons %v; want Invoice first, as it was written", why)
	}
	for i, r := range why {
		if r.Word == "zxqv" || r.Weight <= 0 || i > 0 && r.Weight > why[i-1].Weight {
			t.Errorf("reason %v out of place in %v", r, why)
		}
		if strings.EqualFold(r.Word, "invoice") && i > 0 {
			t.Errorf("the same word twice: %v", why)
		}
	}
}

func TestProbabilitiesAreRankedAndSumToOne(t *testing.T) {
	m := train(t, teams(), textclass.Options{Top: 10})
	words := strings.Fields("the invoice refund deploy server vacation leave card payslip of zxqv café 7 . !")
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(words)).Draw(t, "words"), " ")
		if rapid.Bool().Draw(t, "any") {
			text = rapid.String().Draw(t, "text")
		}
		r := m.Classify(text)
		var sum float64
		for i, s := range r.Ranked {
			sum += s.P
			if !(s.P >= 0) || i > 0 && s.P > r.Ranked[i-1].P {
				t.Fatalf("%q: %v", text, r.Ranked)
			}
		}
		if math.Abs(sum-1) > 1e-6 || len(r.Ranked) != 3 {
			t.Fatalf("%q: %v sums to %v", text, r.Ranked, sum)
		}
		if r.InScope != (r.Scope >= 0.5) || !(r.Scope >= 0 && r.Scope <= 1) {
			t.Fatalf("%q: scope %v, in scope %v", text, r.Scope, r.InScope)
		}
	})
}

func TestAModelServesManyAtOnce(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	want := m.Classify("refund the invoice")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				m.Explain("deploy the server")
				if got := m.Classify("refund the invoice"); !slices.Equal(got.Ranked, want.Ranked) {
					t.Errorf("%v; want %v", got, want)
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestAHugeMessageIsCutNotRefused(t *testing.T) {
	m := train(t, teams(), textclass.Options{})
	long := "refund the invoice " + strings.Repeat("and so on ", 200_000)
	if got := m.Classify(long).Ranked; len(got) != 3 {
		t.Errorf("%v", got)
	}
	m.Explain(long)
}

// synthetic makes labels with a few words of their own among shared ones, and background made of other words.
func synthetic(labels, perLabel, background int) (examples, outside []textclass.Example) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func(kind string, n int) string { return fmt.Sprintf("%s%c%c", kind, 'a'+rune(n%26), 'a'+rune(n/26)) }
	message := func(kind string, from, n int) string {
		var w []string
		for range 3 {
			w = append(w, word(kind, from+rng.IntN(n)), word("common", rng.IntN(20)))
		}
		rng.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
		return strings.Join(w, " ")
	}
	for i := range labels * perLabel {
		l := i % labels
		examples = append(examples, textclass.Example{Text: message("topic", l*4, 4), Label: fmt.Sprintf("label%03d", l)})
	}
	for range background {
		outside = append(outside, textclass.Example{Text: message("other", 0, 300), Label: "none"})
	}
	return examples, outside
}

func BenchmarkClassify(b *testing.B) {
	for _, labels := range []int{3, 150} {
		b.Run(fmt.Sprintf("labels=%d", labels), func(b *testing.B) {
			examples, _ := synthetic(labels, 15, 0)
			m := train(b, examples, textclass.Options{})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Classify(examples[i%len(examples)].Text)
				i++
			}
		})
	}
}

func BenchmarkTrainFifteenExamples(b *testing.B) {
	examples := teams()
	for b.Loop() {
		train(b, examples, textclass.Options{})
	}
}
