package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

var rounds = flag.Int("privacy.rounds", 2, "how often each kind of personal text is planted; 28 plants a thousand")

func TestPrivacy(t *testing.T) {
	t.Parallel()
	storetest.Privacy(t, *rounds, func(t *testing.T) storetest.PrivacyStores {
		s := openStores(t)
		db, _ := s.Store.(*sqlite.DB)
		return storetest.PrivacyStores{
			Stores: s, Privacy: db, Pauses: db, Tracker: sqlite.NewTracker(db, func(id string) string { return id }),
			Memories: sqlite.NewMemories(db), Cases: sqlite.NewRoutingCases(db),
			Bytes: func() (all []byte) {
				files, _ := filepath.Glob(filepath.Join(filepath.Dir(db.Path()), "*"))
				for _, f := range files {
					b, _ := os.ReadFile(f)
					all = append(all, b...)
				}
				return all
			},
			Tables: func() (names []string) {
				rows, err := db.SQL().QueryContext(t.Context(), `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				for rows.Next() {
					var n string
					if err := rows.Scan(&n); err != nil {
						t.Fatal(err)
					}
					// The index keeps its parts in tables of their own.
					if !strings.HasPrefix(n, "memory_index_") && !strings.HasPrefix(n, "ticket_words_") {
						names = append(names, n)
					}
				}
				return names
			},
			Verify: func() (wrong []string) {
				for _, p := range report(t, db.Path()).Problems {
					wrong = append(wrong, fmt.Sprint(p))
				}
				return wrong
			},
		}
	})
}
