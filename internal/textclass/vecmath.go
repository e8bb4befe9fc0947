package textclass

import "math"

// block is the step of the inner loops: slices are padded to it, and a fixed-size array spares the bounds checks.
const block = 8

func padded(n int) int { return (n + block - 1) / block * block }

// addScaled adds a*x to y. Both have the same length, a multiple of block.
func addScaled(a float32, x, y []float32) {
	for len(x) >= block && len(y) >= block {
		p, q := (*[block]float32)(x), (*[block]float32)(y)
		q[0] += a * p[0]
		q[1] += a * p[1]
		q[2] += a * p[2]
		q[3] += a * p[3]
		q[4] += a * p[4]
		q[5] += a * p[5]
		q[6] += a * p[6]
		q[7] += a * p[7]
		x, y = x[block:], y[block:]
	}
}

// addScaled2 adds a*x + b*z to y: faster than two calls, as y is read and written once.
func addScaled2(a float32, x []float32, b float32, z, y []float32) {
	for len(x) >= block && len(z) >= block && len(y) >= block {
		p, r, q := (*[block]float32)(x), (*[block]float32)(z), (*[block]float32)(y)
		q[0] += a*p[0] + b*r[0]
		q[1] += a*p[1] + b*r[1]
		q[2] += a*p[2] + b*r[2]
		q[3] += a*p[3] + b*r[3]
		q[4] += a*p[4] + b*r[4]
		q[5] += a*p[5] + b*r[5]
		q[6] += a*p[6] + b*r[6]
		q[7] += a*p[7] + b*r[7]
		x, z, y = x[block:], z[block:], y[block:]
	}
}

// dot is the inner product of x and y, which have the same length, a multiple of block.
func dot(x, y []float32) float32 {
	var a, b, c, d float32
	for len(x) >= block && len(y) >= block {
		p, q := (*[block]float32)(x), (*[block]float32)(y)
		a += p[0]*q[0] + p[4]*q[4]
		b += p[1]*q[1] + p[5]*q[5]
		c += p[2]*q[2] + p[6]*q[6]
		d += p[3]*q[3] + p[7]*q[7]
		x, y = x[block:], y[block:]
	}
	return a + b + c + d
}

func scale(a float32, x []float32) {
	for i := range x {
		x[i] *= a
	}
}

// softmax replaces scores by exp(sharpness*score), scaled to the sum 1, and returns the entropy of the result, in nats.
func softmax(sharpness float32, x []float32) (entropy float64) {
	top := x[argmax(x)]
	var sum, moment float64
	for i, s := range x {
		z := float64(sharpness * (s - top))
		e := math.Exp(z)
		x[i] = float32(e)
		sum += e
		moment += e * z
	}
	scale(float32(1/sum), x)
	return math.Log(sum) - moment/sum
}

// argmax is the index of the greatest value, of the first if there are several.
func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// logit is the log-odds of p, kept finite.
func logit(p float64) float64 {
	const eps = 1e-6
	return math.Log((p + eps) / (1 - p + eps))
}
