package main

import "strings"

// rouge holds F1 scores of ROUGE (Lin, "ROUGE: A Package for Automatic
// Evaluation of Summaries", 2004), computed as the Python package rouge_score
// does with use_stemmer: lower-case letters and digits only, words of more than
// three letters stemmed, one reference, no stop words removed.
type rouge struct{ r1, r2, rl float64 }

func score(reference, candidate string) rouge {
	ref, got := words(reference), words(candidate)
	return rouge{
		r1: overlapF1(grams(ref, 1), grams(got, 1)),
		r2: overlapF1(grams(ref, 2), grams(got, 2)),
		rl: f1(lcs(ref, got), len(got), len(ref)),
	}
}

func words(s string) []string {
	var out []string
	var w []byte
	flush := func() {
		if len(w) > 3 {
			out = append(out, stem(string(w)))
		} else if len(w) > 0 {
			out = append(out, string(w))
		}
		w = w[:0]
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			w = append(w, c)
			continue
		}
		flush()
	}
	flush()
	return out
}

func grams(w []string, n int) map[string]int {
	out := map[string]int{}
	for i := 0; i+n <= len(w); i++ {
		out[strings.Join(w[i:i+n], " ")]++
	}
	return out
}

func overlapF1(ref, got map[string]int) float64 {
	both, nref, ngot := 0, 0, 0
	for g, n := range ref {
		nref += n
		both += min(n, got[g])
	}
	for _, n := range got {
		ngot += n
	}
	return f1(both, ngot, nref)
}

func f1(both, got, ref int) float64 {
	if both == 0 {
		return 0
	}
	p, r := float64(both)/float64(got), float64(both)/float64(ref)
	return 2 * p * r / (p + r)
}

// lcs is the length of the longest common subsequence.
func lcs(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
