package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is two sessions in the data's form, made up.
const sample = `[{"sample_id":"s1","conversation":{
 "speaker_a":"Ann","speaker_b":"Bob",
 "session_1_date_time":"1:56 pm on 8 May, 2023",
 "session_1":[{"speaker":"Ann","dia_id":"D1:1","text":"I bought a kayak."},{"speaker":"Bob","dia_id":"D1:2","text":"Which colour?"},{"speaker":"Ann","dia_id":"D1:3","text":"Green, see.","blip_caption":"a boat"}],
 "session_2_date_time":"10:02 am on 9 June, 2023",
 "session_2":[{"speaker":"Bob","dia_id":"D2:1","text":"My cat is ill."}]},
 "qa":[
 {"question":"What did Ann buy?","evidence":["D1:1; D1:3","D1:1"],"category":4},
 {"question":"How is the cat of Bob?","evidence":["D2:1"],"category":1},
 {"question":"Where is the zebra?","evidence":["D2:1"],"category":2},
 {"question":"Unanswerable?","evidence":["D2:1"],"category":5},
 {"question":"Without evidence?","evidence":[],"category":1}]}]`

func TestRecallOfASmallConversationIsCountedRight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "memory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "memory", "locomo-dev.json"), []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, options{dir, true, ""}); err != nil {
		t.Fatal(err)
	}
	printed := strings.TrimSpace(out.String())
	last := printed[strings.LastIndexByte(printed, '\n')+1:]
	// Two of three questions are answered in full, the zebra's not at all.
	if !strings.HasPrefix(last, `{"sqlite_r10":0.667,"sqlite_r50":0.667,"sqlite_p50_us":`) || !strings.Contains(last, `,"postgres_r10":0.667,"postgres_r50":0.667,"postgres_p50_us":`) {
		t.Errorf("the last line is %s", last)
	}
	if !strings.Contains(printed, "0.00 [2] Where is the zebra? [D2:1]") || !strings.Contains(printed, "3 questions") {
		t.Errorf("printed:\n%s", printed)
	}
}

func TestDataThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"not JSON":       `[{`,
		"no turns":       `[{"sample_id":"s1","conversation":{},"qa":[]}]`,
		"a foreign date": `[{"sample_id":"s1","conversation":{"session_1_date_time":"gestern","session_1":[]}}]`,
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), &bytes.Buffer{}, options{data: path, only: "sqlite"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := run(t.Context(), &bytes.Buffer{}, options{data: filepath.Join(dir, "missing"), only: "sqlite"}); err == nil {
		t.Error("a missing file: no error")
	}
}
