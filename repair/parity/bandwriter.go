package parity

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"bitmend/scrub/store"

	"github.com/klauspost/reedsolomon"
)

// lockedBytes is how many bytes of the accumulators one lock stands for.
const lockedBytes = 256 << 10

// columnsAtOnce is how many columns are added in one pass: as many as the
// library's kernels take.
const columnsAtOnce = 10

// maxAdders bounds the encoders that are kept for groups of columns.
const maxAdders = 64

// BandWriter makes the parity files of one version of a band. Memory: m ×
// stripes × shard size, outside the garbage-collected heap where the platform
// can: there it would have the collector leave as much garbage again.
type BandWriter struct {
	geometry Geometry
	id       BandID
	stripes  int
	rows     [][]byte // coefficients by parity column

	memory *store.Buffer // of the accumulators
	parity [][]byte      // the accumulators, by parity column: stripes × shard size
	locks  []sync.Mutex  // of lockedBytes of all accumulators each
	views  sync.Pool     // of *view

	addersLock sync.Mutex
	adders     map[string]adder // by columns
}

// NewBandWriter starts a band of the given number of stripes (at most
// BandStripes) whose data is zero until it is added. Free gives its memory back.
func NewBandWriter(g Geometry, id BandID, stripes int) (*BandWriter, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	w := &BandWriter{geometry: g, rows: newGF().parityRows(g), adders: make(map[string]adder), parity: make([][]byte, g.Parity)}
	w.views.New = func() any { return new(view) }
	return w, w.Reset(id, stripes)
}

// Free gives the memory of w back. w must not be used after it.
func (w *BandWriter) Free() error {
	if w.memory == nil {
		return nil
	}
	memory := w.memory
	w.memory = nil
	clear(w.parity)
	return memory.Free()
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
	if w.memory == nil || len(w.memory.Bytes()) < g.Parity*size {
		if err := w.Free(); err != nil {
			return fmt.Errorf("give back the memory of %v: %w", w.id, err)
		}
		w.memory = store.NewBuffer(g.Parity * size)
	}
	for j := range w.parity {
		w.parity[j] = w.memory.Bytes()[j*size : (j+1)*size : (j+1)*size]
	}
	w.zero()
	w.locks = make([]sync.Mutex, ceilDiv(int64(size), lockedBytes))
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
	return w.AddColumns([]int{column}, offset, [][]byte{p})
}

// AddColumns is Add for pieces of one length that lie at the same offset in
// several columns, no column twice. It reads and writes the parity, which is
// the larger part of the work, once for columnsAtOnce of them.
func (w *BandWriter) AddColumns(columns []int, offset int64, pieces [][]byte) error {
	if len(columns) == 0 || len(columns) != len(pieces) {
		return fmt.Errorf("adding %d pieces of %d columns into %v", len(pieces), len(columns), w.id)
	}
	length := int64(len(pieces[0]))
	size := int64(w.stripes) * w.geometry.ShardSize
	for i, column := range columns {
		if column < 0 || column >= w.geometry.Data || offset < 0 || offset > size || length > size-offset || int64(len(pieces[i])) != length {
			return fmt.Errorf("adding %d bytes at %d of column %d: %v has %d columns of %d bytes", len(pieces[i]), offset, column, w.id, w.geometry.Data, size)
		}
	}
	for len(columns) > 0 {
		n := min(len(columns), columnsAtOnce)
		if err := w.addTogether(columns[:n], offset, pieces[:n]); err != nil {
			return fmt.Errorf("adding %d bytes at %d of columns %v into %v: %w", length, offset, columns[:n], w.id, err)
		}
		columns, pieces = columns[n:], pieces[n:]
	}
	return nil
}

// addTogether adds the pieces of at most columnsAtOnce columns.
func (w *BandWriter) addTogether(columns []int, offset int64, pieces [][]byte) error {
	add, err := w.adder(columns)
	if err != nil {
		return err
	}
	view := w.views.Get().(*view)
	defer w.views.Put(view)
	length := int64(len(pieces[0]))
	for done := int64(0); done < length; {
		n := min(length-done, lockedBytes-(offset+done)%lockedBytes)
		view.data = view.data[:0]
		for _, p := range pieces {
			view.data = append(view.data, p[done:done+n])
		}
		if err := w.addLocked(add, offset+done, n, view); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// view is the memory for slices of shards.
type view struct {
	data, parity [][]byte
}

// addLocked adds view.data, n bytes each, into the parity at offset, which all
// have one lock.
func (w *BandWriter) addLocked(add adder, offset, n int64, view *view) error {
	lock := &w.locks[offset/lockedBytes]
	lock.Lock()
	defer lock.Unlock()
	view.parity = view.parity[:0]
	for _, p := range w.parity {
		view.parity = append(view.parity, p[offset:offset+n])
	}
	return add(view.data, view.parity)
}

// adder adds pieces of certain columns into the parity.
type adder func(data, parity [][]byte) error

// adder returns the one for columns, which differ only rarely from call to
// call.
func (w *BandWriter) adder(columns []int) (adder, error) {
	key := fmt.Sprint(columns)
	w.addersLock.Lock()
	defer w.addersLock.Unlock()
	if add, ok := w.adders[key]; ok {
		return add, nil
	}
	add, err := newAdder(w.rows, columns)
	if err != nil {
		return nil, err
	}
	if len(w.adders) >= maxAdders {
		clear(w.adders)
	}
	w.adders[key] = add
	return add, nil
}

// newAdder makes the code that has columns alone as its data, with their
// coefficients among rows: a decoder of its parity adds into it what it is
// given, for all columns in one pass. EncodeIdx, which is meant for this, takes
// one column alone and does without GFNI: measured, a third to a half as fast.
func newAdder(rows [][]byte, columns []int) (adder, error) {
	some := make([][]byte, len(rows))
	for j, row := range rows {
		for _, c := range columns {
			some[j] = append(some[j], row[c])
		}
	}
	encoder, err := newEncoder(len(columns), some)
	if err != nil {
		return nil, err
	}
	decoder, ok := encoder.(reedsolomon.Extensions)
	if !ok {
		return nil, errors.New("the reedsolomon library cannot decode piece by piece")
	}
	known := make([]bool, len(columns)+len(rows))
	for i := range columns {
		known[i] = true
	}
	return func(data, parity [][]byte) error {
		input, output := make([][]byte, len(known)), make([][]byte, len(known))
		copy(input, data)
		copy(output[len(columns):], parity)
		return decoder.DecodeIdx(output, known, input)
	}, nil
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
