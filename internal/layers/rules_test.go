package layers

import (
	"slices"
	"strings"
	"testing"
)

// importing is a made-up package and what it imports of ours.
func importing(from string, to ...string) pkg {
	p := pkg{ImportPath: module + "/" + from}
	for _, i := range to {
		p.Imports = append(p.Imports, module+"/"+i)
	}
	return p
}

func TestWhatTheRulesAllow(t *testing.T) {
	pkgs := []pkg{
		importing("cmd/sous", "integrations/web", "tools/tickets", "agent/loop", "memory", "agent", "internal/config"),
		importing("integrations/web", "agent/loop", "agent/approval", "tools", "agent", "internal/telemetry"),
		importing("integrations/sqlite", "integrations/sqlite/migrations", "agent/audit"),
		importing("tools/tickets", "tools/tickets/text", "tools", "memory"),
		importing("agent/loop", "agent/policy", "agent/model", "tools", "memory", "prompts", "agent"),
		importing("agent/policy", "agent/approval", "agent/audit", "agent"),
		importing("agent/approval", "agent/audit"),
		importing("agent/model", "agent", "internal/config"),
		importing("agent/model/builtin", "agent/model", "agent"),
		importing("tools/toolstest", "tools", "internal/testkit/clock"),
		importing("internal/eval/minutes", "tools/meetings", "integrations/sqlite", "internal/testkit"),
		importing("internal/testkit", "agent/loop", "integrations/sqlite"),
		{ImportPath: module + "/agent", Imports: []string{"time", "crypto/sha256"}},
		{ImportPath: module + "/agent/audit", Imports: []string{"golang.org/x/mod/sumdb/tlog"}},
	}
	if said := importComplaints(pkgs); len(said) > 0 {
		t.Errorf("complaints of what is allowed:\n%s", strings.Join(said, "\n"))
	}
}

func TestWhatTheRulesRefuse(t *testing.T) {
	for _, tc := range []struct {
		from, to, want string
	}{
		{"integrations/web", "integrations/sqlite", "integrations/web is an adapter (layer 3) and integrations/sqlite is an adapter of the same layer"},
		{"tools/meetings", "tools/tickets", "tools/meetings is a tool family (layer 3) and tools/tickets is a tool family of the same layer"},
		{"integrations/web/chat", "tools/tickets", "of the same layer"},
		{"agent/loop", "integrations/sqlite", "agent/loop is the turn (layer 2) and integrations/sqlite is an adapter (layer 3): imports go downwards only"},
		{"agent/loop", "tools/tickets", "imports go downwards only"},
		{"agent/audit", "agent/approval", "agent/audit is a concept (layer 1) and agent/approval is a concept of the same layer"},
		{"agent/approval", "agent/policy", "of the same layer"},
		{"tools", "agent/policy", "each declares the small interface it needs"},
		{"memory", "agent/model", "of the same layer"},
		{"agent/model/builtin", "agent/loop", "imports go downwards only"},
		{"agent", "agent/audit", "agent is the nouns (layer 0) and agent/audit is a concept (layer 1)"},
		{"internal/config", "agent", "internal/config is a leaf: it imports none of our packages"},
		{"internal/telemetry", "internal/config", "internal/telemetry is a leaf"},
		{"cmd/sous", "internal/testkit", "internal/testkit is for tests only"},
		{"cmd/sous", "internal/eval/minutes", "internal/eval/minutes is for tests only"},
		{"integrations/openai", "agent/model/modeltest", "agent/model/modeltest is for tests only: import it from a _test file"},
		{"tools", "tools/toolstest", "tools/toolstest is for tests only"},
		{"integrations/web", "cmd/sous", "imports go downwards only"},
	} {
		t.Run(tc.from+" to "+tc.to, func(t *testing.T) {
			said := importComplaints([]pkg{importing(tc.from, tc.to)})
			if len(said) != 1 || !strings.HasPrefix(said[0], tc.from+" imports "+tc.to+": ") || !strings.Contains(said[0], tc.want) {
				t.Errorf("said %q, want one sentence with %q", said, tc.want)
			}
		})
	}
}

func TestWhatHasNoRoom(t *testing.T) {
	for _, rel := range []string{"utils", "agent/helpers", "pkg/sous", "internal", "deploy"} {
		if said := importComplaints([]pkg{importing(rel)}); len(said) != 1 || !strings.Contains(said[0], rel+" has no layer") {
			t.Errorf("%s: said %q", rel, said)
		}
	}
	said := importComplaints([]pkg{{ImportPath: module + "/agent", Imports: []string{"github.com/google/uuid"}}})
	if want := []string{"agent imports github.com/google/uuid: the nouns use the standard library only"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

func TestCommentsAndLengths(t *testing.T) {
	said := docComplaints([]pkg{
		{ImportPath: module + "/a", Name: "a", GoFiles: []string{"a.go"}, Doc: "Package a counts."},
		{ImportPath: module + "/b", Name: "b", GoFiles: []string{"b.go"}},
		{ImportPath: module + "/c", Name: "c", GoFiles: []string{"c.go"}, Doc: "Package cc counts."},
		{ImportPath: module + "/d", Name: "main", GoFiles: []string{"d.go"}, Doc: "Package main runs."},
		{ImportPath: module + "/e", Name: "main", GoFiles: []string{"e.go"}, Doc: "Command e runs."},
		{ImportPath: module + "/sous", Name: "main", GoFiles: []string{"s.go"}, Doc: "Sous is an assistant."},
		{ImportPath: module + "/f", Name: "f"}, // tests alone
	})
	if len(said) != 3 || !strings.HasPrefix(said[0], "b ") || !strings.HasPrefix(said[1], "c ") || !strings.HasPrefix(said[2], "d ") {
		t.Errorf("said %q, want complaints of b, c and d", said)
	}
	if s := lengthComplaint("x.go", []byte(strings.Repeat("\n", maxLines))); s != "" {
		t.Errorf("%d lines: said %q", maxLines, s)
	}
	if s := lengthComplaint("x.go", []byte(strings.Repeat("\n", maxLines+1))); !strings.Contains(s, "x.go has 601 lines") {
		t.Errorf("%d lines: said %q", maxLines+1, s)
	}
}
