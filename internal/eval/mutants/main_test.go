package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryFaultCanStillBeMade: the line a fault is made of stands where it stood.
// Whoever rewrites it says here what the mistake would be now.
func TestEveryFaultCanStillBeMade(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults() {
		text, err := os.ReadFile(filepath.Join("../../..", f.file))
		if err != nil {
			t.Error(err)
			continue
		}
		bad, err := f.apply(string(text))
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if bad == string(text) || names[f.name] || len(f.tests) == 0 {
			t.Errorf("%s: it changes nothing, stands twice or names no tests", f.name)
		}
		names[f.name] = true
		for _, pkg := range f.tests {
			if found, err := filepath.Glob(filepath.Join("../../..", strings.TrimPrefix(pkg, "./"), "*_test.go")); err != nil || len(found) == 0 {
				t.Errorf("%s: %s has no tests", f.name, pkg)
			}
		}
	}
}

func TestFailingTestsAreReadOffTheOutput(t *testing.T) {
	out := "=== x\n--- FAIL: TestLedger (0.1s)\n    --- FAIL: TestLedger/of_two (0.00s)\nFAIL\n"
	got := failed.FindAllStringSubmatch(out, -1)
	if len(got) != 2 || got[0][1] != "TestLedger" || got[1][1] != "TestLedger/of_two" {
		t.Errorf("%q", got)
	}
}
