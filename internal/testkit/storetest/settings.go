package storetest

import (
	"strings"
	"sync"
	"testing"

	"github.com/sous-hq/sous/agent/audit"
)

// Settings checks the rows about settings that lie beside the store.
func Settings(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"settings are recorded when they change, with the ids that did", settingsChange},
		{"of many processes that see one change one records it", settingsOnce},
		{"without an audit settings are not taken as recorded", settingsNeedAudit},
	})
}

func settingsLog(t *testing.T, s Stores) audit.SettingsLog {
	t.Helper()
	l, ok := s.Store.(audit.SettingsLog)
	if !ok {
		t.Fatal("the store records no settings")
	}
	return l
}

func groups(digest string, items map[string]string) audit.Settings {
	return audit.Settings{Kind: audit.PeopleLoaded, Digest: digest, Items: items}
}

func settingsChange(t *testing.T, s Stores) {
	log := settingsLog(t, s)
	first := groups("d1", map[string]string{"ann": "groups:1 owner:1", "bob": "groups:2"})
	second := groups("d2", map[string]string{"ann": "groups:1", "cat": "groups:2"})
	for _, step := range []struct {
		of    audit.Settings
		usual bool
		note  string
	}{
		{first, true, ""}, {first, false, "2 in all"}, {first, false, ""}, {second, true, "changed: ann (owner); added: cat; gone: bob"},
		{second, false, ""}, {first, false, "changed: ann (owner); added: bob; gone: cat"},
	} {
		before := record(t, s, acme)
		if err := audit.RecordSettings(t.Context(), log, acme, step.of, step.usual); err != nil {
			t.Fatal(err)
		}
		rows := record(t, s, acme)[len(before):]
		if step.note == "" {
			if len(rows) > 0 {
				t.Errorf("recorded again: %+v", rows)
			}
			continue
		}
		if len(rows) != 1 || rows[0].Kind != audit.PeopleLoaded || rows[0].Note != step.note || rows[0].Digest != step.of.Digest || !strings.Contains(string(rows[0].Args), `"ann":"`+step.of.Items["ann"]+`"`) {
			t.Errorf("recorded %+v; want %q", rows, step.note)
		}
	}
	if rows := record(t, s, globex); len(rows) > 0 {
		t.Errorf("another workspace has %+v", rows)
	}
}

func settingsOnce(t *testing.T, s Stores) {
	log := settingsLog(t, s)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := audit.RecordSettings(t.Context(), log, acme, groups("d1", map[string]string{"ann": "1"}), false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantKinds(t, s, audit.PeopleLoaded)
}

func settingsNeedAudit(t *testing.T, s Stores) {
	log := settingsLog(t, s)
	withoutAudit(t, s, func() {
		if err := audit.RecordSettings(t.Context(), log, acme, groups("d1", nil), false); err == nil {
			t.Error("recorded without an audit")
		}
	})
	if rows := record(t, s, acme); len(rows) > 0 {
		t.Errorf("the record has %+v", rows)
	}
}
