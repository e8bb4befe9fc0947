package main

import (
	"context"

	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/tools"
)

// gate loads the policy and watches its file until the parts are closed.
func (a *app) gate(r *tools.Registry) error {
	var err error
	a.registry = r
	if a.policy, err = policy.New(policy.Config{Path: a.cfg.PolicyPath, Tools: toolNames(r), Sole: true, Log: a.log}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.policy.Watch(ctx) // ends with ctx, without an error
	}()
	a.unwatch = func() { stop(); <-done }
	return nil
}

func toolNames(r *tools.Registry) []string {
	var names []string
	for _, t := range r.All() {
		names = append(names, t.Spec().Name)
	}
	return names
}
