package prompts

import (
	"os"
	"strings"
	"testing"
)

// Run with UPDATE_PROMPTS_LOCK=1 to release the prompts that are not locked yet.
func TestReleasedPromptsNeverChange(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	locked := map[string]string{}
	for line := range strings.Lines(lock) {
		name, digest, _ := strings.Cut(strings.TrimSpace(line), "@")
		locked[name] = digest
	}
	out := ""
	for _, p := range all {
		name, _, _ := strings.Cut(p.Ref(), "@")
		want, released := locked[name]
		if released && want != p.Digest {
			t.Errorf("%s was released as @%s and is now @%s: add the next version instead", name, want, p.Digest)
		}
		if !released && os.Getenv("UPDATE_PROMPTS_LOCK") == "" {
			t.Errorf("%s is not in prompts.lock: run UPDATE_PROMPTS_LOCK=1 go test ./prompts", name)
		}
		delete(locked, name)
		out += p.Ref() + "\n"
	}
	for name := range locked {
		t.Errorf("%s was released and is gone: stored turns name it", name)
	}
	if os.Getenv("UPDATE_PROMPTS_LOCK") != "" && !t.Failed() {
		if err := os.WriteFile("prompts.lock", []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMissingTemplateValueIsAnError(t *testing.T) {
	parsed, err := parse("Hello {{.who}}")
	if err != nil {
		t.Fatal(err)
	}
	p := Prompt{Name: "x", Version: 1, parsed: parsed}
	if _, err := p.Render(map[string]any{}); err == nil {
		t.Error("rendered without the value it names")
	}
	if got, err := p.Render(map[string]any{"who": "Ann"}); err != nil || got != "Hello Ann" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLatestReturnsTheNewestVersion(t *testing.T) {
	p, err := Latest("turn")
	if err != nil || p.Name != "turn" || p.Version < 1 {
		t.Errorf("got %v, %v", p.Ref(), err)
	}
	if _, err := Latest("no-such-prompt"); err == nil {
		t.Error("found a prompt that is not there")
	}
}
