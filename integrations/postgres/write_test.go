package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/integrations/postgres"
)

// A second press on a card is refused in the transaction it shares with others.
func TestAWriterThatFailsIsUndoneAloneAndTheOthersGoAgainTogether(t *testing.T) {
	db, _, base := openDB(t)
	first, release := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		if err := postgres.Write(t.Context(), db, "acme", func(tx pgx.Tx) error {
			select {
			case <-first:
			default:
				close(first)
			}
			<-release
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-first
	const n = 30
	refused := map[int]error{0: errors.New("refused 0"), 7: errors.New("refused 7"), 8: errors.New("refused 8"), 29: errors.New("refused 29")}
	var last [n]string
	var came [n]error
	var writers sync.WaitGroup
	for i := range n {
		writers.Go(func() {
			came[i] = postgres.Write(t.Context(), db, "acme", func(tx pgx.Tx) error {
				if err := tx.QueryRow(t.Context(), `SELECT pg_current_xact_id()::text`).Scan(&last[i]); err != nil {
					return err
				}
				return refused[i]
			})
		})
	}
	// They stand in line, or make a transaction more: the bound below has room for it.
	time.Sleep(100 * time.Millisecond)
	close(release)
	holder.Wait()
	writers.Wait()
	committed := map[string]bool{}
	for i := range n {
		var status string
		if err := administratorDB(t, base).QueryRow(fmt.Sprintf(`SELECT pg_xact_status('%s'::xid8)`, last[i])).Scan(&status); err != nil {
			t.Fatal(err)
		}
		want := "committed"
		if refused[i] != nil {
			want = "aborted"
		} else {
			committed[last[i]] = true
		}
		if !errors.Is(came[i], refused[i]) || status != want {
			t.Errorf("writer %d: %v, %s", i, came[i], status)
		}
	}
	if len(committed) > n/2 {
		t.Errorf("%d transactions for %d writers", len(committed), n-len(refused))
	}
}
