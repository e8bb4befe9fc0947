package main

import (
	"os"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

func TestAUsedUpBudgetAsksNoModelAndSaysWhoCanRaiseIt(t *testing.T) {
	t.Setenv("TZ", "UTC")
	data := t.TempDir()
	settings := "budgets:\n  person: 1 tokens a day\n  workspace: 5 USD a month\n  prices: test-model 1/2 USD\n"
	write(t, data+"/sous.yaml", settings)
	// One answer is all the model is asked for: the second request must not reach it.
	s := fakeModel(t, openaifake.Answer("Forty-two."))
	if a := askModel(t, s, data, "what is the answer?"); a.Status != "done" || !strings.Contains(a.Answer, "Forty-two.") || a.Usage.InputTokens == 0 {
		t.Fatalf("%+v", a)
	}
	a := askModel(t, s, data, "and the question?")
	for _, says := range []string{"You have used", "of 1 tokens a day", "can raise it (budgets.person)", "anew on"} {
		if a.Status != "failed" || !strings.Contains(a.Answer, says) {
			t.Errorf("%s: %q; want %q", a.Status, a.Answer, says)
		}
	}
	out, err := sous(t, data, "", "status")
	if err != nil || !strings.Contains(out, "budget    owner:") || !strings.Contains(out, "budget    workspace: 0.01 of 5.00 USD a month") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := sous(t, data, "", "audit", "--kind", "budget.refused"); err != nil || !strings.Contains(out, "tokens a day") {
		t.Errorf("%v: %s", err, out)
	}
	checked(t, data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
