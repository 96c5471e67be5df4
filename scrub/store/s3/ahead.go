package s3

import "context"

// Reading ahead fills the link with one large blob: while a reader that goes
// from the first byte to the last works on one piece, the parts behind it are
// on their way.
//
// A single transfer is bound to what one connection of the service carries, and
// to what is on its way during a round trip; so many parts side by side are
// what fills a fast link over a distance, and all the memory that they take:
// Options.ReadAhead times Options.ReadSize, of all readers of a store together.

// A part is a piece of a blob that was asked for before it was needed.
type part struct {
	off   int64
	bytes []byte
	done  chan struct{} // closed when err and the bytes are there
	err   error
}

// goesOn tells whether a read of length bytes at off begins where the last one
// of a reading of all ended. Over slow connections it then asks for what
// follows; without room, for less, for it never waits.
func (r *reader) goesOn(off, length int64) bool {
	if !r.whole {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	goesOn := off == r.next
	r.next = off + length
	switch {
	case !goesOn:
		r.dropStream()
		r.dropAhead()
		return false
	case !r.bucket.slow.Load():
		return true
	}
	from := max(off+length, off+r.bucket.options.ReadSize) // behind a stream that is to begin
	switch n := len(r.ahead); {
	case n > 0:
		from = r.ahead[n-1].end()
	case r.stream != nil:
		from = r.stream.end
	}
	for share := r.bucket.share(); from < r.entry.Identity.Size && len(r.ahead) < share && r.bucket.ahead.TryAcquire(1); {
		if r.stop == nil {
			r.aheadCtx, r.stop = context.WithCancel(r.ctx)
		}
		ctx := r.aheadCtx
		p := &part{off: from, bytes: r.bucket.buffer(min(r.bucket.options.ReadSize, r.entry.Identity.Size-from)), done: make(chan struct{})}
		r.ahead = append(r.ahead, p)
		r.pending.Go(func() {
			defer close(p.done)
			_, p.err = r.fetch(ctx, p.bytes, p.off)
		})
		from = p.end()
	}
	return true
}

func (p *part) end() int64 { return p.off + int64(len(p.bytes)) }

// fromAhead copies from a part that was read ahead; 0 says that there is none,
// or that it failed and a request of its own must tell.
func (r *reader) fromAhead(to []byte, off int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ahead) > 0 && r.ahead[0].end() <= off {
		r.dropOne()
	}
	if len(r.ahead) == 0 || r.ahead[0].off > off {
		return 0
	}
	p := r.ahead[0]
	<-p.done
	if p.err != nil {
		r.dropOne()
		return 0
	}
	n := copy(to, p.bytes[off-p.off:])
	if off+int64(n) == p.end() {
		r.dropOne()
	}
	return n
}

// dropOne gives back the first part, when it is there.
func (r *reader) dropOne() {
	<-r.ahead[0].done
	r.bucket.giveBack(r.ahead[0].bytes)
	r.ahead = r.ahead[1:]
	r.bucket.ahead.Release(1)
}

// dropAhead gives up all that is on its way.
func (r *reader) dropAhead() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
	for len(r.ahead) > 0 {
		r.dropOne()
	}
}

// buffer returns memory for a part, used before where there is some.
func (b *Bucket) buffer(length int64) []byte {
	if used, ok := b.buffers.Get().(*[]byte); ok {
		return (*used)[:length]
	}
	return make([]byte, b.options.ReadSize)[:length]
}

// giveBack takes what buffer returned, to be used again.
func (b *Bucket) giveBack(used []byte) {
	used = used[:b.options.ReadSize]
	b.buffers.Put(&used)
}
