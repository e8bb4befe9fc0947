package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrInvented means that a text holds something in the form of a placeholder that the vault never gave.
var ErrInvented = errors.New("redact: a placeholder that was never given")

// maxLoose bounds how many values found by nearby words are looked for where those words are missing.
const maxLoose = 512

// Vault gives placeholders for what Scan finds in the texts of one turn and puts the values back. The same
// value has the same placeholder for as long as the vault lives. A placeholder looks like «EMAIL_3·k7q2xa»;
// its last part follows from a random key, so that nobody who has not seen one can name it. Secrets go in
// and never come out: of them the vault keeps a keyed digest only.
//
// A Vault may be used by many goroutines. It marshals to JSON and back, so that a turn can go on in another
// process; that JSON holds personal data in the clear and must be kept encrypted and dropped with the turn.
type Vault struct {
	mu    sync.Mutex
	names *Directory
	key   []byte
	given map[string]entry // by placeholder
	known map[entry]string // the other way
	order []string         // placeholders in the order they were given
	count map[string]int   // by the word in the placeholder
	loose []entry          // values that only words nearby gave away, to be found without them
	seen  map[stands][]Finding
}

// stands is a text under a name. What a turn says is masked again for each question to a model.
type stands struct{ name, text string }

// maxSeen bounds of how many texts it is remembered what was found, maxSeenText how long they are.
const (
	maxSeen     = 64
	maxSeenText = 64 << 10
)

// scan is Directory.under, once for a text; nobody may change what it returns.
func (v *Vault) scan(name, text string) []Finding {
	at := stands{name, text}
	if found, ok := v.seen[at]; ok {
		return found
	}
	found := v.names.under(name, text)
	if len(text) > maxSeenText {
		return found
	}
	if v.seen == nil || len(v.seen) >= maxSeen {
		v.seen = map[stands][]Finding{}
	}
	v.seen[at] = found
	return found
}

// entry is a value and its kind; of a secret the digest instead of the value.
type entry struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
}

// NewVault returns an empty vault with a random key. Entries of the directory, which may be nil, are masked too.
func NewVault(names *Directory) *Vault {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // it never fails
	return newVault(names, key)
}

func newVault(names *Directory, key []byte) *Vault {
	return &Vault{names: names, key: key, given: map[string]entry{}, known: map[entry]string{}, count: map[string]int{}}
}

// With sets the directory whose entries are masked too, and returns the vault: a vault read from JSON has none.
func (v *Vault) With(names *Directory) *Vault {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names, v.seen = names, nil
	return v
}

// Learn gives placeholders to what is in the text, so that Mask knows the values in every text from then
// on. Whoever masks several texts lets the vault learn all of them first: a number is known as a telephone
// number in one of them and stands bare in another.
func (v *Vault) Learn(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range v.scan("", text) {
		v.placeholder(f.Kind, text[f.Start:f.End])
	}
}

// Mask replaces what is found in the text, and values the vault knows, by placeholders. Text that merely has
// the form of a placeholder is replaced too, so that nobody can smuggle one in; Restore gives it back.
func (v *Vault) Mask(text string) string { return v.mask("", text) }

