package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/api"
)

// BenchmarkAskOneLine is a one-line question in a process that is running:
// accept, think, answer, on the embedded store with synchronous=FULL.
func BenchmarkAskOneLine(b *testing.B) {
	c := &cli{world: world{environ: []string{"SOUS_DATA=" + b.TempDir(), "HOME=" + b.TempDir()}, stdout: io.Discard, stderr: io.Discard, user: "Bench"}}
	s, _, err := c.open(b.Context(), "bench", runTurns)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.close() }()
	for b.Loop() {
		oneTurn(b, s)
	}
}

func oneTurn(b *testing.B, s *session) {
	b.Helper()
	var svc api.Turns = s
	acc, err := svc.Accept(b.Context(), s.by, loop.Incoming{Text: "what can you do?"})
	if err != nil {
		b.Fatal(err)
	}
	next, err := svc.Watch(b.Context(), s.by, acc.Turn.ID, 0)
	if err != nil {
		b.Fatal(err)
	}
	for {
		ev, ok := next()
		if !ok {
			b.Fatal("the stream ended before the turn")
		}
		if ev.Type == loop.EventEnd {
			if ev.Status != agent.TurnDone.String() {
				b.Fatalf("the turn is %s", ev.Status)
			}
			return
		}
	}
}

// BenchmarkAskProcess is the whole command: exec, open the store, start the
// engine, answer, stop.
func BenchmarkAskProcess(b *testing.B) {
	data := b.TempDir()
	for b.Loop() {
		cmd := exec.CommandContext(context.Background(), os.Args[0], "ask", "what can you do?")
		cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", "SOUS_DATA="+data, "HOME="+data, "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), "ticket") {
			b.Fatalf("%v: %s", err, out)
		}
	}
}
