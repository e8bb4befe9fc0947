package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/meetings"
)

// askAnswer is what `sous ask --json` prints.
type askAnswer struct {
	Turn      *string           `json:"turn"`
	Status    *string           `json:"status"`
	Answer    *string           `json:"answer"`
	Minutes   *agent.Minutes    `json:"minutes"`
	Approvals []json.RawMessage `json:"approvals"`
}

// askAll runs the binary on every meeting and returns how many did not do what
// was promised, saying why of each.
func askAll(ctx context.Context, all []meeting, sous string) int {
	bad := 0
	for _, m := range all {
		if err := ask(ctx, m, sous); err != nil {
			bad++
			fmt.Printf("%s ask: %v\n", m.name, err)
		}
	}
	fmt.Printf("%s answered %d of %d meetings as promised\n", sous, len(all)-bad, len(all))
	return bad
}

// ask runs the binary on one meeting over a fresh data directory.
func ask(ctx context.Context, m meeting, sous string) (err error) {
	dir, err := os.MkdirTemp("", "sous-eval-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, m.name)
	if err := os.WriteFile(file, m.content, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, sous, "ask", "--json", "--file", file, "summarise this meeting") //nolint:gosec // the binary is what the caller wants judged
	cmd.Env = append(os.Environ(), "SOUS_DATA="+filepath.Join(dir, "data"))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	var a askAnswer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return fmt.Errorf("what it printed is not the JSON that was promised: %w", err)
	}
	return a.check(m)
}

func (a askAnswer) check(m meeting) error {
	switch {
	case a.Turn == nil || *a.Turn == "" || a.Status == nil || a.Answer == nil || *a.Answer == "":
		return fmt.Errorf("turn, status or answer is missing")
	case a.Minutes == nil:
		return fmt.Errorf("minutes are missing")
	case a.Approvals == nil:
		return fmt.Errorf("approvals is no list")
	case a.Minutes.Summary == "":
		return fmt.Errorf("the summary is empty")
	case a.Minutes.Decisions == nil || a.Minutes.Actions == nil || a.Minutes.Questions == nil || a.Minutes.Participants == nil:
		return fmt.Errorf("a list of the minutes is null")
	}
	t, err := meetings.Parse(m.name, m.content)
	if err != nil {
		return err
	}
	if bad := meetings.Unverified(*a.Minutes, t); len(bad) > 0 {
		return fmt.Errorf("%d claims do not hold; first: %s", len(bad), bad[0])
	}
	return nil
}
