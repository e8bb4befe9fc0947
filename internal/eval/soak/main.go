// Soak keeps the real Sous at work for hours, at twenty requests a second, while the
// model, Slack and the database fail at random; in the last third the process is
// killed now and then as well. It measures what goroutines and heap stay before
// that, counts from outside what became of each request, and prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
	"github.com/sous-hq/sous/internal/testkit/ordeal"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// result is the last line.
type result struct {
	Store      string  `json:"store"`
	Seed       uint64  `json:"seed"`
	Seconds    float64 `json:"seconds"`
	Requests   int     `json:"requests"`
	Kills      int     `json:"kills"`
	Faults     int     `json:"faults"`
	Lost       int     `json:"lost"`
	Doubled    int     `json:"doubled"`
	Parked     int     `json:"parked"`
	Replayed   int     `json:"set_going_again"`
	Violations int     `json:"violations"`
	// Leaked and Drift are of the part without a kill, between two moments of rest.
	Leaked int     `json:"leaked_goroutines"`
	Drift  float64 `json:"heap_drift_percent"`
}

// soak is one run.
type soak struct {
	d     *ordeal.Ordeal
	proxy *pgtest.Proxy
	debug string
	// profiles is where the heap at each moment of rest is left, "" for nowhere.
	profiles string
	out      io.Writer
	result   result

	mu     sync.Mutex
	random *rand.Rand
	quiet  bool
}

func run(ctx context.Context, argv []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	duration := flags.Duration("duration", 4*time.Hour, "how long it takes")
	store := flags.String("store", "sqlite", "sqlite or postgres")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "of all that is left to chance")
	profiles := flags.String("profiles", "", "a folder in which the heap and the goroutines at each moment of rest are left")
	binary := flags.String("sous", "", "the sous binary, built with the tag faults; built when not given")
	if err := flags.Parse(argv); err != nil {
		return err
	}
	if *store != "sqlite" && *store != "postgres" {
		return fmt.Errorf("-store %s: want sqlite or postgres", *store)
	}
	// The path of a socket has room for a short folder only.
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if *binary, err = fleet.Binary(ctx, *binary, dir, "faults"); err != nil {
		return err
	}
	s := &soak{out: out, profiles: *profiles, random: rand.New(rand.NewPCG(*seed, 3)), result: result{Store: *store, Seed: *seed}}
	o := ordeal.Options{
		Command: func(args ...string) *exec.Cmd { return exec.Command(*binary, args...) },
		Dir:     dir, N: 1, Seed: *seed, Think: 200 * time.Millisecond, Linger: 100 * time.Millisecond,
		Faulty: s.model, Forgetful: true, Channels: 1000,
	}
	if s.debug, err = free(ctx); err != nil {
		return err
	}
	o.Settings = []string{"SOUS_DEBUG_LISTEN=" + s.debug}
	if s.profiles != "" {
		// One piece of memory in 512 kB is too few to tell what a MiB more consists of.
		o.Settings = append(o.Settings, "GODEBUG=memprofilerate=4096")
	}
	if *store == "postgres" {
		server, err := pgtest.Start(ctx, pgtest.Options{Durable: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		base, err := server.Create(ctx, "")
		if err != nil {
			return err
		}
		if s.proxy, err = pgtest.StartProxy(ctx, base.URL); err != nil {
			return err
		}
		defer s.proxy.Close()
		o.Database = s.proxy.URL
	}
	if s.d, err = ordeal.New(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.d.Close()) }()
	fmt.Fprintf(out, "seed %d\n", *seed)
	return s.soak(ctx, *duration)
}

