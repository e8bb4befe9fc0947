package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// rowVersion is the first byte of every hashed row; another encoding gets
// another number.
const rowVersion = 1

// Row is the part of an entry that lies in the open, is hashed and stays for
// ever: no free text, and commitments in place of the payload.
type Row struct {
	Seq       int64             `json:"seq"`
	At        time.Time         `json:"at"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Kind      Kind              `json:"kind"`
	Actor     agent.ActorID     `json:"actor,omitempty"`
	Subject   agent.ActorID     `json:"subject,omitempty"`
	Turn      string            `json:"turn,omitempty"`
	Call      string            `json:"call,omitempty"`
	Tool      string            `json:"tool,omitempty"`
	Tier      *agent.Tier       `json:"tier,omitempty"`
	Ruling    string            `json:"ruling,omitempty"`
	Rule      string            `json:"rule,omitempty"`
	Approval  string            `json:"approval,omitempty"`
	Status    string            `json:"status,omitempty"`
	// Key is the id of the subject's key that sealed the payload, 0 without one.
	Key int64 `json:"key,omitempty"`
	// Args, Note and Digest are commitments: HMAC-SHA256 under the subject's key.
	Args   []byte `json:"args_commitment,omitempty"`
	Note   []byte `json:"note_commitment,omitempty"`
	Digest []byte `json:"digest_commitment,omitempty"`
	// Fields are commitments to the texts and numbers in the arguments, each cut
	// to fieldBytes, sorted, so that a known value can be looked up.
	Fields []byte `json:"field_commitments,omitempty"`
}

const (
	fieldBytes = 16
	// maxFields bounds how many values of one call can be looked up.
	maxFields = 64
	// otherTool stands in a row for a name that is no name of a tool: a model may
	// have made it up of anything.
	otherTool = "(other)"
)

// payload is what a row does not say itself.
type payload struct {
	digest, tool, note string
	args               json.RawMessage
}

func (p payload) empty() bool {
	return p.digest == "" && p.tool == "" && p.note == "" && len(p.args) == 0
}

// toolNames are names that a registered tool can have.
var toolNames = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{0,64}$`)

// split divides an entry into what lies in the open and what is sealed.
func split(e Entry) (Row, payload) {
	r := Row{
		Seq: e.Seq, At: e.At, Workspace: e.Workspace, Kind: e.Kind, Actor: e.Actor, Subject: e.Subject, Turn: e.Turn,
		Call: e.Call, Tool: e.Tool, Tier: e.Tier, Ruling: e.Ruling, Rule: e.Rule, Approval: e.Approval, Status: e.Status,
	}
	if r.Subject == "" {
		r.Subject = e.Actor
	}
	p := payload{digest: e.Digest, note: e.Note, args: e.Args}
	if !toolNames.MatchString(e.Tool) {
		p.tool, r.Tool = e.Tool, otherTool
	}
	return r, p
}

// SubjectOf is whose key seals the entry's payload; needed says whether there
// is anything to seal.
func SubjectOf(e Entry) (subject agent.ActorID, needed bool) {
	r, p := split(e)
	return r.Subject, !p.empty()
}

// Seal returns the row of an entry and its sealed payload, nil when it has
// none. The key is the subject's and may be nil when SubjectOf needs none.
func Seal(e Entry, k *SubjectKey) (Row, []byte, error) {
	r, p := split(e)
	if p.empty() {
		return r, nil, nil
	}
	r.Key = k.ID
	if err := r.commit(k, p); err != nil {
		return Row{}, nil, err
	}
	sealed, err := k.seal.Encrypt(p.encode(), payloadAD(e.Workspace, e.Seq))
	return r, sealed, err
}

// commit fills the row's commitments to the payload.
func (r *Row) commit(k *SubjectKey, p payload) error {
	r.Args, r.Note, r.Digest, r.Fields = nil, nil, nil, nil
	if p.digest != "" {
		r.Digest = k.Commit("digest", []byte(p.digest))
	}
	// The made-up name of a tool is part of what the note's commitment covers.
	if p.note != "" || p.tool != "" {
		r.Note = k.Commit("note", []byte(p.tool+"\x00"+p.note))
	}
	if len(p.args) == 0 {
		return nil
	}
	canonical, values, err := canonicalValues(p.args)
	if err != nil {
		return err
	}
	r.Args = k.Commit("args", canonical)
	tags := make([][]byte, len(values))
	for i, v := range values {
		tags[i] = k.Commit("field", []byte(v))[:fieldBytes]
	}
	slices.SortFunc(tags, bytes.Compare)
	r.Fields = bytes.Join(tags, nil)
	return nil
}

