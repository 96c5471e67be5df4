package stripe

import (
	"context"
	"errors"
	"io"
	"sync"

	"bitmend/scrub/store"
)

// openAtOnce bounds the blobs that are held open.
const openAtOnce = 128

// A readers keeps blobs open from one piece to the next. Its methods may be
// called from many goroutines.
type readers struct {
	stores []store.Store

	mu    sync.Mutex
	open  map[readerKey]*opened
	order []readerKey // oldest first
}

type readerKey struct {
	store int
	name  string
}

// opened is a blob that is open, or the reason why it cannot be.
type opened struct {
	reader store.Reader
	absent error // why it cannot be opened, or nil
	users  int
	stale  bool // to be closed by its last user
}

func newReaders(stores []store.Store) *readers {
	return &readers{stores: stores, open: make(map[readerKey]*opened)}
}

// readAt reads all of p from a blob. absent says why the store does not have
// these bytes; an error is the host's and says nothing of them.
func (r *readers) readAt(ctx context.Context, from int, name string, p []byte, off int64) (absent, err error) {
	o, err := r.take(ctx, readerKey{from, name})
	if err != nil {
		return nil, err
	}
	defer r.release(o)
	if o.absent != nil {
		return o.absent, nil
	}
	n, err := o.reader.ReadAt(p, off)
	if n == len(p) {
		return nil, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err, hostError(ctx, err)
}

func (r *readers) take(ctx context.Context, key readerKey) (*opened, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.open[key]; o != nil {
		o.users++
		return o, nil
	}
	reader, err := r.stores[key.store].Open(ctx, key.name, store.Access{})
	if host := hostError(ctx, err); host != nil {
		return nil, host
	}
	o := &opened{reader: reader, absent: err, users: 1}
	r.makeRoom()
	r.open[key] = o
	r.order = append(r.order, key)
	return o, nil
}

func (r *readers) makeRoom() {
	for len(r.order) >= openAtOnce {
		oldest := r.order[0]
		r.order = r.order[1:]
		o := r.open[oldest]
		delete(r.open, oldest)
		o.stale = true
		o.closeUnused()
	}
}

func (r *readers) release(o *opened) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.users--
	o.closeUnused()
}

// closeUnused closes a stale blob that nobody reads. A blob was only read, so
// that an error of closing it says nothing of the bytes.
func (o *opened) closeUnused() {
	if o.stale && o.users == 0 && o.reader != nil {
		o.reader.Close()
		o.reader = nil
	}
}

func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.open {
		o.stale = true
		o.closeUnused()
	}
	r.open, r.order = make(map[readerKey]*opened), nil
}

// withheld tells whether err says that a store was not asked for the bytes:
// they may be there, and good.
func withheld(err error) bool {
	return errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrNotMounted)
}

// hostError returns err unless it only says that a store cannot deliver the
// bytes of one blob.
func hostError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, absent := range []error{store.ErrNotFound, store.ErrNotMounted, store.ErrPermission, store.ErrMedium,
		store.ErrChanged, store.ErrNotABlob, store.ErrUnsupported, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, absent) {
			return nil
		}
	}
	return err
}
