package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/faults"
	"github.com/sous-hq/sous/tools"
)

// The test binary is sous itself when a script runs it, or when this variable
// is set: then tests have real processes to kill.
const beSous = "SOUSTEST_BE_SOUS"

// slackPace is the shortest time between two posts to a channel, where the
// counterpart takes them faster than Slack does.
const slackPace = "SOUSTEST_SLACK_PACE"

// silence is how long replicas wait for one that shows nothing.
const silence = "SOUSTEST_SILENCE"

// crashAt names the point at which the process kills itself with SIGKILL; see
// faults.Names.
const crashAt = "SOUSTEST_CRASH_AT"

// payBy is the address of a bank; with it there are tools that pay. It is called as
// in a build with the tag "faults", so that what works with one works here.
const payBy = "SOUS_FAULT_BANK"

func TestMain(m *testing.M) {
	if os.Getenv(beSous) != "" || len(os.Args) > 1 && os.Args[1] == readDocuments {
		os.Exit(sousProcess())
	}
	// The race detector keeps a process for a second at its end, and these tests
	// run hundreds of them.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=10 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"sous": func() { os.Exit(sousProcess()) }})
}

func sousProcess() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SOUSTEST_") && !strings.HasPrefix(kv, "SOUS_FAULT_") {
			env = append(env, kv)
		}
	}
	w := world{args: os.Args[1:], environ: env, user: "Tester", stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	p := faults.NewPoints(os.Getenv(crashAt))
	h := hooks{ledger: p.Ledger, steps: p.Steps}
	if bank := os.Getenv(payBy); bank != "" {
		h.tools = func() ([]tools.Tool, error) { return faults.Payments(bank) }
	}
	if silent, err := time.ParseDuration(os.Getenv(silence)); err == nil {
		h.postgres = func(c *postgres.Config) { c.Beat, c.Silence = silent/10, silent }
	}
	if pace, err := time.ParseDuration(os.Getenv(slackPace)); err == nil {
		h.slack = func(c *slack.Config) {
			c.Pace, c.Backoff = pace, pace
			c.Deliveries, c.Decisions = p.Deliveries(c.Deliveries), p.Decisions(c.Decisions)
		}
	}
	return run(ctx, w, h)
}

func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOUS_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitready": waitReady, "sql": changeStore, "waitaudit": waitAudit, "approveall": approveAll, "idof": idOf},
	})
}

// waitReady waits until a server announces its address and sets $ADDR to it.
func waitReady(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		h, ok := datadir.Who(ts.Getenv("SOUS_DATA"))
		if !ok || h.URL == "" {
			continue
		}
		u, err := url.Parse(h.URL)
		ts.Check(err)
		ts.Setenv("ADDR", u.Host)
		return
	}
	ts.Fatalf("no server became ready")
}

// waitAudit waits until a line of "sous audit" matches.
func waitAudit(ts *testscript.TestScript, _ bool, args []string) {
	line := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec("sous", "audit"))
		if line.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("the record never said %s", args[0])
}

// changeStore does to the store what no part of Sous would: sql STATEMENT.
func changeStore(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", filepath.Join(ts.Getenv("SOUS_DATA"), "sous.db"))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(strings.Join(args, " "))
	ts.Check(err)
}

// checked looks in the store for what must never be there.
func checked(t *testing.T, data string) {
	t.Helper()
	if out, err := sous(t, data, "", "check"); err != nil {
		t.Errorf("a promise is broken: %v\n%s", err, out)
	}
}

// meeting is a short transcript with two action items.
const meeting = `Ann: Good morning, this is the planning meeting for the kitchen display.
Bob: The display froze twice yesterday during lunch.
Ann: We decided to ship the new display firmware on Monday.
Bob: I will write the firmware release notes.
Carol: I'll order two spare displays from the supplier.
Ann: Who will train the cooks on the new menu?
Bob: We do not know that yet.
`

// sous runs the binary as a process of its own.
func sous(t *testing.T, data, crash string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"="+crash, "SOUS_DATA="+data, "HOME="+data, "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	cmd.Dir = t.TempDir()
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil && crash == "" {
		t.Logf("sous %v: %v\n%s", args, err, errOut.String())
	}
	return string(out), err
}

// parked asks for tickets from the meeting and returns the waiting turn.
func parked(t *testing.T, data string) answer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "planning.txt")
	if err := os.WriteFile(file, []byte(meeting), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := sous(t, data, "", "ask", "--json", "--file", file, "Summarise this meeting and open tickets for the action items")
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if a.Status != agent.TurnWaiting.String() || len(a.Approvals) != 2 {
		t.Fatalf("status %s with %d approvals; want waiting with 2: %s", a.Status, len(a.Approvals), out)
	}
	return a
}

