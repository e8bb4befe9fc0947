package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/internal/datadir"
)

const twoPeople = `
people:
  - {id: owner, name: Ann Keller, owner: true}
  - {id: bob, name: Bob Ortiz, groups: [sre]}
escalation:
  - {after: 4h, groups: [owners]}
`

const askSRE = `
@id("never-alone") @reason("Tickets are looked at.")
forbid (principal, action == Action::"run", resource == Tool::"ticket_create");
@id("sre-decides") @approvers("sre") @reason("The SRE group decides.")
permit (principal, action == Action::"ask", resource == Tool::"ticket_create");
@id("reads-run") @reason("It changes nothing.")
permit (principal, action == Action::"run", resource) when { context.tier == 0 };
@id("members-decide") @reason("Members decide.")
permit (principal, action == Action::"approve", resource);
`

// kitchen is a server of a workspace with several people.
type kitchen struct {
	data, people, address string
	cmd                   *exec.Cmd

	mu   sync.Mutex
	said bytes.Buffer
}

func newKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := &kitchen{data: t.TempDir(), people: filepath.Join(t.TempDir(), "people.yaml")}
	k.staff(t, twoPeople)
	rules := filepath.Join(t.TempDir(), "rules.cedar")
	if err := os.WriteFile(rules, []byte(askSRE), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOUS_PEOPLE_FILE", k.people)
	t.Setenv("SOUS_POLICY", rules)
	cmd := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), beSous+"=1", "SOUS_DATA="+k.data, "HOME="+k.data, "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = lockedWriter{&k.mu, &k.said}, lockedWriter{&k.mu, &k.said}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	k.cmd = cmd
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	k.until(t, "an address", func() bool {
		h, ok := datadir.Who(k.data)
		k.address = h.URL
		return ok && h.URL != ""
	})
	return k
}

// end stops the server as Ctrl-C does.
func (k *kitchen) end(t *testing.T) {
	t.Helper()
	if err := k.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = k.cmd.Wait()
}

func (k *kitchen) staff(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(k.people, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (k *kitchen) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Fatalf("%s did not come; the server said:\n%s", what, k.said.String())
}

// asked has the operator ask for a ticket and returns the approval that waits.
func (k *kitchen) asked(t *testing.T, title string) string {
	t.Helper()
	out, err := sous(t, k.data, "", "ask", "--json", "open a ticket: "+title)
	var a answer
	if err != nil || json.Unmarshal([]byte(out), &a) != nil || len(a.Approvals) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return a.Approvals[0].ID
}

// browser is one that nobody has signed in with yet.
func (k *kitchen) browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get returns the status and text of a page.
func (k *kitchen) get(t *testing.T, c *http.Client, path string) (int, string) {
	t.Helper()
	resp, err := c.Get(strings.TrimSuffix(k.address, "/") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// link has the operator make somebody's sign-in link and returns its query.
func (k *kitchen) link(t *testing.T, who string) string {
	t.Helper()
	out, err := sous(t, k.data, "", "people", "token", who)
	found := regexp.MustCompile(`/\?token=[A-Z2-7]{52}`).FindString(out)
	if err != nil || found == "" {
		t.Fatalf("%v: %s", err, out)
	}
	return found
}

func TestPeopleOfTheFileDecideEachAsThemselves(t *testing.T) {
	k := newKitchen(t)
	id := k.asked(t, "the freezer is too warm")
	out, err := sous(t, k.data, "", "approvals", "--json")
	var open []approval.Approval
	if err != nil || json.Unmarshal([]byte(out), &open) != nil || len(open) != 1 || len(open[0].Chain) != 1 || open[0].Chain[0].After != 4*time.Hour ||
		!slices.Equal(open[0].Chain[0].Groups, []string{"owners"}) || !slices.Equal(open[0].Approvers, []string{"sre"}) || open[0].Sole || open[0].RunFor != time.Hour {
		t.Errorf("what waits is %+v, %v", open, err)
	}
	if out, err := sous(t, k.data, "", "approve", id); err == nil {
		t.Errorf("Ann approved her own request: %s", out)
	}
	if n := countTickets(t, k.data); n != 0 {
		t.Fatalf("%d tickets before anybody else's yes", n)
	}
	bob := k.browser(t)
	if code, _ := k.get(t, bob, "/?token=wrong"); code != http.StatusForbidden {
		t.Errorf("a wrong token: %d", code)
	}
	if code, _ := k.get(t, bob, k.link(t, "bob")); code != http.StatusOK {
		t.Fatalf("Bob's link: %d", code)
	}
	if code, page := k.get(t, bob, "/approvals"); code != http.StatusOK || !strings.Contains(page, id) || !strings.Contains(page, "Bob Ortiz") {
		t.Errorf("Bob's approvals: %d without %s", code, id)
	}
	resp, err := bob.PostForm(k.address+"approvals/"+id+"/approve", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	k.until(t, "the ticket", func() bool { return countTickets(t, k.data) == 1 })
	out, err = sous(t, k.data, "", "audit", "--json", "--kind", "approval.decided,token.issued")
	var token, decided audit.Entry
	lines := json.NewDecoder(strings.NewReader(out))
	if err := lines.Decode(&token); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := lines.Decode(&decided); err != nil || token.Subject != "bob" || token.Actor != "owner" || decided.Actor != "bob" || decided.Approval != id {
		t.Errorf("the record says %+v, %+v, %v", token, decided, err)
	}
	if err != nil {
		t.Error(err)
	}

	// Bob leaves: his browser is signed out with the next request, his link is dead.
	k.staff(t, strings.Replace(twoPeople, "groups: [sre]}", "groups: [sre], active: false}", 1))
	if code, _ := k.get(t, bob, "/approvals"); code != http.StatusSeeOther {
		t.Errorf("Bob, deactivated, reads on: %d", code)
	}
	// Now Ann is alone, and decides; the record says so.
	id = k.asked(t, "the grill is cold")
	if out, err := sous(t, k.data, "", "approve", id); err != nil {
		t.Errorf("Ann, alone, may not decide: %v %s", err, out)
	}
	k.until(t, "the second ticket", func() bool { return countTickets(t, k.data) == 2 })
	checked(t, k.data)
	// A file that is wrong changes nothing and is said.
	k.staff(t, "people: [{id: bob, kind: king}]")
	k.until(t, "the refusal", func() bool {
		k.get(t, bob, "/approvals")
		k.mu.Lock()
		defer k.mu.Unlock()
		return strings.Contains(k.said.String(), "people file refused") && strings.Contains(k.said.String(), "king")
	})
}
