package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// The kinds of rows about what lies in files beside the store and says who may do
// what. The digest names all of it, the arguments hold a digest of each thing by
// its id, and the note names the ids that are another than in the row before.
const (
	// PolicyLoaded says that another policy set is in force.
	PolicyLoaded Kind = "policy.loaded"
	// PeopleLoaded says that the people, their groups or the escalation are others.
	PeopleLoaded Kind = "people.loaded"
)

// Settings is what such a file says, as far as the record tells of it: digests by
// id, no contents.
type Settings struct {
	Kind Kind
	// Digest names the whole.
	Digest string
	// Items are digests of what is said of each thing, by its id. One of several
	// parts is written "part:digest part:digest", so that the record can name the
	// part that has changed.
	Items map[string]string
}

// Fingerprint is the digest by which a part of settings is told from another.
func Fingerprint(of any) string {
	raw, err := json.Marshal(of)
	if err != nil {
		raw = fmt.Append(nil, of)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}

// SettingsLog is the part of a store that keeps rows about settings.
type SettingsLog interface {
	Reader
	// RecordSettings appends the entry unless the workspace has a row of its kind
	// with a number above after: then it is a Conflict and nothing is recorded.
	RecordSettings(ctx context.Context, e Entry, after int64) error
}

// RecordSettings records that these settings are in force in a workspace, unless
// the last row of their kind says so already; several processes may record the
// same. usual settings, those nobody had to write, leave no first row.
func RecordSettings(ctx context.Context, log SettingsLog, ws agent.WorkspaceID, s Settings, usual bool) error {
	for {
		rows, err := log.Audit(ctx, ws, Filter{Kinds: []Kind{s.Kind}, Newest: true, Limit: 1})
		if err != nil {
			return err
		}
		var last Entry
		switch {
		case len(rows) == 0 && usual:
			return nil
		case len(rows) > 0:
			last = rows[0]
		}
		if last.Digest == s.Digest {
			return nil
		}
		e, err := s.entry(ws, last)
		if err != nil {
			return err
		}
		if err = log.RecordSettings(ctx, e, last.Seq); agent.KindOf(err) != agent.Conflict || err == nil {
			return err
		}
	}
}

// entry is the row that says so, after the last one of its kind.
func (s Settings) entry(ws agent.WorkspaceID, last Entry) (Entry, error) {
	args, err := json.Marshal(s.Items)
	if err != nil {
		return Entry{}, fmt.Errorf("record settings: %w", err)
	}
	e := Entry{Workspace: ws, Kind: s.Kind, Actor: "sous", Digest: s.Digest, Args: args, Status: "changed", Note: s.changes(last.Args)}
	if last.Seq == 0 {
		e.Status, e.Note = "new", fmt.Sprintf("%d in all", len(s.Items))
	}
	return e, nil
}

// noted is how many ids a note names; the arguments name all.
const noted = 50

// changes names what is another than before.
func (s Settings) changes(before json.RawMessage) string {
	var was map[string]string
	if json.Unmarshal(before, &was) != nil {
		return "what it was before can no longer be read"
	}
	var changed, added, gone []string
	for _, id := range slices.Sorted(maps.Keys(s.Items)) {
		switch old, known := was[id]; {
		case !known:
			added = append(added, id)
		case old != s.Items[id]:
			changed = append(changed, id+parts(old, s.Items[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if _, still := s.Items[id]; !still {
			gone = append(gone, id)
		}
	}
	var out []string
	for _, l := range []struct {
		what string
		ids  []string
	}{{"changed", changed}, {"added", added}, {"gone", gone}} {
		if n := len(l.ids); n > noted {
			l.ids = append(l.ids[:noted:noted], fmt.Sprintf("and %d more", n-noted))
		}
		if len(l.ids) > 0 {
			out = append(out, l.what+": "+strings.Join(l.ids, ", "))
		}
	}
	return cmp.Or(strings.Join(out, "; "), "only what stands around them")
}

// parts names the parts of one thing that are others, in brackets.
func parts(was, now string) string {
	old, all := map[string]string{}, map[string]bool{}
	for p := range strings.FieldsSeq(was) {
		name, digest, _ := strings.Cut(p, ":")
		old[name], all[name] = digest, true
	}
	for p := range strings.FieldsSeq(now) {
		name, digest, _ := strings.Cut(p, ":")
		all[name] = old[name] != digest
	}
	if len(all) == 0 || !strings.Contains(was+now, ":") {
		return ""
	}
	maps.DeleteFunc(all, func(_ string, other bool) bool { return !other })
	return " (" + strings.Join(slices.Sorted(maps.Keys(all)), ", ") + ")"
}
