package audit

import (
	"bytes"
	"context"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent"
)

// Match is a row that holds a value, and where.
type Match struct {
	Entry Entry `json:"entry"`
	// In is "args" for the whole arguments, "field" for a text or number in them,
	// "note" or "digest".
	In string `json:"in"`
}

// Search finds the rows that commit to the value: as a whole text or number in
// the arguments, as the whole arguments in JSON, as note or as digest. It
// compares commitments and opens only what fits; what was erased is not found.
func Search(ctx context.Context, e Evidence, ws agent.WorkspaceID, kek tink.AEAD, value string) ([]Match, error) {
	stored, err := e.Keys(ctx, ws)
	if err != nil {
		return nil, err
	}
	known := map[int64]wanted{}
	for _, s := range stored {
		k, err := OpenSubjectKey(kek, ws, s.Subject, s.ID, s.Wrapped)
		if err != nil {
			return nil, err
		}
		w := wanted{
			key: k, note: k.Commit("note", []byte("\x00"+value)), digest: k.Commit("digest", []byte(value)),
			field: k.Commit("field", []byte(value))[:fieldBytes],
		}
		if canonical, err := agent.CanonicalJSON([]byte(value)); err == nil && value != "" {
			w.args = k.Commit("args", canonical)
		}
		known[s.ID] = w
	}
	var all []Match
	err = e.Rows(ctx, ws, 0, 0, func(s Stored) error {
		w, ok := known[s.Key]
		if !ok {
			return nil
		}
		if in := w.in(s.Row); in != "" {
			all = append(all, Match{s.Open(w.key, s.Sealed), in})
		}
		return nil
	})
	return all, err
}

// wanted is a value as one subject's key commits to it.
type wanted struct {
	key                       *SubjectKey
	args, note, digest, field []byte
}

func (w wanted) in(r Row) string {
	for fields := r.Fields; len(fields) >= fieldBytes; fields = fields[fieldBytes:] {
		if bytes.Equal(fields[:fieldBytes], w.field) {
			return "field"
		}
	}
	switch {
	case len(r.Args) > 0 && bytes.Equal(r.Args, w.args):
		return "args"
	case len(r.Note) > 0 && bytes.Equal(r.Note, w.note):
		return "note"
	case len(r.Digest) > 0 && bytes.Equal(r.Digest, w.digest):
		return "digest"
	}
	return ""
}
