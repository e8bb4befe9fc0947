package sse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func yields(all ...Message) func() (Message, bool) {
	return func() (Message, bool) {
		if len(all) == 0 {
			return Message{}, false
		}
		m := all[0]
		all = all[1:]
		return m, true
	}
}

func TestWhatIsServedIsReadBack(t *testing.T) {
	sent := []Message{
		{ID: "b.1", Event: "delta", Data: []byte("one\ntwo\n")},
		{ID: "b.2", Event: "end", Data: []byte(`{"a":"ü"}`)},
		{ID: "b.3", Data: []byte(" starts with a space")},
	}
	rec := httptest.NewRecorder()
	if err := Serve(t.Context(), rec, time.Hour, yields(sent...)); err != nil {
		t.Fatal(err)
	}
	if got := rec.Header().Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	r := NewReader(rec.Body)
	for _, want := range sent {
		got, err := r.Next()
		if err != nil || got.ID != want.ID || got.Event != want.Event || string(got.Data) != string(want.Data) {
			t.Errorf("read %q %v, want %q", got, err, want)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestALineEndInAnIDStartsNoFieldOfItsOwn(t *testing.T) {
	m, err := NewReader(bytes.NewReader(encode(Message{ID: "1\ndata: forged", Event: "x\r\ny", Data: []byte("ok")}))).Next()
	if err != nil || string(m.Data) != "ok" || m.Event != "xy" {
		t.Errorf("%q %v", m, err)
	}
}

func TestAQuietStreamBeatsAndEndsWithItsReader(t *testing.T) {
	finished := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(finished)
		_ = Serve(r.Context(), w, 5*time.Millisecond, func() (Message, bool) {
			<-r.Context().Done()
			return Message{}, false
		})
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != ": beat" {
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	cancel()
	select {
	case <-finished:
	case <-time.After(5 * time.Second):
		t.Error("the stream outlives its reader")
	}
}

func TestAnIDOfAFormerProcessMeansFromTheBeginning(t *testing.T) {
	c := Cursor{Boot: "now"}
	for id, want := range map[string]int{c.ID(7): 7, "old.7": 0, "": 0, "now": 0, "now.x": 0, "now.-3": 0} {
		if got := c.After(id); got != want {
			t.Errorf("After(%q) = %d, want %d", id, got, want)
		}
	}
}

func FuzzWhateverAStreamHoldsTheReaderEnds(f *testing.F) {
	f.Add("id: 1\nevent: a\ndata: x\n\n: c\n\ndata")
	f.Add("data\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		r := NewReader(strings.NewReader(s))
		for range len(s) + 1 {
			m, err := r.Next()
			if err != nil {
				return
			}
			// A message that was read survives being written again, but for the
			// characters that have no place in a field.
			if bytes.ContainsAny(m.Data, "\r\x00") || strings.ContainsAny(m.ID+m.Event, "\r\x00") {
				continue
			}
			again, err := NewReader(bytes.NewReader(encode(m))).Next()
			if err != nil || string(again.Data) != string(m.Data) || again.Event != m.Event || again.ID != m.ID {
				t.Fatalf("%q became %q: %v", m, again, err)
			}
		}
		t.Fatal("the reader does not end")
	})
}
