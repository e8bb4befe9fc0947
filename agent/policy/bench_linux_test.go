package policy

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sous-hq/sous/tools"
)

// BenchmarkRuling rules on calls of 10,000 people by 200 rules, facts and schema
// checks included, and reports the slowest in a hundred: in processor time, and
// by the clock, which counts other work of the machine as well.
func BenchmarkRuling(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := crowd(b)
	rng := rand.New(rand.NewPCG(15, 15))
	all := make([]tools.Proposal, 4096)
	for i := range all {
		all[i] = somebody(rng)
	}
	cpu, wall := make([]int64, 0, 1<<20), make([]int64, 0, 1<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c, w := spent(b), time.Now()
		s.Explain(all[i%len(all)], false)
		wall = append(wall, time.Since(w).Nanoseconds())
		cpu = append(cpu, spent(b)-c)
	}
	slices.Sort(cpu)
	slices.Sort(wall)
	b.ReportMetric(float64(cpu[len(cpu)*99/100]), "p99-cpu-ns")
	b.ReportMetric(float64(wall[len(wall)*99/100]), "p99-ns")
	b.ReportMetric(float64(wall[len(wall)/2]), "p50-ns")
}

// spent is the processor time of this thread, in nanoseconds.
func spent(b *testing.B) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}
