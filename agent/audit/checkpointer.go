package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// Head is where a workspace's tree stands.
type Head struct {
	Workspace agent.WorkspaceID
	Size      int64
	Root      tlog.Hash
	// Signed is the last signed checkpoint, "" when there is none yet.
	Signed string
	// SignedRoot is what the tree now says its root was at that checkpoint's size.
	SignedRoot tlog.Hash
}

// Trees is the part of a store the checkpointer works on.
type Trees interface {
	// Recorded counts the rows this process has recorded, in memory.
	Recorded() int64
	// Heads returns the trees that grew since their last checkpoint, as committed.
	Heads(ctx context.Context) ([]Head, error)
	// SaveCheckpoint keeps a signed checkpoint; one of the same size stays.
	SaveCheckpoint(ctx context.Context, c Checkpoint, signed string) error
}

// When a checkpoint is due.
const (
	CheckpointEvery = time.Minute
	CheckpointRows  = 1000
	// look is how often the number of rows is looked at; it costs no I/O.
	look = time.Second
)

// CheckpointConfig says what the checkpointer works with; all but Log are required.
type CheckpointConfig struct {
	Trees     Trees
	Signer    note.Signer
	Verifiers note.Verifiers
	// File is appended to; put it on another disk than the store's.
	File string
	// Post, when set, tells somebody outside of a signed checkpoint, at most every
	// PostEvery for each workspace and once after the start. When it fails, the
	// next checkpoint is posted instead.
	Post      func(ctx context.Context, c Checkpoint, signed string) error
	PostEvery time.Duration
	Now       func() time.Time
	Log       *slog.Logger
}

// Checkpointer signs the heads of the trees and writes them outside the database.
type Checkpointer struct {
	c CheckpointConfig
	// posted is when each workspace's checkpoint was posted last.
	posted map[agent.WorkspaceID]time.Time
}

// NewCheckpointer checks the settings; it starts nothing.
func NewCheckpointer(c CheckpointConfig) (*Checkpointer, error) {
	if c.Trees == nil || c.Signer == nil || c.Verifiers == nil || c.File == "" || c.Now == nil {
		return nil, errors.New("checkpointer: Trees, Signer, Verifiers, File and Now are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Checkpointer{c: c, posted: map[agent.WorkspaceID]time.Time{}}, nil
}

// Run signs a checkpoint every CheckpointEvery or CheckpointRows, whichever
// comes first, and a last one when ctx is done. What fails is logged and tried
// again: a checkpoint that is late vouches for no less.
func (p *Checkpointer) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, rows := time.Time{}, int64(-1)
	for {
		if n := p.c.Trees.Recorded(); n-rows >= CheckpointRows || n != rows && p.c.Now().Sub(last) >= CheckpointEvery {
			rows, last = n, p.c.Now()
			if err := p.Sign(ctx); err != nil && ctx.Err() == nil {
				p.c.Log.ErrorContext(ctx, "audit checkpoint not signed", slog.Any("err", err))
				rows-- // again in a while, even if nothing is added
			}
		}
		select {
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return p.Sign(ending)
		case <-tick.C:
		}
	}
}

// Sign signs the heads of all trees that grew, now. A tree that no longer says
// what the last checkpoint vouched for is not signed again.
func (p *Checkpointer) Sign(ctx context.Context) error {
	heads, err := p.c.Trees.Heads(ctx)
	if err != nil {
		return fmt.Errorf("read audit trees: %w", err)
	}
	var errs []error
	for _, h := range heads {
		errs = append(errs, p.sign(ctx, h))
	}
	return errors.Join(errs...)
}

func (p *Checkpointer) sign(ctx context.Context, h Head) error {
	if h.Signed != "" {
		was, err := OpenCheckpoint(h.Signed, p.c.Verifiers)
		switch {
		case err != nil:
			return fmt.Errorf("audit of %s: the last checkpoint in the store: %w", h.Workspace, err)
		case was.Size > h.Size:
			return fmt.Errorf("audit of %s: it has %d rows, but %d were signed", h.Workspace, h.Size, was.Size)
		case was.Root != h.SignedRoot:
			return fmt.Errorf("audit of %s: the first %d rows are not those that were signed; run sous audit verify", h.Workspace, was.Size)
		}
	}
	c := Checkpoint{Workspace: h.Workspace, Size: h.Size, Root: h.Root, At: p.c.Now()}
	signed, err := c.Sign(p.c.Signer)
	if err != nil {
		return err
	}
	// The file first: what is in the store alone could be taken back there.
	if err := AppendCheckpoint(p.c.File, signed); err != nil {
		return err
	}
	if err := p.c.Trees.SaveCheckpoint(ctx, c, signed); err != nil {
		return err
	}
	p.post(ctx, c, signed)
	return nil
}

// post tells of a checkpoint when it is time. It vouches for no less when nobody
// could be told, so that is logged.
func (p *Checkpointer) post(ctx context.Context, c Checkpoint, signed string) {
	last, before := p.posted[c.Workspace]
	if p.c.Post == nil || before && c.At.Sub(last) < p.c.PostEvery {
		return
	}
	if err := p.c.Post(ctx, c, signed); err != nil {
		p.c.Log.WarnContext(ctx, "audit checkpoint not posted", "err", err)
		return
	}
	p.posted[c.Workspace] = c.At
}

// AppendCheckpoint appends a signed checkpoint to the file and waits until it is
// on the disk. A note that was cut off when the machine stopped is removed.
func AppendCheckpoint(path, signed string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open checkpoint file: %w", err)
	}
	if err := errors.Join(appendNote(f, signed), f.Close()); err != nil {
		return fmt.Errorf("write checkpoint file %s: %w", path, err)
	}
	return nil
}

// tailBytes is more than the longest checkpoint.
const tailBytes = 64 << 10

func appendNote(f *os.File, signed string) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	from := max(0, end-tailBytes)
	tail := make([]byte, end-from)
	if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
		return err
	}
	_, rest := SplitNotes(string(tail))
	whole := end - int64(len(rest))
	if whole < end {
		if err := f.Truncate(whole); err != nil {
			return err
		}
	}
	text := signed + "\n"
	if whole > 0 && !strings.HasSuffix(string(tail[:whole-from]), "\n\n") {
		text = "\n" + text
	}
	if _, err := f.WriteAt([]byte(text), whole); err != nil {
		return err
	}
	return f.Sync()
}
