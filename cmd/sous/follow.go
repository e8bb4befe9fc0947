package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// follower shows a turn while it runs and, at a terminal, takes decisions.
type follower struct {
	*cli
	session *session
	// quiet shows nothing; prompt asks for decisions with keys.
	quiet, prompt bool
	// said is the part of the answer already concluded, streamed what the stream
	// has shown since.
	said     string
	streamed strings.Builder
	// skipped are approvals the person left for later.
	skipped []string
}

// follow shows the turn until it ends or waits for somebody who is not here. When it
// can no longer be seen, the error says that it goes on.
func (f *follower) follow(ctx context.Context, turn string) (loop.View, error) {
	v, err := f.track(ctx, turn)
	if err != nil && agent.KindOf(err) == agent.Unavailable {
		text := fmt.Sprintf("%s; the request was taken and is not lost: sous turns show %s", agent.PublicText(err), turn)
		err = agent.WrapError(agent.Unavailable, err, text)
	}
	return v, err
}

func (f *follower) track(ctx context.Context, turn string) (loop.View, error) {
	after := 0
	for {
		watchCtx, cancel := context.WithCancel(ctx)
		next, err := f.session.Watch(watchCtx, f.session.by, turn, after)
		if err != nil {
			cancel()
			return loop.View{}, err
		}
		v, done, err := f.watch(ctx, next, turn, &after)
		cancel()
		if err != nil || done {
			return v, err
		}
		if ctx.Err() != nil {
			return loop.View{}, ctx.Err()
		}
		// The stream broke off: look where the turn stands, then go on.
		if v, err = f.session.View(ctx, f.session.by, turn); err != nil || v.Status.Ended() {
			return v, err
		}
		select {
		case <-ctx.Done():
			return loop.View{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// watch shows events until the turn ends or parks.
func (f *follower) watch(ctx context.Context, next func() (loop.Event, bool), turn string, after *int) (loop.View, bool, error) {
	for {
		ev, ok := next()
		if !ok {
			return loop.View{}, false, nil
		}
		*after = ev.N
		f.show(ev)
		parked := ev.Type == loop.EventStatus && ev.Status == agent.TurnWaiting.String()
		if ev.Type != loop.EventEnd && !parked {
			continue
		}
		v, err := f.session.View(ctx, f.session.by, turn)
		if err != nil || v.Status.Ended() {
			return v, true, err
		}
		if v.Status != agent.TurnWaiting {
			continue
		}
		waits, err := f.settle(ctx, v)
		if err != nil {
			return v, true, err
		}
		if waits {
			v, err = f.until(ctx, turn)
			return v, true, err
		}
	}
}

// until waits for a turn whose approvals were just decided to take that in: it
// returns when the turn has ended, asks something, or waits for other decisions.
func (f *follower) until(ctx context.Context, turn string) (loop.View, error) {
	for {
		v, err := f.session.View(ctx, f.session.by, turn)
		if err != nil || v.Status.Ended() || v.Question != "" {
			return v, err
		}
		in := func(s approval.State) bool {
			return slices.ContainsFunc(v.Approvals, func(a approval.Approval) bool { return a.State == s })
		}
		if v.Status == agent.TurnWaiting && in(approval.Asked) && !in(approval.Approved) {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// show prints one event.
func (f *follower) show(ev loop.Event) {
	if f.quiet {
		return
	}
	switch ev.Type {
	case loop.EventDelta:
		f.streamed.WriteString(ev.Text)
		f.printf("%s", ev.Text)
	case loop.EventReset:
		if f.streamed.Len() > 0 {
			f.printf("\n")
			fmt.Fprintln(f.stderr, "(starting over with another model)")
		}
		f.streamed.Reset()
	case loop.EventStep:
		line := "· " + ev.Step.Title
		if ev.Step.Status != "" && ev.Step.Status != agent.Done.String() {
			line += ": " + ev.Step.Status
		}
		if ev.Step.Detail != "" {
			line += " (" + ev.Step.Detail + ")"
		}
		fmt.Fprintln(f.stderr, line)
	case loop.EventApproval, loop.EventDecided, loop.EventQuestion, loop.EventStatus, loop.EventEnd:
	}
}

// settle takes decisions on a parked turn. It returns true when the turn still
// waits for something that will not come from here now.
func (f *follower) settle(ctx context.Context, v loop.View) (waits bool, err error) {
	if v.Question != "" {
		return true, nil
	}
	if f.prompt && v.Answer != "" {
		f.sayRest(v.Answer)
	}
	open := slices.DeleteFunc(slices.Clone(v.Approvals), func(a approval.Approval) bool {
		return a.State != approval.Asked || slices.Contains(f.skipped, a.ID)
	})
	if !f.prompt {
		return true, nil
	}
	var mine []approval.Approval
	for _, a := range open {
		if a.MayDecide(f.session.by) != nil {
			f.skipped = append(f.skipped, a.ID)
			continue
		}
		f.printCard(a)
		mine = append(mine, a)
	}
	// A yes to all is to those shown above, never to what comes later.
	all := false
	for i, a := range mine {
		if err := f.decide(ctx, a, fmt.Sprintf("%s, %d of %d", a.ID, i+1, len(mine)), &all); err != nil {
			return true, err
		}
	}
	return len(f.skipped) > 0, nil
}

// decide takes a key for one of the approvals that were shown; all says yes to
// the rest of them.
func (f *follower) decide(ctx context.Context, a approval.Approval, which string, all *bool) error {
	for {
		key := 'y'
		if !*all {
			fmt.Fprintf(f.stderr, "  %s  [y] yes  [n] no  [a] yes to all shown  [s] later: ", which)
			var err error
			if key, err = f.key(ctx); err != nil {
				return err
			}
			fmt.Fprintf(f.stderr, "%c\n", key)
		}
		switch key {
		case 'y', 'Y', 'a', 'A':
			*all = *all || key == 'a' || key == 'A'
			_, err := f.session.Answer(ctx, f.session.by, loop.Answer{Approval: a.ID, Yes: true})
			return f.lateIsFine(err)
		case 'n', 'N':
			_, err := f.session.Answer(ctx, f.session.by, loop.Answer{Approval: a.ID})
			return f.lateIsFine(err)
		case 's', 'S', '\r', '\n':
			f.skipped = append(f.skipped, a.ID)
			return nil
		case 3, 4: // Ctrl-C, Ctrl-D
			return agent.Errorf(agent.Cancelled, "stopped")
		}
	}
}

// lateIsFine reports a decision that somebody else took first and goes on.
func (f *follower) lateIsFine(err error) error {
	if kind := agent.KindOf(err); kind == agent.Conflict || kind == agent.Expired {
		fmt.Fprintln(f.stderr, "  "+agent.PublicText(err))
		return nil
	}
	return err
}

// printCard shows an approval with its exact arguments.
func (c *cli) printCard(a approval.Approval) {
	w := c.stderr
	fmt.Fprintf(w, "\n%s wants to: %s   [%s]  %s\n", "Sous", strings.ReplaceAll(a.Call.Tool, "_", " "), a.ID, a.Tier)
	for _, line := range argumentLines(a) {
		fmt.Fprintln(w, "    "+line)
	}
	fmt.Fprintln(w, "  Why it is asked: "+a.Reason)
	if len(a.Marked) > 0 {
		src := ""
		if len(a.Sources) > 0 {
			src = " (" + strings.Join(a.Sources, ", ") + ")"
		}
		fmt.Fprintf(w, "  Marked *: taken from text that was read%s, not from your words.\n", src)
	}
	for _, line := range standing(a) {
		if !strings.HasPrefix(line, "marked") {
			fmt.Fprintln(w, "  "+line)
		}
	}
	if a.Undo != "" {
		fmt.Fprintln(w, "  Undo: "+a.Undo)
	} else {
		fmt.Fprintln(w, "  This cannot be undone.")
	}
}

// interactive reports whether a person sits at a terminal on both ends.
func (c *cli) interactive() bool {
	in, okIn := c.stdin.(*os.File)
	out, okOut := c.stdout.(*os.File)
	return okIn && okOut && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// key reads one key press from the terminal.
func (c *cli) key(ctx context.Context) (rune, error) {
	in, ok := c.stdin.(*os.File)
	if !ok {
		return 0, usagef("decisions need a terminal; use sous approve ID")
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return 0, fmt.Errorf("read a key: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), old) }()
	type press struct {
		key rune
		err error
	}
	got := make(chan press, 1)
	go func() {
		var b [8]byte
		n, err := in.Read(b[:])
		if n == 0 {
			got <- press{4, err}
			return
		}
		got <- press{rune(b[0]), nil}
	}()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case p := <-got:
		return p.key, p.err
	}
}

// sayRest prints the part of the answer that the stream has not shown, or all
// of it when the stream showed something else.
func (f *follower) sayRest(answer string) {
	shown := f.said + f.streamed.String()
	rest, ok := strings.CutPrefix(answer, strings.TrimSpace(shown))
	switch {
	case ok:
		f.printf("%s\n", strings.TrimRight(rest, "\n"))
	case squeeze(answer) != squeeze(shown):
		f.printf("\n%s\n", answer)
	default:
		f.printf("\n")
	}
	f.said = answer
	f.streamed.Reset()
}

// squeeze drops white space: the parts of an answer are streamed without the
// space that later stands between them.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// conclude prints what the stream has not shown: the answer, what waits, what
// can be undone.
func (f *follower) conclude(v loop.View) {
	f.sayRest(v.Answer)
	if v.Degraded != "" {
		fmt.Fprintln(f.stderr, "Degraded: "+v.Degraded)
	}
	if v.Question != "" {
		f.printf("%s\nAnswer with: sous ask -c %s \"…\"\n", v.Question, v.Conversation)
	}
	waiting := 0
	for _, a := range v.Approvals {
		if a.State == approval.Asked {
			if waiting == 0 {
				f.printf("\nWaiting for a decision:\n")
			}
			waiting++
			f.printf("  %s  %s  %s\n", a.ID, strings.ReplaceAll(a.Call.Tool, "_", " "), firstArgument(a))
		}
	}
	if waiting > 0 {
		f.printf("Say yes with: sous approve ID...   or no with: sous deny ID   (all of it: sous approve --turn %s)\n", v.ID)
	}
	for _, e := range v.Effects {
		if e.CanUndo(now()) {
			fmt.Fprintf(f.stderr, "Undo %s with: sous undo %s\n", strings.ReplaceAll(e.Call.Tool, "_", " "), e.Key)
		}
	}
}
