package audit

import (
	"runtime"
	"slices"
	"sync"
)

// payloadCheck opens payloads on every processor while the rows are read.
type payloadCheck struct {
	work chan []payloadJob
	next []payloadJob
	wg   sync.WaitGroup

	mu    sync.Mutex
	fit   int64
	wrong []int64
}

type payloadJob struct {
	row Stored
	key *SubjectKey
}

// payloadBatch keeps the handing over cheap.
const payloadBatch = 256

func newPayloadCheck() *payloadCheck {
	n := runtime.GOMAXPROCS(0)
	p := &payloadCheck{work: make(chan []payloadJob, n)}
	for range n {
		p.wg.Go(p.run)
	}
	return p
}

func (p *payloadCheck) check(s Stored, k *SubjectKey) {
	if p.next = append(p.next, payloadJob{s, k}); len(p.next) == payloadBatch {
		p.work <- p.next
		p.next = make([]payloadJob, 0, payloadBatch)
	}
}

func (p *payloadCheck) run() {
	for batch := range p.work {
		var wrong []int64
		for _, j := range batch {
			if _, err := j.row.open(j.key, j.row.Sealed); err != nil {
				wrong = append(wrong, j.row.Seq)
			}
		}
		p.mu.Lock()
		p.fit += int64(len(batch) - len(wrong))
		p.wrong = append(p.wrong, wrong...)
		p.mu.Unlock()
	}
}

// finish waits for what is left and reports.
func (p *payloadCheck) finish(r *Report) {
	p.work <- p.next
	close(p.work)
	p.wg.Wait()
	r.Payloads = p.fit
	slices.Sort(p.wrong)
	for _, seq := range p.wrong {
		r.problem(seq, "%v", errPayload)
	}
}
