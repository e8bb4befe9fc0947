package postgres

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

// head is where the record of a workspace stands in a transaction that holds it.
type head struct {
	// size counts the rows, those of this transaction included.
	size int64
	// peaks are the roots of the complete subtrees over them, the largest first: all
	// that the tree needs to grow. They are unknown until the first row is added.
	peaks []tlog.Hash
	known bool
	// rows and hashes are to be written; at is where the first of the hashes goes.
	rows   []audit.Row
	hashes [][]byte
	at     int64
}

// peaksOf are the stored indexes of the peaks of a tree, the largest first.
func peaksOf(size int64) []int64 {
	var all []int64
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size>>level&1 == 1 {
			all = append(all, tlog.StoredHashIndex(level, size>>level-1))
		}
	}
	return all
}

// add puts the row behind the last one, and its hashes behind those of the tree:
// two a row on average.
func (h *head) add(r audit.Row) error {
	n := r.Seq - 1
	add, err := tlog.StoredHashesForRecordHash(n, r.Hash(), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		// What a new row completes are the last peaks, in their order.
		if len(indexes) > len(h.peaks) {
			return nil, fmt.Errorf("a tree of %d rows has %d peaks; %d were asked for", n, len(h.peaks), len(indexes))
		}
		return h.peaks[len(h.peaks)-len(indexes):], nil
	}))
	if err != nil {
		return fmt.Errorf("grow tree: %w", err)
	}
	if len(h.hashes) == 0 {
		h.at = tlog.StoredHashIndex(0, n)
	}
	for _, one := range add {
		h.hashes = append(h.hashes, slices.Clone(one[:]))
	}
	h.peaks = append(slices.Clone(h.peaks[:len(h.peaks)-(len(add)-1)]), add[len(add)-1])
	h.rows, h.size = append(h.rows, r), r.Seq
	return nil
}

// insertRecord adds rows, the hashes of the tree over them, and the number of the
// last one, in one statement: each costs a round of the executor.
const insertRecord = `WITH head AS (UPDATE audit_heads SET seq = $2 WHERE workspace = $1),
	tree AS (INSERT INTO audit_tree (workspace, id, hash) SELECT $1, $3 + n - 1, hash FROM unnest($4::bytea[]) WITH ORDINALITY h (hash, n))
	INSERT INTO audit (workspace, seq, at, kind, actor, subject, key, turn, call, tool, tier, ruling, rule, approval, status, args, note, digest, fields)
	SELECT $1, r.* FROM unnest($5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[],
		$14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::bytea[], $20::bytea[], $21::bytea[], $22::bytea[]) r`

// write queues what is not written yet.
func (h *head) write(t *txn) {
	if len(h.rows) == 0 {
		return
	}
	all := h.rows
	t.Later(insertRecord, string(t.ws), h.size, h.at, h.hashes,
		column(all, func(r audit.Row) int64 { return r.Seq }),
		column(all, func(r audit.Row) int64 { return r.At.UnixMicro() }),
		column(all, func(r audit.Row) string { return string(r.Kind) }),
		column(all, func(r audit.Row) string { return string(r.Actor) }),
		column(all, func(r audit.Row) string { return string(r.Subject) }),
		column(all, func(r audit.Row) int64 { return r.Key }),
		column(all, func(r audit.Row) string { return r.Turn }),
		column(all, func(r audit.Row) string { return r.Call }),
		column(all, func(r audit.Row) string { return r.Tool }),
		column(all, tierNumber),
		column(all, func(r audit.Row) string { return string(r.Ruling) }),
		column(all, func(r audit.Row) string { return r.Rule }),
		column(all, func(r audit.Row) string { return r.Approval }),
		column(all, func(r audit.Row) string { return r.Status }),
		column(all, func(r audit.Row) []byte { return r.Args }),
		column(all, func(r audit.Row) []byte { return r.Note }),
		column(all, func(r audit.Row) []byte { return r.Digest }),
		column(all, func(r audit.Row) []byte { return r.Fields }))
	h.rows, h.hashes = nil, nil
}

func column[T any](all []audit.Row, of func(r audit.Row) T) []T {
	c := make([]T, len(all))
	for i, r := range all {
		c[i] = of(r)
	}
	return c
}

func tierNumber(r audit.Row) *int64 {
	if r.Tier == nil {
		return nil
	}
	n := int64(r.Tier.Number())
	return &n
}

// heads remembers the peaks of trees as this process left them.
type heads struct {
	mu  sync.Mutex
	all map[agent.WorkspaceID]peaked
}

type peaked struct {
	size  int64
	peaks []tlog.Hash
}

// has reports whether this process has written the workspace's record: then it has a
// head.
func (k *heads) has(ws agent.WorkspaceID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.all[ws]
	return ok
}

// keep remembers what a committed transaction came to.
func (k *heads) keep(t *txn) {
	if t.head == nil || !t.head.known {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[agent.WorkspaceID]peaked{}
	}
	k.all[t.ws] = peaked{t.head.size, t.head.peaks}
}

// know fills in the peaks: those remembered when nobody else has added rows since.
func (k *heads) know(ctx context.Context, tx pgx.Tx, ws agent.WorkspaceID, h *head) error {
	if h.known {
		return nil
	}
	k.mu.Lock()
	was, ok := k.all[ws]
	k.mu.Unlock()
	if ok && was.size == h.size {
		h.peaks, h.known = was.peaks, true
		return nil
	}
	peaks, err := treeReader{ctx, tx, ws}.ReadHashes(peaksOf(h.size))
	if err != nil {
		return fmt.Errorf("grow tree: %w", err)
	}
	h.peaks, h.known = peaks, true
	return nil
}
