package repair

import (
	"context"
	"io"
	"math"

	"golang.org/x/time/rate"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// A pacer bounds how many bytes a run moves in a second, over all stores
// together. nil bounds nothing.
type pacer struct{ limiter *rate.Limiter }

// newPacer returns the pacer of a rate in bytes a second; nil for 0.
func newPacer(bytesPerSecond int64) *pacer {
	if bytesPerSecond <= 0 {
		return nil
	}
	burst := int(min(max(bytesPerSecond/4, 64<<10), math.MaxInt32))
	return &pacer{rate.NewLimiter(rate.Limit(bytesPerSecond), burst)}
}

// wait returns when n more bytes may be moved.
func (p *pacer) wait(ctx context.Context, n int) error {
	for n > 0 {
		part := min(n, p.limiter.Burst())
		if err := p.limiter.WaitN(ctx, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// over returns s with its pace bounded.
func (p *pacer) over(s store.Writable) store.Writable {
	if p == nil || s == nil {
		return s
	}
	return &pacedStore{s, p}
}

// pacedStore is a store whose bytes are read and written at a bounded pace.
type pacedStore struct {
	store.Writable
	pace *pacer
}

func (s *pacedStore) Open(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	r, err := s.Writable.Open(ctx, name, access)
	if err != nil {
		return nil, err
	}
	return &pacedReader{r, s.pace, ctx}, nil
}

func (s *pacedStore) Stage(ctx context.Context, name, id string) (store.Staged, error) {
	staged, err := s.Writable.Stage(ctx, name, id)
	return s.staged(ctx, staged, err)
}

func (s *pacedStore) Reopen(ctx context.Context, name, id string) (store.Staged, error) {
	staged, err := s.Writable.Reopen(ctx, name, id)
	return s.staged(ctx, staged, err)
}

func (s *pacedStore) staged(ctx context.Context, staged store.Staged, err error) (store.Staged, error) {
	if err != nil {
		return nil, err
	}
	return &pacedStaged{staged, s.pace, ctx}, nil
}

// Keeps passes on what kinds the store is able to keep.
func (s *pacedStore) Keeps(kind hashsets.Kind) bool { return store.Keeps(s.Writable, kind) }

// Versions passes on the versions of a store that keeps some.
func (s *pacedStore) Versions(ctx context.Context, name string) ([]store.Version, error) {
	if keeper, some := s.Writable.(store.Versioned); some {
		return keeper.Versions(ctx, name)
	}
	return nil, nil
}

func (s *pacedStore) OpenVersion(ctx context.Context, name, version string, access store.Access) (store.Reader, error) {
	keeper, some := s.Writable.(store.Versioned)
	if !some {
		return nil, store.ErrUnsupported
	}
	r, err := keeper.OpenVersion(ctx, name, version, access)
	if err != nil {
		return nil, err
	}
	return &pacedReader{r, s.pace, ctx}, nil
}

// PutName passes on to a store in which a file can have several names.
func (s *pacedStore) PutName(ctx context.Context, name, existing string) error {
	return putName(ctx, s.Writable, name, existing)
}

// putName gives a file one more name, where the store knows how.
func putName(ctx context.Context, s store.Store, name, existing string) error {
	linker, ok := s.(store.Linker)
	if !ok {
		return store.ErrUnsupported
	}
	return linker.PutName(ctx, name, existing)
}

type pacedReader struct {
	store.Reader
	pace *pacer
	ctx  context.Context // of Open: ReadAt has none of its own
}

func (r *pacedReader) ReadAt(p []byte, offset int64) (int, error) {
	return readPaced(r.ctx, r.pace, r.Reader, p, offset)
}

type pacedStaged struct {
	store.Staged
	pace *pacer
	ctx  context.Context // of Stage
}

func (s *pacedStaged) ReadAt(p []byte, offset int64) (int, error) {
	return readPaced(s.ctx, s.pace, s.Staged, p, offset)
}

func (s *pacedStaged) WriteAt(p []byte, offset int64) (int, error) {
	if err := s.pace.wait(s.ctx, len(p)); err != nil {
		return 0, err
	}
	return s.Staged.WriteAt(p, offset)
}

func readPaced(ctx context.Context, pace *pacer, from io.ReaderAt, p []byte, offset int64) (int, error) {
	if err := pace.wait(ctx, len(p)); err != nil {
		return 0, err
	}
	return from.ReadAt(p, offset)
}
