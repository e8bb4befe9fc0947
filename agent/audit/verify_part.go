package audit

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// walkPart reads the rows from From to To alone and proves each to be in the
// tree; of the rest of the tree it takes the stored hashes, and of these only
// what the proofs bind to a head.
func (v *verification) walkPart(ctx context.Context) error {
	reader := remembering{v.Evidence.HashReader(ctx, v.Workspace), map[int64]tlog.Hash{}}
	size := v.report.Size
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		v.report.problem(0, "the tree cannot be read: %v", err)
		return nil
	}
	v.report.Root = root
	anchor := Checkpoint{Size: size, Root: root}
	for _, m := range v.marks {
		if m.Size > size {
			v.report.problem(size+1, "the record ends with row %d, but %s, signed at %s, vouches for %d rows: the tail was cut off",
				size, m.where, m.At.UTC().Format(time.RFC3339), m.Size)
			continue
		}
		at, err := tlog.TreeHash(m.Size, reader)
		if err != nil {
			v.report.problem(m.Size, "the tree cannot be read: %v", err)
			continue
		}
		v.compare(m, at)
	}
	from, to := max(v.From, 1), v.To
	if to <= 0 || to > size {
		to = size
	}
	next := from
	err = v.Evidence.Rows(ctx, v.Workspace, from, to, func(s Stored) error {
		for ; next < s.Seq; next++ {
			v.report.problem(next, "row %d is missing", next)
		}
		next++
		v.prove(s, anchor, reader)
		v.row(s)
		return nil
	})
	for ; err == nil && next <= to; next++ {
		v.report.problem(next, "row %d is missing", next)
	}
	return err
}

// prove checks that the row is in the tree of the head.
func (v *verification) prove(s Stored, head Checkpoint, reader tlog.HashReader) {
	p, err := tlog.ProveRecord(head.Size, s.Seq-1, reader)
	if err == nil {
		err = tlog.CheckRecord(p, head.Size, head.Root, s.Seq-1, s.Hash())
	}
	if err != nil {
		v.report.problem(s.Seq, "the row is not the one that was recorded: it is not in the tree (%v)", err)
	}
}

// remembering keeps the hashes it has read.
type remembering struct {
	tlog.HashReader
	known map[int64]tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (r remembering) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, i := range indexes {
		if _, ok := r.known[i]; !ok {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		got, err := r.HashReader.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		for i, h := range got {
			r.known[missing[i]] = h
		}
	}
	all := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		all[i] = r.known[index]
	}
	return all, nil
}
