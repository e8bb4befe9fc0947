// Command slackpreview draws the Slack cards, modals and home tab as our own preview
// page, from the golden files, and takes pictures of them with headless Chromium for
// docs/images. Names alone draws what is named.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sous-hq/sous/internal/testkit/blockkit"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "slackpreview:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, argv []string) error {
	flags := flag.NewFlagSet("slackpreview", flag.ContinueOnError)
	golden := flags.String("golden", "integrations/slack/testdata", "folder of the golden files")
	page := flags.String("page", "", "write the page to this file")
	images := flags.String("images", "", "write pictures to this folder, slack-NAME.png each")
	if err := flags.Parse(argv); err != nil {
		return err
	}
	all, err := shots(*golden, flags.Args())
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := blockkit.Page(&out, all, names()); err != nil {
		return err
	}
	if *page != "" {
		if err := os.WriteFile(*page, out.Bytes(), 0o644); err != nil { //nolint:gosec // a page for everybody to read
			return fmt.Errorf("write the page: %w", err)
		}
	}
	if *images == "" {
		return nil
	}
	return photograph(ctx, out.Bytes(), *images, all)
}

// names are how the people and places of the golden files are called.
func names() blockkit.Names {
	return blockkit.Names{"U0ANN": "Ann Archer", "U0BOB": "Bob Brown", "U0CAT": "Cat Cole", "C0GENERAL": "general", "C0PLANNING": "planning"}
}

// shots reads the golden files; messages are lists of blocks, views objects.
func shots(folder string, only []string) ([]blockkit.Shot, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list the golden files: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no golden files in %s", folder)
	}
	slices.Sort(paths)
	var all []blockkit.Shot
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a golden file: %w", err)
		}
		s := blockkit.Shot{Name: strings.TrimSuffix(filepath.Base(path), ".json")}
		if len(only) > 0 && !slices.Contains(only, s.Name) {
			continue
		}
		if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
			s.Messages = []json.RawMessage{raw}
		} else {
			s.View = raw
		}
		all = append(all, s)
	}
	return all, nil
}

// photograph opens the page in headless Chromium and takes a picture of each shot.
func photograph(ctx context.Context, page []byte, folder string, all []blockkit.Shot) error {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		return errors.New("pictures need chromium: apt-get install -y --no-install-recommends chromium")
	}
	work, err := os.MkdirTemp("", "slackpreview")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "page.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // pictures for everybody to see
		return fmt.Errorf("make a folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	alloc, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true))...)
	defer stop()
	tab, closeTab := chromedp.NewContext(alloc)
	defer closeTab()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(800, 900), chromedp.Navigate("file://"+file)); err != nil {
		return fmt.Errorf("open the page: %w", err)
	}
	for _, s := range all {
		png, err := chromedp.Run(tab, chromedp.ScreenshotScale(chromedp.CSS("#"+s.Name), 1.5))
		if err == nil {
			png, err = small(png)
		}
		if err != nil {
			return fmt.Errorf("picture of %s: %w", s.Name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, "slack-"+s.Name+".png"), png, 0o644); err != nil { //nolint:gosec // as above
			return fmt.Errorf("picture of %s: %w", s.Name, err)
		}
	}
	return nil
}
