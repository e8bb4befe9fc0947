package tools_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

// bank is another system of record, reached over a network that loses answers. It
// does what it is asked once for each idempotency key, and whatever comes without
// one each time.
type bank struct {
	mu    sync.Mutex
	paid  map[string]int // by the key of the effect
	asked map[string]int
	// open counts the connections that are not closed.
	open atomic.Int64
}

// settled waits until nothing that was sent to the bank is still on its way: a look-up
// can only find what has arrived. Connections are taken in order, so when the one made
// here has been answered, those before it are known.
func (b *bank) settled(t *testing.T, address string) {
	t.Helper()
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := direct.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for b.open.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// count is told what becomes of the bank's connections.
func (b *bank) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		b.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		b.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := r.URL.Query().Get("mark")
	if r.Method == http.MethodGet {
		fmt.Fprint(w, b.paid[key] > 0)
		return
	}
	b.asked[key]++
	if r.Header.Get("Idempotency-Key") == "" || b.paid[key] == 0 {
		b.paid[key]++
	}
	fmt.Fprint(w, "paid, thank you")
}

// network is the way to the bank.
type network struct {
	*toxiproxy.Proxy
	client *http.Client
	keys   map[string]string // of effects, by call
}

// newNetwork returns a way to the server that can be made to fail.
func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	n := &network{keys: map[string]string{}, Proxy: toxiproxy.NewProxy(api, "bank", "127.0.0.1:0", u.Host)}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	n.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	return n
}

// faults are ways in which an answer does not arrive: nothing of it, a part of it,
// or a connection that is reset or closed after a while.
func faults() []string {
	return []string{
		`{"type":"limit_data","stream":"downstream","attributes":{"bytes":0}}`,
		`{"type":"limit_data","stream":"downstream","attributes":{"bytes":40}}`,
		`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":1}}`,
		`{"type":"timeout","stream":"downstream","attributes":{"timeout":1}}`,
	}
}

// breakDown makes the network fail in one way, until mended is called.
func (n *network) breakDown(t *testing.T, how string) (mended func()) {
	t.Helper()
	if _, err := n.Toxics.AddToxicJson(strings.NewReader(how)); err != nil {
		t.Fatal(err)
	}
	return func() { n.Toxics.ResetToxics(context.Background()) }
}

func (n *network) ask(ctx context.Context, method, mark string, header http.Header) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.Listen+"/pay?mark="+url.QueryEscape(mark), nil)
	if err != nil {
		return "", err
	}
	req.Header = header
	resp, err := n.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// pay declares the payment in a class.
func (n *network) pay(t *testing.T, class tools.Class) tools.Tool {
	t.Helper()
	type none struct{}
	post := func(ctx context.Context, inv tools.Invocation, _ none) (none, error) {
		n.keys[inv.Call] = inv.Key
		header := http.Header{}
		if class == tools.Keyed {
			header.Set("Idempotency-Key", inv.Key)
		}
		_, err := n.ask(ctx, http.MethodPost, inv.Key, header)
		return none{}, err
	}
	f := tools.Funcs[none, none]{Run: post, Label: func(tools.Invocation, none, none) agent.Label { return agent.Label{} }}
	if class == tools.Lookup {
		f.Find = func(ctx context.Context, inv tools.Invocation, _ none) (none, bool, error) {
			said, err := n.ask(ctx, http.MethodGet, inv.Key, http.Header{})
			return none{}, said == "true", err
		}
	}
	return tools.Must(tools.New(tools.Spec{Name: "pay_" + class.String(), Doc: "Pays.", Tier: agent.TierWrite, Class: class, Timeout: 10 * time.Second}, f))
}

// TestOverANetworkThatLosesAnswersNoPaymentIsMadeTwice: 500 payments are made and the answer
// never arrives whole. Every other time the process dies as well, before it can
// record anything, and another one takes over on a network that works again.
func TestOverANetworkThatLosesAnswersNoPaymentIsMadeTwice(t *testing.T) {
	const payments = 500
	b := &bank{paid: map[string]int{}, asked: map[string]int{}}
	server := httptest.NewUnstartedServer(b)
	server.Config.ConnState = b.count
	server.Start()
	t.Cleanup(server.Close)
	n := newNetwork(t, server.URL)
	classes := []tools.Class{tools.Keyed, tools.Lookup, tools.Neither}
	var all []tools.Tool
	for _, c := range classes {
		all = append(all, n.pay(t, c))
	}
	e := toolstest.NewExecutor(t, toolstest.NewRegistry(t, all, nil))
	rng := rand.New(rand.NewPCG(4, 500))
	settled, done := map[string]int{}, map[string]bool{}
	for i := range payments {
		class, dies := classes[i%3], i%2 > 0
		p := e.Plan("pay_"+class.String(), `{}`)
		mended := n.breakDown(t, faults()[rng.IntN(len(faults()))])
		if dies {
			e.Ledger.Fail = func(_ context.Context, method string) error {
				if method == "settle" {
					return errors.New("killed")
				}
				return nil
			}
		}
		o, err := e.Execute(t.Context(), p)
		mended()
		b.settled(t, server.URL)
		e.Ledger.Fail = nil
		if dies != (err != nil) || !dies && o.Status != agent.Unknown {
			t.Fatalf("%s, dies %t: %+v, %v", class, dies, o, err)
		}
		// Whoever comes back to it finds out what became of it, or leaves it to a person.
		want := agent.Unknown
		if dies && class != tools.Neither {
			want = agent.Done
		}
		for range 2 {
			if o = e.Run(p); o.Status != want {
				t.Fatalf("%s, dies %t: %+v; want %s", class, dies, o, want)
			}
		}
		settled[class.String()+" "+o.Status.String()]++
		done[n.keys[p.Call.ID]] = o.Status == agent.Done
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lost, again := 0, 0
	for key, known := range done {
		switch times := b.paid[key]; {
		case times > 1, known && times == 0:
			t.Errorf("%s was paid %d times; known to be done: %t", key, times, known)
		case !known && times == 1:
			lost++
		}
		if b.asked[key] > 1 {
			again++
		}
	}
	// A connection that is cut at once may be so before the bank has heard anything.
	if len(done) != payments || lost < payments/2 || again == 0 {
		t.Errorf("of %d payments %d were made without an answer, %d asked for again by their key", len(done), lost, again)
	}
	t.Log(settled)
}
