package privacy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sous-hq/sous/agent"
)

// Receipt is what is given to people about an erasure, signed with the key of the
// audit record.
type Receipt struct {
	Workspace agent.WorkspaceID `json:"workspace"`
	Subject   agent.ActorID     `json:"subject"`
	People    []agent.ActorID   `json:"accounts"`
	By        agent.ActorID     `json:"by"`
	At        time.Time         `json:"at"`
	Erased    Counts            `json:"erased"`
	// Row is the row of the audit record that says so, Scrubbed that the files of
	// the database were rewritten.
	Row      int64 `json:"audit_row"`
	Scrubbed bool  `json:"scrubbed"`
	// Elsewhere is where copies may be that Sous cannot reach.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

const receiptHead = "sous/erasure/v1\n"

// Sign returns the receipt as a signed note (c2sp.org/signed-note).
func (r Receipt) Sign(s note.Signer) (string, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write receipt: %w", err)
	}
	b, err := note.Sign(&note.Note{Text: receiptHead + string(body) + "\n"}, s)
	if err != nil {
		return "", fmt.Errorf("sign receipt: %w", err)
	}
	return string(b), nil
}

// OpenReceipt reads a signed receipt. One that was changed or signed by somebody
// else is an error of kind Invalid.
func OpenReceipt(signed string, known note.Verifiers) (Receipt, error) {
	n, err := note.Open([]byte(signed), known)
	if err != nil {
		var unsigned *note.UnverifiedNoteError
		if errors.As(err, &unsigned) {
			return Receipt{}, agent.Errorf(agent.Invalid, "the receipt is not signed with a key of this record")
		}
		return Receipt{}, agent.WrapError(agent.Invalid, err, "this is no receipt, or it was changed")
	}
	body, ok := strings.CutPrefix(n.Text, receiptHead)
	var r Receipt
	if !ok || json.Unmarshal([]byte(body), &r) != nil {
		return Receipt{}, agent.Errorf(agent.Invalid, "this is signed, but no receipt of an erasure")
	}
	return r, nil
}
