package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

const (
	readSize = 256 << 10 // bytes at once: what a second-level cache holds while several hashes pass over it
	ahead    = 1024      // files that may be done before the one that is told of next
)

// done is a file that was checked.
type done struct {
	index  int
	result *Result // nil for a file that was not asked for
}

// checkFiles reads every file that lists speak of once, several at a time, and
// tells of them in the order in which lists first named them.
func (r *run) checkFiles(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan done)
	tokens := make(chan struct{}, ahead)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(r.opts.Workers, len(r.table.files)) {
		workers.Go(func() {
			c := newChecker(r)
			for {
				select {
				case tokens <- struct{}{}:
				case <-ctx.Done():
					return
				}
				i := int(next.Add(1) - 1)
				if i >= len(r.table.files) {
					return
				}
				select {
				case results <- done{i, c.check(ctx, &r.table.files[i])}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	go func() { // it ends when the workers have, and those end with ctx or the files
		workers.Wait()
		close(results)
	}()
	r.inOrder(results, tokens)
	return ctx.Err()
}

// inOrder tells of results in the order of files.
func (r *run) inOrder(results <-chan done, tokens <-chan struct{}) {
	waiting := map[int]*Result{}
	told := 0
	for d := range results {
		waiting[d.index] = d.result
		for {
			res, ready := waiting[told]
			if !ready {
				break
			}
			delete(waiting, told)
			told++
			<-tokens
			if res != nil {
				r.tell(res)
			}
		}
	}
}

// checker checks one file after the other. Its hashes and its buffer are used
// again.
type checker struct {
	run    *run
	hashes map[hashsets.Algorithm]hash.Hash
	buffer []byte
}

func newChecker(r *run) *checker {
	return &checker{run: r, hashes: map[hashsets.Algorithm]hash.Hash{}, buffer: make([]byte, readSize)}
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
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		judge(res, sums)
		c.diagnose(ctx, f.at, res)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		if optional {
			res.all(NotPresent, "")
			break
		}
		if c.run.opts.IgnoreMissing {
			return nil
		}
		res.all(Missing, "")
		if c.run.found.fetch[f.at.full()] {
			res.Reason = "the bag is incomplete: fetch.txt says where it is to be fetched from"
		}
		res.Evidence = nearbyName(f.at)
	case escapes(err):
		res.all(UnsafePath, "a symbolic link on the way leads out of the folder")
	default:
		res.host = !errors.Is(err, syscall.EIO)
		res.all(Unreadable, reasonOf(err))
	}
	return res
}

func listsOf(said []Said) []string {
	var names []string
	for _, s := range said {
		names = append(names, s.List.Name)
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
	f, before, err := openFile(at)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read from
	res.Size = before.Size()
	feeds, zip := c.feeds(res.Said)
	if err := c.feed(ctx, f, feeds, res); err != nil {
		return nil, err
	}
	if after, err := f.Stat(); err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errors.Join(errChanged, err)
	}
	sums := map[hashsets.Algorithm][]byte{}
	for a, h := range feeds {
		sums[a] = h.Sum(nil)
	}
	if zip {
		sum, err := manifest.HashGoModule(f, before.Size())
		if err != nil {
			sum = []byte{} // it is no zip, so it is not the one that was recorded
		}
		res.Read += before.Size()
		sums[manifest.GoModule] = sum
	}
	return sums, nil
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

// feeds returns the hashes that the checksums of a file call for. zip tells
// that one of them is of what is within the file.
func (c *checker) feeds(said []Said) (feeds map[hashsets.Algorithm]hash.Hash, zip bool) {
	feeds = map[hashsets.Algorithm]hash.Hash{}
	for _, s := range said {
		for _, d := range s.Digests {
			if d.Algorithm == manifest.GoModule {
				zip = true
				continue
			}
			if _, have := feeds[d.Algorithm]; have {
				continue
			}
			h, made := c.hashes[d.Algorithm]
			if !made {
				h = manifest.NewHash(d.Algorithm)
				c.hashes[d.Algorithm] = h
			}
			if h != nil {
				h.Reset()
				feeds[d.Algorithm] = h
			}
		}
	}
	return feeds, zip
}

func (c *checker) feed(ctx context.Context, f io.Reader, feeds map[hashsets.Algorithm]hash.Hash, res *Result) error {
	if len(feeds) == 0 {
		return nil
	}
	all := make([]hash.Hash, 0, len(feeds))
	for _, h := range feeds {
		all = append(all, h)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(c.buffer)
		res.Read += int64(n)
		for _, h := range all {
			h.Write(c.buffer[:n]) // a hash.Hash never returns an error
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading after %d bytes: %w", res.Read, err)
		}
	}
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
