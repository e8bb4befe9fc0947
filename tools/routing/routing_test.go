package routing_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/toolstest"
)

// monday is 10:00 in Berlin, 4:00 in New York.
func monday() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// open returns the router of a file over a real store, and its executor.
func open(t *testing.T, path string, now time.Time) (*routing.Router, *toolstest.Executor) {
	t.Helper()
	dir, err := routing.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return over(t, dir, now)
}

func over(t *testing.T, dir *routing.Directory, now time.Time) (*routing.Router, *toolstest.Executor) {
	t.Helper()
	clock := func() time.Time { return now }
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db", Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r, err := routing.NewRouter(routing.Config{Directory: dir, Cases: sqlite.NewRoutingCases(db), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Tools()
	e := toolstest.NewExecutor(t, toolstest.NewRegistry(t, all, err))
	return r, e
}

func route(t *testing.T, r *routing.Router, text, place string) routing.Answer {
	t.Helper()
	a, err := r.Route(t.Context(), routing.Request{Workspace: "w", Text: text, Place: place})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const teams = "testdata/teams.yaml"

func TestRulesDecideFirst(t *testing.T) {
	r, _ := open(t, teams, monday())
	for _, tc := range []struct {
		text, place    string
		decision       routing.Decision
		team, runnerUp string
		why            string
	}{
		{"anything at all, even an outage", "C-billing", routing.Do, "payments", "", "from this place"},
		{"where is INV-2041?", "", routing.Do, "payments", "", "pattern of payments (invoices)"},
		{"the site says HTTP 503", "", routing.Do, "platform", "", "pattern of platform (outages)"},
		{"INV-0 looks odd", "", routing.Ask, "payments", "platform", "pattern of platform"},
		{"I was charged   twice and want a Refund!", "", routing.Do, "payments", "", "refund, charged twice"},
		{"a refund please", "", routing.Suggest, "payments", "", "names refund"},
		{"refund after the outage", "", routing.Ask, "payments", "platform", "also names outage"},
		{"refund, invoice and the outage", "", routing.Suggest, "payments", "platform", "refund, invoice"},
		{"refundable deposits in the nondeployed area", "", routing.Ask, "helpdesk", "", "takes what nobody else does"},
		{"what is for lunch?", "", routing.Ask, "helpdesk", "", "nothing in the rules"},
	} {
		a := route(t, r, tc.text, tc.place)
		if a.Decision != tc.decision || a.Team != tc.team || a.RunnerUp != tc.runnerUp || !strings.Contains(strings.Join(a.Reasons, "; "), tc.why) {
			t.Errorf("%q:\n got %+v\nwant %+v", tc.text, a, tc)
		}
	}
}

func TestThePersonIsWhoeverWorksNowInOnCallOrder(t *testing.T) {
	for _, tc := range []struct {
		what, place, text string
		now               time.Time
		id                string
		available         bool
		from              string
	}{
		{"the first on call sleeps, the second works", "C-billing", "x", monday(), "U-ann", true, ""},
		{"both work, the first on call is first", "C-billing", "x", time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC), "U-bob", true, ""},
		{"nobody works, Berlin is back first", "C-billing", "x", time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC), "U-ann", false, "2026-03-09T08:00:00Z"},
		{"the hour changes between now and then", "C-billing", "x", time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), "U-ann", false, "2026-03-30T07:00:00Z"},
		{"a shift over midnight lasts", "", "HTTP 500", time.Date(2026, 3, 7, 4, 59, 0, 0, time.UTC), "U-cem", true, ""},
		{"and ends", "", "HTTP 500", time.Date(2026, 3, 7, 5, 0, 0, 0, time.UTC), "U-cem", false, "2026-03-13T21:00:00Z"},
		{"and begins", "", "HTTP 500", time.Date(2026, 3, 6, 21, 0, 0, 0, time.UTC), "U-cem", true, ""},
		{"no hours are all hours", "", "lunch", time.Date(2026, 3, 8, 2, 0, 0, 0, time.UTC), "U-dee", true, ""},
	} {
		r, _ := open(t, teams, tc.now)
		p := route(t, r, tc.text, tc.place).Person
		if p == nil || p.ID != tc.id || p.Available != tc.available || (tc.from != "" && p.From.UTC().Format(time.RFC3339) != tc.from) {
			t.Errorf("%s: %+v, want %s %v %s", tc.what, p, tc.id, tc.available, tc.from)
		}
	}
}

