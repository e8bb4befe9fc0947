package audit

import (
	"context"
	"errors"
	"iter"
	"maps"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// growing is a tree to which leaves are added; it keeps its right edge alone.
type growing struct {
	size int64
	// edge are the roots of the full subtrees of size, the largest first.
	edge []edge
	// made are the inner hashes the last leaf completed, lowest first.
	made []tlog.Hash
	leaf int64
}

type edge struct {
	level int
	hash  tlog.Hash
}

func (g *growing) add(h tlog.Hash) {
	g.leaf = tlog.StoredHashIndex(0, g.size)
	g.size++
	g.made = g.made[:0]
	g.edge = append(g.edge, edge{0, h})
	for n := len(g.edge); n > 1 && g.edge[n-1].level == g.edge[n-2].level; n-- {
		joined := tlog.NodeHash(g.edge[n-2].hash, g.edge[n-1].hash)
		g.edge = append(g.edge[:n-2], edge{g.edge[n-2].level + 1, joined})
		g.made = append(g.made, joined)
	}
}

// inner is the hash the last leaf completed that is stored at the index.
func (g *growing) inner(id int64) tlog.Hash {
	if i := id - g.leaf - 1; i >= 0 && i < int64(len(g.made)) {
		return g.made[i]
	}
	return tlog.Hash{}
}

// root is the head of the tree: RFC 6962, section 2.1. The empty tree's is the
// hash of nothing.
func (g *growing) root() tlog.Hash {
	if len(g.edge) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := g.edge[len(g.edge)-1].hash
	for i := len(g.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(g.edge[i].hash, h)
	}
	return h
}

// hashes walks the stored hashes beside the rows.
type hashes struct {
	next  func() (storedHash, bool)
	stop  func()
	head  storedHash
	more  bool
	fault error
}

type storedHash struct {
	id   int64
	hash tlog.Hash
}

func newHashes(ctx context.Context, e Evidence, ws agent.WorkspaceID) *hashes {
	s := &hashes{}
	s.next, s.stop = iter.Pull(func(yield func(storedHash) bool) {
		err := e.Hashes(ctx, ws, -1<<62, func(id int64, h []byte) error {
			sh := storedHash{id: id}
			copy(sh.hash[:], h)
			if len(h) != tlog.HashSize {
				sh.hash = tlog.Hash{}
			}
			if !yield(sh) {
				return errSkip
			}
			return nil
		})
		if err != nil && !errors.Is(err, errSkip) {
			s.fault = err
		}
	})
	s.head, s.more = s.next()
	return s
}

// at is the stored hash of the index, which may only grow from call to call.
func (s *hashes) at(id int64) (tlog.Hash, bool) {
	for s.more && s.head.id < id {
		s.head, s.more = s.next()
	}
	if s.more && s.head.id == id {
		return s.head.hash, true
	}
	return tlog.Hash{}, false
}

// beyond is the first stored hash from the index on.
func (s *hashes) beyond(id int64) (int64, bool) {
	for s.more && s.head.id < id {
		s.head, s.more = s.next()
	}
	return s.head.id, s.more
}

func (s *hashes) err() error { return s.fault }
func (s *hashes) close()     { s.stop() }

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }
