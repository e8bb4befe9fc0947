package dbos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// forgetAtOnce is how many workflows go in one statement.
const forgetAtOnce = 500

// Forget takes the checkpoints of turns that are over out of the engine: those
// named, and every other that ended before the time. What is not over stays.
// It returns how many went.
func (e *Engine) Forget(ctx context.Context, turns []string, before time.Time) (int, error) {
	ended := dbos.WithFilterStatus(dbos.WorkflowStatusSuccess, dbos.WorkflowStatusError, dbos.WorkflowStatusCancelled)
	quick := []dbos.ListWorkflowsOption{ended, dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false), dbos.WithFilterLimit(forgetAtOnce)}
	e.life.RLock()
	defer e.life.RUnlock()
	gone := 0
	forget := func(which dbos.ListWorkflowsOption) (int, error) {
		found, err := dbos.ListWorkflows(e.part.dbos, append(slices.Clone(quick), which)...)
		if err != nil {
			return 0, fmt.Errorf("list turns of the engine: %w", err)
		}
		ids := make([]string, len(found))
		for i, w := range found {
			ids[i] = w.ID
		}
		if len(ids) == 0 {
			return 0, nil
		}
		if err := dbos.DeleteWorkflows(e.part.dbos, ids); err != nil {
			return 0, fmt.Errorf("forget turns of the engine: %w", err)
		}
		gone += len(ids)
		return len(ids), nil
	}
	for chunk := range slices.Chunk(turns, forgetAtOnce) {
		if _, err := forget(dbos.WithFilterWorkflowIDs(chunk...)); err != nil {
			return gone, err
		}
	}
	for ctx.Err() == nil && !before.IsZero() {
		if n, err := forget(dbos.WithFilterCreatedBefore(before)); err != nil || n < forgetAtOnce {
			return gone, err
		}
	}
	return gone, ctx.Err()
}