// cases are requests no rule knows.
func cases() map[string][]string {
	return map[string][]string{
		"payments": {
			"my card was declined at checkout", "the bank shows a payment I never made", "can I pay by direct debit",
			"why is there a fee on my statement", "my money has not arrived yet", "the transfer to my account is missing",
			"please change the card I pay with", "the price on my statement is wrong",
		},
		"platform": {
			"the server does not answer any more", "our build pipeline is red since noon", "the database is slow tonight",
			"I need access to the staging cluster", "the certificate of the website runs out", "pods restart all the time",
			"the website is down for everybody", "please add memory to the build server",
		},
	}
}

func TestItLearnsFromWhatPeopleSaid(t *testing.T) {
	r, e := open(t, teams, monday())
	unknown := "the build server does not answer"
	if a := route(t, r, unknown, ""); a.Decision != routing.Ask {
		t.Fatalf("before: %+v", a)
	}
	for _, team := range []string{"payments", "platform"} {
		for _, text := range cases()[team] {
			e.Done("route_record", map[string]any{"text": text, "team": strings.ToUpper(team)}, nil)
		}
	}
	a := route(t, r, unknown, "")
	if a.Team != "platform" || a.Decision == routing.Ask || a.RunnerUp != "payments" || !strings.Contains(fmt.Sprint(a.Reasons), "past cases of platform") {
		t.Errorf("after: %+v", a)
	}
	if a := route(t, r, "the payment on my statement is wrong", ""); a.Team != "payments" || a.Decision == routing.Ask {
		t.Errorf("payment: %+v", a)
	}
	if a := route(t, r, "zzyzx qwfp", ""); a.Decision != routing.Ask || a.Team != "helpdesk" {
		t.Errorf("words nobody said: %+v", a)
	}
	other, err := r.Route(t.Context(), routing.Request{Workspace: "v", Text: unknown})
	if err != nil || other.Decision != routing.Ask || other.Team != "helpdesk" {
		t.Errorf("another workspace learned: %+v, %v", other, err)
	}
}

func TestACorrectionCountsAtOnceAndCanBeTakenBack(t *testing.T) {
	r, e := open(t, teams, monday())
	text := "Who waters the plants?"
	e.Done("route_record", map[string]any{"text": text, "team": "platform"}, nil)
	if a := route(t, r, "who waters the plants", ""); a.Team != "platform" || a.Decision != routing.Do {
		t.Errorf("recorded: %+v", a)
	}
	o := e.Done("route_record", map[string]any{"text": text, "team": "helpdesk"}, nil)
	if a := route(t, r, text, ""); a.Team != "helpdesk" || a.Decision != routing.Do {
		t.Errorf("corrected: %+v", a)
	}
	undone := e.Undo(o)
	if a := route(t, r, text, ""); a.Team != "platform" {
		t.Errorf("taken back: %+v", a)
	}
	e.Undo(undone)
	if a := route(t, r, text, ""); a.Team != "helpdesk" {
		t.Errorf("and again: %+v", a)
	}
}

func TestWithoutAFileItSaysSoAndAsks(t *testing.T) {
	r, e := open(t, "", monday())
	a := route(t, r, "a refund", "C-billing")
	if a.Decision != routing.Ask || a.Team != "" || !strings.Contains(fmt.Sprint(a.Reasons), "no teams are configured") {
		t.Errorf("%+v", a)
	}
	if o := e.Do("route_record", map[string]any{"text": "a refund", "team": "payments"}); o.Status != agent.Failed || o.Kind != "conflict" {
		t.Errorf("%+v", o)
	}
}

func TestEveryRoutingToolKeepsTheRegistrysPromises(t *testing.T) {
	_, e := open(t, teams, monday())
	toolstest.Registry(t, e.Tools(), toolstest.Example{Tool: "route_request", Args: map[string]any{"text": "a refund"}})
	tool, _ := e.Tools().Get("route_request")
	if tool.Spec().Artifact != "routing" {
		t.Errorf("artifact %q", tool.Spec().Artifact)
	}
	for _, tc := range []struct {
		tool string
		args map[string]any
		kind agent.Kind
		says string
	}{
		{"route_request", map[string]any{"text": " ?! "}, agent.Invalid, "no words"},
		{"route_request", map[string]any{"text": strings.Repeat("word ", 10_000)}, agent.Invalid, "16 KiB"},
		{"route_record", map[string]any{"text": "x", "team": "legal"}, agent.Invalid, "payments, platform, helpdesk"},
		{"route_unrecord", map[string]any{"id": "R-1"}, agent.NotFound, "R-1"},
	} {
		if o := e.Do(tc.tool, tc.args); o.Status != agent.Failed || o.Kind != tc.kind.String() || !strings.Contains(o.Error, tc.says) {
			t.Errorf("%s %v: %+v", tc.tool, tc.args, o)
		}
	}
	e.Actor.Kind = agent.Guest
	if o := e.Do("route_record", map[string]any{"text": "x", "team": "payments"}); o.Kind != agent.Forbidden.String() {
		t.Errorf("a guest taught the router: %+v", o)
	}
}

