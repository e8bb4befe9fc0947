package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// BenchmarkMentionsAtOnce sends 500 signed mentions in 500 channels at once to a
// fresh process's parts and measures how long each waits for its acknowledgement,
// and how long it takes until all are answered.
func BenchmarkMentionsAtOnce(b *testing.B) {
	const mentions = 500
	for b.Loop() {
		b.StopTimer()
		acks, all := mentionAll(b, mentions)
		b.StartTimer()
		slices.Sort(acks)
		b.ReportMetric(float64(acks[len(acks)/2].Microseconds())/1000, "ack-p50-ms")
		b.ReportMetric(float64(acks[len(acks)*99/100].Microseconds())/1000, "ack-p99-ms")
		b.ReportMetric(float64(acks[len(acks)-1].Microseconds())/1000, "ack-max-ms")
		b.ReportMetric(float64(mentions)/all.Seconds(), "turns/s")
	}
}

// mentionAll returns how long each acknowledgement took and the whole.
func mentionAll(b *testing.B, n int) ([]time.Duration, time.Duration) {
	b.Helper()
	s := slackfake.New(slackfake.Config{})
	defer s.Close()
	s.AddUser(slackfake.User{ID: ann, RealName: "Ann Archer"})
	var requests [][]byte
	roots := map[string]string{}
	for i := range n {
		channel := fmt.Sprintf("C%06d", i)
		s.AddChannel(slackfake.Channel{ID: channel, Name: channel, Members: []string{ann, s.BotUser}})
		text := "<@" + s.BotUser + "> what can you do?"
		root := s.Post(ann, channel, text)
		roots[channel] = root
		_, body := s.Event(map[string]any{"type": "app_mention", "user": ann, "text": text, "ts": root, "channel": channel, "event_ts": root})
		requests = append(requests, body)
	}
	data := b.TempDir()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, world{
			args: []string{"serve", "--listen", "127.0.0.1:0"}, user: "Bench", stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
			environ: []string{"SOUS_DATA=" + data, "HOME=" + data, "SLACK_BOT_TOKEN=" + s.BotToken, "SLACK_SIGNING_SECRET=" + s.SigningSecret, "SLACK_API_URL=" + s.URL()},
		}, hooks{})
	}()
	defer func() { cancel(); <-ended }()
	url := ""
	for url == "" {
		if h, ok := datadir.Who(data); ok {
			url = h.URL
		}
		time.Sleep(10 * time.Millisecond)
	}
	for len(s.Calls("auth.test")) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	acks := make([]time.Duration, n)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	var wg sync.WaitGroup
	for i, body := range requests {
		wg.Go(func() {
			stamp, signature := slackfake.Sign(s.SigningSecret, time.Now(), body)
			req, err := http.NewRequest(http.MethodPost, url+"slack/events", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("X-Slack-Request-Timestamp", stamp)
			req.Header.Set("X-Slack-Signature", signature)
			at := time.Now()
			resp, err := client.Do(req)
			acks[i] = time.Since(at)
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("%v, %v", resp, err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	for answered := 0; answered < n; time.Sleep(20 * time.Millisecond) {
		answered = 0
		for channel, root := range roots {
			if len(s.Thread(channel, root)) > 1 {
				answered++
			}
		}
	}
	return acks, time.Since(begin)
}
