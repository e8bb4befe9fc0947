package loop

import (
	"strings"
	"sync"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/redact"
)

// maxVaults bounds how many turns at once keep their placeholders; beyond it a
// turn may get new ones, which is as safe.
const maxVaults = 1024

// vaults keeps the placeholders that stand for personal data and secrets where a
// model outside sees a turn. They live in memory and as long as the turn works in
// this process: nothing of them is ever stored.
type vaults struct {
	mu  sync.Mutex
	all map[string]*redact.Vault
}

// of returns the turn's vault.
func (v *vaults) of(turn string, names *redact.Directory) *redact.Vault {
	v.mu.Lock()
	defer v.mu.Unlock()
	if one, ok := v.all[turn]; ok {
		return one.With(names)
	}
	if v.all == nil || len(v.all) >= maxVaults {
		v.all = map[string]*redact.Vault{}
	}
	v.all[turn] = redact.NewVault(names)
	return v.all[turn]
}

// drop forgets what the turn's placeholders stood for.
func (v *vaults) drop(turn string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, turn)
}

// names are those that are masked beside what is recognised by its form.
func (e *Effects) names() *redact.Directory {
	if e.Names == nil {
		return nil
	}
	return e.Names()
}

// mayRestore says into what a value that was masked may be put back. The place of
// the turn may hear all of the context, so an answer shows it, and a call that
// stays inside is judged with its real arguments. What leaves after text from
// outside was read gets back what the requester said, and nothing else: an
// injection that has a model write to a stranger sends placeholders.
func (e *Effects) mayRestore(context agent.Label, request string) func(tool string, k redact.Kind, value string) bool {
	said := strings.ToLower(request)
	return func(tool string, _ redact.Kind, value string) bool {
		if tool == "" || context.Integrity > agent.External {
			return true
		}
		t, known := e.Executor.Tools().Get(tool)
		if known && !t.Spec().Egress {
			return true
		}
		return strings.Contains(said, strings.ToLower(value))
	}
}
