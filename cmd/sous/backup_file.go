package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
)

// unfinished ends the name of a store that is not whole yet. A process that is killed
// leaves it under that name, where nobody takes it for a store; the next one removes it.
const unfinished = ".unfinished"

// removeStore removes a file of SQLite with what belongs to it, if it is there.
func removeStore(path string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + end); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// writeWhole has fill make a store and gives it its name once it is whole and on the disk.
func writeWhole(path string, fill func(part string) error) (err error) {
	part := path + unfinished
	if err := removeStore(part); err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s, which was broken off before, cannot be removed: %v", part, reason(err)))
	}
	// Whether a file can be there at all is for the folder to say, not for SQLite.
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be made: %v", path, reason(err)))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeStore(part))
		}
	}()
	if err := errors.Join(f.Close(), os.Remove(part)); err != nil {
		return err
	}
	if err := fill(part); err != nil {
		return err
	}
	if err := onDisk(part); err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be written: %v", path, reason(err)))
	}
	return errors.Join(os.Rename(part, path), onDisk(filepath.Dir(path)))
}

// reason is what the system said, without the name of the file.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// onDisk waits until a file or folder is on the disk.
func onDisk(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// sumFile holds the hash of a backup, as sha256sum writes and reads it.
func sumFile(backup string) string { return backup + ".sha256" }

func writeSum(backup, sum string) error {
	line := fmt.Sprintf("%s  %s\n", sum, filepath.Base(backup))
	if err := os.WriteFile(sumFile(backup), []byte(line), 0o600); err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be written: %v", sumFile(backup), reason(err)))
	}
	return nil
}

// checkBackup returns the hash of a backup and compares it with the one that lies
// beside it, if one does.
func checkBackup(path string) (string, error) {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", agent.WrapError(agent.NotFound, err, "there is no backup "+path)
	} else if err == nil && !info.Mode().IsRegular() {
		return "", agent.Errorf(agent.Invalid, "%s is no file; name the backup itself", path)
	}
	_, sum, err := hashed(path)
	if err != nil {
		return "", err
	}
	line, err := os.ReadFile(sumFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return sum, nil
	} else if err != nil {
		return "", agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be read: %v", sumFile(path), reason(err)))
	}
	if said, _, _ := bytes.Cut(line, []byte(" ")); !strings.EqualFold(string(bytes.TrimSpace(said)), sum) {
		return "", agent.Errorf(agent.Unavailable, "the backup %s is damaged: its SHA-256 is %s, and %s says another; take another copy of it", path, sum, sumFile(path))
	}
	return sum, nil
}

// usable copies a backup to part and opens it there, which brings it up to date.
func usable(ctx context.Context, cfg config.Config, path, part string) error {
	if err := copyFile(path, part); err != nil {
		return err
	}
	err := sqlite.Recognise(ctx, part)
	if err == nil {
		err = withSQLite(ctx, cfg, part, func(*sqlite.DB) error { return nil })
	}
	if err == nil || agent.KindOf(err) == agent.Internal {
		return err
	}
	text := strings.ReplaceAll(agent.PublicText(err), "the store "+part, "the backup "+path)
	return agent.WrapError(agent.KindOf(err), err, strings.TrimSuffix(text, "; restore it from a backup"))
}

// restoring stands in the data directory while a restore is under way: who was erased
// after the backup was made is in the store until it ends. It holds the hash of the
// backup.
func restoring(cfg config.Config) string { return filepath.Join(cfg.DataDir, "restore"+unfinished) }

// restoreEnded refuses to work on a store whose restore was broken off.
func restoreEnded(cfg config.Config) error {
	if _, err := os.Stat(restoring(cfg)); err != nil {
		return nil
	}
	if h, ok := datadir.Who(cfg.DataDir); ok && h.What == "restore" {
		return nil
	}
	return agent.Errorf(agent.Conflict, "a restore was broken off here, so people who were erased may be in the store; run sous restore again with the same file")
}
