package slack

// What the tests look at from outside.
var (
	Mrkdwn        = mrkdwn
	Split         = split
	AllBlocks     = allBlocks
	MinutesBlocks = minutesBlocks
	EffectBlocks  = effectBlocks
	Since         = since
	AnswerBlocks  = answerBlocks
	PlanBlock     = planBlock
)

// Meta is what a modal about an approval carries.
func Meta(id string) meta { return meta{Approval: id, Channel: "C1", Thread: "1.1"} }
