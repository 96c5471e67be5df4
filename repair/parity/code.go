package parity

import (
	"fmt"
	"slices"

	"github.com/klauspost/reedsolomon"
)

// The code: byte b of the shards of a stripe is a polynomial of degree below k
// over GF(2^8), modulo x^8+x^4+x^3+x^2+1 (0x11D). Data shard i holds its value
// at point i, parity shard j its value at point k+j. Any k values determine
// the polynomial, and with it all others. These are the bytes that the default
// matrix of github.com/klauspost/reedsolomon makes (a Vandermonde matrix times
// the inverse of its top square), which computes them here; the coefficients
// are computed by Lagrange's formula, because a decoder for some erased shards
// then costs k² steps where inverting a matrix costs k³.

// gf has the logarithms of the field's elements to the base 2.
type gf struct {
	log [256]int  // log[0] is meaningless
	exp [255]byte // exp[log[x]] == x
}

func newGF() *gf {
	f := &gf{}
	x := 1
	for i := range f.exp {
		f.exp[i] = byte(x)
		f.log[x] = i
		x <<= 1
		if x > 255 {
			x ^= 0x11D
		}
	}
	return f
}

// interpolate returns the coefficients that make the values at the points
// targets from those at the points sources: one row for each target, which
// must not be one of the sources.
func (f *gf) interpolate(sources, targets []int) [][]byte {
	below := make([]int, len(sources)) // by source a: log of the product of a-b over the other sources b
	for i, a := range sources {
		for _, b := range sources {
			if a != b {
				below[i] += f.log[a^b]
			}
		}
	}
	rows := make([][]byte, len(targets))
	for t, x := range targets {
		above := 0 // log of the product of x-b over all sources b
		for _, b := range sources {
			above += f.log[x^b]
		}
		rows[t] = make([]byte, len(sources))
		for i, a := range sources {
			// All logarithms are modulo 255; each is below 255, so 255 × k is enough to stay positive.
			rows[t][i] = f.exp[(above-f.log[x^a]-below[i]+255*len(sources))%255]
		}
	}
	return rows
}

// parityRows returns the m rows of k coefficients that make the parity shards
// from the data shards.
func (f *gf) parityRows(g Geometry) [][]byte {
	return f.interpolate(points(0, g.Data), points(g.Data, g.Data+g.Parity))
}

func points(from, to int) []int {
	p := make([]int, to-from)
	for i := range p {
		p[i] = from + i
	}
	return p
}

// newEncoder returns an encoder that multiplies shards with rows of
// coefficients. Two goroutines at least: with one the library does not find
// its fastest kernels when there are more than ten inputs.
func newEncoder(inputs int, rows [][]byte) (reedsolomon.Encoder, error) {
	e, err := reedsolomon.New(inputs, len(rows),
		reedsolomon.WithCustomMatrix(rows),
		reedsolomon.WithInversionCache(false), // it never inverts, and the cache has no bound
		reedsolomon.WithMaxGoroutines(2))
	if err != nil {
		return nil, fmt.Errorf("preparing to encode %d shards into %d: %w", inputs, len(rows), err)
	}
	return e, nil
}

// decoder rebuilds the shards targets of a stripe from the shards sources.
type decoder struct {
	sources []int // k of them
	targets []int
	encoder reedsolomon.Encoder
}

// newDecoder returns the decoder of targets for a stripe in which the shards
// erased, at most m, are missing. Data shards are preferred as sources.
func (f *gf) newDecoder(g Geometry, erased, targets []int) (*decoder, error) {
	d := &decoder{targets: slices.Clone(targets)}
	for shard := 0; len(d.sources) < g.Data; shard++ {
		if !slices.Contains(erased, shard) {
			d.sources = append(d.sources, shard)
		}
	}
	var err error
	d.encoder, err = newEncoder(g.Data, f.interpolate(d.sources, d.targets))
	return d, err
}

// decode fills the bytes [from, to) of the targets among shards.
func (d *decoder) decode(shards [][]byte, from, to int64) error {
	work := make([][]byte, 0, len(d.sources)+len(d.targets))
	for _, i := range d.sources {
		work = append(work, shards[i][from:to])
	}
	for _, i := range d.targets {
		work = append(work, shards[i][from:to])
	}
	return d.encoder.Encode(work)
}
