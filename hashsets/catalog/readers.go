package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// Bounds of the connections for reading. A walk holds one while its caller
// works on what it yields, and the caller may start other walks inside; so
// walks are not made to wait for each other, which could be for ever, and
// beyond the bound one more is an error. Lookups return before their caller
// goes on, so they wait for each other.
const (
	idleReaders = 4
	maxLookups  = 4
	maxWalks    = 64
)

var errClosed = errors.New("the catalog is closed")

// readers keeps connections for reading.
type readers struct {
	name    string // as SQLite opens it
	flags   sqlite3.OpenFlag
	lookups chan struct{} // one element for each lookup under way

	mu     sync.Mutex
	idle   []*conn
	busy   int
	walks  int
	closed bool
	errs   []error // of closing
}

func newReaders(name string, flags sqlite3.OpenFlag) *readers {
	return &readers{name: name, flags: flags, lookups: make(chan struct{}, maxLookups)}
}

// get returns a connection that belongs to the caller until put. ctx
// interrupts what runs on it.
func (r *readers) get(ctx context.Context) (*conn, error) {
	c, err := r.takeIdle()
	if c == nil && err == nil {
		c, err = connectVerified(ctx, r.name, r.flags, readerPragmas)
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.busy++
	r.mu.Unlock()
	c.db.SetInterrupt(ctx)
	return c, nil
}

// takeIdle returns nil when a new connection is needed.
func (r *readers) takeIdle() (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	n := len(r.idle)
	if n == 0 {
		return nil, nil
	}
	c := r.idle[n-1]
	r.idle = r.idle[:n-1]
	return c, nil
}

func (r *readers) put(c *conn) {
	c.db.SetInterrupt(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	if !r.closed && !c.grown && len(r.idle) < idleReaders {
		r.idle = append(r.idle, c)
		return
	}
	r.errs = append(r.errs, c.close())
}

// close closes the idle connections; one that is in use is closed by put.
func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.idle {
		r.errs = append(r.errs, c.close())
	}
	r.idle = nil
	err := errors.Join(r.errs...)
	r.errs = nil
	if r.busy > 0 {
		err = errors.Join(err, fmt.Errorf("%d walks are still under way", r.busy))
	}
	return err
}

// read runs f in one read transaction. f must not call out to the catalog's
// user.
func (c *Catalog) read(ctx context.Context, f func(*conn) error) error {
	select {
	case c.readers.lookups <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.readers.lookups }()
	r, err := c.readers.get(ctx)
	if err != nil {
		return err
	}
	defer c.readers.put(r)
	return cause(ctx, r.inSnapshot(func() error { return f(r) }))
}

// walk runs f in one read transaction, as read does, and f may call out: what
// it yields is the catalog as it was at one instant, whatever is written
// meanwhile. Until it ends, the write-ahead log grows by all that is written.
func (c *Catalog) walk(ctx context.Context, f func(*conn) error) error {
	if err := c.readers.startWalk(); err != nil {
		return err
	}
	defer c.readers.endWalk()
	r, err := c.readers.get(ctx)
	if err != nil {
		return err
	}
	defer c.readers.put(r)
	return cause(ctx, r.inSnapshot(func() error { return f(r) }))
}

func (r *readers) startWalk() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.walks >= maxWalks {
		return fmt.Errorf("%d walks of the catalog are open at once", maxWalks)
	}
	r.walks++
	return nil
}

func (r *readers) endWalk() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.walks--
}

// cause prefers the context's error to SQLite's word that it was interrupted.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// inSnapshot runs f in one read transaction.
func (c *conn) inSnapshot(f func() error) (err error) {
	if err := c.exec(`BEGIN`); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.rollback()) }()
	return f()
}