func free(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// flow is the stream: twenty requests a second.
func flow() ordeal.Flow { return ordeal.Flow{Every: 50 * time.Millisecond, Most: 400} }

func (s *soak) soak(ctx context.Context, whole time.Duration) error {
	began := time.Now()
	if err := s.d.Begin(ctx, 0); err != nil {
		return err
	}
	// What a process keeps from its first minutes on is no leak: what it remembers is
	// bounded in number, by some thousands, or in time, by ten minutes.
	warm := min(whole/3, 10*time.Minute)
	stream, err := s.faulty(ctx, warm, false)
	if err != nil {
		return err
	}
	before, err := s.atRest(ctx, stream, "before")
	if err != nil {
		return err
	}
	if stream, err = s.faulty(ctx, 2*whole/3-warm, false); err != nil {
		return err
	}
	after, err := s.atRest(ctx, stream, "after")
	if err != nil {
		return err
	}
	s.result.Leaked = max(0, after.goroutines-before.goroutines)
	s.result.Drift = 100 * (after.heap - before.heap) / before.heap
	fmt.Fprintf(s.out, "at rest: %d goroutines and %.1f MiB, later %d and %.1f MiB\n",
		before.goroutines, before.heap/(1<<20), after.goroutines, after.heap/(1<<20))
	if stream, err = s.faulty(ctx, whole-time.Since(began), true); err != nil {
		return err
	}
	s.calm(true)
	r, err := s.d.End(ctx, stream)
	if err != nil {
		return err
	}
	for _, what := range r.What {
		fmt.Fprintln(s.out, what)
	}
	s.result.Seconds = time.Since(began).Round(time.Second).Seconds()
	s.result.Requests, s.result.Lost, s.result.Doubled = r.Accepted, r.Lost, r.Doubled
	s.result.Parked, s.result.Replayed, s.result.Violations = r.Parked, r.Replayed, r.Violations
	line, err := json.Marshal(s.result)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s\n", line)
	if r.Violations > 0 {
		return fmt.Errorf("%d promises were broken", r.Violations)
	}
	return nil
}

// calm says whether the model behaves.
func (s *soak) calm(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = yes
}

func (s *soak) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// model fails three times in a hundred.
func (s *soak) model() (openaifake.Step, bool) {
	n := s.below(100)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quiet || n >= 3 {
		return openaifake.Step{}, false
	}
	s.result.Faults++
	return []openaifake.Step{openaifake.Fail(http.StatusInternalServerError, "server_error", "a fault"), openaifake.TooMany("1"), openaifake.Malformed()}[n], true
}

// faulty streams requests for a time, with a fault every few seconds.
func (s *soak) faulty(ctx context.Context, span time.Duration, kills bool) (*ordeal.Stream, error) {
	s.calm(false)
	stream := s.d.Ask(flow())
	failures := []slackfake.Failure{
		{Status: http.StatusTooManyRequests, RetryAfter: 1}, {Status: http.StatusBadGateway}, {Status: http.StatusServiceUnavailable}, {Lost: true},
	}
	for until := time.Now().Add(span); time.Now().Before(until); {
		if err := rest(ctx, s.d.Between(time.Second, 4*time.Second)); err != nil {
			return stream, err
		}
		s.d.Transport(s.below(2) > 0)
		s.result.Faults++
		switch n := s.below(20); {
		case n == 0 && kills:
			if err := s.d.Kill(0); err != nil {
				return stream, err
			}
			s.result.Kills++
			if err := s.d.Begin(ctx, 0); err != nil {
				return stream, err
			}
		case n <= 1 && s.proxy != nil:
			s.proxy.Cut()
			err := rest(ctx, s.d.Between(200*time.Millisecond, 5*time.Second))
			s.proxy.Mend()
			if err != nil {
				return stream, err
			}
		default:
			method := []string{"chat.postMessage", "chat.update", "conversations.info", "users.info", ""}[n%5]
			s.d.Slack.Fail(method, failures[n%len(failures)])
		}
	}
	return stream, nil
}

// standing is what a process holds.
type standing struct {
	goroutines int
	heap       float64
}

// idle is how long connections are kept that nobody uses.
const idle = 95 * time.Second

// atRest waits until all is answered and no connection is kept for what may come, and
// looks at what the process holds after its garbage was collected: the least of several
// looks.
func (s *soak) atRest(ctx context.Context, stream *ordeal.Stream, when string) (least standing, err error) {
	s.calm(true)
	if err := stream.Wait(3 * time.Minute); err != nil {
		fmt.Fprintln(s.out, err)
	}
	if err := rest(ctx, idle); err != nil {
		return least, err
	}
	for n := range 10 {
		if err := rest(ctx, 3*time.Second); err != nil {
			return least, err
		}
		now, err := s.look(ctx)
		if err != nil {
			return least, err
		}
		if n == 0 {
			least = now
		}
		least.goroutines, least.heap = min(least.goroutines, now.goroutines), min(least.heap, now.heap)
	}
	if s.profiles == "" {
		return least, nil
	}
	heap, err := s.profile(ctx, "heap?gc=1")
	goroutines, err2 := s.profile(ctx, "goroutine?debug=1")
	return least, errors.Join(err, err2,
		os.WriteFile(filepath.Join(s.profiles, "heap-"+when+".pprof"), []byte(heap), 0o600),
		os.WriteFile(filepath.Join(s.profiles, "goroutines-"+when+".txt"), []byte(goroutines), 0o600))
}

// look is what the process holds now. The figures of the heap in the profile's text are
// read between the collection it asks for and its own work; what a metric says would
// have the garbage of the profile in it, which grows with the kinds of memory in it.
func (s *soak) look(ctx context.Context) (standing, error) {
	heap, err := s.profile(ctx, "heap?gc=1&debug=1")
	if err != nil {
		return standing{}, err
	}
	goroutines, err := s.profile(ctx, "goroutine?debug=1")
	if err != nil {
		return standing{}, err
	}
	alloc, err := figure(heap, "# HeapAlloc = ")
	if err != nil {
		return standing{}, err
	}
	n, err := figure(goroutines, "goroutine profile: total ")
	return standing{int(n) - 2*kept(goroutines), alloc}, err
}

// kept is how many connections are kept for the next request on them: something is
// asked every minute, and whether its connection stands is no matter of what went before.
func kept(goroutines string) (n int) {
	for _, group := range writing.FindAllStringSubmatch(goroutines, -1) {
		count, _ := strconv.Atoi(group[1])
		n += count
	}
	return n
}

// writing finds the goroutines that wait for something to send, of which each connection
// has one, beside one that reads.
var writing = regexp.MustCompile(`(?m)^(\d+) @.*\n#\t\S+\tnet/http\.\(\*persistConn\)\.writeLoop`) //nolint:gochecknoglobals // a constant

// figure is the number at the end of the line that begins so.
func figure(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the profile has no line %q", name)
}

func (s *soak) profile(ctx context.Context, what string) (string, error) {
	return get(ctx, "http://"+s.debug+"/debug/pprof/"+what)
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	// Packing the answer would be a good part of the heap that is looked at.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(body), err
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
