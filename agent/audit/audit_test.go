package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

// Programs read exported rows: the names and forms below are a promise.
func TestAnExportedRowKeepsItsForm(t *testing.T) {
	tier := agent.TierOutward
	row := audit.Entry{
		Seq: 7, At: time.Date(2026, 3, 2, 9, 0, 0, 123456000, time.UTC), Workspace: "acme", Kind: audit.CallAsked,
		Actor: "ann", Turn: "e1", Call: "e1/1", Tool: "mail_send", Tier: &tier, Digest: "d1", Ruling: "ask", Rule: "tier-2",
		Approval: "ABCDEFGH", Status: "done", Args: json.RawMessage(`{"to":"x"}`), Note: "sole owner decided",
	}
	const want = `{"seq":7,"at":"2026-03-02T09:00:00.123456Z","workspace":"acme","kind":"call.asked","actor":"ann","turn":"e1",` +
		`"call":"e1/1","tool":"mail_send","tier":2,"digest":"d1","ruling":"ask","rule":"tier-2","approval":"ABCDEFGH",` +
		`"status":"done","args":{"to":"x"},"note":"sole owner decided"}`
	got, err := json.Marshal(row)
	if err != nil || string(got) != want {
		t.Errorf("row %s, %v; want %s", got, err, want)
	}
	var back audit.Entry
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != want {
		t.Errorf("read back %s, %v", again, err)
	}
}

func TestARowSaysOnlyWhatItKnows(t *testing.T) {
	got, err := json.Marshal(audit.Entry{Seq: 1, At: time.Unix(0, 0).UTC(), Workspace: "acme", Kind: audit.TurnEnded})
	const want = `{"seq":1,"at":"1970-01-01T00:00:00Z","workspace":"acme","kind":"turn.ended"}`
	if err != nil || string(got) != want {
		t.Errorf("row %s, %v; want %s", got, err, want)
	}
}

// A tier of 0 is a reading call, not a row without a tier.
func TestTierZeroIsWritten(t *testing.T) {
	tier := agent.TierRead
	got, err := json.Marshal(audit.Entry{Kind: audit.CallRead, Tier: &tier})
	if err != nil {
		t.Fatal(err)
	}
	var back struct{ Tier *int }
	if err := json.Unmarshal(got, &back); err != nil || back.Tier == nil || *back.Tier != 0 {
		t.Errorf("row %s, %v; want tier 0", got, err)
	}
}

func TestKindsAreTheNamesPeopleFilterBy(t *testing.T) {
	for k, want := range map[audit.Kind]string{
		audit.TurnAccepted: "turn.accepted", audit.TurnEnded: "turn.ended", audit.CallRead: "call.read", audit.CallRefused: "call.refused",
		audit.CallAsked: "call.asked", audit.CallIntent: "call.intent", audit.CallOutcome: "call.outcome",
		audit.ApprovalDecided: "approval.decided", audit.ApprovalExpired: "approval.expired", audit.MemoryWritten: "memory.written",
	} {
		if string(k) != want {
			t.Errorf("kind %q; want %q", k, want)
		}
	}
}
