package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

const chatHelp = `  /file PATH     attach a file to the next message
  /approvals     list what waits for a decision
  /quit          leave (Ctrl-D does too); what is running is kept
`

func (c *cli) chatCommand() *cobra.Command {
	var conversation string
	cmd := &cobra.Command{
		Use: "chat", Short: "Talk in the terminal", Args: cobra.NoArgs,
		Long: "Talk in the terminal. Lines starting with / are commands:\n\n" + chatHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, cfg, err := c.open(cmd.Context(), "chat", runTurns)
			if err != nil {
				return err
			}
			return errors.Join(c.chat(cmd.Context(), s, cfg.Limits.UploadBytes, conversation), s.close())
		},
	}
	cmd.Flags().StringVarP(&conversation, "conversation", "c", "", "go on in this conversation")
	return cmd
}

// chat reads lines and answers each before the next.
func (c *cli) chat(ctx context.Context, s *session, limit int64, conversation string) error {
	talk := &conversationLoop{cli: c, session: s, limit: limit, in: loop.Incoming{Conversation: conversation}}
	read, done := c.lines(ctx)
	defer done()
	fmt.Fprintln(c.stderr, "Talk to Sous. /help lists the commands, Ctrl-D leaves.")
	for {
		line, err := read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		quit, err := talk.line(ctx, line)
		switch {
		case quit || ctx.Err() != nil:
			return ctx.Err()
		case err != nil && agent.KindOf(err) == agent.Cancelled:
			return err
		case err != nil:
			// One bad line ends nothing.
			fmt.Fprintln(c.stderr, "sous: "+err.Error())
		}
	}
}

// conversationLoop is the state of one chat in the terminal.
type conversationLoop struct {
	*cli
	session *session
	limit   int64
	in      loop.Incoming
}

func (t *conversationLoop) line(ctx context.Context, line string) (quit bool, err error) {
	line = strings.TrimSpace(line)
	name, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "":
		return false, nil
	case name == "/quit" || name == "/exit":
		return true, nil
	case name == "/help":
		t.printf("%s", chatHelp)
		return false, nil
	case name == "/approvals":
		return false, t.listApprovals(ctx, t.session, loop.ApprovalQuery{States: []approval.State{approval.Asked}})
	case name == "/file":
		return false, t.attach(ctx, strings.TrimSpace(rest))
	case strings.HasPrefix(name, "/") && !strings.Contains(name[1:], "/"):
		return false, usagef("there is no command %s; /help lists them", name)
	}
	return false, t.say(ctx, line)
}

func (t *conversationLoop) attach(ctx context.Context, path string) error {
	if path == "" {
		return usagef("which file? /file PATH")
	}
	ref, err := t.upload(ctx, t.session, path, t.limit)
	if err != nil {
		return err
	}
	t.in.Files = append(t.in.Files, ref.ID)
	fmt.Fprintf(t.stderr, "Attached %s (%d bytes) to your next message.\n", ref.Name, ref.Bytes)
	return nil
}

func (t *conversationLoop) say(ctx context.Context, text string) error {
	in := t.in
	in.Text = text
	acc, err := t.session.Accept(ctx, t.session.by, in)
	if err != nil {
		return err
	}
	t.in.Conversation, t.in.Files = acc.Turn.Conversation, nil
	f := &follower{cli: t.cli, session: t.session, prompt: t.interactive()}
	v, err := f.follow(ctx, acc.Turn.ID)
	if err != nil {
		return err
	}
	f.conclude(v)
	return nil
}

// lines returns a reader of lines: with editing and history at a terminal,
// plain otherwise.
func (c *cli) lines(ctx context.Context) (read func() (string, error), done func()) {
	if !c.interactive() {
		sc := bufio.NewScanner(c.stdin)
		sc.Buffer(nil, loop.MaxMessage+1)
		return func() (string, error) {
			if !sc.Scan() {
				return "", errors.Join(sc.Err(), io.EOF)
			}
			return sc.Text(), ctx.Err()
		}, func() {}
	}
	in := c.stdin.(*os.File)
	screen := struct {
		io.Reader
		io.Writer
	}{in, c.stdout}
	t := term.NewTerminal(screen, "> ")
	return func() (string, error) {
		// Raw mode lasts for one line only, so that output and keys in between
		// behave as usual.
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return "", fmt.Errorf("read a line: %w", err)
		}
		defer func() { _ = term.Restore(int(in.Fd()), old) }()
		if w, h, err := term.GetSize(int(in.Fd())); err == nil && w > 0 {
			_ = t.SetSize(w, h)
		}
		return t.ReadLine()
	}, func() {}
}
