package slack

import "github.com/sous-hq/sous/agent/review"

// What the tests look at from outside.
var (
	Mrkdwn        = mrkdwn
	Split         = split
	AllBlocks     = allBlocks
	MinutesBlocks = minutesBlocks
	Since         = since
	AnswerBlocks  = answerBlocks
	PlanBlock     = planBlock
	AsksForThread = asksForThread
)

// AsPublished is how published minutes look; without a review, as they are shown
// where nobody reviews them.
func AsPublished(r *review.Review) look { return look{review: r} }

// AsDraft is how a draft looks, with the addresses of what it quotes.
func AsDraft(links map[string]string) look { return look{draft: true, links: links} }

// Meta is what a modal about an approval carries.
func Meta(id string) meta { return meta{Approval: id, Channel: "C1", Thread: "1.1"} }
