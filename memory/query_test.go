package memory

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// saturday is the present of these tests.
func saturday() time.Time { return time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC) }

func TestTheDaysAQuerySpeaksOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"what was said today?":                "2026-03-14 2026-03-15",
		"yesterday's decisions":               "2026-03-13 2026-03-14",
		"who left last week":                  "2026-03-02 2026-03-09",
		"the budget of last month":            "2026-02-01 2026-03-01",
		"the demo on 3 July 2025":             "2025-07-03 2025-07-04",
		"the demo on July 3rd, 2025":          "2025-07-03 2025-07-04",
		"the demo in July 2025":               "2025-07-01 2025-08-01",
		"the demo in July":                    "2025-07-01 2025-08-01",
		"the demo in February":                "2026-02-01 2026-03-01",
		"the demo in May":                     "2025-05-01 2025-06-01",
		"the demo on 2025-07-03":              "2025-07-03 2025-07-04",
		"all of 2025-07":                      "2025-07-01 2025-08-01",
		"we may march on":                     "2026-03-01 2026-04-01", // March is taken for the month
		"may we go":                           "",
		"room 2025 or 1999-99":                "",
		"nothing of the kind, week after day": "",
	} {
		var got []string
		for _, s := range ParseQuery(Query{Text: text}, saturday()).Dates {
			got = append(got, s.From.Format(time.DateOnly), s.To.Format(time.DateOnly))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q speaks of %q; want %q", text, got, want)
		}
	}
}

func TestTheKindsAQueryAsksFor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		"what did we decide about the case?": Decision,
		"which tasks does Bob have?":         Action,
		"who is doing the report?":           Action,
		"any open questions?":                Question,
		"a question of taste":                "",
		"what do we know of the case?":       "",
	} {
		got := ParseQuery(Query{Text: text}, saturday()).Favour
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []Kind{want}) {
			t.Errorf("%q asks for %q; want %q", text, got, want)
		}
	}
}

func TestAQueryIsBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for n := range 20_000 {
		text.WriteString("word" + string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + " ")
	}
	s := ParseQuery(Query{Text: text.String(), Limit: 1e6}, saturday())
	if len(s.Terms) != maxTerms || len(s.Names) > 4*maxTerms || s.Limit != MaxLimit {
		t.Errorf("%d terms, %d names, limit %d; want them bounded", len(s.Terms), len(s.Names), s.Limit)
	}
	if got := ParseQuery(Query{Text: "budget budgets BUDGET"}, saturday()); len(got.Terms) != 1 || got.Limit != DefaultLimit {
		t.Errorf("%v, limit %d; want one term and the default", got.Terms, got.Limit)
	}
}

func FuzzAnyQueryIsParsed(f *testing.F) {
	f.Add("what did we decide on 31 February 2025-02-31 last week, May 0th?")
	f.Fuzz(func(t *testing.T, text string) {
		s := ParseQuery(Query{Text: text}, saturday())
		for _, d := range s.Dates {
			if !d.From.Before(d.To) {
				t.Fatalf("%q speaks of %v", text, d)
			}
		}
		for _, term := range s.Terms {
			if term.Text == "" || term.Weight <= 0 || term.Weight > 1 {
				t.Fatalf("%q has the term %+v", text, term)
			}
		}
	})
}
