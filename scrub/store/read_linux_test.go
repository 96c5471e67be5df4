//go:build !portable

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"bitmend/scrub/store"
)

// A process's own memory is a file of which some ranges cannot be read: the
// kernel says EIO for them.
func TestARangeThatTheMediumDoesNotDeliver(t *testing.T) {
	mapped, err := unix.Mmap(-1, 0, 64<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(t, err)
	copy(mapped, "these bytes can be read")
	if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, uintptr(unsafe.Pointer(&mapped[32<<10])), 32<<10, 0); errno != 0 {
		t.Fatal(errno)
	}
	d := open(t, "/proc/self")
	r, err := d.Open(t.Context(), "mem", store.Access{})
	must(t, err)
	defer r.Close()
	p := make([]byte, 64<<10)
	off := int64(uintptr(unsafe.Pointer(&mapped[0])))
	n, err := r.ReadAt(p, off)
	if n != 32<<10 || !bytes.HasPrefix(p, []byte("these bytes")) {
		t.Errorf("%d bytes before the damage", n)
	}
	if !errors.Is(err, store.ErrMedium) || !errors.Is(err, unix.EIO) {
		t.Errorf("the error is %v", err)
	}
	if want := fmt.Sprintf(`store "primary": read "mem" at %d: medium error: input/output error`, off+32<<10); err.Error() != want {
		t.Errorf("the error reads %q, want %q", err, want)
	}
}

func TestWhatMayNotBeReadIsDenied(t *testing.T) {
	root := ordinaryDir(t)
	plant(t, root, "secret", "shut/1")
	must(t, os.Chmod(root+"/secret", 0))
	must(t, os.Chmod(root+"/shut", 0))
	t.Cleanup(func() { os.Chmod(root+"/shut", 0o755) })
	d := open(t, root)
	asOrdinaryUser(t, func() {
		_, err := d.Open(t.Context(), "secret", store.Access{})
		if !errors.Is(err, store.ErrPermission) {
			t.Errorf("open: %v", err)
		}
		_, err = d.Attributes(t.Context(), "secret")
		if !errors.Is(err, store.ErrPermission) {
			t.Errorf("attributes: %v", err)
		}
		_, err = d.Stat(t.Context(), "shut/1")
		if !errors.Is(err, store.ErrPermission) {
			t.Errorf("stat: %v", err)
		}
		_, err = d.Stage(t.Context(), "shut/1", "1")
		if !errors.Is(err, store.ErrPermission) {
			t.Errorf("stage: %v", err)
		}
	})
}

// The time of last access cannot be left alone in another's file, which must
// be readable all the same.
func TestAnothersFileIsRead(t *testing.T) {
	needsRoot(t, "it reads as another user")
	root := ordinaryDir(t)
	plant(t, root, "a")
	d := open(t, root)
	asOrdinaryUser(t, func() {
		r, err := d.Open(t.Context(), "a", store.Access{})
		must(t, err)
		must(t, r.Close())
	})
}

func TestReadingLeavesTheTimeOfLastAccess(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a")
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, root+"/a", []unix.Timespec{{Sec: 1}, {Sec: 2}}, 0))
	d := open(t, root)
	r, err := d.Open(t.Context(), "a", store.Access{})
	must(t, err)
	_, err = r.ReadAt(make([]byte, 10), 0)
	must(t, nilOrEOF(err))
	must(t, r.Close())
	var st unix.Stat_t
	must(t, unix.Stat(root+"/a", &st))
	if st.Atim.Sec != 1 {
		t.Errorf("the time of last access is %v", st.Atim)
	}
}

func nilOrEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func TestAHostWithoutDescriptorsSaysNothingOfABlob(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a")
	d := open(t, root)
	_, err := d.Stat(t.Context(), "a")
	must(t, err)
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}))
	_, openErr := d.Open(t.Context(), "a", store.Access{})
	_, statErr := d.Stat(t.Context(), "a")
	_, probeErr := open(t, root).Probe(t.Context())
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	for _, err := range []error{openErr, statErr, probeErr} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("the error is %v", err)
		}
		for _, sentinel := range []error{store.ErrNotFound, store.ErrNotMounted, store.ErrPermission, store.ErrMedium, store.ErrNotABlob} {
			if errors.Is(err, sentinel) {
				t.Errorf("%v is taken for %v", err, sentinel)
			}
		}
	}
}

func TestARootThatIsMissingIsNotMounted(t *testing.T) {
	root := t.TempDir() + "/root"
	d := open(t, root)
	for range 2 {
		_, err := d.Probe(t.Context())
		unmounted(t, err)
		_, err = d.Stat(t.Context(), "a")
		unmounted(t, err)
		_, err = d.Open(t.Context(), "a", store.Access{})
		unmounted(t, err)
		_, err = d.Stage(t.Context(), "a", "1")
		unmounted(t, err)
		for _, err := range d.List(t.Context(), store.ListOptions{}) {
			unmounted(t, err)
		}
		os.WriteFile(root, nil, 0o644) // and then it is a file
	}
	must(t, os.Remove(root))
	plant(t, root, "a")
	_, err := d.Stat(t.Context(), "a")
	must(t, err)
	must(t, os.RemoveAll(root))
	_, err = d.Stat(t.Context(), "a")
	unmounted(t, err)
	_, err = d.Probe(t.Context())
	unmounted(t, err)
}

