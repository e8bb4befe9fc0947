package tools

import (
	"encoding/json"
	"slices"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/redact"
)

// maxScan is the longest text that is searched for personal data and secrets, in
// bytes; a longer one counts as if it held every kind.
const maxScan = 4 << 20

// Scanned adds to a label what the recognisers find in the text. What the label
// says already of its data stays, and one that nobody has given stays the worst.
func Scanned(l agent.Label, text string) agent.Label {
	if len(text) > maxScan || l.IsZero() {
		l.Scanned = false
		return l
	}
	return with(l, redact.Labels(redact.Scan(text)))
}

// ScannedJSON is Scanned for a JSON document, in which names tell what stands
// under them.
func ScannedJSON(l agent.Label, doc json.RawMessage) agent.Label {
	if len(doc) > maxScan || l.IsZero() {
		l.Scanned = false
		return l
	}
	return with(l, redact.LabelsJSON(string(doc)))
}

// with adds data labels; nothing is taken from what the label holds.
func with(l agent.Label, data []string) agent.Label {
	l.Scanned = true
	if len(data) > 0 {
		l.Data = slices.Concat(l.Data, data)
		slices.Sort(l.Data)
		l.Data = slices.Compact(l.Data)
	}
	return l
}
