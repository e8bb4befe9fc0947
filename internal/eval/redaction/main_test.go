package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const texts = `[
 {"full_text":"Zoë: ann@example.com", "spans":[{"entity_type":"EMAIL_ADDRESS","entity_value":"ann@example.com","start_position":5,"end_position":20}]},
 {"full_text":"fax 467 3395, not 12", "spans":[{"entity_type":"PHONE_NUMBER","entity_value":"467 3395","start_position":4,"end_position":12},
                                               {"entity_type":"PHONE_NUMBER","entity_value":"12","start_position":18,"end_position":20}]},
 {"full_text":"Ann went home", "spans":[{"entity_type":"PERSON","entity_value":"Ann","start_position":0,"end_position":3}]},
 {"full_text":"bob@example.com is not marked", "spans":[]}
]`

func TestTheFiguresCountWhatIsMarked(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "texts.json"), []byte(texts), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(0, 0)
	clock := func() time.Time { at = at.Add(40 * time.Microsecond); return at }
	var out bytes.Buffer
	if err := evaluate(dir, &out, true, clock); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var f figures
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &f); err != nil {
		t.Fatal(err)
	}
	if want := (figures{Email: 1, Phone: 0.5, False: 0.5, Micros: 10}); math.Abs(f.Micros-want.Micros) > 1e-9 || f.Email != want.Email || f.Phone != want.Phone || f.False != want.False {
		t.Errorf("got %+v, want %+v", f, want)
	}
	if !strings.Contains(out.String(), `missed PHONE "12"`) || !strings.Contains(out.String(), `false EMAIL "bob@example.com"`) {
		t.Errorf("the misses are not told:\n%s", out.String())
	}
}

func TestAFolderWithoutTextsIsAnError(t *testing.T) {
	if err := evaluate(t.TempDir(), &bytes.Buffer{}, false, time.Now); err == nil {
		t.Error("no error")
	}
}
