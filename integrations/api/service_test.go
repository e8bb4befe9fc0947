package api

import "github.com/sous-hq/sous/agent/loop"

// The in-process service takes these methods straight from the assistant.
var _ Turns = (*loop.Assistant)(nil)
