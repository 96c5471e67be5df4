package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// readSize is how many bytes are read at once: what a second-level cache holds
// while several hashes pass over it.
const readSize = 256 << 10

// checkFiles reads every file that lists speak of once, several at a time, and
// tells of them in the order in which lists first named them.
func (r *run) checkFiles(ctx context.Context) error {
	return inOrder(ctx, len(r.table.files), r.opts.Workers, func() func(i int) *Result {
		c := newChecker(r)
		return func(i int) *Result { return c.check(ctx, &r.table.files[i]) }
	}, func(res *Result) error {
		switch {
		case res != nil:
			r.tell(res)
		case r.opts.Only != nil:
			r.passed++
		}
		return nil
	})
}

// checker checks one file after the other.
type checker struct {
	run  *run
	pool *hashPool
	undo *undoer
}

func newChecker(r *run) *checker {
	return &checker{run: r, pool: newHashPool(), undo: newUndoer()}
}

// check reads a file and judges what lists say of it; nil when it was not
// asked for.
func (c *checker) check(ctx context.Context, f *file) *Result {
	said, optional := c.run.table.said(f)
	if only := c.run.opts.Only; only != nil && !only(f.at.full(), listsOf(said)) {
		return nil
	}
	res := &Result{Folder: f.at.root.shown, Name: f.at.name, Said: said}
	sums, err := c.sums(ctx, f.at, res)
	if errors.Is(err, errChanged) && ctx.Err() == nil {
		sums, err = c.sums(ctx, f.at, res) // whoever wrote it may have been done
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		judge(res, sums)
		c.diagnose(ctx, f.at, res)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		if optional || c.run.opts.IgnoreMissing {
			res.all(NotPresent, "")
			break
		}
		res.all(Missing, "")
		if c.run.found.fetch[f.at.full()] {
			res.Reason = "the bag is incomplete: fetch.txt says where it is to be fetched from"
		}
		res.Evidence = append(c.run.near.of(f.at), unknowableName(f.at)...)
	case escapes(err):
		res.all(UnsafePath, "a symbolic link on the way leads out of the folder")
	default:
		res.host = !errors.Is(err, syscall.EIO)
		res.busy = errors.Is(err, errChanged)
		res.all(Unreadable, reasonOf(err))
	}
	return res
}

func listsOf(said []Said) []string {
	var names []string
	for _, s := range said {
		names = append(names, s.List.full)
	}
	return names
}

// all gives every entry the same status.
func (r *Result) all(s Status, reason string) {
	r.Status, r.Reason = s, reason
	for i := range r.Said {
		r.Said[i].Status = s
	}
}

// reasonOf is an error without the path, which is said beside it.
func reasonOf(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

var (
	errNoFile  = errors.New("it is not a regular file")
	errChanged = errors.New("it changed while it was being read")
)

// sums computes every checksum that is asked for in one read.
func (c *checker) sums(ctx context.Context, at place, res *Result) (map[hashsets.Algorithm][]byte, error) {
	algorithms, zip := c.algorithms(res.Said)
	var module []byte
	var within func(f *os.File, size int64)
	if zip {
		within = func(f *os.File, size int64) {
			module, _ = manifest.HashGoModule(f, size) // what is no zip is not the one that was recorded
			res.Read += size
		}
	}
	sums, size, read, err := c.pool.file(ctx, at, algorithms, within)
	res.Size, res.Read = size, res.Read+read
	if zip && err == nil {
		sums[manifest.GoModule] = append([]byte{}, module...) // never nil: it was computed
	}
	return sums, err
}

// file computes checksums of a file in one read. within, if not nil, is given
// the file for those that are of what is within it.
func (p *hashPool) file(ctx context.Context, at place, algorithms []hashsets.Algorithm, within func(f *os.File, size int64)) (sums map[hashsets.Algorithm][]byte, size, read int64, err error) {
	f, before, err := openFile(at)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close() // it was only read from
	size = before.Size()
	if sums, read, err = p.sums(ctx, f, algorithms); err != nil {
		return nil, size, read, err
	}
	if within != nil {
		within(f, size)
	}
	if after, err := f.Stat(); err != nil || after.Size() != size || !after.ModTime().Equal(before.ModTime()) {
		return nil, size, read, errors.Join(errChanged, err)
	}
	return sums, size, read, nil
}

// openFile opens a regular file. It does not wait for a writer of a FIFO.
func openFile(at place) (*os.File, fs.FileInfo, error) {
	f, err := at.root.OpenFile(at.local(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		f.Close() // it was only opened
		return nil, nil, err
	}
	return f, info, nil
}

// algorithms returns what the checksums of a file call for. zip tells that one
// of them is of what is within the file.
func (c *checker) algorithms(said []Said) (all []hashsets.Algorithm, zip bool) {
	for _, s := range said {
		for _, d := range s.Digests {
			switch {
			case d.Algorithm == manifest.GoModule:
				zip = true
			case !slices.Contains(all, d.Algorithm):
				all = append(all, d.Algorithm)
			}
		}
	}
	return all, zip
}

// judge compares what lists say of a file with what was computed, and gives
// each entry and the file a status.
func judge(res *Result, sums map[hashsets.Algorithm][]byte) {
	matches := false
	for i := range res.Said {
		for j := range res.Said[i].Digests {
			d := &res.Said[i].Digests[j]
			if sum, computed := sums[d.Algorithm]; computed {
				d.Computed = sum
				d.Matches = bytes.Equal(d.Sum, sum)
				matches = matches || d.Matches
			}
		}
	}
	for i := range res.Said {
		s := &res.Said[i]
		s.Status = s.judge(res.Size, matches)
		res.Status = worse(res.Status, s.Status)
	}
	if res.Status == Bad {
		for _, s := range res.Said {
			if s.Size >= 0 && s.Size != res.Size {
				res.Evidence = append(res.Evidence, fmt.Sprintf("it has %d bytes, and %d are recorded", res.Size, s.Size))
				break
			}
		}
	}
}

// judge returns the status of one entry. elsewhere tells that some checksum of
// the file, of any list, matches.
func (s *Said) judge(size int64, elsewhere bool) Status {
	matched, mismatched, unknown := 0, 0, 0
	for _, d := range s.Digests {
		switch {
		case d.Computed == nil:
			unknown++
		case d.Matches:
			matched++
		default:
			mismatched++
		}
	}
	if s.any && matched > 0 {
		mismatched, unknown = 0, 0
	}
	if s.Size >= 0 && s.Size != size {
		mismatched++
	}
	switch {
	case mismatched > 0 && elsewhere:
		return Conflict
	case mismatched > 0:
		return Bad
	case unknown > 0:
		return Unsupported
	case matched > 0:
		return OK
	case s.sized:
		return SizeOnly
	}
	return Unsupported
}

// worse returns the one of two statuses that a file is said to have when
// entries differ. An entry that was checked makes one of size alone good.
func worse(a, b Status) Status {
	rank := map[Status]int{"": 0, SizeOnly: 1, OK: 2, Unsupported: 3, Bad: 4, Conflict: 5}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
