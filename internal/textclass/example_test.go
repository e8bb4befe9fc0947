package textclass_test

import (
	"fmt"

	"github.com/sous-hq/sous/internal/textclass"
)

func Example() {
	m, err := textclass.Train([]textclass.Example{
		{Text: "refund of a double charge", Label: "payments"},
		{Text: "the invoice shows a wrong amount", Label: "payments"},
		{Text: "card declined at checkout", Label: "payments"},
		{Text: "the build pipeline is red", Label: "platform"},
		{Text: "deploy to staging hangs", Label: "platform"},
		{Text: "server out of memory", Label: "platform"},
	}, textclass.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := m.Classify("Pipeline hangs again")
	fmt.Println(r.Ranked[0].Label, r.InScope, m.Explain("Pipeline hangs again")[0].Word)
	fmt.Println(m.Classify("zebra crossing").InScope)
	// Output:
	// platform true Pipeline
	// false
}
