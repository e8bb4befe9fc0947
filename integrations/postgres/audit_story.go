package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Explain tells what led to something and what came of it. The id is that of an
// effect (its key), a call, an approval, a turn or a ticket; a ticket may have
// several stories, in the order they happened. The payloads kek opens are shown.
func (r *Record) Explain(ctx context.Context, ws agent.WorkspaceID, kek tink.AEAD, id string) ([]audit.Story, error) {
	if err := r.in(ctx, ws); err != nil {
		return nil, err
	}
	open, err := audit.Opener(ctx, r, ws, kek)
	if err != nil {
		return nil, err
	}
	told, err := r.find(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if len(told) == 0 {
		return nil, agent.Errorf(agent.NotFound, "there is no effect, call, approval, turn or ticket %s on record", id)
	}
	all := make([]audit.Story, 0, len(told))
	for _, t := range told {
		s, err := r.story(ctx, ws, t, open)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// told is a turn and the call of it that is asked about, "" for all.
type told struct{ turn, call string }

func (r *Record) find(ctx context.Context, ws agent.WorkspaceID, id string) ([]told, error) {
	if e, ok, err := effectByKey(ctx, r.q, ws, id); err != nil || ok {
		return []told{{e.Turn, e.Call.ID}}, err
	}
	if a, ok, err := approvalByID(ctx, r.q, ws, strings.ToUpper(id)); err != nil || ok {
		return []told{{a.Call.Turn, a.Call.ID}}, err
	}
	turn := id
	if i := strings.LastIndexByte(id, '/'); i > 0 {
		turn = id[:i]
	}
	for _, t := range []told{{id, ""}, {turn, id}} {
		found, err := every(ctx, r.q, scanText, `SELECT turn FROM audit
			WHERE workspace = $1 AND turn = $2 AND turn <> '' AND ($3 = '' OR call = $3) LIMIT 1`, ws, t.turn, t.call)
		if err != nil || len(found) > 0 {
			return []told{t}, err
		}
	}
	return r.ofTicket(ctx, ws, strings.ToUpper(id))
}

// ofTicket finds the effects that made or changed a ticket.
func (r *Record) ofTicket(ctx context.Context, ws agent.WorkspaceID, id string) ([]told, error) {
	return every(ctx, r.q, func(row sqlRow) (told, error) {
		var t told
		err := row.Scan(&t.turn, &t.call)
		return t, err
	}, `SELECT turn, call::json ->> 'id' FROM effects WHERE workspace = $1 AND call::json ->> 'tool' LIKE 'ticket\_%'
		AND $2 IN (outcome::json #>> '{result,id}', call::json #>> '{args,id}') ORDER BY intended, turn, seq`, ws, id)
}

func (r *Record) story(ctx context.Context, ws agent.WorkspaceID, t told, open func(audit.Stored) audit.Entry) (audit.Story, error) {
	s := audit.Story{Workspace: ws, Turn: t.turn, Reads: []audit.StoryRead{}, Calls: []audit.StoryCall{}}
	if err := r.request(ctx, &s); err != nil {
		return s, err
	}
	rows, err := every(ctx, r.q, scanStored, selectRows+` WHERE a.workspace = $1 AND a.turn = $2 AND a.turn <> '' ORDER BY a.seq`, ws, t.turn)
	if err != nil {
		return s, fmt.Errorf("read audit rows: %w", err)
	}
	for _, row := range rows {
		s.AddRow(open(row))
	}
	if t.call != "" {
		s.Calls = slices.DeleteFunc(s.Calls, func(c audit.StoryCall) bool { return c.Call != t.call })
	}
	effects, err := every(ctx, r.q, scanEffect, `SELECT `+effectColumns+` FROM effects WHERE workspace = $1 AND turn = $2 ORDER BY seq`, ws, t.turn)
	if err != nil {
		return s, fmt.Errorf("read effects: %w", err)
	}
	for i := range s.Calls {
		if err := r.call(ctx, ws, &s.Calls[i], effects); err != nil {
			return s, err
		}
	}
	return s, nil
}

// request fills in who asked; a turn that is gone leaves it empty.
func (r *Record) request(ctx context.Context, s *audit.Story) error {
	t, err := turnByID(ctx, r.q, s.Workspace, s.Turn)
	switch {
	case agent.KindOf(err) == agent.NotFound:
		s.Status = "not in the store any more"
		return nil
	case err != nil:
		return fmt.Errorf("read turn: %w", err)
	}
	s.Status, s.Model, s.Prompt = t.Status.String(), t.Model, t.Prompt
	s.Request = audit.StoryRequest{By: t.Actor.ID, Name: t.Actor.Name, At: t.Created, Place: t.Place.Kind.String() + " place " + t.Place.ID, Files: []string{}}
	m, ok, err := first(r.q.QueryRow(ctx, `SELECT `+messageColumns+` FROM messages m WHERE m.workspace = $1 AND m.id = $2`, s.Workspace, t.Request), scanMessage)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if ok {
		s.Request.Text = m.Text
		for _, f := range m.Files {
			s.Request.Files = append(s.Request.Files, f.Name)
		}
	}
	raw, _, err := first(r.q.QueryRow(ctx, `SELECT ordered FROM turns WHERE workspace = $1 AND id = $2`, s.Workspace, s.Turn), func(row sqlRow) (json.RawMessage, error) {
		var raw json.RawMessage
		err := row.Scan(rawColumn{&raw})
		return raw, err
	})
	var o loop.Ordered
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &o)
		s.Request.Ordered = o.Why
	}
	return err
}

// call fills in what approvals and the ledger know of a call.
func (r *Record) call(ctx context.Context, ws agent.WorkspaceID, c *audit.StoryCall, effects []effect) error {
	if c.Approval != "" {
		a, ok, err := approvalByID(ctx, r.q, ws, c.Approval)
		if err != nil {
			return fmt.Errorf("read approval: %w", err)
		}
		if ok {
			c.Reason, c.Marked, c.Sources = a.Reason, a.Marked, a.Sources
			if n := len(c.Decisions); n > 0 && a.State != approval.Asked {
				c.Decisions[n-1].Comment = a.Comment
			}
		}
	}
	i := slices.IndexFunc(effects, func(e effect) bool { return e.Call.ID == c.Call })
	if i < 0 {
		return nil
	}
	e := effects[i]
	c.Effect = &audit.StoryEffect{
		Key: e.Key, State: e.State, Started: e.Intended, Ended: e.SettledAt, Result: e.Outcome.Result, Error: e.Outcome.Error,
		Undo: e.Outcome.Undo, UndoTool: e.UndoTool, UndoArgs: e.UndoArgs,
	}
	if e.UndoTool == "" {
		return nil
	}
	var err error
	c.Effect.UndoneBy, err = r.undoneBy(ctx, e)
	return err
}

// undoneBy is the turn that ran the call that takes the effect back.
func (r *Record) undoneBy(ctx context.Context, e effect) (string, error) {
	want, err := agent.CanonicalJSON(e.UndoArgs)
	if err != nil {
		return "", fmt.Errorf("read undo: %w", err)
	}
	later, err := every(ctx, r.q, scanEffect, `SELECT `+effectColumns+` FROM effects
		WHERE workspace = $1 AND intended >= $2 AND state = 'done' AND call::json ->> 'tool' = $3`, e.ws, timeOf(&e.Intended), e.UndoTool)
	if err != nil {
		return "", fmt.Errorf("read effects: %w", err)
	}
	for _, l := range later {
		if got, err := agent.CanonicalJSON(l.Call.Args); err == nil && l.Key != e.Key && bytes.Equal(got, want) {
			return l.Turn, nil
		}
	}
	return "", nil
}
