package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

type askOptions struct {
	files        []string
	conversation string
}

func (c *cli) askCommand() *cobra.Command {
	var o askOptions
	cmd := c.jsonFlag(&cobra.Command{
		Use:   `ask [--file FILE]... "request"`,
		Short: "Ask once and print the answer",
		Long: `Ask once and print the answer. A call that needs a decision is shown: answer with a
key when this is a terminal; otherwise the turn stays parked, for days if need be,
and "sous approve ID" lets it go on.

The request is taken from standard input when it is "-". The exit code is 0 when the
turn was answered or waits for a decision, 1 when it failed, 2 for wrong input.`,
		Example: `  sous ask --file meeting.vtt "Summarise this meeting and open tickets for the action items"
  sous ask --json "what did we decide about the remote control?"`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.ask(cmd.Context(), o, args) },
	})
	cmd.Flags().StringArrayVarP(&o.files, "file", "f", nil, "attach a file (repeat for several; - is standard input)")
	cmd.Flags().StringVarP(&o.conversation, "conversation", "c", "", "go on in this conversation instead of a new one")
	return cmd
}

func (c *cli) ask(ctx context.Context, o askOptions, args []string) error {
	text := strings.Join(args, " ")
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(c.stdin, loop.MaxMessage+1))
		if err != nil {
			return fmt.Errorf("read the request: %w", err)
		}
		text = string(b)
	}
	if strings.TrimSpace(text) == "" && len(o.files) == 0 {
		return usagef(`ask what? For example: sous ask "what can you do?"`)
	}
	s, cfg, err := c.open(ctx, "ask", runTurns)
	if err != nil {
		return err
	}
	err = c.askIn(ctx, s, cfg.Limits.UploadBytes, o, text)
	return errors.Join(err, s.close())
}

func (c *cli) askIn(ctx context.Context, s *session, limit int64, o askOptions, text string) error {
	in := loop.Incoming{Conversation: o.conversation, Text: text}
	for _, path := range o.files {
		ref, err := c.upload(ctx, s, path, limit)
		if err != nil {
			return err
		}
		in.Files = append(in.Files, ref.ID)
	}
	acc, err := s.Accept(ctx, s.by, in)
	if err != nil {
		return err
	}
	f := &follower{cli: c, session: s, quiet: c.asJSON, prompt: c.interactive() && !c.asJSON}
	v, err := f.follow(ctx, acc.Turn.ID)
	if err != nil {
		if ctx.Err() != nil && !c.asJSON {
			fmt.Fprintf(c.stderr, "\nThe turn %s is kept and goes on when Sous runs again.\n", acc.Turn.ID)
		}
		return err
	}
	if v.Status == agent.TurnFailed {
		c.code = exitFailed
	}
	if c.asJSON {
		return c.printJSON(answerOf(v))
	}
	f.conclude(v)
	return nil
}

// upload sends one file; - is standard input.
func (c *cli) upload(ctx context.Context, s *session, path string, limit int64) (agent.FileRef, error) {
	r := c.stdin
	name := "standard-input.txt"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return agent.FileRef{}, usagef("the file cannot be read: %v", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return agent.FileRef{}, usagef("%s is a directory; name a file", path)
		}
		r, name = f, filepath.Base(path)
	}
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return agent.FileRef{}, usagef("the file %s cannot be read: %v", path, err)
	case int64(len(content)) > limit:
		return agent.FileRef{}, agent.Errorf(agent.TooLarge, "%s is larger than %d MiB, the most one file may have (limits.upload_bytes)", path, limit>>20)
	case len(content) == 0:
		return agent.FileRef{}, agent.Errorf(agent.Invalid, "%s is empty", path)
	}
	return s.Upload(ctx, s.by, agent.Place{}, name, "", content)
}

// answer is what `sous ask --json` prints.
type answer struct {
	Turn         string              `json:"turn"`
	Conversation string              `json:"conversation"`
	Status       string              `json:"status"`
	Answer       string              `json:"answer"`
	Question     string              `json:"question,omitempty"`
	Minutes      json.RawMessage     `json:"minutes,omitempty"`
	Approvals    []approval.Approval `json:"approvals"`
	Effects      []loop.Effect       `json:"effects,omitempty"`
	Model        string              `json:"model,omitempty"`
	Degraded     string              `json:"degraded,omitempty"`
	Usage        agent.Usage         `json:"usage"`
}

func answerOf(v loop.View) answer {
	a := answer{
		Turn: v.ID, Conversation: v.Conversation, Status: v.Status.String(), Answer: v.Answer, Question: v.Question,
		Minutes: v.Artifacts["minutes"], Approvals: v.Approvals, Effects: v.Effects,
		Model: v.Model, Degraded: v.Degraded, Usage: v.Usage,
	}
	if a.Approvals == nil {
		a.Approvals = []approval.Approval{}
	}
	return a
}
