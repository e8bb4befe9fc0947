package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

func everyKind() []audit.Entry {
	var all []audit.Entry
	for i, k := range []audit.Kind{
		audit.TurnAccepted, audit.TurnEnded, audit.CallRead, audit.CallRefused, audit.CallAsked, audit.CallIntent, audit.CallOutcome,
		audit.ApprovalDecided, audit.ApprovalExpired, audit.MemoryWritten, audit.SubjectErased, "something.new",
	} {
		e := audit.Entry{Seq: int64(i + 1), At: time.UnixMilli(1_772_442_000_123).UTC(), Workspace: "acme", Kind: k, Actor: "ann"}
		all = append(all, e)
		tier := agent.TierCritical
		e.Tool, e.Tier, e.Call, e.Args, e.Status = "ticket_create", &tier, "e1/1", json.RawMessage(`{"a":"b|c=d\\"}`), "failed"
		all = append(all, e)
	}
	return all
}

// The required attributes of class 6003 and of the objects in it, as the schema
// of OCSF 1.3.0 lists them, and the enumerations they have to keep to.
func TestAnOCSFEventHasWhatItsClassRequires(t *testing.T) {
	for _, e := range everyKind() {
		raw, err := json.Marshal(audit.ToOCSF(e))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{
			"activity_id", "category_uid", "class_uid", "severity_id", "time", "type_uid", "actor.user.uid", "api.operation",
			"api.service.name", "src_endpoint.name", "metadata.version", "metadata.product.vendor_name", "metadata.product.name",
		} {
			if v := at(got, path); v == nil || v == "" {
				t.Errorf("%s: no %s in %s", e.Kind, path, raw)
			}
		}
		activity, _ := at(got, "activity_id").(float64)
		if at(got, "class_uid") != 6003.0 || at(got, "category_uid") != 6.0 || at(got, "type_uid") != 600300+activity {
			t.Errorf("%s: class %v, type %v, activity %v", e.Kind, got["class_uid"], got["type_uid"], activity)
		}
		if activity != 1 && activity != 2 && activity != 3 && activity != 4 && activity != 99 {
			t.Errorf("%s: activity %v is none of the class", e.Kind, activity)
		}
		if s, _ := at(got, "severity_id").(float64); s < 1 || s > 6 {
			t.Errorf("%s: severity %v", e.Kind, s)
		}
		if at(got, "time") != 1_772_442_000_123.0 {
			t.Errorf("%s: time %v is not in milliseconds", e.Kind, got["time"])
		}
	}
}

func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func TestACEFLineIsOneLineWithSevenHeaders(t *testing.T) {
	for _, e := range everyKind() {
		e.Note, e.Rule = "two\nlines = one | two \\", "r=1"
		line := audit.ToCEF(e)
		plain := strings.NewReplacer(`\\`, "", `\|`, "", `\=`, "").Replace(line)
		if strings.ContainsAny(line, "\n\r") || !strings.HasPrefix(line, "CEF:0|Sous|Sous|1|") || len(strings.SplitN(plain, "|", 8)) != 8 {
			t.Errorf("%q", line)
		}
		if !strings.Contains(line, `msg=two\nlines \= one | two \\`) {
			t.Errorf("the note is not escaped: %q", line)
		}
	}
}
