package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

// Files checks loop.Files.
func Files(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a file reads back whole", fileWhole},
		{"a file of 32 MiB is kept, one byte more is too large", fileLimits},
		{"an empty file is a file", fileEmpty},
		{"the same file again changes nothing", fileTwice},
		{"only its readers find a file", fileReaders},
		{"a file without an id is invalid", fileNameless},
		{"a file that is taken in is on the record once, without its words", fileRecorded},
	})
}

func file(id string, readers agent.Readers, content []byte) agent.File {
	return agent.File{
		FileRef: agent.FileRef{ID: id, Name: "Stand-up <1>.vtt", Media: "text/vtt", Bytes: int64(len(content))}, Workspace: acme,
		Owner: "ann", Label: agent.Label{Readers: readers, Sources: []string{"upload"}}, Content: content,
	}
}

func save(t *testing.T, s Stores, f agent.File) {
	t.Helper()
	if err := s.SaveFile(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func fileWhole(t *testing.T, s Stores) {
	f := file("f1", agent.Only("ann"), []byte("WEBVTT\x00\xff\n"))
	f.At = s.Clock.Now()
	f.Bytes = 1 // a lie
	save(t, s, f)
	got, err := s.File(t.Context(), ann(), "f1")
	if err != nil || !bytes.Equal(got.Content, f.Content) {
		t.Fatalf("file %q, %v; want %q", got.Content, err, f.Content)
	}
	f.Bytes = int64(len(f.Content))
	wantJSON(t, "file", got, f)
}

func fileLimits(t *testing.T, s Stores) {
	big := make([]byte, 32<<20+1)
	for i := range big {
		big[i] = byte(i * 7)
	}
	wantError(t, s.SaveFile(t.Context(), file("f2", agent.Only("ann"), big)), agent.TooLarge, "32 MiB")
	big = big[:32<<20]
	save(t, s, file("f1", agent.Only("ann"), big))
	got, err := s.File(t.Context(), ann(), "f1")
	if err != nil || sha256.Sum256(got.Content) != sha256.Sum256(big) {
		t.Errorf("read back %d bytes, %v", len(got.Content), err)
	}
	_, err = s.File(t.Context(), ann(), "f2")
	wantError(t, err, agent.NotFound)
}

func fileEmpty(t *testing.T, s Stores) {
	save(t, s, file("f1", agent.Only("ann"), nil))
	got, err := s.File(t.Context(), ann(), "f1")
	if err != nil || len(got.Content) != 0 || got.Bytes != 0 || !got.At.Equal(s.Clock.Now()) {
		t.Errorf("file %+v, %v; want an empty one of now", got, err)
	}
}

func fileTwice(t *testing.T, s Stores) {
	save(t, s, file("f1", agent.Only("ann"), []byte("first")))
	second := file("f1", agent.Readers{Scope: agent.Everybody}, []byte("second"))
	second.Owner = "bob"
	save(t, s, second)
	got, err := s.File(t.Context(), ann(), "f1")
	if err != nil || string(got.Content) != "first" || got.Owner != "ann" {
		t.Errorf("file %q of %s, %v; want the first", got.Content, got.Owner, err)
	}
	_, err = s.File(t.Context(), bob(), "f1")
	wantError(t, err, agent.NotFound)
}

func fileRecorded(t *testing.T, s Stores) {
	f := file("f1", agent.Only("ann"), []byte("nobody may read this in the record"))
	save(t, s, f)
	save(t, s, f)
	rows, err := s.Audit(t.Context(), acme, audit.Filter{Kinds: []audit.Kind{audit.FileKept}})
	if err != nil || len(rows) != 1 {
		t.Fatalf("rows %+v, %v; want one", rows, err)
	}
	sum := sha256.Sum256(f.Content)
	got := rows[0]
	if got.Actor != "ann" || got.Digest != hex.EncodeToString(sum[:]) || !strings.Contains(got.Note, "f1, 34 bytes, ") || !strings.Contains(got.Note, "readers: 1 people") {
		t.Errorf("recorded %+v", got)
	}
	if said := fmt.Sprint(got); strings.Contains(said, "nobody may read") || strings.Contains(said, "Stand-up") {
		t.Errorf("the record holds the file's words: %s", said)
	}
}

func fileReaders(t *testing.T, s Stores) {
	guest := agent.Actor{Workspace: acme, ID: "gus", Kind: agent.Guest}
	eve := person(globex, "ann")
	for id, r := range map[string]agent.Readers{
		"nobody": {}, "ann": agent.Only("ann"), "all": {Scope: agent.WholeWorkspace}, "public": {Scope: agent.Everybody},
	} {
		save(t, s, file(id, r, []byte("x")))
	}
	for _, tt := range []struct {
		id  string
		by  agent.Actor
		may bool
	}{
		{"nobody", ann(), false},
		{"ann", ann(), true},
		{"ann", bob(), false},
		{"all", bob(), true},
		{"all", guest, false},
		{"public", guest, true},
		{"public", agent.Actor{Workspace: acme}, false},
		{"ann", eve, false},
		{"all", eve, false},
		{"public", eve, false},
		{"missing", ann(), false},
	} {
		got, err := s.File(t.Context(), tt.by, tt.id)
		switch {
		case tt.may && err != nil:
			t.Errorf("%s/%s may read %s: %v", tt.by.Workspace, tt.by.ID, tt.id, err)
		case !tt.may:
			// Word for word what a missing file gives, so that nothing shows.
			wantError(t, err, agent.NotFound)
			if agent.PublicText(err) != "there is no file "+tt.id || len(got.Content) > 0 || got.Name != "" {
				t.Errorf("%s/%s learns %+v, %q of %s", tt.by.Workspace, tt.by.ID, got, agent.PublicText(err), tt.id)
			}
		}
	}
}

func fileNameless(t *testing.T, s Stores) {
	wantError(t, s.SaveFile(t.Context(), file("", agent.Only("ann"), []byte("x"))), agent.Invalid)
	f := file("f1", agent.Only("ann"), []byte("x"))
	f.Workspace = ""
	wantError(t, s.SaveFile(t.Context(), f), agent.Invalid)
}