func unmounted(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotMounted) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestAProbeTellsAnotherFileSystem(t *testing.T) {
	needsRoot(t, "it mounts a file system")
	root := t.TempDir()
	plant(t, root, "below")
	d := open(t, root)
	before, err := d.Probe(t.Context())
	must(t, err)
	if before.ID == "" {
		t.Error("the volume has no id")
	}
	same(t, listed(t, d, store.ListOptions{}), "below")
	mountTmpfs(t, root, "size=1m")
	after, err := d.Probe(t.Context())
	must(t, err)
	if before == after {
		t.Errorf("both are %+v", before)
	}
	same(t, listed(t, d, store.ListOptions{}))
}

func TestLargeFilesAreReadDirectly(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(root+"/large", make([]byte, store.DirectMinimum), 0o644))
	must(t, os.WriteFile(root+"/small", make([]byte, store.DirectMinimum-1), 0o644))
	d := open(t, root)
	for _, c := range []struct {
		name   string
		access store.Access
		direct bool
	}{
		{"large", store.Access{}, false},
		{"large", store.Access{Direct: true}, true},
		{"large", store.Access{Direct: true, Cached: true}, false}, // just written: it is in memory
		{"small", store.Access{Direct: true}, false},
	} {
		r, err := d.Open(t.Context(), c.name, c.access)
		must(t, err)
		if r.Direct() != c.direct {
			t.Errorf("%s under %+v: direct is %v", c.name, c.access, r.Direct())
		}
		must(t, r.Close())
	}
}

func TestABufferedReadDropsWhatItBroughtInAndNothingElse(t *testing.T) {
	root := t.TempDir()
	path := root + "/a"
	must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 900_000), 0o644))
	d := open(t, root)
	resident := func() int64 {
		n, err := d.Resident(t.Context(), "a")
		must(t, err)
		return n
	}
	read := func(access store.Access) {
		r, err := d.Open(t.Context(), "a", access)
		must(t, err)
		_, err = r.ReadAt(make([]byte, 900_000), 0)
		must(t, nilOrEOF(err))
		must(t, r.Close())
	}
	evict(t, path)
	if n := resident(); n != 0 {
		t.Skipf("this file system keeps files in memory: %d bytes", n)
	}
	read(store.Access{Direct: true})
	if n := resident(); n != 0 {
		t.Errorf("%d bytes stayed", n)
	}
	read(store.Access{})
	if n := resident(); n != 900_000 {
		t.Errorf("only %d bytes stayed of an ordinary read", n)
	}
	read(store.Access{Direct: true})
	if n := resident(); n != 900_000 {
		t.Errorf("only %d bytes are left of a neighbour's", n)
	}
	evict(t, path)
	read(store.Access{Direct: true, Cached: true})
	if n := resident(); n != 0 {
		t.Errorf("%d bytes stayed", n)
	}
}

// After many files that were in memory the next is taken to be too. When it is
// not, that is noticed, and little but that one stays of what was brought in:
// under load the kernel keeps some pages that it was told to drop.
func TestAWrongGuessOfWhatIsInMemoryIsMadeOnce(t *testing.T) {
	const warm, cold, size = 200, 20, 5000
	root := t.TempDir()
	d := open(t, root)
	read := func(name string, content byte) {
		r, err := d.Open(t.Context(), name, store.Access{Direct: true})
		must(t, err)
		p := make([]byte, size)
		_, err = r.ReadAt(p, 0)
		must(t, nilOrEOF(err))
		if !bytes.Equal(p, bytes.Repeat([]byte{content}, size)) {
			t.Errorf("%s was read wrongly", name)
		}
		must(t, r.Close())
	}
	var stayed, left int
	for i := range warm + cold {
		name := fmt.Sprint(i)
		must(t, os.WriteFile(root+"/"+name, bytes.Repeat([]byte{byte(i)}, size), 0o644))
		if i >= warm {
			evict(t, root+"/"+name)
		}
		read(name, byte(i))
		resident, err := d.Resident(t.Context(), name)
		must(t, err)
		switch {
		case i < warm && resident < size:
			left++
		case i >= warm && resident > 0:
			stayed++
		}
	}
	if stayed == cold {
		t.Skip("this file system keeps files in memory")
	}
	if stayed > cold/4 || left > 0 {
		t.Errorf("%d files stayed that were brought in, and %d that were there have gone", stayed, left)
	}
}

