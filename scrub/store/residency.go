package store

import (
	"context"
	"sync"
	"sync/atomic"

	"bitmend/hashsets"
)

// Residency is a Store that knows how much of a blob is in memory already.
type Residency interface {
	// Resident returns how many bytes of the File name the page cache holds.
	// ErrUnsupported where the platform does not tell.
	Resident(ctx context.Context, name string) (int64, error)
}

// Resident returns how many bytes of the File name the page cache holds.
func (d *Directory) Resident(ctx context.Context, name string) (int64, error) {
	top, err := d.enter(ctx, "look for in memory", name)
	if err != nil {
		return 0, err
	}
	opened, err := top.openFile(name)
	if err != nil {
		return 0, d.fail("look for in memory", name, d.unopened(top, name, err))
	}
	defer opened.close()
	entry, err := opened.look()
	if err == nil && entry.Kind != hashsets.File {
		err = notA(hashsets.File, entry.Kind)
	}
	if err != nil {
		return 0, d.fail("look for in memory", name, err)
	}
	resident, err := opened.resident(0, entry.Identity.Size)
	if err != nil {
		return 0, d.fail("look for in memory", name, err)
	}
	return resident, nil
}

// Bounds of guessing: how many files in a row must have been in the cache
// whole, and every how many the cache is asked all the same.
const (
	warmRow  = 64
	askEvery = 16
)

// A warmth guesses whether the next small file of a store is in the page cache
// whole, as those before it were. Such a file is read without waiting, which
// delivers its bytes and tells that they were there in one system call. Where
// the guess was wrong, the kernel has begun to read ahead, so that nobody can
// tell any more what was there before: what that brings in stays, and the
// following files are asked about first. Some are always asked about, since
// there are file systems on which nothing waits. Its methods may be called from
// many goroutines.
type warmth struct {
	row   atomic.Int32 // files in a row that were in the cache whole
	turns atomic.Int32 // guesses
	never atomic.Bool  // no read here can be told not to wait
}

func (w *warmth) guess() bool {
	return w.row.Load() >= warmRow && !w.never.Load() && w.turns.Add(1)%askEvery != 0
}

// note takes down whether a file was in the cache whole.
func (w *warmth) note(whole bool) {
	if !whole {
		w.row.Store(0)
	} else if w.row.Load() < warmRow {
		w.row.Add(1)
	}
}

// windowSize is how much is dropped from the page cache at a time. Dropping
// smaller runs leaves most pages, since the kernel keeps large ones whole:
// measured, 1 MiB at a time left all of 2 GiB, 16 MiB at a time left 34 MB.
const windowSize = 16 << 20

// openWindows is how many windows a reader may have in work; beyond that the
// oldest is dropped.
const openWindows = 4

// windows drops from the page cache what a buffered reader brought into it. A
// window of which anything was in the cache before is somebody's working set
// and stays.
type windows struct {
	file   file
	size   int64 // of the file, in bytes
	warmth *warmth

	mu     sync.Mutex
	looked bool
	keep   []bool  // by number of window, what was in the cache before; nil when nothing was
	opened []int64 // numbers of windows in work, oldest first
}

// readCached delivers the file whole if it is a small one that the cache is
// guessed to hold whole, and does.
func (w *windows) readCached(p []byte, off int64) (n int, ok bool) {
	if off != 0 || w.size == 0 || int64(len(p)) < w.size || w.size > windowSize {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looked || !w.warmth.guess() {
		return 0, false
	}
	n, able := w.file.preadCached(p)
	if !able {
		w.warmth.never.Store(true)
		return 0, false
	}
	whole := int64(n) >= w.size
	w.warmth.note(whole)
	w.looked, w.keep = true, []bool{true} // it was there, or nobody can tell
	return n, whole
}

// touch notes that length bytes from off are about to be read.
func (w *windows) touch(off, length int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look()
	for number := off / windowSize; number*windowSize < min(off+length, w.size); number++ {
		if w.isOpen(number) || w.keep != nil && w.keep[number] {
			continue
		}
		if len(w.opened) == openWindows {
			w.dropOldest()
		}
		w.opened = append(w.opened, number)
	}
}

// look finds out, before the first read, what the cache holds. Later the
// kernel's reading ahead would be taken for somebody's.
func (w *windows) look() {
	if w.looked {
		return
	}
	w.looked = true
	resident, err := w.file.resident(0, w.size)
	w.warmth.note(err == nil && resident == w.size)
	if err == nil && resident == 0 {
		return
	}
	w.keep = make([]bool, (w.size+windowSize-1)/windowSize)
	for number := range w.keep {
		off := int64(number) * windowSize
		resident, err := w.file.resident(off, min(windowSize, w.size-off))
		w.keep[number] = err != nil || resident > 0
	}
}

func (w *windows) isOpen(number int64) bool {
	for _, n := range w.opened {
		if n == number {
			return true
		}
	}
	return false
}

func (w *windows) dropOldest() {
	w.file.drop(w.opened[0]*windowSize, windowSize)
	w.opened = append(w.opened[:0], w.opened[1:]...)
}

func (w *windows) dropAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.opened) > 0 {
		w.dropOldest()
	}
}
