package keyring

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// createFile writes a file that is not there yet, whole or not at all. When
// another process was faster, its file stays.
func createFile(path string, content []byte) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write key: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// replaceFile writes a file in place of another, whole or not at all.
func replaceFile(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(fmt.Errorf("write key: %w", err), os.Remove(temp))
	}
	return syncFolder(filepath.Dir(path))
}

// writeTemp writes content to the disk beside path, with mode 0600.
func writeTemp(path string, content []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return "", fmt.Errorf("write key: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write key: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// publicOf returns the public key of a private one. Its form is
// PRIVATE+KEY+<name>+<hash>+<base64 of one algorithm byte and a 32-byte seed>.
func publicOf(private string) (string, error) {
	if _, err := note.NewSigner(private); err != nil {
		return "", errors.New("the signing key is damaged")
	}
	parts := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errors.New("the signing key is damaged")
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("the signing key is of another kind")
	}
	return note.NewEd25519VerifierKey(parts[2], public)
}
