package budget

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
)

func TestBoundsAreReadFromWords(t *testing.T) {
	got, err := ParseBounds("200000 tokens a day; 60.5 EUR per month;", "EUR")
	want := []Bound{{Tokens, Day, 200_000}, {Cost, Month, 60_500_000}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v", got, err)
	}
	for text, says := range map[string]string{
		"5":                                     "is not AMOUNT UNIT",
		"5 tokens a week":                       "neither a day nor a month",
		"5.5 tokens a day":                      "no whole number",
		"-5 tokens a day":                       "no whole number",
		"5 USD a day":                           "neither in tokens nor in EUR",
		"much EUR a day":                        "no amount of money",
		"NaN EUR a day":                         "no amount of money",
		"5 tokens a day; 6 tokens per day":      "two budgets of tokens a day",
		"1 EUR a day; 2 EUR a month; 3 EUR a x": "neither a day",
	} {
		if _, err := ParseBounds(text, "EUR"); agent.KindOf(err) != agent.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", text, err, says)
		}
	}
	if _, err := ParseBounds("5 EUR a day", ""); err == nil || !strings.Contains(err.Error(), "no model has a price") {
		t.Error(err)
	}
}

func TestPricesAreReadFromWords(t *testing.T) {
	got, currency, err := ParsePrices("small 0.40/1.60 USD; local 0/0 USD")
	if err != nil || currency != "USD" || got["small"] != (Price{400_000, 1_600_000}) || len(got) != 2 {
		t.Errorf("%+v %s, %v", got, currency, err)
	}
	for _, text := range []string{"small", "small 1 USD", "small 1/x USD", "small 1/2 usd", "small 1/2 USD; big 1/2 EUR", "small 1/2 USD; small 1/2 USD", "small -1/2 USD"} {
		if _, _, err := ParsePrices(text); agent.KindOf(err) != agent.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if cost := (Price{400_000, 1_600_000}).Of(agent.Usage{InputTokens: 1_000_001, OutputTokens: 500_000}); cost != 1_200_001 || cost.String() != "1.21" {
		t.Errorf("costs %d, %s", cost, cost)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("200000 tokens a day; 60 EUR a month", "small 0.40/1.60 EUR")
	f.Fuzz(func(t *testing.T, bounds, prices string) {
		all, err := ParseBounds(bounds, "EUR")
		for _, b := range all {
			if err == nil && (b.Most < 0 || b.Unit == "" || b.Period == "") {
				t.Errorf("%q reads as %+v", bounds, b)
			}
		}
		of, currency, err := ParsePrices(prices)
		for _, p := range of {
			if err == nil && (p.In < 0 || p.Out < 0 || len(currency) != 3) {
				t.Errorf("%q reads as %+v", prices, p)
			}
		}
	})
}

// rows is a store of ended turns.
type rows struct {
	mu    sync.Mutex
	all   []Spent
	err   error
	reads int
}

func (r *rows) Spent(context.Context, agent.WorkspaceID, time.Time, time.Time) ([]Spent, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	return r.all, r.err
}

func (r *rows) set(err error, all ...Spent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.err = all, err
}

var ann = agent.Actor{Workspace: "w", ID: "ann", Name: "Ann"}

func meter(t *testing.T, r Rules, s Store) *Meter {
	t.Helper()
	m, err := NewMeter(r, s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ruling(t *testing.T, m *Meter, by agent.Actor) Ruling {
	t.Helper()
	r, err := m.Check(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tokens(n int) agent.Usage { return agent.Usage{InputTokens: n} }

func TestAPersonIsWarnedOnceAndThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		m := meter(t, Rules{Person: []Bound{{Tokens, Day, 1000}}, Free: []string{"built-in"}, Raiser: "Olga"}, s)
		if r := ruling(t, m, ann); r != (Ruling{}) {
			t.Errorf("before anything: %+v", r)
		}
		m.Used(ann, "t1", "big", tokens(790))
		m.Used(ann, "t1", "built-in", tokens(10_000))
		if r := ruling(t, m, ann); r != (Ruling{}) {
			t.Errorf("at 79 %%: %+v", r)
		}
		m.Used(ann, "t1", "big", tokens(10))
		if r := ruling(t, m, ann); r.Refused != "" || !strings.Contains(r.Warning, "800 of 1000 tokens a day") || !strings.Contains(r.Warning, "80 %") {
			t.Errorf("at 80 %%: %+v", r)
		}
		if r := ruling(t, m, ann); r != (Ruling{}) {
			t.Errorf("told twice: %+v", r)
		}
		m.Used(ann, "t2", "big", tokens(300))
		r := ruling(t, m, ann)
		for _, says := range []string{"1100 of 1000 tokens a day", "2 January 2000 at 00:00 UTC", "Olga can raise it (budgets.person)"} {
			if !strings.Contains(r.Refused, says) {
				t.Errorf("refused with %q; want %q", r.Refused, says)
			}
		}
		if r := ruling(t, m, agent.Actor{Workspace: "w", ID: "bob"}); r != (Ruling{}) {
			t.Errorf("somebody else: %+v", r)
		}
		if r := ruling(t, m, agent.Actor{Workspace: "w", ID: "phone", Person: "ann"}); r.Refused == "" {
			t.Error("another account of the same human is not refused")
		}
		time.Sleep(24 * time.Hour)
		s.set(nil, Spent{Person: "ann", Model: "big", Month: tokens(1100)})
		if r := ruling(t, m, ann); r != (Ruling{}) {
			t.Errorf("the day after: %+v", r)
		}
	})
}

func TestTheWorkspaceIsBoundedByMoneyOfAllItsPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		s.set(nil, Spent{Person: "bob", Model: "big", Month: agent.Usage{InputTokens: 1_000_000, OutputTokens: 500_000}})
		m := meter(t, Rules{
			Workspace: []Bound{{Cost, Month, 10_000_000}}, Currency: "EUR", Prices: map[string]Price{"big": {2_000_000, 8_000_000}},
		}, s)
		if r := ruling(t, m, ann); r != (Ruling{}) {
			t.Errorf("at 6 of 10: %+v", r)
		}
		m.Used(ann, "t", "big", agent.Usage{OutputTokens: 500_000})
		r := ruling(t, m, ann)
		if !strings.Contains(r.Refused, "This workspace has used 10.00 of 10.00 EUR a month") || !strings.Contains(r.Refused, "An owner can raise it (budgets.workspace)") {
			t.Errorf("at 10 of 10: %+v", r)
		}
		all, err := m.Lines(t.Context(), ann)
		if err != nil || len(all) != 1 || all[0].Percent() != 100 || all[0].Currency != "EUR" {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestWhatIsUnknownRefusesNothingSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		m := meter(t, Rules{Person: []Bound{{Tokens, Day, 100}}}, s)
		away := agent.Errorf(agent.Unavailable, "the store is away")
		s.set(away)
		if _, err := m.Check(t.Context(), ann); !errors.Is(err, away) {
			t.Errorf("ruled without knowing: %v", err)
		}
		s.set(nil)
		ruling(t, m, ann)
		s.set(away)
		time.Sleep(2 * fresh)
		m.Used(ann, "t", "big", tokens(100))
		if r := ruling(t, m, ann); r.Refused == "" {
			t.Error("what was used while the store was away is forgotten")
		}
	})
}

func TestTheStoreIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		m := meter(t, Rules{Person: []Bound{{Tokens, Day, 100}}}, s)
		for range 100 {
			ruling(t, m, ann)
			time.Sleep(fresh / 20)
		}
		if s.reads > 6 {
			t.Errorf("read %d times within %s", s.reads, 5*fresh)
		}
		if r := ruling(t, meter(t, Rules{}, s), ann); r != (Ruling{}) {
			t.Errorf("no budget rules %+v", r)
		}
	})
}

// TestNothingIsCountedTwiceOrForgotten compares the meter with a plain sum, whatever
// the order in which turns use, park, end and the store is read.
func TestNothingIsCountedTwiceOrForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		s := &rows{}
		m, err := NewMeter(Rules{Workspace: []Bound{{Tokens, Month, 1 << 40}}}, s, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		total, stored, open := 0, 0, map[string]int{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			turn := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "turn")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				n := rapid.IntRange(1, 100).Draw(t, "tokens")
				m.Used(ann, turn, "big", tokens(n))
				total, open[turn] = total+n, open[turn]+n
			case 1: // parks or ends: its row has it all
				stored, open[turn] = stored+open[turn], 0
				s.set(nil, Spent{Person: "ann", Model: "big", Day: tokens(stored), Month: tokens(stored)})
				m.Kept("w", turn)
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
			}
			now = now.Add(time.Millisecond)
			if rapid.Bool().Draw(t, "look") {
				all, err := m.Lines(context.Background(), ann)
				if err != nil || all[0].Used != int64(total) {
					t.Fatalf("used %+v, %v; want %d", all, err, total)
				}
			}
		}
	})
}
