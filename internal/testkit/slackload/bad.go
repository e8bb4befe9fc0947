package slackload

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Refused is what came of requests that are not Slack's.
type Refused struct {
	Bad int `json:"bad_requests"`
	// Kinds counts them by what is wrong with them.
	Kinds map[string]int `json:"bad_by_kind"`
	// Accepted counts those that were taken in, Faults those that were answered
	// with a server's error.
	Accepted int `json:"accepted"`
	Faults   int `json:"answered_with_a_fault"`
	// Sound counts the turns of damaged events that Slack itself had signed: what
	// was left of them still was a request.
	Sound int `json:"damaged_by_slack_and_still_requests"`
}

// oversized is longer than any delivery is taken.
const oversized = 2<<20 + 1

// badness is one way in which a request can be wrong.
type badness struct {
	name string
	make func(random *rand.Rand, good request) request
	// signed says that it has Slack's own signature, and may be understood.
	signed bool
}

func badnesses(secret string) []badness {
	const other = "another secret"
	return []badness{
		{name: "forged", make: func(_ *rand.Rand, r request) request { r.secret = other; return r }},
		{name: "unsigned", make: func(_ *rand.Rand, r request) request { r.secret = ""; return r }},
		{name: "stale", make: func(random *rand.Rand, r request) request {
			r.secret, r.at = secret, time.Now().Add([]time.Duration{-6 * time.Minute, 6 * time.Minute, -24 * time.Hour}[random.IntN(3)])
			return r
		}},
		{name: "changed", make: func(_ *rand.Rand, r request) request { r.signature = "v0=" + strings.Repeat("0", 64); return r }},
		{name: "truncated", make: func(random *rand.Rand, r request) request {
			// The signature is of the whole.
			r.at = time.Now()
			_, r.signature = slackfake.Sign(secret, r.at, r.body)
			r.body = r.body[:random.IntN(len(r.body))]
			return r
		}},
		{name: "fuzzed and forged", make: func(random *rand.Rand, r request) request {
			r.body, r.secret = damaged(random, r.body), other
			return r
		}},
		{name: "fuzzed", signed: true, make: func(random *rand.Rand, r request) request { r.body = damaged(random, r.body); return r }},
		{name: "oversized", make: func(_ *rand.Rand, r request) request {
			r.body = append(bytes.Clone(r.body), bytes.Repeat([]byte(" "), oversized)...)
			return r
		}},
	}
}

// Refuse sends so many requests over so many connections that Slack did not send, or
// sent long ago, or sent before, or that are damaged.
func (s *Site) Refuse(ctx context.Context, bad, connections int) (r Refused, err error) {
	s.serial++
	r.Bad, r.Kinds = bad, map[string]int{}
	client := clientOf(connections)
	defer client.CloseIdleConnections()
	seeds, copies, err := s.seeds(ctx, client)
	if err != nil {
		return r, err
	}
	kinds := []string{"events", "commands", "interactions"}
	wrong := badnesses(s.slack.SigningSecret)
	wrong = append(wrong, badness{name: "replayed", make: func(random *rand.Rand, _ request) request { return copies[random.IntN(len(copies))] }})
	before, err := s.count("turn.accepted")
	if err != nil {
		return r, err
	}
	var mu sync.Mutex
	err = atOnce(connections, bad, func(i int) error {
		kind, w := kinds[i%len(kinds)], wrong[i/len(kinds)%len(wrong)]
		one := w.make(rand.New(rand.NewPCG(uint64(i), 7)), request{kind: kind, body: seeds[kind], secret: s.slack.SigningSecret})
		got, err := s.send(ctx, client, one)
		if err != nil && len(one.body) <= oversized {
			return err // who is sent away may find the connection closed
		}
		mu.Lock()
		defer mu.Unlock()
		r.Kinds[w.name]++
		switch {
		case got >= 500 && (!w.signed || got != http.StatusServiceUnavailable):
			r.Faults++
		case err == nil && !w.signed && got < 400:
			r.Accepted++
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	after, err := s.count("turn.accepted")
	r.Sound = after - before
	return r, err
}

// seeds are good deliveries of each kind, and the copies of those that count once.
func (s *Site) seeds(ctx context.Context, client *http.Client) (seeds map[string][]byte, copies []request, err error) {
	_, event := s.mention("C3BAD", "U3BAD", "hello")
	trigger := fmt.Sprintf("bad.%d", s.serial)
	seeds = map[string][]byte{
		"events":   event,
		"commands": []byte("command=%2Fsous&text=help&team_id=" + s.slack.Team + "&user_id=U3BAD&trigger_id=" + trigger + "&channel_id=C3BAD"),
		"interactions": []byte("payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22" + s.slack.Team + "%22%7D%2C%22user%22%3A%7B%22id%22%3A%22U3BAD%22%7D%2C%22trigger_id%22%3A%22" +
			trigger + "i%22%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22sous_approve%22%2C%22value%22%3A%22AAAAAAAA%22%7D%5D%7D"),
	}
	for _, kind := range []string{"commands", "interactions"} {
		at := time.Now()
		_, signature := slackfake.Sign(s.slack.SigningSecret, at, seeds[kind])
		one := request{kind: kind, body: seeds[kind], at: at, signature: signature}
		got, err := s.send(ctx, client, one)
		if err != nil || got != http.StatusOK {
			return nil, nil, fmt.Errorf("a good delivery of %s: %d, %w", kind, got, err)
		}
		copies = append(copies, one)
	}
	return seeds, copies, nil
}

// damaged is a body with some of its bytes changed, lost or doubled.
func damaged(random *rand.Rand, seed []byte) []byte {
	body := bytes.Clone(seed)
	for range 1 + random.IntN(8) {
		at := random.IntN(len(body))
		switch random.IntN(3) {
		case 0:
			body[at] = byte(random.IntN(256))
		case 1:
			body = append(body[:at:at], body[min(len(body), at+random.IntN(12)):]...)
		case 2:
			body = append(body[:at:at], append([]byte(`{"`), body[at:]...)...)
		}
		if len(body) == 0 {
			body = []byte("{")
		}
	}
	return body
}
