package parity

import (
	"context"
	"fmt"
	"sync"

	"github.com/klauspost/reedsolomon"
)

// addPiece is how many bytes of a row are added to at a time, under one lock:
// a piece of data and its m pieces of parity should stay in the processor's
// cache.
const addPiece = 256 << 10

// BandWriter makes the parity files of one version of a band. Memory: m ×
// stripes × shard size.
type BandWriter struct {
	geometry Geometry
	id       BandID
	stripes  int
	rows     [][]byte // coefficients by parity column
	encoder  reedsolomon.Encoder

	parity [][]byte     // the accumulators, by parity column: stripes × shard size
	locks  []sync.Mutex // of addPiece bytes of all accumulators each
	views  sync.Pool    // of [][]byte with room for m
}

// NewBandWriter starts a band of the given number of stripes (at most
// BandStripes) whose data is zero until it is added.
func NewBandWriter(g Geometry, id BandID, stripes int) (*BandWriter, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	rows := newGF().parityRows(g)
	encoder, err := newEncoder(g.Data, rows)
	if err != nil {
		return nil, err
	}
	w := &BandWriter{geometry: g, rows: rows, encoder: encoder}
	w.views.New = func() any { v := make([][]byte, g.Parity); return &v }
	return w, w.Reset(id, stripes)
}

// Reset starts another band of the same set in the same memory.
func (w *BandWriter) Reset(id BandID, stripes int) error {
	g := w.geometry
	if stripes < 0 || stripes > BandStripes || id.Set < 0 || id.Number < 0 || id.Version < 0 ||
		id.Number > (g.ColumnSize-int64(stripes)*g.ShardSize)/g.BandSize() {
		return fmt.Errorf("%v with %d stripes: there is no such band in a set with columns of %d bytes", id, stripes, g.ColumnSize)
	}
	w.id, w.stripes = id, stripes
	size := stripes * int(g.ShardSize)
	if w.parity == nil || cap(w.parity[0]) < size {
		w.parity = reedsolomon.AllocAligned(g.Parity, size)
	}
	for j := range w.parity {
		w.parity[j] = w.parity[j][:size]
	}
	w.zero()
	w.locks = make([]sync.Mutex, ceilDiv(int64(size), addPiece))
	return nil
}

func (w *BandWriter) zero() {
	for _, p := range w.parity {
		clear(p)
	}
}

// Add adds p, which lies at offset in column (in the band: 0 is its first
// stripe), into the parity. What lay there must be zero or erased before.
// Safe for concurrent use.
func (w *BandWriter) Add(column int, offset int64, p []byte) error {
	size := int64(w.stripes) * w.geometry.ShardSize
	if column < 0 || column >= w.geometry.Data || offset < 0 || offset > size || int64(len(p)) > size-offset {
		return fmt.Errorf("adding %d bytes at %d of column %d: %v has %d columns of %d bytes", len(p), offset, column, w.id, w.geometry.Data, size)
	}
	view := w.views.Get().(*[][]byte)
	defer w.views.Put(view)
	for len(p) > 0 {
		n := min(int64(len(p)), addPiece-offset%addPiece)
		if err := w.addPiece(column, offset, p[:n], *view); err != nil {
			return fmt.Errorf("adding %d bytes at %d of column %d into %v: %w", n, offset, column, w.id, err)
		}
		p, offset = p[n:], offset+n
	}
	return nil
}

func (w *BandWriter) addPiece(column int, offset int64, p []byte, view [][]byte) error {
	lock := &w.locks[offset/addPiece]
	lock.Lock()
	defer lock.Unlock()
	for j := range view {
		view[j] = w.parity[j][offset : offset+int64(len(p))]
	}
	return w.encoder.EncodeIdx(p, column, view)
}

// Load starts from the parity of an older version, so that only what is new
// has to be added: files are those of all m parity columns, of no more stripes
// than this version. Every parity shard is checked; ErrDamaged when one fails,
// and the band is then zero again.
func (w *BandWriter) Load(ctx context.Context, files []*File) error {
	if len(files) != w.geometry.Parity {
		return fmt.Errorf("loading %v: %d parity files of %d are given", w.id, len(files), w.geometry.Parity)
	}
	seen := make([]bool, len(files))
	for _, f := range files {
		if f.ID.Set != w.id.Set || f.ID.Number != w.id.Number || f.Geometry != w.geometry || f.Stripes > w.stripes || seen[f.Index] {
			return fmt.Errorf("loading %v with %d stripes: %s does not fit it", w.id, w.stripes, f.name)
		}
		seen[f.Index] = true
	}
	for _, f := range files {
		if err := w.loadFile(ctx, f); err != nil {
			w.zero()
			return err
		}
	}
	return nil
}

func (w *BandWriter) loadFile(ctx context.Context, f *File) error {
	size := w.geometry.ShardSize
	for stripe := range f.Stripes {
		if err := ctx.Err(); err != nil {
			return f.failed("loading parity", err)
		}
		at := int64(stripe) * size
		if err := f.Shard(stripe, w.parity[f.Index][at:at+size]); err != nil {
			return err
		}
	}
	return nil
}

// LoadStripe is Load for one stripe, from shards that the caller verified.
func (w *BandWriter) LoadStripe(stripe int, parity [][]byte) error {
	size := w.geometry.ShardSize
	if stripe < 0 || stripe >= w.stripes || len(parity) != w.geometry.Parity {
		return fmt.Errorf("loading %d shards as stripe %d: %v has %d stripes of %d", len(parity), stripe, w.id, w.stripes, w.geometry.Parity)
	}
	for j, p := range parity {
		if int64(len(p)) != size {
			return fmt.Errorf("loading stripe %d of %v: a shard of %d bytes, the set's have %d", stripe, w.id, len(p), size)
		}
		copy(w.parity[j][int64(stripe)*size:], p)
	}
	return nil
}
