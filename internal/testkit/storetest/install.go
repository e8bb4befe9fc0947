package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/install"
)

// Installs is an installation store under test. Raw returns all that is kept of
// installations, as somebody with the database would read it.
type Installs struct {
	Recorded[install.Store]
	Raw func(t *testing.T) string
}

// Installations checks install.Store. open returns an empty store.
func Installations(t *testing.T, open func(t *testing.T) Installs) {
	for _, p := range []struct {
		name  string
		check func(t *testing.T, s Installs)
	}{
		{"installations are read as they were made, and again in place of the former", installsRead},
		{"the credentials do not lie in the open", installsSealed},
		{"a token is renewed once, however many try", installsRenew},
		{"what is uninstalled is gone with its credentials", installsRemoved},
		{"an installation without what names it is refused", installsRefused},
		{"the record says where, and holds no credential", installsRecorded},
	} {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
}

func installed(team string) install.Installation {
	return install.Installation{
		Workspace: agent.WorkspaceID("slack:" + team), System: "slack", Team: team, Name: "Team “" + team + "”", Enterprise: "E1", App: "A1", Bot: "U1",
		Scopes: []string{"chat:write", "users:read"}, By: "slack:" + team + ":UANN", At: NewClock().Now(),
		Token: install.Secret("xoxe.xoxb-planted-" + team), Refresh: install.Secret("xoxe-1-planted-" + team), Expires: NewClock().Now().Add(12 * time.Hour),
	}
}

func putIn(t *testing.T, s Installs, all ...install.Installation) {
	t.Helper()
	for _, i := range all {
		if err := s.Store.Install(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
}

func inPlace(t *testing.T, s Installs, system string) []install.Installation {
	t.Helper()
	all, err := s.Store.Installations(t.Context(), system)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// plainly prints an installation with its credentials.
func plainly(i install.Installation) string {
	return fmt.Sprintf("%+v %s %s", i, i.Token.Reveal(), i.Refresh.Reveal())
}

func installsRead(t *testing.T, s Installs) {
	one, two := installed("T1"), installed("T2")
	two.At, two.Org, two.Expires, two.Refresh, two.Scopes = two.At.Add(time.Minute), true, time.Time{}, "", nil
	putIn(t, s, one, two)
	got := inPlace(t, s, "slack")
	if len(got) != 2 || plainly(got[0]) != plainly(one) || plainly(got[1]) != plainly(two) {
		t.Errorf("read %+v", got)
	}
	one.Token, one.Scopes = "xoxb-another", []string{"chat:write"}
	putIn(t, s, one)
	if got := inPlace(t, s, "slack"); len(got) != 2 || plainly(got[0]) != plainly(one) {
		t.Errorf("installed again: %+v", got)
	}
	if got := inPlace(t, s, "teams"); len(got) != 0 {
		t.Errorf("another system has %+v", got)
	}
}

func installsSealed(t *testing.T, s Installs) {
	putIn(t, s, installed("T1"))
	raw := s.Raw(t)
	if !strings.Contains(raw, "T1") || strings.Contains(raw, "planted") {
		t.Errorf("kept in the open: %q", raw)
	}
}

func installsRenew(t *testing.T, s Installs) {
	i := installed("T1")
	putIn(t, s, i, installed("T2"))
	var won atomic.Int32
	err := atOnce(func(n int) error {
		next := i
		next.Token, next.Refresh, next.Expires = install.Secret(fmt.Sprint("token-", n)), install.Secret(fmt.Sprint("refresh-", n)), i.Expires.Add(time.Hour)
		err := s.Store.Renew(t.Context(), next, i.Refresh)
		switch {
		case err == nil:
			won.Add(1)
		case agent.KindOf(err) != agent.Conflict:
			return err
		}
		return nil
	})
	got := inPlace(t, s, "slack")
	if err != nil || won.Load() != 1 || got[0].Token == i.Token || !got[0].Expires.Equal(i.Expires.Add(time.Hour)) || got[0].Name != i.Name {
		t.Errorf("%d renewed, %v: %s", won.Load(), err, plainly(got[0]))
	}
	if plainly(got[1]) != plainly(installed("T2")) {
		t.Error("another installation was renewed")
	}
	gone := installed("T3")
	wantKind(t, "renew what is not there", s.Store.Renew(t.Context(), gone, gone.Refresh), agent.NotFound)
}

func installsRemoved(t *testing.T, s Installs) {
	putIn(t, s, installed("T1"), installed("T2"))
	for range 2 {
		if err := s.Store.Uninstall(t.Context(), "slack:T1", "slack", "T1", "app_uninstalled"); err != nil {
			t.Fatal(err)
		}
	}
	// In the name of another workspace nothing goes.
	if err := s.Store.Uninstall(t.Context(), "slack:T1", "slack", "T2", "app_uninstalled"); err != nil {
		t.Fatal(err)
	}
	if got := inPlace(t, s, "slack"); len(got) != 1 || got[0].Team != "T2" {
		t.Errorf("left %+v", got)
	}
	if got := s.kinds(t, "slack:T1"); !slices.Equal(got, []string{"app.installed slack", "app.removed slack"}) {
		t.Errorf("recorded %q", got)
	}
}

func installsRefused(t *testing.T, s Installs) {
	for name, spoil := range map[string]func(*install.Installation){
		"no workspace": func(i *install.Installation) { i.Workspace = "" }, "no team": func(i *install.Installation) { i.Team = "" },
		"no system": func(i *install.Installation) { i.System = "" }, "no token": func(i *install.Installation) { i.Token = "" },
	} {
		i := installed("T1")
		spoil(&i)
		wantKind(t, name, s.Store.Install(t.Context(), i), agent.Invalid)
	}
}

func installsRecorded(t *testing.T, s Installs) {
	i := installed("T1")
	putIn(t, s, i)
	if err := s.Store.Renew(t.Context(), i, i.Refresh); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Audit(t.Context(), i.Workspace, audit.Filter{})
	if err != nil || len(rows) != 2 || rows[0].Note != "T1" || rows[0].Actor != "slack:T1:UANN" || rows[1].Kind != audit.AppRenewed || strings.Contains(fmt.Sprint(rows), "planted") {
		t.Errorf("recorded %+v, %v", rows, err)
	}
}
