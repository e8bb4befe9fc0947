package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
)

// ErasedTitle stands where the title of a ticket was.
const ErasedTitle = "(erased)"

// String lists the counts for people: "3 files, 12 messages".
func (c Counts) String() string {
	var all []string
	for _, k := range c.Kinds() {
		all = append(all, fmt.Sprintf("%d %s", c[k], k))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// Held is the error of an erasure against a hold.
func Held(h Hold) error {
	return agent.Errorf(agent.Conflict, "%s is under a hold by %s since %s: %s; it has to be released first", h.Subject, h.By, h.At.UTC().Format(time.DateOnly), h.Reason)
}

// StillOpen is the error of an erasure while requests are not over.
func StillOpen(turns []string) error {
	which := strings.Join(turns[:min(len(turns), 3)], ", ")
	if len(turns) == 1 {
		return agent.Errorf(agent.Conflict, "one of their requests is not over (%s); end it first: sous turns cancel %s", which, turns[0])
	}
	return agent.Errorf(agent.Conflict, "%d of their requests are not over (%s); end them first: sous turns cancel %s, and so on", len(turns), which, turns[0])
}

// Body is a row as an object. JSON in a column is shown as it is, bytes that are
// text as text.
func Body(names []string, values []any) (json.RawMessage, error) {
	body := make(map[string]any, len(names))
	for i, name := range names {
		switch v := values[i].(type) {
		case string:
			if t := strings.TrimSpace(v); (strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[")) && json.Valid([]byte(t)) {
				body[name] = json.RawMessage(t)
				continue
			}
			body[name] = v
		case []byte:
			if utf8.Valid(v) {
				body[name] = string(v)
				continue
			}
			body[name] = v
		default:
			body[name] = v
		}
	}
	return json.Marshal(body)
}

// Forgotten returns the approvals that change when people and turns are erased,
// as they are to be. Those that are open stay.
func Forgotten(all []approval.Approval, people []agent.ActorID, turns []string) []approval.Approval {
	gone := make(map[string]bool, len(turns))
	for _, t := range turns {
		gone[t] = true
	}
	var changed []approval.Approval
	for _, a := range all {
		if a.State == approval.Asked || a.State == approval.Approved {
			continue
		}
		b, touched := a.Forget(people)
		if gone[a.Call.Turn] {
			b, touched = b.Blank(), true
		}
		if touched {
			changed = append(changed, b)
		}
	}
	return changed
}

// ShowApprovals calls f for the approvals people asked for, and for what they
// decided and said on those of others.
func ShowApprovals(all []approval.Approval, people []agent.ActorID, f func(Record) error) error {
	for _, a := range all {
		var shown any = a
		if !slices.Contains(people, a.Call.Actor.ID) {
			part := approval.Approval{ID: a.ID, Workspace: a.Workspace, State: a.State, Created: a.Created}
			part.Votes = slices.DeleteFunc(slices.Clone(a.Votes), func(v approval.Vote) bool { return !slices.Contains(people, v.By) })
			part.Notes = slices.DeleteFunc(slices.Clone(a.Notes), func(n approval.Note) bool { return !slices.Contains(people, n.By) })
			if slices.Contains(people, a.DecidedBy) {
				part.DecidedBy, part.DecidedName, part.DecidedAt, part.Comment = a.DecidedBy, a.DecidedName, a.DecidedAt, a.Comment
			}
			if len(part.Votes)+len(part.Notes) == 0 && part.DecidedBy == "" {
				continue
			}
			shown = part
		}
		body, err := json.Marshal(shown)
		if err != nil {
			return fmt.Errorf("show approvals: %w", err)
		}
		if err := f(Record{Kind: "approvals", Body: body}); err != nil {
			return err
		}
	}
	return nil
}

// EachEntry calls f for each row of the record that is by or about the people.
func EachEntry(ctx context.Context, r audit.Reader, ws agent.WorkspaceID, people []agent.ActorID, f func(Record) error) error {
	for after := int64(0); ; {
		rows, err := r.Audit(ctx, ws, audit.Filter{After: after})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		for _, e := range rows {
			after = e.Seq
			if !slices.Contains(people, e.Actor) && !slices.Contains(people, e.Subject) {
				continue
			}
			body, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("show record: %w", err)
			}
			if err := f(Record{Kind: "audit record", Body: body}); err != nil {
				return err
			}
		}
	}
}
