// Package transfer is how a store is taken out of one database and put into another:
// as rows of plain values that both understand. Text is UTF-8 without NUL, a time
// is microseconds since 1970, a yes or no is 1 or 0.
package transfer

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Row is one row of a table. Values are nil, int64, float64, string or []byte.
type Row struct {
	Table   string
	Columns []string
	Values  []any
}

// Table is one table that is moved.
type Table struct {
	Name string
	// Key orders the rows: what refers to a row comes after it.
	Key string
	// Own are columns that each store makes for itself.
	Own []string
}

// Tables lists the tables that are moved, in order. Indexes, vectors and what
// processes keep for themselves are made anew on the other side.
func Tables() []Table {
	return []Table{
		{Name: "conversations", Key: "workspace, id"},
		{Name: "conversation_members", Key: "workspace, actor, conversation"},
		{Name: "messages", Key: "workspace, conversation, seq"},
		{Name: "turns", Key: "workspace, seq"},
		{Name: "journal", Key: "workspace, turn, n"},
		{Name: "replies", Key: "workspace, event"},
		{Name: "steps", Key: "workspace, turn, n"},
		{Name: "signals", Key: "workspace, turn, topic, n"},
		{Name: "files", Key: "workspace, id"},
		{Name: "approvals", Key: "workspace, id"},
		{Name: "approval_votes", Key: "workspace, approval, person"},
		{Name: "effects", Key: "workspace, intended, turn, seq", Own: []string{"n"}},
		{Name: "subject_keys", Key: "id"},
		{Name: "audit", Key: "workspace, seq"},
		{Name: "audit_payload", Key: "workspace, seq"},
		{Name: "audit_tree", Key: "workspace, id"},
		{Name: "audit_checkpoints", Key: "workspace, size"},
		{Name: "pauses", Key: "workspace, scope, target"},
		{Name: "memory_items", Key: "seq", Own: []string{"audience"}},
		{Name: "memory_readers", Key: "item, actor"},
		{Name: "memory_people", Key: "item, actor"},
		{Name: "memory_chunks", Key: "key", Own: []string{"workspace"}},
		{Name: "memory_corpus", Key: "workspace"},
		{Name: "tickets", Key: "workspace, n", Own: []string{"seq"}},
		{Name: "ticket_comments", Key: "workspace, ticket, n"},
		{Name: "ticket_changes", Key: "seq"},
		{Name: "ticket_writes", Key: "workspace, key"},
		{Name: "routing_cases", Key: "workspace, n"},
		{Name: "routing_writes", Key: "workspace, key", Own: []string{"seq"}},
		{Name: "deliveries", Key: "workspace, source, at, id", Own: []string{"seq", "n"}},
		{Name: "shows", Key: "workspace, source, about"},
		{Name: "posts", Key: "workspace, source, about, key"},
		{Name: "ratings", Key: "workspace, turn, by"},
		{Name: "reviews", Key: "workspace, id"},
		{Name: "installations", Key: "workspace, system, team"},
		{Name: "tokens", Key: "workspace, person"},
		{Name: "holds", Key: "workspace, subject"},
	}
}

// Made lists the tables that are not moved, with the reason.
func Made() map[string]string {
	const index, own = "an index, made anew", "of a process or this database"
	return map[string]string{
		"schema_version": own, "keyring_check": own, "replicas": own, "audit_heads": "the last row of the record",
		"memory_index": index, "ticket_words": index,
		"memory_generations": "vectors are computed anew", "memory_vectors": "vectors are computed anew", "memory_queue": "vectors are computed anew",
		"memory_audiences": index, "memory_audience_readers": index,
	}
}

// Text is a text as every store can keep it.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Sum counts the rows of a table and adds up their hashes, whatever their order.
type Sum struct {
	Rows int64  `json:"rows"`
	Hash uint64 `json:"hash"`
}

// Sums are the sums of tables by name.
type Sums map[string]Sum

// Add takes in a row, of which only the named columns count.
func (s Sums) Add(r Row, columns []string) error {
	h := sha256.New()
	for _, name := range slices.Sorted(slices.Values(columns)) {
		i := slices.Index(r.Columns, name)
		if i < 0 {
			return fmt.Errorf("table %s has no column %s", r.Table, name)
		}
		switch v := r.Values[i].(type) {
		case nil:
			fmt.Fprintf(h, "%s=;", name)
		case string:
			fmt.Fprintf(h, "%s=%d:%s;", name, len(v), v)
		case []byte:
			fmt.Fprintf(h, "%s=%d:%s;", name, len(v), v)
		default:
			fmt.Fprintf(h, "%s=%v;", name, v)
		}
	}
	sum := s[r.Table]
	sum.Rows++
	sum.Hash += binary.BigEndian.Uint64(h.Sum(nil))
	s[r.Table] = sum
	return nil
}

// Difference names the first table whose sums differ, "" when none does.
func (s Sums) Difference(o Sums) string {
	for _, name := range slices.SortedFunc(maps.Keys(s), cmp.Compare[string]) {
		if s[name] != o[name] {
			return fmt.Sprintf("%s: %d rows (%016x) there, %d (%016x) here", name, s[name].Rows, s[name].Hash, o[name].Rows, o[name].Hash)
		}
	}
	for name, sum := range o {
		if _, known := s[name]; !known && sum.Rows > 0 {
			return fmt.Sprintf("%s: no rows there, %d here", name, sum.Rows)
		}
	}
	return ""
}

// Total is the number of rows.
func (s Sums) Total() (n int64) {
	for _, sum := range s {
		n += sum.Rows
	}
	return n
}
