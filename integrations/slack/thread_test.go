package slack_test

import (
	"testing"

	front "github.com/sous-hq/sous/integrations/slack"
)

func TestAThreadIsReadWhenItsMinutesOrItsMemoryIsAskedFor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"summarise this thread": true, "minutes of the discussion please": true, "Remember this thread": true, "please save the whole conversation.": true,
		"keep this discussion for later": true, "remember that the thread pool has 8 workers": false, "remember this": false, "who keeps the conversation going?": false,
	} {
		if got := front.AsksForThread(text); got != want {
			t.Errorf("%q: %v; want %v", text, got, want)
		}
	}
}