// mask masks a text that stands under a name, which may tell what it is.
func (v *Vault) mask(name, text string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.found(name, text)
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(text[at:f.Start])
		b.WriteString(v.placeholder(f.Kind, text[f.Start:f.End]))
		at = f.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// found lists what must be masked in a text.
func (v *Vault) found(name, text string) []Finding {
	found := slices.Clone(v.scan(name, text))
	for _, e := range v.loose {
		if len(e.Value) >= 6 {
			found = append(found, occurrences(text, e)...)
		}
	}
	for i := 0; i < len(text); {
		n := strings.Index(text[i:], opening)
		if n < 0 {
			break
		}
		i += n
		end, state := placeholderAt(text, i)
		if state != whole {
			i += len(opening)
			continue
		}
		if e, ok := v.given[text[i:end]]; !ok || !e.Kind.Secret() { // our own stand-ins for secrets stay
			found = append(found, Finding{Quoted, i, end})
		}
		i = end
	}
	return settle(found)
}

// under scans a text that stands under a name: {"phone": "467 3395"}.
func (d *Directory) under(name, text string) []Finding {
	found := d.Scan(text)
	if name == "" || len(text) > 4096 {
		return found
	}
	lead := len(name) + len(": ")
	for _, f := range d.Scan(name + ": " + text) {
		if f.Start >= lead {
			found = append(found, Finding{f.Kind, f.Start - lead, f.End - lead})
		}
	}
	return settle(found)
}

// occurrences finds a value where it stands by itself.
func occurrences(text string, e entry) []Finding {
	var found []Finding
	for from := 0; ; {
		i := strings.Index(text[from:], e.Value)
		if i < 0 {
			return found
		}
		i += from
		from = i + len(e.Value)
		if (i == 0 || !isWord(text[i-1]) || !isWord(e.Value[0]) || escapeEnd(text, i)) && (from == len(text) || !isWord(text[from]) || !isWord(text[from-1])) {
			found = append(found, Finding{e.Kind, i, from})
		}
	}
}

// placeholder returns what stands for a value, a new one when the value is new.
func (v *Vault) placeholder(k Kind, value string) string {
	e := entry{k, value}
	if k.Secret() {
		e.Value = v.digest("value", value)
	}
	if p, ok := v.known[e]; ok {
		return p
	}
	word := string(k)
	if k.Secret() {
		word = string(Secret)
	}
	v.count[word]++
	label := word + "_" + strconv.Itoa(v.count[word])
	p := opening + label + "·" + v.suffix(label) + closing
	v.put(p, e)
	switch k {
	case Email, IP, IBAN, MAC, Quoted, PrivateKey, JWT, DSN:
	default:
		if len(v.loose) < maxLoose {
			v.loose = append(v.loose, entry{k, value})
		}
	}
	return p
}

func (v *Vault) put(p string, e entry) {
	v.given[p], v.known[e] = e, p
	v.order = append(v.order, p)
}

func (v *Vault) digest(use, value string) string {
	h := hmac.New(sha256.New, v.key)
	h.Write([]byte(use + "\x00" + value))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// suffix is 30 bits that only the key tells.
func (v *Vault) suffix(label string) string {
	h := hmac.New(sha256.New, v.key)
	h.Write([]byte("suffix\x00" + label))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:6])
}

// Len returns how many placeholders the vault has given.
func (v *Vault) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.order)
}

// stored is the JSON of a vault.
type stored struct {
	Key    []byte   `json:"key"`
	Given  []string `json:"given,omitempty"`
	Values []entry  `json:"values,omitempty"`
}

// MarshalJSON writes the key, the placeholders and their values; of secrets the digests.
func (v *Vault) MarshalJSON() ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := stored{Key: v.key, Given: v.order}
	for _, p := range v.order {
		s.Values = append(s.Values, v.given[p])
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote and refuses placeholders that the key did not make.
func (v *Vault) UnmarshalJSON(b []byte) error {
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if len(s.Key) != 16 || len(s.Given) != len(s.Values) {
		return errors.New("vault: the key or the values are not whole")
	}
	fresh := newVault(nil, s.Key)
	for i, p := range s.Given {
		label, _, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(p, opening), closing), "·")
		word := label[:max(0, strings.LastIndexByte(label, '_'))]
		n, err := strconv.Atoi(label[len(word)+min(1, len(label)-len(word)):])
		if !ok || err != nil || p != opening+label+"·"+fresh.suffix(label)+closing {
			return errors.New("vault: a placeholder is not of this key")
		}
		fresh.count[word] = max(fresh.count[word], n)
		fresh.put(p, s.Values[i])
		if k := s.Values[i].Kind; !k.Secret() && k != Quoted && len(fresh.loose) < maxLoose {
			fresh.loose = append(fresh.loose, s.Values[i])
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.key, v.given, v.known, v.order, v.count, v.loose = fresh.key, fresh.given, fresh.known, fresh.order, fresh.count, fresh.loose
	return nil
}
