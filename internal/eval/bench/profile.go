package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// window is how many seconds one profile covers.
const window = 10

// profiles keeps a CPU profile of each window and a heap profile after it, until
// ctx is done: go tool pprof reads several at once.
func (b *bench) profiles(ctx context.Context, addr, name string) {
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return
	}
	for n := 0; ctx.Err() == nil; n++ {
		for what, path := range map[string]string{"cpu": fmt.Sprintf("profile?seconds=%d", window), "heap": "heap"} {
			file := filepath.Join(b.profile, fmt.Sprintf("%s-%02d.%s.pprof", name, n, what))
			if err := fetch(ctx, "http://"+addr+"/debug/pprof/"+path, file); err != nil {
				_ = os.Remove(file)
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	}
}

func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
