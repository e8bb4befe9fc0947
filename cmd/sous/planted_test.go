package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

// planted are n secrets of eight kinds, each in a sentence as people write it.
func planted(n int) (secrets, sentences []string) {
	rng := rand.New(rand.NewPCG(27, 500))
	text := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return string(b)
	}
	const upper, small, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789"
	const all = upper + small + digits
	for i := range n {
		var secret, sentence string
		switch i % 8 {
		case 0:
			secret = "AKIA" + text(upper+digits, 16)
			sentence = "the bucket wants " + secret
		case 1:
			secret = "ghp_" + text(all, 36)
			sentence = "push with " + secret
		case 2:
			secret = "xoxb-" + text(digits, 12) + "-" + text(digits, 12) + "-" + text(all, 24)
			sentence = "the bot has " + secret
		case 3:
			secret = "eyJ" + text(all, 20) + ".eyJ" + text(all, 40) + "." + text(all, 43)
			sentence = "send the header Bearer " + secret
		case 4:
			secret = text(all, 14)
			sentence = "connect to postgres://app:" + secret + "@db.internal/app"
		case 5:
			secret = text(all, 9) + text(digits, 3)
			sentence = "the staging password is " + secret
		case 6:
			secret = text(all, 32)
			sentence = "api_key = \"" + secret + "\""
		case 7:
			secret = "sk_live_" + text(all, 24)
			sentence = "charge with " + secret
		}
		secrets, sentences = append(secrets, secret), append(sentences, sentence)
	}
	return secrets, sentences
}

// placeholder is what a model outside sees in the place of something.
var placeholder = regexp.MustCompile(`«[A-Z_]+_\d+·[a-z0-9]{6}»`)

// TestOfPlantedSecretsNothingLeavesTheStore runs a server at its most talkative
// over 500 secrets: a model that repeats what it sees, calls tools with it, fails
// and repeats it in the error, and at the end a process that is made to dump all
// it does while a request is under way. Neither its log, nor the dump, nor the
// model, nor the metrics see one.
func TestOfPlantedSecretsNothingLeavesTheStore(t *testing.T) {
	secrets, sentences := planted(500)
	var mu sync.Mutex
	seen := 0
	model, err := openaifake.Start(openaifake.Config{Default: func(req openaifake.Request) openaifake.Step {
		mu.Lock()
		defer mu.Unlock()
		seen++
		var last string
		for _, m := range req.Chat.Messages {
			if m.Role == "user" && m.Content != nil {
				last = *m.Content
			}
		}
		switch {
		case strings.Contains(last, "hold the line"):
			return openaifake.Hang()
		case seen%4 == 1:
			return openaifake.Calls(openaifake.Call{Name: "ticket_search", Args: fmt.Sprintf(`{"query":%q}`, placeholder.FindString(last))})
		case seen%4 == 2:
			return openaifake.Fail(500, "server_error", "could not serve "+last)
		}
		return openaifake.Answer("You said " + last)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	data := t.TempDir()
	cmd := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--log-level", "debug")
	cmd.Env = append(os.Environ(), beSous+"=1", "GOTRACEBACK=all", "SOUS_DATA="+data, "HOME="+data, "OPENAI_BASE_URL="+model.BaseURL(), "OPENAI_API_KEY="+secrets[7], "OPENAI_MODEL=test-model")
	cmd.Dir = t.TempDir()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = lockedWriter{&mu, &said}, lockedWriter{&mu, &said}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var address string
	for deadline := time.Now().Add(20 * time.Second); address == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if h, ok := datadir.Who(data); ok {
			address = h.URL
		}
	}
	answered := 0
	for i := 0; i < len(sentences); i += 100 {
		out, err := sous(t, data, "", "ask", "--json", "Note this: "+strings.Join(sentences[i:i+100], ". ")+".")
		var a answer
		if err != nil || json.Unmarshal([]byte(out), &a) != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if a.Answer != "" {
			answered++
		}
	}
	metrics := fetch(t, address+"metrics")
	hanging := exec.Command(os.Args[0], "ask", "hold the line: "+strings.Join(sentences[:40], ". "))
	hanging.Env = append(os.Environ(), beSous+"=1", "SOUS_DATA="+data, "HOME="+data)
	if err := hanging.Start(); err != nil {
		t.Fatal(err)
	}
	before := len(model.Requests())
	for deadline := time.Now().Add(20 * time.Second); len(model.Requests()) == before && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	_ = hanging.Process.Kill()
	_ = hanging.Wait()

	mu.Lock()
	defer mu.Unlock()
	if answered < 5 || seen < 8 || !strings.Contains(said.String(), "SIGQUIT") || !strings.Contains(said.String(), "level=DEBUG") && !strings.Contains(said.String(), "level=WARN") {
		t.Errorf("%d answers, %d requests; the process said:\n%s", answered, seen, said.String())
	}
	var asked strings.Builder
	for _, r := range model.Requests() {
		asked.Write(r.Body)
	}
	for what, text := range map[string]string{"the log and the dump": said.String(), "the model": asked.String(), "the metrics": metrics} {
		found := 0
		for _, s := range secrets {
			if strings.Contains(text, s) {
				found++
			}
		}
		if found > 0 {
			t.Errorf("%s: %d of %d secrets", what, found, len(secrets))
		}
	}
	if n := len(placeholder.FindAllString(asked.String(), -1)); n < 400 {
		t.Errorf("the model saw %d placeholders, so this proves little", n)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return string(body)
}
