package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// FileKept says that a file was taken in: the status is whose content it is, the digest
// the SHA-256 of what is in it, and the note its id, its size in bytes, the SHA-256 of
// its name and its label. Neither name nor content is in the record.
const FileKept Kind = "file.kept"

// OfFile is the row about a file that was taken in, under its owner's key.
func OfFile(f agent.File) Entry {
	e := Entry{At: f.At, Workspace: f.Workspace, Kind: FileKept, Actor: f.Owner, Status: f.Label.Integrity.String()}
	if f.Owner == "" {
		// Nobody's key would seal what is said of it.
		return e
	}
	content, name := sha256.Sum256(f.Content), sha256.Sum256([]byte(f.Name))
	e.Digest = hex.EncodeToString(content[:])
	readers := fmt.Sprintf("%d people", len(f.Label.Readers.Named))
	if f.Label.Readers.Scope != agent.OnlyNamed {
		readers = string(f.Label.Readers.Scope)
	}
	e.Note = fmt.Sprintf("%s, %d bytes, name %s, %s content, readers: %s", f.ID, len(f.Content), hex.EncodeToString(name[:8]), f.Label.Integrity, readers)
	if len(f.Label.Data) > 0 {
		e.Note += ", holds: " + strings.Join(f.Label.Data, ", ")
	}
	return e
}
