package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sous-hq/sous/internal/keyring"
)

func make1(t *testing.T) (string, *keyring.Ring) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	r, err := keyring.Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, r
}

func sign(t *testing.T, r *keyring.Ring) []byte {
	t.Helper()
	msg, err := note.Sign(&note.Note{Text: "a head\n"}, r.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestKeysAreMadeForTheirOwnerAloneAndStay(t *testing.T) {
	dir, r := make1(t)
	for name, want := range map[string]os.FileMode{"": 0o700, keyring.KEKFile: 0o600, keyring.SignerFile: 0o600, keyring.VerifiersFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", name, info.Mode(), err, want)
		}
	}
	sealed, err := r.KEK.Encrypt([]byte("x"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	msg := sign(t, r)
	again, err := keyring.Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.KEK.Decrypt(sealed, []byte("ad")); err != nil || string(got) != "x" {
		t.Errorf("what was sealed before: %q, %v", got, err)
	}
	known, err := again.Verifiers()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(msg, known); err != nil {
		t.Errorf("what was signed before: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAMissingKeyIsNamedAndNeverReplaced(t *testing.T) {
	for _, name := range []string{keyring.KEKFile, keyring.SignerFile, keyring.VerifiersFile} {
		dir, _ := make1(t)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := keyring.Load(dir)
		if !errors.Is(err, keyring.ErrMissing) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made anew", name)
		}
	}
	if _, err := keyring.Load(filepath.Join(t.TempDir(), "keys")); !errors.Is(err, keyring.ErrMissing) {
		t.Errorf("without the folder: %v", err)
	}
}

func TestKeysOthersCanReadAreRefusedWithTheReason(t *testing.T) {
	for _, name := range []string{"", keyring.KEKFile, keyring.SignerFile, keyring.VerifiersFile} {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o777} {
			dir, _ := make1(t)
			if name == "" {
				mode |= 0o100
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
			_, err := keyring.Load(dir)
			if !errors.Is(err, keyring.ErrOpen) || !strings.Contains(err.Error(), "chmod") || !strings.Contains(err.Error(), name) {
				t.Errorf("%q with mode %o: %v", name, mode, err)
			}
		}
	}
}

func TestADamagedKeyIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, name := range []string{keyring.KEKFile, keyring.SignerFile, keyring.VerifiersFile} {
		for _, damage := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)/2] },
			func([]byte) []byte { return nil },
			func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
		} {
			dir, _ := make1(t)
			path := filepath.Join(dir, name)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := damage(raw)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = keyring.Load(dir)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("damaged %s: %v", name, err)
			}
			if err != nil && name == keyring.SignerFile && len(bad) > 40 && strings.Contains(err.Error(), string(bad[len(bad)-20:])) {
				t.Errorf("the error quotes the key: %v", err)
			}
		}
	}
}

func TestARotatedSignerLeavesWhatTheOldOneSignedValid(t *testing.T) {
	dir, r := make1(t)
	old := sign(t, r)
	public, err := keyring.RotateSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	now, err := keyring.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(now.VerifierKeys) != 2 || now.VerifierKeys[1] != public || now.VerifierKeys[0] != r.VerifierKeys[0] {
		t.Errorf("public keys %v; want the old one and %s", now.VerifierKeys, public)
	}
	known, err := now.Verifiers()
	if err != nil {
		t.Fatal(err)
	}
	for name, msg := range map[string][]byte{"old": old, "new": sign(t, now)} {
		if _, err := note.Open(msg, known); err != nil {
			t.Errorf("the %s signature: %v", name, err)
		}
	}
	onlyNew, err := keyring.Verifiers([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(old, onlyNew); err == nil {
		t.Error("the new key vouches for what the old one signed")
	}
}

func TestARotatedKEKStillOpensWhatTheOldOneSealed(t *testing.T) {
	dir, r := make1(t)
	sealed, err := r.KEK.Encrypt([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	now, err := keyring.RotateKEK(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := now.KEK.Decrypt(sealed, nil); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	anew, err := now.KEK.Encrypt([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.KEK.Decrypt(anew, nil); err == nil {
		t.Error("the new key is the old one")
	}
}

func TestManyProcessesMakeTheSameKeysAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	rings, errs := make([]*keyring.Ring, 8), make([]error, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() { rings[i], errs[i] = keyring.Make(dir) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, r := range rings {
		if r.VerifierKeys[0] != rings[0].VerifierKeys[0] {
			t.Fatal("two processes have different keys")
		}
	}
}
