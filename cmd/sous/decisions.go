package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/tools"
)

// mayDecide is policy's word on whether somebody may decide. Groups, hand-over
// and escalation are the approval's own matter.
func (a *app) mayDecide(by agent.Actor, p approval.Approval) error {
	return a.policy.MayDecide(policy.Decision{
		By: by, Requester: p.Call.Actor, Tool: p.Call.Tool, Tier: p.Tier, Place: p.Place,
		Confirmation: p.Kind == approval.ByRequester, Sole: p.Sole, Digest: p.Digest, Shown: p.Digest,
	})
}

// approvalCommands are what can be done to an approval beside yes and no.
func (c *cli) approvalCommands() []*cobra.Command {
	edit := c.onApproval("edit ID NAME=VALUE...", "Ask for a call with other arguments instead",
		func(ctx context.Context, s *session, id string, changes []string) (approval.Approval, error) {
			args, err := edited(ctx, s, id, changes)
			if err != nil {
				return approval.Approval{}, err
			}
			return s.Edit(ctx, s.by, id, args, "")
		})
	edit.Long = `Ask for a call with other arguments instead. It is a request of its own: the
rules look at it again, and whoever wrote the arguments does not approve them,
unless their own yes is enough for it.

NAME=VALUE changes one argument and leaves the others as they are; NAME= empties
it. One JSON object in place of that gives all arguments.`
	edit.Example = `  sous approvals edit 4OMN5DNX due=2026-03-09 "title=Write the release notes"`
	return []*cobra.Command{
		c.jsonFlag(&cobra.Command{
			Use: "show ID", Short: "Show one approval, in whatever state", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.reading(cmd.Context(), "approvals show", func(s *session) error {
					a, err := s.ShowApproval(cmd.Context(), s.by, args[0])
					switch {
					case err != nil:
						return err
					case c.asJSON:
						return c.printJSON(a)
					}
					return c.listApproval(cmd.Context(), s, a)
				})
			},
		}),
		edit,
		c.onApproval("hand ID PERSON", "Hand your say to somebody else", func(ctx context.Context, s *session, id string, to []string) (approval.Approval, error) {
			return s.Delegate(ctx, s.by, id, agent.ActorID(strings.Join(to, " ")), "")
		}),
		c.onApproval("note ID TEXT", "Ask or answer something about a call that waits", func(ctx context.Context, s *session, id string, text []string) (approval.Approval, error) {
			return s.Note(ctx, s.by, id, strings.Join(text, " "), "")
		}),
	}
}

// edited are the arguments of an approval's call with the changes made to them.
func edited(ctx context.Context, s *session, id string, changes []string) (json.RawMessage, error) {
	if len(changes) == 1 && strings.HasPrefix(strings.TrimSpace(changes[0]), "{") {
		return json.RawMessage(changes[0]), nil
	}
	a, err := s.ShowApproval(ctx, s.by, id)
	if err != nil {
		return nil, err
	}
	schema, err := s.Schema(ctx, a.Call.Tool)
	if err != nil {
		return nil, err
	}
	fields, err := tools.Fields(schema)
	if err != nil {
		return nil, err
	}
	entered := map[string]string{}
	for _, change := range changes {
		name, value, ok := strings.Cut(change, "=")
		known := slices.ContainsFunc(fields, func(f tools.Field) bool { return f.Name == name })
		switch {
		case !ok:
			return nil, usagef("%q is no NAME=VALUE", change)
		case !known:
			return nil, usagef("%s takes no argument %q", strings.ReplaceAll(a.Call.Tool, "_", " "), name)
		}
		entered[name] = value
	}
	return tools.Edit(fields, a.Call.Args, entered)
}

// onApproval is a command that does something to one approval.
func (c *cli) onApproval(use, short string, f func(ctx context.Context, s *session, id string, values []string) (approval.Approval, error)) *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: use, Short: short, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, _, err := c.open(cmd.Context(), "approvals "+cmd.Name(), runTurns)
			if err != nil {
				return err
			}
			a, err := f(cmd.Context(), s, args[0], args[1:])
			if err == nil && a.State == approval.Superseded {
				err = c.takenUp(cmd.Context(), s, a)
			}
			switch {
			case err != nil:
			case c.asJSON:
				err = c.printJSON(a)
			default:
				c.printf("%s: %s\n", a.ID, a.State)
			}
			return errors.Join(err, s.close())
		},
	})
}

// takenUp waits until the edited call has run or is asked, so that this process
// does not go before.
func (c *cli) takenUp(ctx context.Context, s *session, was approval.Approval) error {
	for {
		v, err := s.View(ctx, s.by, was.Call.Turn)
		if err != nil || v.Status.Ended() {
			return err
		}
		// A requester's own edit is their yes too, where that is enough.
		asked := slices.ContainsFunc(v.Approvals, func(a approval.Approval) bool {
			return a.Call.ID == was.Call.ID && a.ID != was.ID && a.Created.After(was.Created) && (a.State != approval.Asked || a.Editor != a.Call.Actor.ID || a.MayDecide(s.by) != nil)
		})
		done := slices.ContainsFunc(v.Effects, func(e loop.Effect) bool { return e.Call.ID == was.Call.ID })
		if asked || done {
			_, err := (&follower{cli: c, session: s, quiet: true}).until(ctx, was.Call.Turn)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// standing says where a decision stands: where marked text came from, who may
// decide, who has, where it goes when nobody does, and what was said.
func standing(a approval.Approval) []string {
	var lines []string
	if len(a.Marked) > 0 && len(a.Sources) > 0 {
		lines = append(lines, "marked * from: "+strings.Join(a.Sources, ", "))
	}
	if groups := a.Groups(); len(groups) > 0 && !a.Sole {
		lines = append(lines, "decided by: members of "+strings.Join(groups, ", "))
	}
	if a.Needs() > 1 {
		who := make([]string, 0, len(a.Votes))
		for _, v := range a.Votes {
			who = append(who, cmp.Or(v.Name, string(v.By)))
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("yes so far: %d of %d %s", len(a.Votes), a.Needs(), strings.Join(who, ", "))))
	}
	for _, d := range a.Handed {
		lines = append(lines, fmt.Sprintf("%s handed it to %s", cmp.Or(d.Giver, string(d.From)), cmp.Or(d.Name, string(d.To))))
	}
	if a.State == approval.Asked && a.Reminded > 0 {
		lines = append(lines, "reminded "+a.RemindedAt.Local().Format(time.DateTime))
	}
	if at := a.EscalatesAt(); !at.IsZero() {
		lines = append(lines, fmt.Sprintf("goes to %s at %s", strings.Join(a.Chain[a.Stage].Groups, ", "), at.Local().Format(time.DateTime)))
	}
	for _, n := range a.Notes {
		lines = append(lines, fmt.Sprintf("%s: %s", cmp.Or(n.Name, string(n.By)), strings.ReplaceAll(n.Text, "\n", "\n        ")))
	}
	return lines
}
