// Command memorybench measures memory as it grows: how quickly passages are
// stored, embedded and indexed, how long recall by words and vectors takes for
// readers of all, of 7 % and of 0.7 % of them, how many of the ten nearest it
// finds, and what memory it takes. The texts and vectors are made up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func main() {
	sizes := flag.String("sizes", "10000,50000", "how many passages, one size after another; empty draws alone")
	only := flag.String("only", "", "measure this store alone: sqlite or postgres")
	file := flag.String("results", "", "file of results to add to, as JSON lines")
	plot := flag.String("plot", "", "file to draw all results of the file into, as SVG")
	queries := flag.Int("queries", 100, "how many queries")
	hold := flag.Bool("hold", false, "keep PostgreSQL until a line is read, to look at it")
	again := flag.String("again", "", "measure recall alone, in the PostgreSQL database at this URL that -hold keeps; -sizes is its size")
	flag.Parse()
	o := options{only: *only, file: *file, plot: *plot, queries: *queries, hold: *hold, again: *again}
	for s := range strings.SplitSeq(*sizes, ",") {
		if *sizes == "" {
			break
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 1000 {
			fmt.Fprintln(os.Stderr, "memorybench: sizes are numbers from 1000 on")
			os.Exit(2)
		}
		o.sizes = append(o.sizes, n)
	}
	if err := run(context.Background(), os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "memorybench:", err)
		os.Exit(1)
	}
}

// options are the flags. Times are only worth something beside the load they were
// taken under; the processor time of a search depends on it less.
type options struct {
	sizes            []int
	only, file, plot string
	queries          int
	hold             bool
	again            string
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	for _, n := range o.sizes {
		c := newCorpus(n)
		if o.again != "" {
			o.only = "postgres"
		}
		if o.only != "postgres" {
			if err := o.one(ctx, out, c, onSQLite); err != nil {
				return fmt.Errorf("SQLite, %d: %w", n, err)
			}
		}
		if o.only != "sqlite" {
			if err := o.one(ctx, out, c, onPostgres); err != nil {
				return fmt.Errorf("PostgreSQL, %d: %w", n, err)
			}
		}
	}
	if o.plot == "" || o.file == "" {
		return nil
	}
	return draw(o.file, o.plot)
}

// one measures one store at one size.
func (o options) one(ctx context.Context, out io.Writer, c *corpus, open func(context.Context, string) (kept, error)) (err error) {
	dir, err := os.MkdirTemp("", "sous-memorybench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	k, err := o.open(ctx, dir, open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	f := figures{Store: k.name, Chunks: c.n, Readers: map[string]perRead{}}
	if o.again == "" {
		if err := f.fill(ctx, out, k, c); err != nil {
			return err
		}
	}
	if err := f.ask(ctx, k, c, o.queries); err != nil {
		return err
	}
	f.print(out)
	if o.hold {
		fmt.Fprintln(out, k.where)
		_, _ = fmt.Scanln()
	}
	if o.file == "" {
		return nil
	}
	return f.save(o.file)
}

// open opens a store that is new, or the one to measure again.
func (o options) open(ctx context.Context, dir string, fresh func(context.Context, string) (kept, error)) (kept, error) {
	if o.again == "" {
		return fresh(ctx, dir)
	}
	return atPostgres(ctx, dir, pgtest.Database{URL: o.again, AdminURL: o.again}, func() error { return nil })
}

// server settings that a machine of some GB has, as the distributions' defaults
// are for none.
func pgOptions() pgtest.Options {
	return pgtest.Options{Durable: true, Settings: map[string]string{
		"shared_buffers": "2GB", "effective_cache_size": "8GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "random_page_cost": "1.1",
	}}
}
