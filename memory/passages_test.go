package memory

import "testing"

func TestThePassageCacheIsBoundedAndKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	var c PassageCache
	c.Put(map[int64]*Passage{1: {Key: 1}, 2: {Key: 2}})
	for n := range int64(5 * cacheGeneration) {
		k := n + 10
		c.Put(map[int64]*Passage{k: {Key: k}})
		if n%(cacheGeneration/2) == 0 {
			if got, missing := c.Get([]int64{1}); len(missing) != 0 || got[0].Key != 1 {
				t.Fatalf("after %d others the one that is asked for is gone", n)
			}
		}
	}
	if held := len(c.young) + len(c.old); held > 2*cacheGeneration {
		t.Errorf("it holds %d passages; want at most %d", held, 2*cacheGeneration)
	}
	got, missing := c.Get([]int64{2, 1})
	if len(missing) != 1 || missing[0] != 2 || got[0] != nil || got[1] == nil {
		t.Errorf("got %v, missing %v; want the one nobody asked for gone", got, missing)
	}
}
