package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
	"github.com/sous-hq/sous/memory"
)

// embedding is a data directory with a server of embeddings.
type embedding struct {
	t    *testing.T
	data string
	fake *openaifake.Server
}

func newEmbedding(t *testing.T) embedding {
	t.Helper()
	like := &embedtest.Embedder{Dimension: 64, Same: map[string]string{"vehicl": "car", "automobil": "car"}}
	other := &embedtest.Embedder{Dimension: 96, Same: like.Same}
	fake, err := openaifake.Start(openaifake.Config{Embed: func(model, text string) []float32 {
		if model == "second" {
			return other.Vector(model, text)
		}
		return like.Vector(model, text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fake.Close()
		for _, p := range fake.Problems() {
			t.Error(p)
		}
	})
	return embedding{t, t.TempDir(), fake}
}

// command is a process of sous with the named embedding model, "" for none.
func (e embedding) command(model string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(e.t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), beSous+"=1", "SOUS_DATA="+e.data, "HOME="+e.data, "OPENAI_EMBEDDING_MODEL="+model, "OPENAI_EMBEDDING_BASE_URL="+e.fake.BaseURL())
	return cmd
}

func (e embedding) sous(model string, args ...string) string {
	e.t.Helper()
	var out, errOut bytes.Buffer
	cmd := e.command(model, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		e.t.Fatalf("sous %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errOut.String())
	}
	return out.String()
}

func (e embedding) search(model string, words ...string) []api.Memory {
	e.t.Helper()
	var all []api.Memory
	out := e.sous(model, append([]string{"memory", "search", "--json"}, words...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	return all
}

// write makes a folder with documents to import.
func (e embedding) write(texts ...string) string {
	e.t.Helper()
	kb := filepath.Join(e.data, "kb")
	if err := os.MkdirAll(kb, 0o700); err != nil {
		e.t.Fatal(err)
	}
	for n, text := range texts {
		if err := os.WriteFile(filepath.Join(kb, string(rune('a'+n))+".md"), []byte(text), 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
	return kb
}

func want(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%q does not say %q", out, w)
		}
	}
}

func TestWhatIsRememberedIsSearchedByMeaningAndExplained(t *testing.T) {
	t.Parallel()
	e := newEmbedding(t)
	kb := e.write("The automobile is in bay four.", "The heron stands in the pond.")
	want(t, e.sous("", "doctor"), "does not search by meaning")
	e.sous("", "memory", "import", kb)
	if got := e.search("", "vehicle"); len(got) != 0 {
		t.Fatalf("by words alone %v is found", got)
	}
	want(t, e.sous("first", "doctor"), "first answered in", "64 dimensions", "until the vectors of first are made")
	want(t, e.sous("first", "memory", "reembed"), "first, 64 dimensions", "2 passages are searched by their vectors")
	want(t, e.sous("first", "doctor"), "by vectors of first")
	got := e.search("first", "where", "is", "the", "vehicle?")
	if len(got) == 0 || got[0].Text != "The automobile is in bay four." || got[0].Parts == nil || got[0].Parts.Meaning != 1 || got[0].Link == "" {
		t.Errorf("by meaning %+v is found", got)
	}
	want(t, e.sous("first", "memory", "--explain", "vehicle"), "place - by words, place 1 by meaning", "label   external, for owner", "from    ")
	want(t, e.sous("second", "doctor"), "second answered in", "by vectors of first; the settings name second: run sous memory reembed")
	if got := e.search("second", "vehicle"); len(got) == 0 {
		t.Error("the former model's vectors serve no more")
	}
	want(t, e.sous("second", "memory", "reembed"), "second, 96 dimensions", "2 passages are searched by their vectors")
	if got := e.search("second", "vehicle"); len(got) == 0 || got[0].Text != "The automobile is in bay four." {
		t.Errorf("by the new vectors %+v is found", got)
	}
	want(t, e.sous("second", "audit", "--kind", "memory.written"), "recall searches by vectors of second with 96 dimensions; of 2 passages it finds 100 % again")
	want(t, e.sous("second", "memory", "reembed", "--status"), "current   second, 96 dimensions, 2 passages, 0 items queued")
}

func TestWhatAKilledProcessHasNotEmbeddedTheNextOneDoes(t *testing.T) {
	t.Parallel()
	e := newEmbedding(t)
	kb := e.write("The automobile is in bay four.", "The heron stands in the pond.", "The osprey nests on the roof.")
	e.sous("first", "memory", "reembed") // nothing is remembered yet
	e.fake.ScriptEmbeddings(openaifake.Step{Hang: true}, openaifake.Step{Hang: true})
	cmd := e.command("first", "serve", "--listen", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	imported := false
	for before := len(e.fake.Requests()); len(e.fake.Requests()) == before; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is sent to be embedded")
		}
		if !imported {
			// The server takes it and begins to embed, and the model hangs.
			if out, err := e.command("first", "memory", "import", kb).CombinedOutput(); err == nil {
				imported = true
			} else if time.Now().After(deadline) {
				t.Fatalf("import: %v: %s", err, out)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := e.search("", "heron"); len(got) != 1 {
		t.Errorf("by words %+v is found after the crash", got)
	}
	var st memory.IndexStatus
	if err := json.Unmarshal([]byte(e.sous("first", "memory", "reembed", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	if g, ok := memory.InState(st.Generations, memory.Current); !ok || g.Vectors != 3 || g.Waiting != 0 {
		t.Errorf("after the crash: %+v", st)
	}
	if got := e.search("first", "vehicle"); len(got) == 0 || got[0].Text != "The automobile is in bay four." {
		t.Errorf("by meaning %+v is found after the crash", got)
	}
}
