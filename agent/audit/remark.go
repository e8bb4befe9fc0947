package audit

import "strings"

// FactsPrefix begins a note that holds what a ruling stood on.
const FactsPrefix = "facts/"

// Remark is the note as people read it: what a ruling stood on is for programs
// and left out.
func (e Entry) Remark() string {
	if strings.HasPrefix(e.Note, FactsPrefix) {
		return ""
	}
	return e.Note
}
