package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A sample that knows a field by another type, and one that does not know it.
func TestWhatDiffersIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"slack/api/auth.test.json":          `{"ok":true,"team_id":7,"user_id":"","user":"","team":"","url":"","bot_id":""}`,
		"slack/events/Message.json":         `{"type":"event_callback","event":{"type":"message"}}`,
		"slack/events/Odd.json":             `{"type":"event_callback","event":{"type":"call_rejected"}}`,
		"contracts/slack-manifest-2.json":   `{"type":"object","required":["display_information"]}`,
		"contracts/manifest-that-fits.json": `{"display_information":{}}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-data", filepath.Join(dir, "slack"), "-manifest", filepath.Join(dir, "contracts", "manifest-that-fits.json")}, &out)
	if err == nil {
		t.Error("nothing differs")
	}
	for _, want := range []string{
		"auth.test.team_id is string, in the sample float64", "auth.test.is_enterprise_install is not in the sample", `event "call_rejected" is not handled`,
		"auth.test.enterprise_id is not in the sample", `"wrong_fields":3`, `"samples":2,"parsed":1,"refused_by_name":1,"panics":0,"manifests":5,"manifest_valid":true`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %s:\n%s", want, out.String())
		}
	}
}
