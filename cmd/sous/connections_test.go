package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func TestOfManyConnectionsAtOnceOnlySomeAreKept(t *testing.T) {
	const n = 2 * keptConnections
	var c connections
	var all sync.WaitGroup
	all.Add(n)
	server := httptest.NewUnstartedServer(nil)
	c.limit(server.Config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		all.Done()
		all.Wait()
		_, _ = io.WriteString(w, "here")
	}))
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	get := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(resp.Body)
		if err = resp.Body.Close(); err != nil || string(text) != "here" {
			t.Errorf("%q, %v", text, err)
		}
	}
	var asked sync.WaitGroup
	for range n {
		asked.Go(get)
	}
	asked.Wait()
	for end := time.Now().Add(10 * time.Second); c.open() != keptConnections; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are open", c.open())
		}
	}
	all.Add(1)
	get()
}

func (c *connections) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.leaving)
}
