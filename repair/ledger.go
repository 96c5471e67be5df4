package repair

import (
	"context"
	"sync"

	"bitmend/hashsets/catalog"
)

// ledger writes what repairs have to record into the catalog. Repairs that end
// at the same time share a transaction, for each one waits for the disk.
type ledger struct {
	catalog *catalog.Catalog

	mu      sync.Mutex
	pending []*posting
	writing bool
}

// posting is what one repair records.
type posting struct {
	write func(tx *catalog.Tx) error
	done  chan error
}

// post returns when what write puts into the catalog is durable. Where one
// posting of a transaction fails, each is tried alone, so that it fails for
// itself.
func (l *ledger) post(ctx context.Context, write func(tx *catalog.Tx) error) error {
	p := &posting{write: write, done: make(chan error, 1)}
	l.mu.Lock()
	l.pending = append(l.pending, p)
	leads := !l.writing
	l.writing = true
	l.mu.Unlock()
	if leads {
		l.writeAll(ctx)
	}
	return <-p.done
}

// writeAll writes what is pending until nothing is.
func (l *ledger) writeAll(ctx context.Context) {
	for {
		l.mu.Lock()
		batch := l.pending
		l.pending = nil
		l.writing = len(batch) > 0
		l.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		l.write(ctx, batch)
	}
}

func (l *ledger) write(ctx context.Context, batch []*posting) {
	err := l.catalog.Update(ctx, func(tx *catalog.Tx) error {
		for _, p := range batch {
			if err := p.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, p := range batch {
		if err != nil && len(batch) > 1 {
			p.done <- l.catalog.Update(ctx, p.write)
		} else {
			p.done <- err
		}
	}
}
