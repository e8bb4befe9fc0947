// Command mutants checks the checks: it makes a copy of the tree, puts one
// deliberate mistake after the other into it, runs the tests that have to notice,
// and prints which of them did. A mistake nobody notices is a hole in the tests.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "only the faults whose name matches this pattern")
	root := flag.String("root", ".", "the tree to copy")
	flag.Parse()
	if err := check(ctx, *root, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// result is what became of one fault.
type result struct {
	fault
	// noticed names the tests that failed.
	noticed []string
	took    time.Duration
}

// check tries the faults and prints a table and one line of JSON. That one was not
// noticed is an error.
func check(ctx context.Context, root, only string, out io.Writer) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sous-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(ctx, root, dir); err != nil {
		return err
	}
	var all []result
	for _, f := range faults() {
		if !pattern.MatchString(f.name) {
			continue
		}
		r, err := try(ctx, dir, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(os.Stderr, "%-55s %d tests noticed\n", f.name, len(r.noticed))
		all = append(all, r)
	}
	return report(all, out)
}

func report(all []result, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tfile\tnoticed by\tof\tseconds")
	missed := 0
	for _, r := range all {
		first := "NOBODY"
		if len(r.noticed) > 0 {
			first = r.noticed[0]
		} else {
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.0f\n", r.name, r.file, first, len(r.noticed), r.took.Seconds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(map[string]int{"faults": len(all), "noticed": len(all) - missed}); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d faults were noticed by nobody", missed)
	}
	return nil
}

// copyTree copies the files that git knows of.
func copyTree(ctx context.Context, root, dir string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted and not committed
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// apply returns the file with the fault in it.
func (f fault) apply(text string) (string, error) {
	for _, e := range append([][2]string{{f.old, f.new}}, f.also...) {
		if n := strings.Count(text, e[0]); n != 1 {
			return "", fmt.Errorf("%q stands %d times in %s; want once", e[0], n, f.file)
		}
		text = strings.Replace(text, e[0], e[1], 1)
	}
	return text, nil
}

// try puts the fault into the copy, runs the tests and takes it out again.
func try(ctx context.Context, dir string, f fault) (result, error) {
	path := filepath.Join(dir, f.file)
	was, err := os.ReadFile(path)
	if err != nil {
		return result{}, err
	}
	bad, err := f.apply(string(was))
	if err != nil {
		return result{}, err
	}
	if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
		return result{}, err
	}
	defer func() { _ = os.WriteFile(path, was, 0o644) }()
	began := time.Now()
	noticed, err := failing(ctx, dir, f)
	return result{f, noticed, time.Since(began)}, err
}

// failed is how the go command names a test that failed.
var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// failing runs the fault's tests and names those that fail. A copy that does not
// build proves nothing and is an error.
func failing(ctx context.Context, dir string, f fault) ([]string, error) {
	build := exec.CommandContext(ctx, "go", append([]string{"vet"}, f.tests...)...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("it does not build: %s", out)
	}
	args := []string{"test", "-count=1", "-timeout=10m"}
	if f.run != "" {
		args = append(args, "-run", f.run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, f.tests...)...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var noticed []string
	for _, m := range failed.FindAllStringSubmatch(out.String(), -1) {
		noticed = append(noticed, m[1])
	}
	// A subtest says more than the test around it.
	slices.SortStableFunc(noticed, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	switch {
	case err == nil:
		return nil, nil
	case len(noticed) == 0 && strings.Contains(out.String(), "panic:"):
		return []string{"(panic)"}, nil
	case len(noticed) == 0:
		return nil, fmt.Errorf("the tests did not run: %s", out.String())
	}
	return noticed, nil
}
