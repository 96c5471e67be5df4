package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// Stage makes an empty scratch file on this host. Nothing of it is to be seen
// in the bucket before it is published.
func (b *Bucket) Stage(ctx context.Context, name, id string) (store.Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := b.keyOf(name)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: a key is UTF-8 of at most %d bytes", store.ErrUnsupported, maxKey)
	}
	if err != nil {
		return nil, b.fail("stage", name, err)
	}
	scratch, err := b.scratchHome()
	if err != nil {
		return nil, b.fail("stage", name, err)
	}
	file, err := scratch.Stage(ctx, scratchName(name), id)
	if err != nil {
		return nil, b.fail("stage", name, err)
	}
	return &staged{Staged: file, object: object{bucket: b, name: name, key: key}}, nil
}

// Reopen returns a scratch file of this run, or of an earlier one whose
// directory was kept.
func (b *Bucket) Reopen(ctx context.Context, name, id string) (store.Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := b.keyOf(name)
	if err != nil {
		return nil, b.fail("reopen", name, err)
	}
	scratch, err := b.scratchHome()
	if err != nil {
		return nil, b.fail("reopen", name, err)
	}
	file, err := scratch.Reopen(ctx, scratchName(name), id)
	if err != nil {
		return nil, b.fail("reopen", name, err)
	}
	return &staged{Staged: file, object: object{bucket: b, name: name, key: key}}, nil
}

// statStaged looks at the scratch file that stands for a staged name.
func (b *Bucket) statStaged(ctx context.Context, name string) (store.Entry, error) {
	scratch, err := b.scratchHome()
	if err != nil {
		return store.Entry{}, b.fail("look at", name, err)
	}
	entry, err := scratch.Stat(ctx, scratchName(name))
	if err != nil {
		return store.Entry{}, b.fail("look at", name, orNotStaged(err))
	}
	entry.Name = name
	return entry, nil
}

// orNotStaged tells that there are no scratch files before one is staged.
func orNotStaged(err error) error {
	if errors.Is(err, store.ErrNotMounted) {
		return store.ErrNotFound
	}
	return err
}

// openStaged opens the scratch file that stands for a staged name.
func (b *Bucket) openStaged(ctx context.Context, name string, access store.Access) (store.Reader, error) {
	scratch, err := b.scratchHome()
	if err != nil {
		return nil, b.fail("open", name, err)
	}
	reader, err := scratch.Open(ctx, scratchName(name), access)
	if err != nil {
		return nil, b.fail("open", name, orNotStaged(err))
	}
	return stagedReader{reader, name}, nil
}

// A stagedReader reads a scratch file under its staged name.
type stagedReader struct {
	store.Reader
	name string
}

func (r stagedReader) Opened() store.Entry {
	entry := r.Reader.Opened()
	entry.Name = r.name
	return entry
}

func (r stagedReader) Entry() (store.Entry, error) {
	entry, err := r.Reader.Entry()
	entry.Name = r.name
	return entry, err
}

// scratchName is where the scratch files for blobs of the same directory
// stand: under a name that every file system takes. Like in any store, that of
// a staged file follows from the directory and the id.
func scratchName(name string) string {
	directory, leaf := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		directory, leaf = name[:i], name[i+1:]
	}
	if !store.IsStaged(name) {
		leaf = "blob"
	}
	sum := sha256.Sum256([]byte(directory))
	return hex.EncodeToString(sum[:16]) + "/" + leaf
}

// scratchHome returns the store of scratch files, and makes it on first use.
func (b *Bucket) scratchHome() (*store.Home, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.scratch != nil {
		return b.scratch, nil
	}
	dir := b.options.Scratch
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "bitmend-"); err != nil {
			return nil, fmt.Errorf("make a directory for scratch files: %w", err)
		}
		b.temporary = dir
	}
	var err error
	b.scratch, err = store.OpenHome(b.name, dir)
	return b.scratch, err
}

// An object is what is to stand under a name.
type object struct {
	bucket *Bucket
	name   string
	key    string
	size   int64
	attrs  hashsets.Attributes
}

// staged is a replacement in a scratch file.
type staged struct {
	store.Staged
	object
	sealed bool
}

// WriteAt writes to the scratch file, which must then be sealed again.
func (s *staged) WriteAt(p []byte, off int64) (int, error) {
	s.sealed = false
	return s.Staged.WriteAt(p, off)
}

// Seal gives the scratch file its size. The attributes go with the bytes when
// they are published.
func (s *staged) Seal(ctx context.Context, size int64, attrs hashsets.Attributes) error {
	if err := s.Staged.Seal(ctx, size, hashsets.Attributes{}); err != nil {
		return err
	}
	s.sealed, s.size, s.attrs = true, size, attrs
	return nil
}

// content reads the scratch file from its first byte.
func (s *staged) content() *io.SectionReader { return io.NewSectionReader(s.Staged, 0, s.size) }
