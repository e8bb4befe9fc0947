package memory

import (
	"context"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Index keeps the vectors of a store's passages, a generation for each embedding
// model, and the durable queue of items that have none yet. Where a generation is
// there or being built, whatever makes an item live queues it in the same
// transaction, and its vectors go when it is forgotten, superseded or removed.
//
// storetest.Recall states these promises as tests.
type Index interface {
	// Able reports whether the store can keep vectors; Unavailable says what it lacks.
	Able(ctx context.Context) error
	// Generations lists those there are, uncounted: the current one, the one that
	// is being built, the retired ones that are not dropped yet.
	Generations(ctx context.Context) ([]Generation, error)
	// Progress counts a generation's vectors and the items that wait for theirs.
	Progress(ctx context.Context, generation int64) (vectors, waiting int64, err error)
	// Begin makes a generation that is being built, beside the current one if there
	// is any, and queues every live item for it. One that is being built of the same
	// model and dimension is returned as it is; of another it is a Conflict. Invalid
	// is a dimension the store cannot keep.
	Begin(ctx context.Context, model string, dimension int) (Generation, error)
	// Work takes some queued passages of the generation, at most so many, all of one
	// workspace; none means that the queue is empty or others are at it. What a
	// process took and did not finish comes back: at its next start or, where several
	// work on one store, after ClaimTime.
	Work(ctx context.Context, generation int64, most int) (Work, error)
	// SaveVectors stores what became of the work: a vector a passage, nil for one
	// that has none, and takes it off the queue. What another process has done
	// meanwhile is left as it is, and so is what is gone. Vectors of another
	// dimension are a Conflict.
	SaveVectors(ctx context.Context, w Work, vectors [][]float32) error
	// Seal makes the generation quick to search, when its queue is empty; it may
	// take long and is safe to repeat.
	Seal(ctx context.Context, generation int64) error
	// Switch makes the generation that is being built the current one and retires
	// the other, with an audit row that says by whom and the note.
	Switch(ctx context.Context, by agent.Actor, generation int64, note string) error
	// Drop removes a generation that is not the current one, with its vectors and
	// its queue.
	Drop(ctx context.Context, generation int64) error
	// Sample returns some live passages of all workspaces with who may read them,
	// spread over what is remembered, the same for the same content.
	Sample(ctx context.Context, most int) ([]Sample, error)
}

// ClaimTime is how long a process has for the work it took.
const ClaimTime = 3 * time.Minute

// Generation is the vectors of one embedding model.
type Generation struct {
	ID        int64           `json:"id"`
	Model     string          `json:"model"`
	Dimension int             `json:"dimension"`
	State     GenerationState `json:"state"`
	Created   time.Time       `json:"created"`
	// Vectors is how many there are, Waiting how many items are queued, where
	// somebody counted.
	Vectors int64 `json:"vectors"`
	Waiting int64 `json:"waiting"`
}

// GenerationState says what a generation is for.
type GenerationState string

// The states.
const (
	// Current is the generation that recall searches.
	Current GenerationState = "current"
	// Building is one that is being filled; recall does not see it.
	Building GenerationState = "building"
	// Retired is one that is to be dropped.
	Retired GenerationState = "retired"
)

// InState returns the generation in a state, if there is one.
func InState(all []Generation, s GenerationState) (Generation, bool) {
	for _, g := range all {
		if g.State == s {
			return g, true
		}
	}
	return Generation{}, false
}

// Work is passages to be embedded, with what the store needs to know them again.
type Work struct {
	Generation int64
	Workspace  agent.WorkspaceID
	// Keys and Texts are of the passages, in order.
	Keys  []int64
	Texts []string
	// Items are the queued items of which the passages are parts.
	Items []WorkItem
}

// WorkItem is a part of a queued item: its passages From <= n < To.
type WorkItem struct {
	Seq      int64
	From, To int
	// Done says that nothing of the item follows.
	Done bool
}

// Sample is one passage to try recall with.
type Sample struct {
	Key  int64
	Item Item
	// Chunk is the passage.
	Chunk Chunk
}

// EmbeddedText is what of a passage is embedded: what it is of, who says it, what
// it says and in which words.
func EmbeddedText(title string, c Chunk) string {
	var b strings.Builder
	for _, part := range []struct{ text, after string }{
		{title, "\n"}, {c.Speaker, ": "}, {c.Text, "\n"}, {c.Quote, "\n"},
	} {
		if part.text != "" {
			b.WriteString(part.text)
			b.WriteString(part.after)
		}
	}
	return strings.TrimSpace(b.String())
}

// CheckDimensions returns the error for vectors that are not of the dimension, a
// Conflict, or nil.
func CheckDimensions(vectors [][]float32, dimension int) error {
	for _, v := range vectors {
		if len(v) > 0 && len(v) != dimension {
			return agent.Errorf(agent.Conflict, "the embedding model sends vectors of %d dimensions, and what is remembered was embedded with %d; "+
				"choose the former model again or run sous memory reembed", len(v), dimension)
		}
	}
	return nil
}
