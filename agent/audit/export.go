package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// ocsfVersion is the schema the fields follow: schema.ocsf.io.
const ocsfVersion = "1.3.0"

// OCSF is an entry as an event of OCSF class 6003, API Activity. TypeUID is the
// class's number times 100 plus that of the activity.
type OCSF struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ClassUID     int            `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	TypeUID      int            `json:"type_uid"`
	TypeName     string         `json:"type_name"`
	SeverityID   int            `json:"severity_id"`
	Severity     string         `json:"severity"`
	StatusID     int            `json:"status_id"`
	Status       string         `json:"status"`
	StatusDetail string         `json:"status_detail,omitempty"`
	Time         int64          `json:"time"`
	Actor        ocsfActor      `json:"actor"`
	API          ocsfAPI        `json:"api"`
	SrcEndpoint  ocsfEndpoint   `json:"src_endpoint"`
	Metadata     ocsfMetadata   `json:"metadata"`
	Unmapped     map[string]any `json:"unmapped,omitempty"`
}

type ocsfActor struct {
	User ocsfUser `json:"user"`
}

type ocsfUser struct {
	UID string `json:"uid"`
}

type ocsfAPI struct {
	Operation string       `json:"operation"`
	Service   ocsfName     `json:"service"`
	Request   *ocsfRequest `json:"request,omitempty"`
}

type ocsfName struct {
	Name string `json:"name"`
}

type ocsfRequest struct {
	UID  string          `json:"uid"`
	Data json.RawMessage `json:"data,omitempty"`
}

type ocsfEndpoint struct {
	Name string `json:"name"`
}

type ocsfMetadata struct {
	Version  string      `json:"version"`
	Product  ocsfProduct `json:"product"`
	UID      string      `json:"uid"`
	Sequence int64       `json:"sequence"`
	Tenant   string      `json:"tenant_uid"`
	Original string      `json:"event_code"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

// The activities of class 6003.
const (
	ocsfCreate = 1
	ocsfRead   = 2
	ocsfUpdate = 3
	ocsfDelete = 4
	ocsfOther  = 99
)

// ToOCSF maps an entry.
func ToOCSF(e Entry) OCSF {
	const class = 6003
	activity := e.ocsfActivity()
	name := map[int]string{ocsfCreate: "Create", ocsfRead: "Read", ocsfUpdate: "Update", ocsfDelete: "Delete", ocsfOther: "Other"}[activity]
	status, statusName := e.ocsfStatus()
	severity, severityName := 1, "Informational"
	if n := e.tier(); n >= 2 {
		severity, severityName = n, [...]string{"", "", "Low", "Medium"}[n]
	}
	operation := e.Tool
	if operation == "" {
		operation = string(e.Kind)
	}
	out := OCSF{
		ActivityID: activity, ActivityName: name, CategoryUID: 6, CategoryName: "Application Activity",
		ClassUID: class, ClassName: "API Activity", TypeUID: class*100 + activity, TypeName: "API Activity: " + name,
		SeverityID: severity, Severity: severityName, StatusID: status, Status: statusName, StatusDetail: e.Status,
		Time: e.At.UnixMilli(), Actor: ocsfActor{ocsfUser{string(e.Actor)}},
		API: ocsfAPI{Operation: operation, Service: ocsfName{"sous"}}, SrcEndpoint: ocsfEndpoint{"sous"},
		Metadata: ocsfMetadata{
			Version: ocsfVersion, Product: ocsfProduct{"Sous", "Sous"}, UID: fmt.Sprintf("%s/%d", e.Workspace, e.Seq),
			Sequence: e.Seq, Tenant: string(e.Workspace), Original: string(e.Kind),
		},
	}
	if e.Call != "" {
		out.API.Request = &ocsfRequest{e.Call, e.Args}
	}
	out.Unmapped = e.ocsfRest()
	return out
}

func (e Entry) tier() int {
	if e.Tier == nil {
		return 0
	}
	return e.Tier.Number()
}

func (e Entry) ocsfActivity() int {
	switch {
	case e.Kind == CallRead:
		return ocsfRead
	case e.Kind == MemoryWritten || e.Kind == TurnAccepted:
		return ocsfCreate
	case e.Kind == SubjectErased || e.Kind == DataPurged:
		return ocsfDelete
	case e.Kind == ApprovalDecided || e.Kind == ApprovalExpired || e.Kind == TurnEnded:
		return ocsfUpdate
	case e.Tier != nil && *e.Tier == agent.TierRead:
		return ocsfRead
	case strings.HasSuffix(e.Tool, "_create"):
		return ocsfCreate
	case e.Tool != "":
		return ocsfUpdate
	}
	return ocsfOther
}

func (e Entry) ocsfStatus() (int, string) {
	switch {
	case e.Kind == CallRefused, slices.Contains([]string{"failed", "denied", "expired", "stopped"}, e.Status):
		return 2, "Failure"
	case e.Status == "unknown", e.Kind == CallAsked, e.Kind == CallIntent:
		return 0, "Unknown"
	}
	return 1, "Success"
}

func (e Entry) ocsfRest() map[string]any {
	rest := map[string]any{}
	for k, v := range map[string]string{
		"turn": e.Turn, "digest": e.Digest, "ruling": e.Ruling, "rule": e.Rule, "approval": e.Approval,
		"note": e.Note, "subject": string(e.Subject), "payload": e.Payload,
	} {
		if v != "" {
			rest[k] = v
		}
	}
	if e.Tier != nil {
		rest["tier"] = e.tier()
	}
	return rest
}

// ToCEF is the entry as one line of the Common Event Format, version 0.
func ToCEF(e Entry) string {
	name := string(e.Kind)
	if e.Tool != "" {
		name += " " + e.Tool
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CEF:0|Sous|Sous|1|%s|%s|%d|", cefHeader(string(e.Kind)), cefHeader(name), []int{1, 3, 6, 8}[e.tier()])
	_, outcome := e.ocsfStatus()
	pairs := []string{
		"rt", fmt.Sprint(e.At.UnixMilli()), "end", e.At.UTC().Format(time.RFC3339Nano), "externalId", fmt.Sprintf("%s/%d", e.Workspace, e.Seq),
		"suser", string(e.Actor), "act", e.Ruling, "outcome", strings.ToLower(outcome), "reason", e.Status,
		"cs1Label", "turn", "cs1", e.Turn, "cs2Label", "call", "cs2", e.Call, "cs3Label", "rule", "cs3", e.Rule,
		"cs4Label", "approval", "cs4", e.Approval, "cs5Label", "digest", "cs5", e.Digest, "cs6Label", "args", "cs6", string(e.Args),
		"msg", e.Note,
	}
	first := true
	for i := 0; i+1 < len(pairs); i += 2 {
		label := strings.HasSuffix(pairs[i], "Label")
		if pairs[i+1] == "" || label && pairs[i+3] == "" {
			continue
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		b.WriteString(pairs[i] + "=" + cefValue(pairs[i+1]))
	}
	return b.String()
}

func cefHeader(s string) string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ").Replace(s)
}

func cefValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`).Replace(s)
}