// open returns the row as an entry with its payload. The payload has to be the
// one the row commits to.
func (r Row) open(k *SubjectKey, sealed []byte) (Entry, error) {
	e := r.Entry()
	raw, err := k.seal.Decrypt(sealed, payloadAD(r.Workspace, r.Seq))
	if err != nil {
		return e, errPayload
	}
	p, ok := decodePayload(raw)
	if !ok {
		return e, errPayload
	}
	again := r
	if err := again.commit(k, p); err != nil || !again.sameCommitments(r) {
		return e, errPayload
	}
	e.Digest, e.Args, e.Note = p.digest, p.args, p.note
	if p.tool != "" {
		e.Tool = p.tool
	}
	return e, nil
}

func (r Row) sameCommitments(o Row) bool {
	return bytes.Equal(r.Args, o.Args) && bytes.Equal(r.Note, o.Note) && bytes.Equal(r.Digest, o.Digest) && bytes.Equal(r.Fields, o.Fields)
}

// Entry is the row without its payload.
func (r Row) Entry() Entry {
	e := Entry{
		Seq: r.Seq, At: r.At, Workspace: r.Workspace, Kind: r.Kind, Actor: r.Actor, Turn: r.Turn, Call: r.Call, Tool: r.Tool,
		Tier: r.Tier, Ruling: r.Ruling, Rule: r.Rule, Approval: r.Approval, Status: r.Status,
	}
	if r.Subject != r.Actor {
		e.Subject = r.Subject
	}
	return e
}

// Open returns the row as an entry. Without a key the payload is PayloadErased,
// and what does not fit the row is PayloadDamaged.
func (r Row) Open(k *SubjectKey, sealed []byte) Entry {
	if r.Key == 0 {
		return r.Entry()
	}
	e := r.Entry()
	if k == nil {
		e.Payload = PayloadErased
		return e
	}
	got, err := r.open(k, sealed)
	if err != nil {
		e.Payload = PayloadDamaged
		return e
	}
	return got
}

// Hash is the row's hash in the tree: the leaf hash of RFC 6962, section 2.1,
// over its encoding.
func (r Row) Hash() tlog.Hash { return tlog.RecordHash(r.encode()) }

// encode is the row as it is hashed: the version, then every field as its
// length and its bytes, so that no two rows have the same encoding.
func (r Row) encode() []byte {
	b := make([]byte, 0, 512)
	b = append(b, rowVersion)
	b = binary.AppendVarint(b, r.Seq)
	b = binary.AppendVarint(b, r.At.UnixMicro())
	for _, s := range [...]string{
		string(r.Workspace), string(r.Kind), string(r.Actor), string(r.Subject), r.Turn, r.Call, r.Tool,
		r.Ruling, r.Rule, r.Approval, r.Status,
	} {
		b = appendBytes(b, s)
	}
	tier := int64(-1)
	if r.Tier != nil {
		tier = int64(r.Tier.Number())
	}
	b = binary.AppendVarint(b, tier)
	b = binary.AppendVarint(b, r.Key)
	for _, c := range [...][]byte{r.Args, r.Note, r.Digest, r.Fields} {
		b = appendBytes(b, c)
	}
	return b
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func (p payload) encode() []byte {
	b := make([]byte, 0, 16+len(p.digest)+len(p.tool)+len(p.args)+len(p.note))
	b = append(b, rowVersion)
	b = appendBytes(b, p.digest)
	b = appendBytes(b, p.tool)
	b = appendBytes(b, []byte(p.args))
	return appendBytes(b, p.note)
}

func decodePayload(b []byte) (payload, bool) {
	if len(b) == 0 || b[0] != rowVersion {
		return payload{}, false
	}
	b = b[1:]
	var parts [4]string
	for i := range parts {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return payload{}, false
		}
		parts[i], b = string(b[used:used+int(n)]), b[used+int(n):]
	}
	p := payload{digest: parts[0], tool: parts[1], note: parts[3]}
	if parts[2] != "" {
		p.args = json.RawMessage(parts[2])
	}
	return p, len(b) == 0
}

// canonicalValues is agent.CanonicalJSON of a JSON value, and the distinct texts
// and numbers in it, at most maxFields, numbers as they are written.
func canonicalValues(raw []byte) ([]byte, []string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, nil, fmt.Errorf("read arguments: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, nil, fmt.Errorf("read arguments: %w", err)
	}
	var all []string
	collect(v, &all)
	slices.Sort(all)
	all = slices.Compact(all)
	return bytes.TrimRight(out.Bytes(), "\n"), all[:min(len(all), maxFields)], nil
}

func collect(v any, into *[]string) {
	switch v := v.(type) {
	case string:
		*into = append(*into, v)
	case json.Number:
		*into = append(*into, v.String())
	case []any:
		for _, x := range v {
			collect(x, into)
		}
	case map[string]any:
		for _, x := range v {
			collect(x, into)
		}
	}
}
