package parity

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"bitmend/hashsets"
)

// Limits of a geometry. The code works over 256 points; the others keep every
// product of theirs far from overflow.
const (
	maxShards     = 256
	maxShardSize  = 64 << 20
	maxColumnSize = 1 << 56
)

// defaultColumnSize is the size of a column where neither the configuration
// nor a larger blob asks for another.
const defaultColumnSize = 1 << 30

// Free is how many bytes of parity a vault may have whatever the overhead is, so
// that the loss of any one blob is repairable in a small vault too.
const Free = 1 << 20

// fullParity is the number of parity columns that the chosen k aims at: enough
// that one blob may lie in a few shards of a stripe and still be bearable,
// few enough that encoding is faster than hashing.
const fullParity = 4

// Geometry is the shape of a set: k data columns and m parity columns of
// ColumnSize bytes, cut into shards.
type Geometry struct {
	Data       int   // k
	Parity     int   // m; k + m ≤ 256
	ShardSize  int64 // bytes
	ColumnSize int64 // bytes; a multiple of BandStripes × ShardSize or, in a small set, of ShardSize
}

// Validate tells whether g is a shape that this package can work with.
func (g Geometry) Validate() error {
	switch {
	case g.Data < 1 || g.Parity < 1 || g.Data > maxShards || g.Parity > maxShards || g.Data+g.Parity > maxShards:
		return fmt.Errorf("parity set of %d data and %d parity columns: each must be at least 1 and both together at most %d", g.Data, g.Parity, maxShards)
	case g.ShardSize < 1 || g.ShardSize > maxShardSize:
		return fmt.Errorf("parity set with shards of %d bytes: must be 1 to %d", g.ShardSize, maxShardSize)
	case g.ColumnSize < g.ShardSize || g.ColumnSize > maxColumnSize || g.ColumnSize%g.ShardSize != 0:
		return fmt.Errorf("parity set with columns of %d bytes: must be a multiple of the shard size %d", g.ColumnSize, g.ShardSize)
	}
	return nil
}

// BandSize is how many bytes of each column a full band has.
func (g Geometry) BandSize() int64 { return BandStripes * g.ShardSize }

// Stripes returns how many stripes the bytes [0, height) of a column take.
func (g Geometry) Stripes(height int64) int64 { return ceilDiv(height, g.ShardSize) }

// Bands cuts an extent at the borders of bands and yields each band's number
// with its part, which is in column coordinates as e is. An extent of no
// length is yielded once.
func (g Geometry) Bands(e Extent) iter.Seq2[int64, Extent] {
	return func(yield func(int64, Extent) bool) {
		for {
			band := e.Offset / g.BandSize()
			part := e
			part.Length = min(e.Length, (band+1)*g.BandSize()-e.Offset)
			if !yield(band, part) {
				return
			}
			e.Offset += part.Length
			e.BlobOffset += part.Length
			e.Length -= part.Length
			if e.Length == 0 {
				return
			}
		}
	}
}

// Wish is what the configuration asks of new sets; zero fields are chosen.
type Wish struct {
	Overhead   float64 // parity bytes wanted per data byte: 0.1
	Data       int     // k
	Parity     int     // m
	ShardSize  int64   // bytes
	ColumnSize int64   // bytes
}

// Choose picks the shape of a new set that will take total bytes of blobs, the
// largest of which has largest bytes: the loss of any one blob is repairable
// whenever the overhead allows it at all. Give the padded total of Coming where
// it is known.
//
// A set of fewer shards than it would have columns is small: it gets a column
// for each shard, and columns of a few rows, so that everything finds a place in
// any order and a vault that grows soon starts a proper set.
func Choose(total, largest int64, w Wish) (Geometry, error) {
	if err := w.validate(); err != nil {
		return Geometry{}, err
	}
	g := Geometry{ShardSize: w.ShardSize, ColumnSize: w.ColumnSize}
	if g.ShardSize == 0 {
		g.ShardSize = hashsets.DefaultShardSize
	}
	g.Data = w.fullData()
	shards := max(1, ceilDiv(max(0, total), g.ShardSize))
	small := w.Data == 0 && shards < int64(g.Data)
	if small {
		g.Data = int(shards)
	}
	g.Parity = w.parityFor(g.Data, w.Data == 0 && !small)

	switch {
	case g.ColumnSize > 0: // what is asked for, unless the largest blob could then not be repaired
		g.ColumnSize = max(g.ColumnSize, ceilDiv(largest, int64(g.Parity)))
	case small:
		// Two rows take everything, since of two neighbouring shards at least
		// one is half full; more make the largest blob repairable, with one
		// parity shard in hand where that is free.
		m := int64(g.Parity)
		inHand := ceilDiv(min(largest, Free)*m, max(1, m-1))
		rows := 2 + ceilDiv(ceilDiv(min(inHand, Free), g.ShardSize), m)
		g.ColumnSize = rows * g.ShardSize
	default:
		g.ColumnSize = max(defaultColumnSize, largest)
	}
	unit := g.BandSize()
	if g.ColumnSize < unit {
		unit = g.ShardSize
	}
	if g.ColumnSize > maxColumnSize-unit {
		return Geometry{}, fmt.Errorf("columns of %d bytes are beyond %d", g.ColumnSize, int64(maxColumnSize))
	}
	g.ColumnSize = ceilDiv(g.ColumnSize, unit) * unit
	return g, g.Validate()
}

func (w Wish) validate() error {
	switch {
	case w.Data < 0 || w.Parity < 0 || w.Data+w.Parity > maxShards:
		return fmt.Errorf("%d data and %d parity columns are asked for: both together may be at most %d", w.Data, w.Parity, maxShards)
	case w.ShardSize < 0 || w.ColumnSize < 0:
		return errors.New("a shard size or column size below 0 is asked for")
	case math.IsNaN(w.Overhead) || w.Overhead < 0 || w.Overhead > maxShards-1:
		return fmt.Errorf("a parity overhead of %v is asked for: must be 0 to %d times the data", w.Overhead, maxShards-1)
	case w.Overhead == 0 && (w.Data == 0 || w.Parity == 0):
		return errors.New("no parity overhead is asked for")
	}
	return nil
}

// fullData is k for a set that is not small.
func (w Wish) fullData() int {
	if w.Data > 0 {
		return w.Data
	}
	parity := fullParity
	if w.Parity > 0 {
		parity = w.Parity
	}
	k := math.Round(float64(parity) / w.Overhead)
	return int(min(max(k, 1), float64(maxShards-parity)))
}

// parityFor is m for k data columns: at least the overhead asked for or, where
// k was chosen to fit it, the nearest to it.
func (w Wish) parityFor(data int, fitting bool) int {
	if w.Parity > 0 {
		return w.Parity
	}
	const tiny = 1e-9 // floating point
	m := math.Ceil(w.Overhead*float64(data) - tiny)
	if fitting {
		m = math.Round(w.Overhead * float64(data))
	}
	return int(min(max(m, 1), float64(maxShards-data)))
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
