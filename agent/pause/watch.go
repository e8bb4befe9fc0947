package pause

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Fresh is how old the pauses a Watch answers from may be. A pause is in force
// everywhere within it and the time of one read.
const Fresh = 2 * time.Second

// Watch answers whether something is paused without a read for each question.
// It is safe for concurrent use.
type Watch struct {
	load func(ctx context.Context) ([]Pause, error)
	now  func() time.Time

	mu   sync.Mutex
	all  []Pause
	read time.Time
}

// NewWatch returns a watch over what load reads; both arguments are required.
func NewWatch(load func(ctx context.Context) ([]Pause, error), now func() time.Time) (*Watch, error) {
	if load == nil || now == nil {
		return nil, errors.New("pause: a way to load and a clock are required")
	}
	return &Watch{load: load, now: now}, nil
}

// Over returns the pause that stops the subject, if there is one. An error means
// that it is not known whether there is: callers treat that as paused.
func (w *Watch) Over(ctx context.Context, s Subject) (p Pause, paused bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A clock that was put back makes the age negative: read again.
	if age := w.now().Sub(w.read); w.read.IsZero() || age < 0 || age >= Fresh {
		began := w.now()
		all, err := w.load(ctx)
		if err != nil {
			return Pause{}, false, fmt.Errorf("read what is paused: %w", err)
		}
		w.all, w.read = all, began
	}
	p, paused = Over(w.all, s)
	return p, paused, nil
}

// Forget makes the next question read again; call it after a change.
func (w *Watch) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = time.Time{}
}
