// Package keyring keeps the keys that must not lie in the database: the key that
// wraps the subjects' keys (the KEK, a Tink keyset) and the key that signs
// checkpoints of the audit record (Ed25519, in the form of sumdb/note). They are
// files in a folder of their own, for the eyes of their owner alone, and are made
// once: a key that went missing is never replaced by a new one.
package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"
)

// The files in the folder.
const (
	// KEKFile is a Tink keyset in JSON.
	KEKFile = "kek.json"
	// SignerFile is a private key as sumdb/note writes it.
	SignerFile = "audit-signer.key"
	// VerifiersFile lists public keys as sumdb/note writes them, one a line, the
	// oldest first: the signer's and all that signed before it.
	VerifiersFile = "audit-verifiers.txt"
)

// SignerName is the name checkpoints are signed under.
const SignerName = "sous-audit"

// ErrMissing says that a key file is not there.
var ErrMissing = errors.New("a key file is missing")

// ErrOpen says that others may read or change a key.
var ErrOpen = errors.New("others can get at a key file")

// Ring is a set of loaded keys.
type Ring struct {
	// KEK wraps and unwraps other keys.
	KEK tink.AEAD
	// Signer signs checkpoints.
	Signer note.Signer
	// VerifierKeys are the public keys whose signatures count, oldest first.
	VerifierKeys []string
}

// Verifiers returns the keys whose signatures count.
func (r *Ring) Verifiers() (note.Verifiers, error) { return Verifiers(r.VerifierKeys) }

// Verifiers turns public keys, as sumdb/note writes them, into verifiers.
func Verifiers(keys []string) (note.Verifiers, error) {
	all := make([]note.Verifier, 0, len(keys))
	for i, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, fmt.Errorf("public key %d: %w", i+1, err)
		}
		all = append(all, v)
	}
	return note.VerifierList(all...), nil
}

// Load reads the keys of the folder. A file that is not there is ErrMissing, one
// that others can get at ErrOpen; the text names it and says what to do.
func Load(dir string) (*Ring, error) {
	if err := private(dir, true); err != nil {
		return nil, err
	}
	kek, err := loadKEK(dir)
	if err != nil {
		return nil, err
	}
	signer, err := loadSigner(dir)
	if err != nil {
		return nil, err
	}
	verifiers, err := LoadVerifiers(dir)
	if err != nil {
		return nil, err
	}
	return &Ring{KEK: kek, Signer: signer, VerifierKeys: verifiers}, nil
}

// Make loads the keys of the folder after making those that are missing. It is
// for a new store only: a store that was written with other keys needs those.
func Make(dir string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make key folder: %w", err)
	}
	if err := private(dir, true); err != nil {
		return nil, err
	}
	if err := makeKEK(dir); err != nil {
		return nil, err
	}
	// The public key comes last and from the private one that won, whichever
	// process made it.
	if err := makeSigner(dir); err != nil {
		return nil, err
	}
	return Load(dir)
}

func makeKEK(dir string) error {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	text, err := keysetText(h)
	if err != nil {
		return err
	}
	return createFile(filepath.Join(dir, KEKFile), text)
}

func makeSigner(dir string) error {
	private, _, err := note.GenerateKey(rand.Reader, SignerName)
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	if err := createFile(filepath.Join(dir, SignerFile), []byte(private+"\n")); err != nil {
		return err
	}
	kept, err := readKey(dir, SignerFile)
	if err != nil {
		return err
	}
	public, err := publicOf(strings.TrimSpace(string(kept)))
	if err != nil {
		return err
	}
	return createFile(filepath.Join(dir, VerifiersFile), []byte(public+"\n"))
}

// LoadVerifiers reads the public keys of the folder.
func LoadVerifiers(dir string) ([]string, error) {
	raw, err := readKey(dir, VerifiersFile)
	if err != nil {
		return nil, err
	}
	keys := ParseVerifiers(string(raw))
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key", filepath.Join(dir, VerifiersFile))
	}
	if _, err := Verifiers(keys); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, VerifiersFile), err)
	}
	return keys, nil
}

// ParseVerifiers reads a list of public keys, one a line; lines of white space
// and comments with # are skipped.
func ParseVerifiers(text string) []string {
	var keys []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	return keys
}

// RotateSigner replaces the signing key. The old public key stays in the list,
// so that what it signed still counts. It returns the new public key.
func RotateSigner(dir string) (string, error) {
	r, err := Load(dir)
	if err != nil {
		return "", err
	}
	private, public, err := note.GenerateKey(rand.Reader, SignerName)
	if err != nil {
		return "", fmt.Errorf("make signing key: %w", err)
	}
	// The list first: a crash in between leaves a key that signed nothing.
	list := strings.Join(append(r.VerifierKeys, public), "\n") + "\n"
	if err := replaceFile(filepath.Join(dir, VerifiersFile), []byte(list)); err != nil {
		return "", err
	}
	return public, replaceFile(filepath.Join(dir, SignerFile), []byte(private+"\n"))
}

// RotateKEK adds a key to the KEK and makes it the one that wraps from now on;
// what the earlier ones wrapped can still be unwrapped.
func RotateKEK(dir string) (*Ring, error) {
	h, err := readKEK(dir)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManagerFromHandle(h)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	if h, err = m.Handle(); err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	text, err := keysetText(h)
	if err != nil {
		return nil, err
	}
	if err := replaceFile(filepath.Join(dir, KEKFile), text); err != nil {
		return nil, err
	}
	return Load(dir)
}

func loadKEK(dir string) (tink.AEAD, error) {
	h, err := readKEK(dir)
	if err != nil {
		return nil, err
	}
	kek, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, KEKFile), err)
	}
	return kek, nil
}

func readKEK(dir string) (*keyset.Handle, error) {
	raw, err := readKey(dir, KEKFile)
	if err != nil {
		return nil, err
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, fmt.Errorf("%s is no key: %w", filepath.Join(dir, KEKFile), err)
	}
	return h, nil
}

func keysetText(h *keyset.Handle) ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return append(b.Bytes(), '\n'), nil
}

func loadSigner(dir string) (note.Signer, error) {
	raw, err := readKey(dir, SignerFile)
	if err != nil {
		return nil, err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(raw)))
	if err != nil {
		// The library's error may quote the key.
		return nil, fmt.Errorf("%s is no signing key", filepath.Join(dir, SignerFile))
	}
	return s, nil
}

// readKey reads a file of the folder that only its owner can get at.
func readKey(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	if err := private(path, false); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	return raw, nil
}

// private makes sure that path is there and nobody but its owner can get at it.
func private(path string, folder bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", ErrMissing, path)
	case err != nil:
		return fmt.Errorf("read key: %w", err)
	case info.IsDir() != folder:
		return fmt.Errorf("%s is not what a key folder holds", path)
	}
	want := os.FileMode(0o600)
	if folder {
		want = 0o700
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %#o; chmod %o it, and rotate the keys if others could read them", ErrOpen, path, mode, want)
	}
	return nil
}
