// Command contracts sends every shape of request our adapters make to a server
// that checks them against the vendors' published contracts, and fails when one
// is not valid. It prints a table and, last, one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "contracts:", err)
		stop()
		os.Exit(1)
	}
}

// figures are the last line.
type figures struct {
	OpenAIRequests int `json:"openai_requests"`
	Invalid        int `json:"invalid"`
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("contracts", flag.ContinueOnError)
	data := flags.String("data", "../shared/data/contracts", "folder with openai.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rows, err := openaiRequests(ctx, filepath.Join(*data, "openai.json"))
	if err != nil {
		return err
	}
	var f figures
	fmt.Fprintf(out, "%-38s %-18s %s\n", "request", "path", "valid")
	for _, r := range rows {
		f.OpenAIRequests++
		verdict := "yes"
		if r.problem != "" {
			f.Invalid++
			verdict = "NO: " + strings.Join(strings.Fields(r.problem), " ")
		}
		fmt.Fprintf(out, "%-38s %-18s %s\n", r.shape, r.path, verdict)
	}
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	if f.Invalid > 0 {
		return fmt.Errorf("%d of %d requests are not valid", f.Invalid, f.OpenAIRequests)
	}
	return nil
}
