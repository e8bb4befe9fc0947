// Package signin keeps the tokens with which people sign in to the web chat:
// one for each person, in a file that holds their hashes and never themselves.
// The file may be changed by another process meanwhile; it is read again then.
package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Issued is one person's token, as far as it is kept.
type Issued struct {
	// Hash is the SHA-256 of the token, in hex. The token has 256 bits of chance,
	// so nothing slower is needed.
	Hash string    `json:"sha256"`
	At   time.Time `json:"issued"`
}

// Tokens are the tokens of people, kept in a file. It is safe for concurrent use.
type Tokens struct {
	path   string
	secret []byte

	mu   sync.Mutex
	seen os.FileInfo
	all  map[string]Issued // by person
}

// maxFile bounds the file, in bytes.
const maxFile = 4 << 20

// Open reads the tokens in the file at path; there need not be one yet. What
// sessions are signed with follows from the secret too. A file that others than
// its owner may read is an error.
func Open(path string, secret []byte) (*Tokens, error) {
	t := &Tokens{path: path, secret: secret}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t, t.refresh()
}

// refresh reads the file if it is another than the last one. The lock is held.
func (t *Tokens) refresh() error {
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.seen, t.all = nil, map[string]Issued{}
		return nil
	case err != nil:
		return fmt.Errorf("read the sign-in tokens: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be read by others than its owner (mode %04o); chmod 600 it", t.path, info.Mode().Perm())
	case info.Size() > maxFile:
		return fmt.Errorf("%s is larger than %d MiB", t.path, maxFile>>20)
	case t.seen != nil && os.SameFile(t.seen, info) && t.seen.ModTime().Equal(info.ModTime()) && t.seen.Size() == info.Size():
		return nil
	}
	raw, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("read the sign-in tokens: %w", err)
	}
	all := map[string]Issued{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("read the sign-in tokens in %s: %w", t.path, err)
	}
	t.seen, t.all = info, all
	return nil
}

// Issue makes a token for a person and returns it; nobody will see it again. One
// they had before no longer counts.
func (t *Tokens) Issue(person string, now time.Time) (string, error) {
	// 52 letters of base32 are 260 bits.
	token := rand.Text() + rand.Text()
	err := t.change(func(all map[string]Issued) { all[person] = Issued{hash(token), now.UTC().Truncate(time.Second)} })
	return token, err
}

// Revoke takes a person's token back, with all sessions it began. It reports
// whether they had one.
func (t *Tokens) Revoke(person string) (had bool, err error) {
	err = t.change(func(all map[string]Issued) {
		_, had = all[person]
		delete(all, person)
	})
	return had, err
}

// change replaces the file by one that f has changed. Two processes that do so at
// once wait for each other.
func (t *Tokens) change(f func(map[string]Issued)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	lock, err := os.OpenFile(t.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("change the sign-in tokens: %w", err)
	}
	defer lock.Close() // which drops the lock
	if err := lockFile(lock); err != nil {
		return fmt.Errorf("change the sign-in tokens: %w", err)
	}
	t.seen = nil // what is there now counts, whatever it looks like from outside
	if err := t.refresh(); err != nil {
		return err
	}
	f(t.all)
	t.seen = nil
	raw, err := json.MarshalIndent(t.all, "", "  ")
	if err != nil {
		return fmt.Errorf("change the sign-in tokens: %w", err)
	}
	if err := replace(t.path, append(raw, '\n')); err != nil {
		return fmt.Errorf("change the sign-in tokens: %w", err)
	}
	return nil
}

// replace puts a file in the place of another, whole or not at all.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// Find returns whose token it is; ok is false when it is nobody's, or when the
// file cannot be read.
func (t *Tokens) Find(token string) (person string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refresh() != nil || token == "" {
		return "", false
	}
	h := []byte(hash(token))
	for id, issued := range t.all {
		if subtle.ConstantTimeCompare(h, []byte(issued.Hash)) == 1 {
			person, ok = id, true
		}
	}
	return person, ok
}

// Of returns a person's token, as far as it is kept.
func (t *Tokens) Of(person string) (Issued, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refresh() != nil {
		return Issued{}, false
	}
	issued, ok := t.all[person]
	return issued, ok
}

// Key returns what a person's sessions are signed with; ok is false when they
// have no token. It is another one with each token.
func (t *Tokens) Key(person string) (key []byte, ok bool) {
	issued, ok := t.Of(person)
	if !ok {
		return nil, false
	}
	h := hmac.New(sha256.New, t.secret)
	h.Write([]byte("session of\n" + person + "\n" + issued.Hash))
	return h.Sum(nil), true
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
