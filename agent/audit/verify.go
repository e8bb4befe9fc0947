package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// VerifyConfig says what a record is checked against.
type VerifyConfig struct {
	Evidence  Evidence
	Workspace agent.WorkspaceID
	// Signed are checkpoints from outside the store, read before the evidence's
	// moment. Those of other workspaces are skipped.
	Signed []SignedNote
	// Known are the keys whose signatures count.
	Known note.Verifiers
	// KEK opens payloads; nil leaves their commitments unchecked and says so.
	KEK tink.AEAD
	// From and To bound the rows that are read; 0 is the first and the last.
	From, To int64
}

// SignedNote is a signed checkpoint and where it was found.
type SignedNote struct {
	Where string
	Text  string
}

// Problem is one thing that is wrong.
type Problem struct {
	// Seq is the row it is about, 0 when it is about the whole.
	Seq  int64  `json:"seq,omitempty"`
	What string `json:"what"`
}

// maxProblems bounds how many problems a report lists.
const maxProblems = 200

// Report is what verifying came to.
type Report struct {
	Workspace agent.WorkspaceID `json:"workspace"`
	// Size is the number of the last row, Rows how many were checked.
	Size int64     `json:"size"`
	Rows int64     `json:"rows"`
	Root tlog.Hash `json:"root"`
	// Checkpoints is how many agree with the rows, Signed the size of the largest
	// and SignedAt its time: rows after it are vouched for by nobody yet.
	Checkpoints int       `json:"checkpoints"`
	Signed      int64     `json:"signed"`
	SignedAt    time.Time `json:"signed_at,omitzero"`
	// Payloads were opened and fit; Erased are gone for good, Sealed were not
	// opened for want of keys.
	Payloads int64 `json:"payloads"`
	Erased   int64 `json:"erased"`
	Sealed   int64 `json:"sealed"`
	// Problems lists what is wrong, More counts those that are not listed.
	Problems []Problem `json:"problems"`
	More     int       `json:"more,omitempty"`
	// Notices are no proof of harm, but worth knowing.
	Notices []string `json:"notices"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(seq int64, format string, args ...any) {
	if len(r.Problems) == maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, Problem{seq, fmt.Sprintf(format, args...)})
}

func (r *Report) notice(format string, args ...any) {
	r.Notices = append(r.Notices, fmt.Sprintf(format, args...))
}

// Verify recomputes the record from its rows: numbers without gaps, every hash,
// the head against every checkpoint, and the commitments against the payloads
// that can be opened. What is wrong is in the report; an error means that the
// record could not be read.
func Verify(ctx context.Context, c VerifyConfig) (*Report, error) {
	v := &verification{VerifyConfig: c, report: &Report{Workspace: c.Workspace, Problems: []Problem{}, Notices: []string{}}}
	size, err := c.Evidence.Size(ctx, c.Workspace)
	if err != nil {
		return nil, err
	}
	v.report.Size = size
	if err := v.openCheckpoints(ctx); err != nil {
		return nil, err
	}
	if err := v.openKeys(ctx); err != nil {
		return nil, err
	}
	walk := v.walkAll
	if c.From > 1 || c.To > 0 && c.To < size {
		walk = v.walkPart
	}
	v.payloads = newPayloadCheck()
	err = walk(ctx)
	v.payloads.finish(v.report)
	if err != nil {
		return nil, err
	}
	v.closing()
	slices.SortStableFunc(v.report.Problems, func(a, b Problem) int { return cmp.Compare(a.Seq, b.Seq) })
	return v.report, nil
}

type verification struct {
	VerifyConfig
	report *Report
	marks  []mark
	keys   map[int64]*SubjectKey
	// lost are the last rows whose payload or key is gone, by subject.
	lost   map[agent.ActorID]int64
	erased map[agent.ActorID]int64
	found  int64
	// payloads are opened beside the walk.
	payloads *payloadCheck
}

// mark is a checkpoint to compare with.
type mark struct {
	Checkpoint
	where string
}

func (v *verification) openCheckpoints(ctx context.Context) error {
	inside, err := v.Evidence.Checkpoints(ctx, v.Workspace)
	if err != nil {
		return err
	}
	all := v.Signed
	for i, text := range inside {
		all = append(slices.Clip(all), SignedNote{fmt.Sprintf("checkpoint %d of the store", i+1), text})
	}
	for _, s := range all {
		c, err := OpenCheckpoint(s.Text, v.Known)
		switch {
		case err != nil:
			v.report.problem(0, "%s does not count: %v", s.Where, err)
		case c.Workspace == v.Workspace:
			v.marks = append(v.marks, mark{c, s.Where})
		}
	}
	slices.SortStableFunc(v.marks, func(a, b mark) int { return cmp.Compare(a.Size, b.Size) })
	if len(v.marks) == 0 && v.report.Size > 0 {
		v.report.notice("no checkpoint vouches for this record yet: somebody who rewrote all of it would not be found")
	}
	return nil
}

func (v *verification) openKeys(ctx context.Context) error {
	v.keys, v.lost, v.erased = map[int64]*SubjectKey{}, map[agent.ActorID]int64{}, map[agent.ActorID]int64{}
	stored, err := v.Evidence.Keys(ctx, v.Workspace)
	if err != nil || v.KEK == nil {
		return err
	}
	for _, s := range stored {
		k, err := OpenSubjectKey(v.KEK, v.Workspace, s.Subject, s.ID, s.Wrapped)
		if err != nil {
			v.report.problem(0, "the key of subject %s is not the one that was made: %v", s.Subject, err)
			continue
		}
		v.keys[s.ID] = k
	}
	return nil
}

var errSkip = errors.New("enough")

// walk recomputes the tree row by row, beside the one that was stored.
type walk struct {
	*verification
	tree   *growing
	stored *hashes
	marks  []mark
	next   int64
}

// walkAll recomputes the whole tree.
func (v *verification) walkAll(ctx context.Context) error {
	w := &walk{verification: v, tree: &growing{}, stored: newHashes(ctx, v.Evidence, v.Workspace), marks: v.marks, next: 1}
	defer w.stored.close()
	for len(w.marks) > 0 && w.marks[0].Size == 0 {
		v.compare(w.marks[0], w.tree.root())
		w.marks = w.marks[1:]
	}
	if err := v.Evidence.Rows(ctx, v.Workspace, 0, 0, w.row); err != nil && !errors.Is(err, errSkip) {
		return err
	}
	if err := w.stored.err(); err != nil {
		return err
	}
	v.report.Root = w.tree.root()
	v.tail(w.marks, w.stored, w.next)
	return v.orphans(ctx)
}

// row takes the next row, and what is missing before it.
func (w *walk) row(s Stored) error {
	if s.Seq < w.next {
		w.report.problem(s.Seq, "there is a row %d where %d was to come", s.Seq, w.next)
		return nil
	}
	if s.Seq-w.next > maxProblems {
		w.report.problem(w.next, "rows %d to %d are missing", w.next, s.Seq-1)
		w.next = s.Seq
		return errSkip
	}
	for ; w.next < s.Seq; w.next++ {
		w.report.problem(w.next, "row %d is missing", w.next)
		w.grow(w.next, nil)
	}
	w.next++
	h := s.Hash()
	w.grow(s.Seq, &h)
	w.verification.row(s)
	return nil
}

// grow adds a row's hashes, h being nil for a row that is not there, and
// compares the marks that the tree has reached.
func (w *walk) grow(seq int64, h *tlog.Hash) {
	leaf := tlog.StoredHashIndex(0, seq-1)
	w.tree.add(w.leaf(seq, leaf, h))
	for id := leaf + 1; id < tlog.StoredHashIndex(0, seq); id++ {
		if kept, ok := w.stored.at(id); !ok || kept != w.tree.inner(id) {
			w.report.problem(seq, "a hash of the tree above this row was changed or is missing (hash %d)", id)
		}
	}
	for len(w.marks) > 0 && w.marks[0].Size <= w.tree.size {
		w.compare(w.marks[0], w.tree.root())
		w.marks = w.marks[1:]
	}
}

// leaf returns the hash to go on with for a row: the one that was stored, where
// there is one.
func (w *walk) leaf(seq, id int64, h *tlog.Hash) tlog.Hash {
	kept, ok := w.stored.at(id)
	switch {
	case h == nil || ok && kept == *h:
		return kept
	case !ok:
		w.report.problem(seq, "the tree has no hash of this row")
		return *h
	}
	w.report.problem(seq, "the row is not the one that was recorded: it does not fit its hash in the tree")
	return kept
}

// tail reports what is left over after the last row.
func (v *verification) tail(marks []mark, stored *hashes, next int64) {
	for _, m := range marks {
		v.report.problem(next, "the record ends with row %d, but %s, signed at %s, vouches for %d rows: the tail was cut off",
			next-1, m.where, m.At.UTC().Format(time.RFC3339), m.Size)
	}
	if id, ok := stored.beyond(tlog.StoredHashCount(next - 1)); ok {
		v.report.problem(next, "the record ends with row %d, but its tree goes on (hash %d): rows were cut off", next-1, id)
	}
}

func (v *verification) orphans(ctx context.Context) error {
	n, err := v.Evidence.Payloads(ctx, v.Workspace)
	if err == nil && n != v.found {
		v.report.problem(0, "%d sealed payloads belong to no row", n-v.found)
	}
	return err
}

// compare checks a root against a checkpoint.
func (v *verification) compare(m mark, root tlog.Hash) {
	if root != m.Root {
		v.report.problem(m.Size, "the first %d rows are not those that %s, signed at %s, vouches for", m.Size, m.where, m.At.UTC().Format(time.RFC3339))
		return
	}
	v.report.Checkpoints++
	v.report.Signed, v.report.SignedAt = m.Size, m.At
}

// row checks a row's payload and remembers what has to be explained by an erasure.
func (v *verification) row(s Stored) {
	v.report.Rows++
	if s.Kind == SubjectErased {
		v.erased[s.Subject] = s.Seq
	}
	if s.Sealed != nil {
		v.found++
	}
	k := v.keys[s.Key]
	switch {
	case s.Key == 0 && s.Sealed != nil:
		v.report.problem(s.Seq, "there is a payload for a row that has none")
	case s.Key == 0:
	case v.KEK == nil && s.Sealed != nil:
		v.report.Sealed++
	case k == nil || s.Sealed == nil:
		v.report.Erased++
		v.lost[s.Subject] = s.Seq
	case s.SealedBy != s.Key:
		v.report.problem(s.Seq, "the payload says it was sealed with another key than the row does")
	default:
		v.payloads.check(s, k)
	}
}

// closing checks that what cannot be read was erased in the open.
func (v *verification) closing() {
	if v.From > 1 || v.To > 0 {
		// The erasure may lie after the part that was read.
		return
	}
	for _, subject := range slices.Sorted(mapKeys(v.lost)) {
		if seq := v.lost[subject]; v.erased[subject] < seq {
			v.report.problem(seq, "the payload cannot be read, and the record does not say that %s was erased: it or its key was taken away", nameOr(subject))
		}
	}
	if v.report.Sealed > 0 {
		v.report.notice("%d payloads were not checked against their commitments: the keys are not at hand", v.report.Sealed)
	}
	if n := v.report.Size - v.report.Signed; n > 0 && len(v.marks) > 0 {
		v.report.notice("the last %d rows are vouched for by no checkpoint yet", n)
	}
}

func nameOr(subject agent.ActorID) string {
	if subject == "" {
		return "the workspace's own subject"
	}
	return string(subject)
}
