package memory

import (
	"slices"
	"strings"
	"sync"
)

// What follows is the half of a store of passages that is the same in every
// database: how chunks are numbered, analysed, kept in memory and put together.

// KeyShift is how many bits of a passage's key count within its item: the key is
// the item's number in the store << KeyShift plus the chunk's in the item, so an
// item's passages lie together and neighbours have neighbouring keys.
const KeyShift = 16

// ItemOf returns the number of the item that a passage is of.
func ItemOf(key int64) int64 { return key >> KeyShift }

// ChunkOf returns the passage's number in its item.
func ChunkOf(key int64) int { return int(key & (1<<KeyShift - 1)) }

// KeyRange returns the keys of an item's passages: from <= key < to.
func KeyRange(item int64) (from, to int64) { return item << KeyShift, (item + 1) << KeyShift }

// Analysed is a chunk with what a store derives from its text.
type Analysed struct {
	Chunk
	// Kind shadows the chunk's: "" when it is the item's.
	Kind Kind
	// Terms are the chunk's own, Found those it is found by: the first chunk is
	// found by the title too. SpeakerWords are the speaker's folded words with a
	// space before and after each.
	Terms, Found, SpeakerWords string
}

// Analyse analyses an item's chunks and counts their terms.
func Analyse(i Item) (chunks []Analysed, terms int) {
	chunks = make([]Analysed, len(i.Chunks))
	for n, c := range i.Chunks {
		all := ChunkTerms(c)
		terms += len(all)
		joined := strings.Join(all, " ")
		chunks[n] = Analysed{Chunk: c, Kind: c.Kind, Terms: joined, Found: joined}
		if words := Words(c.Speaker); len(words) > 0 {
			chunks[n].SpeakerWords = " " + strings.Join(words, " ") + " "
		}
		if n == 0 {
			chunks[n].Found += " " + strings.Join(Terms(i.Title), " ")
		}
		if c.Kind == i.Kind {
			chunks[n].Kind = ""
		}
	}
	return chunks, terms
}

// Spread returns, in order, the passages found, whose keys are in order, with
// those within Reach of them, of the items counted: counts says how many chunks
// those have.
func Spread(found []int64, counts map[int64]int64) []int64 {
	keys := make([]int64, 0, 2*len(found))
	for _, k := range found {
		count, known := counts[ItemOf(k)]
		if !known {
			continue
		}
		first, _ := KeyRange(ItemOf(k))
		from := max(k-Reach, first)
		if len(keys) > 0 {
			from = max(from, keys[len(keys)-1]+1)
		}
		for ; from <= min(k+Reach, first+count-1); from++ {
			keys = append(keys, from)
		}
	}
	return keys
}

// ItemsOf returns the items of passages, whose keys are in order, each once.
func ItemsOf(keys []int64) []int64 {
	var items []int64
	for _, k := range keys {
		if i := ItemOf(k); len(items) == 0 || items[len(items)-1] != i {
			items = append(items, i)
		}
	}
	return items
}

// Merge returns the keys of both, in order, each once.
func Merge(a, b []int64) []int64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Hits puts ranked passages together with what was read of them; those of which
// item or chunk is missing are left out.
func Hits(ranked []Ranked, items map[int64]Item, chunks map[int64]Chunk) []Hit {
	hits := make([]Hit, 0, len(ranked))
	for _, r := range ranked {
		item, readable := items[ItemOf(r.Key)]
		chunk, there := chunks[r.Key]
		if readable && there {
			hits = append(hits, Hit{Item: item, Chunk: chunk, Score: r.Score, Parts: r.Parts})
		}
	}
	return hits
}

// PassageCache keeps recently used passages in two generations: when the young
// one is full it becomes the old one, and what is not asked for again goes. It is
// safe for concurrent use; the zero value is empty.
type PassageCache struct {
	mu         sync.Mutex
	young, old map[int64]*Passage
}

// cacheGeneration is how many passages one generation holds: some 300 bytes each.
const cacheGeneration = 16_384

// Get returns the passages in order, nil where one is missing, and the keys of
// the missing ones.
func (c *PassageCache) Get(keys []int64) (passages []*Passage, missing []int64) {
	passages = make([]*Passage, len(keys))
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, k := range keys {
		p, ok := c.young[k]
		if !ok {
			if p, ok = c.old[k]; ok {
				c.keep(k, p)
			}
		}
		if passages[n] = p; !ok {
			missing = append(missing, k)
		}
	}
	return passages, missing
}

// Put keeps passages by their keys.
func (c *PassageCache) Put(passages map[int64]*Passage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, p := range passages {
		c.keep(k, p)
	}
}

// keep is called with the lock held.
func (c *PassageCache) keep(k int64, p *Passage) {
	if c.young == nil || len(c.young) >= cacheGeneration {
		c.old, c.young = c.young, make(map[int64]*Passage)
	}
	c.young[k] = p
}

// MaxMatches bounds the passages that are ranked for one query. What a query of
// frequent words finds beyond it a store cuts with care: all passages of the rare
// words, then the newest that hold the rarest frequent ones together.
const MaxMatches = 1500

// Frequencies says, for Corpus, how many chunks hold the frequent terms: not
// counted, which would take reading all of them, but taken for a tenth of the
// corpus.
func Frequencies(frequent []string, c Corpus) map[string]int64 {
	out := make(map[string]int64, len(frequent))
	for _, t := range frequent {
		out[t] = max(MaxMatches, c.Chunks/10)
	}
	return out
}
