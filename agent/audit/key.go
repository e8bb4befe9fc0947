package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent"
)

// commitKeyBytes is the length of the key of commitments.
const commitKeyBytes = 32

// SubjectKey seals what the record holds about one subject, and commits to it.
// Once it is destroyed the payloads are noise, and so are the commitments: with
// them nobody can tell even whether a guess is right.
type SubjectKey struct {
	// ID names the key in the store. A subject that comes back after an erasure
	// gets another key with another id.
	ID     int64
	seal   tink.AEAD
	commit []byte
	// macs are keyed hashes for Commit: keying one costs as much as using it.
	macs sync.Pool
}

// NewSubjectKey makes a key and returns it with its wrapped form, which only
// the KEK can open, and only for the same workspace and subject.
func NewSubjectKey(kek tink.AEAD, ws agent.WorkspaceID, subject agent.ActorID) (*SubjectKey, []byte, error) {
	h, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, nil, fmt.Errorf("make subject key: %w", err)
	}
	var set bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&set)); err != nil {
		return nil, nil, fmt.Errorf("make subject key: %w", err)
	}
	// Small enough to be a whole number for every reader of JSON.
	var random [8 + commitKeyBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, nil, fmt.Errorf("make subject key: %w", err)
	}
	id := int64(binary.BigEndian.Uint64(random[:8])>>12) + 1
	wrapped, err := kek.Encrypt(append(random[8:], set.Bytes()...), subjectAD(ws, subject, id))
	if err != nil {
		return nil, nil, fmt.Errorf("wrap subject key: %w", err)
	}
	k := &SubjectKey{ID: id, commit: bytes.Clone(random[8:])}
	if k.seal, err = aead.New(h); err != nil {
		return nil, nil, fmt.Errorf("make subject key: %w", err)
	}
	return k, wrapped, nil
}

// OpenSubjectKey unwraps a key.
func OpenSubjectKey(kek tink.AEAD, ws agent.WorkspaceID, subject agent.ActorID, id int64, wrapped []byte) (*SubjectKey, error) {
	raw, err := kek.Decrypt(wrapped, subjectAD(ws, subject, id))
	if err != nil {
		return nil, fmt.Errorf("unwrap key of subject %q: %w", subject, err)
	}
	if len(raw) < commitKeyBytes {
		return nil, fmt.Errorf("unwrap key of subject %q: too short", subject)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(raw[commitKeyBytes:])))
	if err != nil {
		return nil, fmt.Errorf("read key of subject %q: %w", subject, err)
	}
	k := &SubjectKey{ID: id, commit: raw[:commitKeyBytes:commitKeyBytes]}
	if k.seal, err = aead.New(h); err != nil {
		return nil, fmt.Errorf("read key of subject %q: %w", subject, err)
	}
	return k, nil
}

// RewrapSubjectKey wraps a key again under the KEK's present primary key.
func RewrapSubjectKey(kek tink.AEAD, ws agent.WorkspaceID, subject agent.ActorID, id int64, wrapped []byte) ([]byte, error) {
	raw, err := kek.Decrypt(wrapped, subjectAD(ws, subject, id))
	if err != nil {
		return nil, fmt.Errorf("unwrap key of subject %q: %w", subject, err)
	}
	out, err := kek.Encrypt(raw, subjectAD(ws, subject, id))
	if err != nil {
		return nil, fmt.Errorf("wrap key of subject %q: %w", subject, err)
	}
	return out, nil
}

// Commit is HMAC-SHA256 (RFC 2104) of the value under the subject's key. What
// keeps commitments of different things apart.
func (k *SubjectKey) Commit(what string, value []byte) []byte {
	h, ok := k.macs.Get().(hash.Hash)
	if !ok {
		h = hmac.New(sha256.New, k.commit)
	}
	defer k.macs.Put(h)
	h.Reset()
	h.Write([]byte(what))
	h.Write([]byte{0})
	h.Write(value)
	return h.Sum(nil)
}

// payloadAD ties a payload to its row, so that it cannot be moved to another.
func payloadAD(ws agent.WorkspaceID, seq int64) []byte {
	return fmt.Appendf(nil, "audit_payload|%s|%d", ws, seq)
}

func subjectAD(ws agent.WorkspaceID, subject agent.ActorID, id int64) []byte {
	return fmt.Appendf(nil, "subject_keys|%d:%s|%s|%d", len(ws), ws, subject, id)
}

var errPayload = errors.New("the payload is not the one that was recorded")
