// Package parity lays blobs out in parity sets, writes and reads the parity
// files of bands, and rebuilds what a stripe can bear to lose, over
// github.com/klauspost/reedsolomon. FORMAT.md describes the files.
//
// It knows neither stores of blobs nor the catalog: callers bring bytes and
// the places where they lie, and are given bytes back. It proves nothing about
// a rebuilt shard: that is for the caller, who has its sum.
package parity

import "errors"

// BandStripes is the number of stripes in a band.
const BandStripes = 256

// Code names the code and its matrix, as the heads of parity files and the
// catalog have it.
const Code = "reed-solomon gf(2^8)/0x11d lagrange 0..k+m-1"

// Errors that callers decide by.
var (
	ErrDamaged = errors.New("parity file is damaged") // some part fails its sum
	ErrFormat  = errors.New("not a parity file")      // wrong magic, or a version that this program cannot read
)
