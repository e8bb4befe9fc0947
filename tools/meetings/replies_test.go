package meetings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/tools/meetings"
)

func TestExchangesAreMinutedWithBothSidesAsEvidence(t *testing.T) {
	tr := talk(t,
		"Ann Lee: Bob, could you tell the bakers about the new oven?",
		"Bob Ross: Sure, I can do that by Friday.",
		"Ann Lee: Someone should clean the chimney before the winter.",
		"Cy Dunn: Leave it to me.",
		"Ann Lee: Can you call the landlord about the roof?",
		"Cy Dunn: Will do.",
		"Bob Ross: Who will open the shop on Sundays?",
		"Ann Lee: We don't know that yet.",
		"Cy Dunn: Bob, can you order the flour?",
		"Bob Ross: No, I can't.",
	)
	m, _, err := meetings.Summarise(t.Context(), config(builtin.New()), tr)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range m.Actions {
		got = append(got, fmt.Sprintf("%s/%s/%s/%s", a.Text, val(a.Owner), val(a.Due), cuesOf(a.Evidence)))
	}
	for _, q := range m.Questions {
		got = append(got, fmt.Sprintf("%s/%s", q.Text, cuesOf(q.Evidence)))
	}
	want := []string{
		"Tell the bakers about the new oven/Bob Ross/2024-05-10/1 2",
		"Clean the chimney before the winter/Cy Dunn/nil/3 4",
		"Call the landlord about the roof/Cy Dunn/nil/5 6",
		"Who will open the shop on Sundays?/7 8",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if bad := meetings.Unverified(m, tr); len(bad) > 0 || m.Dropped > 0 {
		t.Errorf("unverified %q, %d dropped", bad, m.Dropped)
	}
}

func cuesOf(list []agent.Evidence) string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprint(e.Cue))
	}
	return strings.Join(out, " ")
}
