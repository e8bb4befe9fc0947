package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// Bank is another system of record: it pays what it is asked to pay, once for each
// idempotency key, and each time what comes without one.
type Bank struct {
	http *httptest.Server

	mu sync.Mutex
	// keys are the idempotency keys it was given, marks those that can be looked up.
	keys, marks map[string]bool
	// paid counts payments by invoice.
	paid map[string]int
	// linger is how long an answer takes at most.
	linger time.Duration
}

// NewBank starts a bank whose answers take up to the given time, after it has paid.
func NewBank(linger time.Duration) *Bank {
	b := &Bank{keys: map[string]bool{}, marks: map[string]bool{}, paid: map[string]int{}, linger: linger}
	b.http = httptest.NewServer(b)
	return b
}

// Close ends it.
func (b *Bank) Close() {
	b.http.CloseClientConnections()
	b.http.Close()
}

// URL is where it is.
func (b *Bank) URL() string { return b.http.URL }

// Paid is how often an invoice was paid.
func (b *Bank) Paid(invoice string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.paid[invoice]
}

// ServeHTTP pays, or says whether a payment was made.
func (b *Bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mark, invoice := r.URL.Query().Get("mark"), r.URL.Query().Get("invoice")
	b.mu.Lock()
	if r.Method == http.MethodGet {
		fmt.Fprint(w, b.marks[mark])
		b.mu.Unlock()
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" || !b.keys[key] {
		b.paid[invoice]++
	}
	if key != "" {
		b.keys[key] = true
	}
	b.marks[mark] = true
	b.mu.Unlock()
	if b.linger > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(rand.N(b.linger)):
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"paid": invoice})
}

// Payments are the tools that pay, one of each class: pay_keyed, pay_lookup,
// pay_neither. What they do leaves the organisation, so people are asked.
func Payments(bank string) ([]tools.Tool, error) {
	var all []tools.Tool
	for _, class := range []tools.Class{tools.Keyed, tools.Lookup, tools.Neither} {
		t, err := payment(bank, class)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

type invoice struct {
	Invoice string `json:"invoice" jsonschema:"the number of the invoice"`
}

type paid struct {
	Paid string `json:"paid"`
}

func payment(bank string, class tools.Class) (tools.Tool, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	ask := func(ctx context.Context, method string, inv tools.Invocation, in invoice) ([]byte, error) {
		q := url.Values{"mark": {inv.Key}, "invoice": {in.Invoice}}
		req, err := http.NewRequestWithContext(ctx, method, bank+"/pay?"+q.Encode(), nil)
		if err != nil {
			return nil, err
		}
		if class == tools.Keyed {
			req.Header.Set("Idempotency-Key", inv.Key)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	f := tools.Funcs[invoice, paid]{
		Run: func(ctx context.Context, inv tools.Invocation, in invoice) (paid, error) {
			said, err := ask(ctx, http.MethodPost, inv, in)
			var out paid
			if err == nil {
				err = json.Unmarshal(said, &out)
			}
			return out, err
		},
		Label: func(inv tools.Invocation, _ invoice, _ paid) agent.Label {
			return agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Data: inv.Context.Data}
		},
	}
	if class == tools.Lookup {
		f.Find = func(ctx context.Context, inv tools.Invocation, in invoice) (paid, bool, error) {
			said, err := ask(ctx, http.MethodGet, inv, in)
			return paid{in.Invoice}, string(said) == "true", err
		}
	}
	return tools.New(tools.Spec{
		Name: "pay_" + class.String(), Tier: agent.TierOutward, Class: class, Timeout: 10 * time.Second, Control: []string{"invoice"},
		Doc: "Pays an invoice. Use it when somebody wants an invoice paid. After a lost outcome it is never repeated without a key or a look-up.",
	}, f)
}