// What a guess cannot tell from what was brought in is a neighbour's.
func TestAGuessCostsNoNeighbourHisPages(t *testing.T) {
	const size = 3 * 4096
	root := t.TempDir()
	d := open(t, root)
	read := func(name string, times int) {
		r, err := d.Open(t.Context(), name, store.Access{Direct: true})
		must(t, err)
		for range times {
			_, err = r.ReadAt(make([]byte, size), 0)
			must(t, nilOrEOF(err))
		}
		must(t, r.Close())
	}
	for i := range 100 {
		must(t, os.WriteFile(fmt.Sprint(root, "/", i), make([]byte, size), 0o644))
		read(fmt.Sprint(i), 1)
	}
	for _, name := range []string{"whole", "tail"} {
		must(t, os.WriteFile(root+"/"+name, make([]byte, size), 0o644))
		evict(t, root+"/"+name)
	}
	_, err := os.ReadFile(root + "/whole")
	must(t, err)
	tail, err := os.Open(root + "/tail")
	must(t, err)
	defer tail.Close()
	must(t, unix.Fadvise(int(tail.Fd()), 0, 0, unix.FADV_RANDOM)) // no reading ahead
	_, err = tail.ReadAt(make([]byte, 1), 2*4096)
	must(t, err)
	read("whole", 2)
	read("tail", 1)
	for name, least := range map[string]int64{"whole": size, "tail": 4096} {
		if n, err := d.Resident(t.Context(), name); err != nil || n < least {
			t.Errorf("of %s %d bytes are left, %v", name, n, err)
		}
	}
}

// evict writes a file to the medium and drops it from the page cache.
func evict(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

func TestAClosedReaderReadsNoOthersFile(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a", "b")
	d := open(t, root)
	a, err := d.Open(t.Context(), "a", store.Access{})
	must(t, err)
	must(t, a.Close())
	must(t, a.Close())
	b, err := d.Open(t.Context(), "b", store.Access{}) // most likely under the same descriptor
	must(t, err)
	defer b.Close()
	if _, err := a.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading: %v", err)
	}
	if _, err := a.Entry(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("looking: %v", err)
	}
	if _, err := a.Attributes(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("attributes: %v", err)
	}
}

func TestBuffersAreAlignedAndFreedOnce(t *testing.T) {
	for _, size := range []int{1, store.BlockSize, 1 << 20, 2 << 20, 5<<20 + 1} {
		b := store.NewBuffer(size)
		p := b.Bytes()
		if len(p) != size || uintptr(unsafe.Pointer(&p[0]))%store.BlockSize != 0 {
			t.Errorf("a buffer of %d bytes has %d at %p", size, len(p), &p[0])
		}
		p[0], p[size-1] = 1, 2
		must(t, b.Free())
		must(t, b.Free())
		if b.Bytes() != nil {
			t.Error("a freed buffer has bytes")
		}
	}
}

func BenchmarkReadTinyFiles(b *testing.B) {
	const files = 5000
	root := b.TempDir()
	for i := range files {
		plant(b, root, fmt.Sprintf("%03d/%s-%d", i/100, strings.Repeat("n", i%200), i))
	}
	for _, access := range []store.Access{{}, {Direct: true}} {
		for _, workers := range []int{1, 32} {
			b.Run(fmt.Sprintf("direct=%v/%d workers", access.Direct, workers), func(b *testing.B) {
				d, err := store.OpenDirectory("primary", root)
				must(b, err)
				defer d.Close()
				var names []string
				for entry := range d.List(b.Context(), store.ListOptions{}) {
					if entry.Links == 1 {
						names = append(names, entry.Name)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					var group sync.WaitGroup
					for w := range workers {
						group.Go(func() {
							p := make([]byte, 64<<10)
							for i := w; i < len(names); i += workers {
								readWhole(b, d, names[i], access, p)
							}
						})
					}
					group.Wait()
				}
				b.ReportMetric(float64(b.N)*files/b.Elapsed().Seconds(), "files/s")
			})
		}
	}
}

func BenchmarkReadLargeFile(b *testing.B) {
	const size = 512 << 20
	root := b.TempDir()
	f, err := os.Create(root + "/large")
	must(b, err)
	for range size >> 20 {
		_, err := f.Write(bytes.Repeat([]byte("x"), 1<<20))
		must(b, err)
	}
	must(b, f.Close())
	for _, access := range []store.Access{{}, {Direct: true}} {
		for _, memory := range []string{"huge pages", "slice"} {
			b.Run(fmt.Sprintf("direct=%v/%s", access.Direct, memory), func(b *testing.B) {
				d, err := store.OpenDirectory("primary", root)
				must(b, err)
				defer d.Close()
				buffer := store.NewBuffer(8 << 20)
				defer buffer.Free()
				p := buffer.Bytes()
				if memory == "slice" {
					p = make([]byte, 8<<20)
				}
				b.SetBytes(size)
				if access.Direct {
					evict(b, root+"/large")
				}
				for b.Loop() {
					readWhole(b, d, "large", access, p)
				}
			})
		}
	}
}

func readWhole(b *testing.B, d *store.Directory, name string, access store.Access, p []byte) {
	r, err := d.Open(b.Context(), name, access)
	if err != nil {
		b.Error(err)
		return
	}
	defer r.Close()
	for off := int64(0); ; {
		n, err := r.ReadAt(p, off)
		off += int64(n)
		if err == io.EOF {
			return
		}
		if err != nil {
			b.Error(err)
			return
		}
	}
}
