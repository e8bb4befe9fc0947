package storetest

import (
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent/audit"
)

// storedCount is how many hashes a tree of n rows stores.
func storedCount(n int64) int64 { return tlog.StoredHashCount(n) }

// treeOf computes the stored hashes over the rows, by the library alone.
func treeOf(rows []audit.Row) []tlog.Hash {
	var all []tlog.Hash
	for i, r := range rows {
		add, err := tlog.StoredHashesForRecordHash(int64(i), r.Hash(), tlog.HashReaderFunc(func(ids []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(ids))
			for j, id := range ids {
				out[j] = all[id]
			}
			return out, nil
		}))
		if err != nil {
			return nil
		}
		all = append(all, add...)
	}
	return all
}
