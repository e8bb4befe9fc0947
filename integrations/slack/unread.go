package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// maxUnread bounds how many deliveries a Dir keeps.
const maxUnread = 1000

// Dir keeps unread deliveries as files, one each however often it came, for
// somebody to look at. Nothing in it is ever read back by Sous.
type Dir string

// Keep implements Unread. A full folder is an error, so that Slack keeps the event.
func (d Dir) Keep(_ context.Context, kind string, body []byte, _ error) error {
	sum := sha256.Sum256(body)
	path := filepath.Join(string(d), kind+"-"+hex.EncodeToString(sum[:12])+".txt")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("keep an unread delivery: %w", err)
	}
	all, err := os.ReadDir(string(d))
	if err != nil {
		return fmt.Errorf("keep an unread delivery: %w", err)
	}
	if len(all) >= maxUnread {
		return errors.New("keep an unread delivery: the folder is full")
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return fmt.Errorf("keep an unread delivery: %w", err)
	}
	return nil
}