func countTickets(t *testing.T, data string) int {
	t.Helper()
	out, err := sous(t, data, "", "tickets", "--json", "--all")
	if err != nil {
		t.Fatal(err)
	}
	var all []agent.Ticket
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	titles := map[string]bool{}
	for _, tk := range all {
		if titles[tk.Title] {
			t.Errorf("two tickets are titled %q", tk.Title)
		}
		titles[tk.Title] = true
	}
	return len(all)
}

// goOn starts a process on the data directory until the turn has ended.
func goOn(t *testing.T, data, turn string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", "SOUS_DATA="+data, "HOME="+data)
	cmd.Dir = t.TempDir()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(filepath.Join(t.TempDir(), "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out, err := sous(t, data, "", "audit", "--json", "--turn", turn, "--kind", "turn.ended")
		if err == nil && strings.Contains(out, "turn.ended") {
			return out
		}
	}
	said, _ := os.ReadFile(log.Name())
	record, _ := sous(t, data, "", "audit", "--json", "--turn", turn)
	t.Fatalf("turn %s did not end; the server said:\n%s\nthe record:\n%s", turn, said, record)
	return ""
}

func TestKillAtNamedPointsMakesEachTicketOnce(t *testing.T) {
	for _, point := range []string{"before intent", "after intent", "after run"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			a := parked(t, data)
			if _, err := sous(t, data, point, "approve", "--turn", a.Turn); err == nil {
				t.Fatal("the process was not killed")
			}
			// It may have died before it had said yes to both.
			_, _ = sous(t, data, "", "approve", "--turn", a.Turn)
			goOn(t, data, a.Turn)
			if n := countTickets(t, data); n != 2 {
				t.Errorf("%d tickets; want 2", n)
			}
			checkRecord(t, data, a.Turn)
			checked(t, data)
		})
	}
}

// TestKillAtRandomMakesEachTicketOnce kills the process after ever longer
// times, from its first millisecond to past its end.
func TestKillAtRandomMakesEachTicketOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	a := parked(t, data)
	for after := 5 * time.Millisecond; after < 400*time.Millisecond; after += 23 * time.Millisecond {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, os.Args[0], "approve", "--turn", a.Turn)
		cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", "SOUS_DATA="+data, "HOME="+data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		cancel()
		checked(t, data)
	}
	// Whatever the kills left open is decided now; what was decided is kept.
	_, _ = sous(t, data, "", "approve", "--turn", a.Turn)
	goOn(t, data, a.Turn)
	if n := countTickets(t, data); n != 2 {
		t.Errorf("%d tickets; want 2", n)
	}
	checkRecord(t, data, a.Turn)
	checked(t, data)
}

// checkRecord checks that the audit tells each effect's whole story, in order.
func checkRecord(t *testing.T, data, turn string) {
	t.Helper()
	out, err := sous(t, data, "", "audit", "--json", "--turn", turn)
	if err != nil {
		t.Fatal(err)
	}
	story := map[string][]string{}
	for line := range strings.Lines(out) {
		var e struct{ Kind, Call, Approval, Status string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case "approval.decided", "call.asked":
			story[e.Approval] = append(story[e.Approval], e.Kind+" "+e.Status)
		case "call.intent":
			story[e.Approval] = append(story[e.Approval], e.Kind)
			story[e.Call] = append(story[e.Call], e.Kind)
		case "call.outcome":
			story[e.Call] = append(story[e.Call], e.Kind+" "+e.Status)
		}
	}
	calls, approvals := 0, 0
	for id, s := range story {
		got := strings.TrimSpace(strings.Join(s, ", "))
		switch {
		case strings.Contains(id, "/"):
			calls++
			// A process that takes over records its own intent.
			if !strings.HasSuffix(got, "call.intent, call.outcome done") || strings.Count(got, "call.outcome") != 1 {
				t.Errorf("effect %s: %s", id, got)
			}
		default:
			approvals++
			if !strings.HasPrefix(got, "call.asked") || strings.Count(got, "approval.decided approved") != 1 || !strings.Contains(got, "call.intent") {
				t.Errorf("approval %s: %s", id, got)
			}
		}
	}
	if calls != 2 || approvals != 2 {
		t.Errorf("the record tells of %d effects and %d approvals; want 2 and 2", calls, approvals)
	}
}