func TestTheResultInheritsTheLabelOfWhatTheModelSaw(t *testing.T) {
	_, e := open(t, teams, monday())
	e.Context = agent.Label{Integrity: agent.External, Readers: agent.Only("ann"), Sources: []string{"mail"}}
	for tool, args := range map[string]map[string]any{
		"route_request": {"text": "a refund"}, "route_record": {"text": "a refund", "team": "payments"},
	} {
		if l := e.Done(tool, args, nil).Label; l.Integrity != agent.External || !slices.Equal(l.Readers.Named, []agent.ActorID{"ann"}) {
			t.Errorf("%s: %+v", tool, l)
		}
	}
}

func TestAllProblemsOfAFileAreToldAtOnce(t *testing.T) {
	_, err := routing.Parse("teams.yaml", []byte(`
timezone: Mars/Olympus
thresholds: {do: 0.4, suggest: .nan}
fallback: nobody
colour: red
teams:
  - name: a
    hours: {days: [mon, noday], from: "9", to: "17:00"}
    places: [C1]
    people: [{id: x}, {id: x}, {name: nameless}]
    on_call: [y]
  - nam: b
  - name: A
    places: [C1]
    hours: {timezone: Local, days: [], from: "10:00", to: "10:00"}
    topics: [{name: "", keywords: [" "], patterns: ["(", "x*"]}]
`))
	if agent.KindOf(err) != agent.Invalid {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{
		"teams.yaml:", "Mars/Olympus", "0 < suggest <= do", `no team "nobody"`, "line 5: unknown key colour", "noday", `"9"`,
		`person "x" is listed twice`, "person 3 has no id", `on_call names "y"`, "unknown key nam", "team 2 has no name",
		`team "A" is named twice`, `the place "C1" belongs to team "a"`, `no timezone "Local"`, "hours without days",
		`"10:00" and "10:00"`, "topic 1 has no name", "empty keyword", `pattern "("`, `"x*" fits every text`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
}

func TestFilesThatAreNotOne(t *testing.T) {
	for text, want := range map[string]string{
		"teams: [":            "not YAML",
		"teams: 3":            "line 1",
		"a: 1\n---\nb: 2":     "more than one YAML document",
		"teams:\n- name: [x]": "line 2",
		"teams: *x":           "line 1",
		"\x00\x01":            "not YAML",
	} {
		if _, err := routing.Parse("f", []byte(text)); agent.KindOf(err) != agent.Invalid || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "# nothing yet\n", "teams: []\n", "teams:\n"} {
		if d, err := routing.Parse("f", []byte(text)); err != nil || len(d.Teams()) != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := routing.Load(t.TempDir() + "/absent.yaml"); agent.KindOf(err) != agent.Invalid || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("%v", err)
	}
	big := t.TempDir() + "/big.yaml"
	if err := os.WriteFile(big, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := routing.Load(big); agent.KindOf(err) != agent.TooLarge {
		t.Errorf("%v", err)
	}
}

func TestThresholdsOfTheFileAreKept(t *testing.T) {
	dir, err := routing.Parse("f", []byte("thresholds: {do: 0.6, suggest: 0.2}\nteams: [{name: a, topics: [{name: t, keywords: [word]}]}, {name: b, topics: [{name: t, keywords: [other]}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := over(t, dir, monday())
	if a := route(t, r, "one word", ""); a.Decision != routing.Do || math.Abs(a.Confidence-0.7) > 1e-9 {
		t.Errorf("%+v", a)
	}
	if a := route(t, r, "one word or the other", ""); a.Decision != routing.Suggest {
		t.Errorf("%+v", a)
	}
	if a := route(t, r, "neither", ""); a.Decision != routing.Ask || a.Team != "" || a.Person != nil {
		t.Errorf("%+v", a)
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(teams)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("teams: [{name: a, hours: {days: [mon], from: \"24:00\", to: \"00:00\"}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := routing.Parse("f", data)
		if (d == nil) != (err != nil) {
			t.Fatalf("%v %v", d, err)
		}
		if err != nil && agent.KindOf(err) != agent.Invalid {
			t.Fatalf("%v", err)
		}
	})
}
